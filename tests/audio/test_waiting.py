"""Blocking reads and writes of software sound: on the loop's thread, on others, and in real time."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from array import array

import numpy as np
import pytest

from evi_harness.audio.software_devices import PortAudioError
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource, SilenceSource
from evi_harness.audio.waiting import SPINS
from evi_harness.clocks.virtual import VirtualLoop, run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
PCM = Pcm(1000, 1)
COUNTED = array("h", range(1, 1001)).tobytes()


def ms(count, first=1):
    """So many samples of the microphone's, each of which is a millisecond."""
    return array("h", range(first, first + count)).tobytes()


class Sound:
    """A machine with a microphone that counts, and a speaker, in blocks of 10 ms."""

    def __init__(self, clock=None, source=None):
        self.speaker = SoftwareSpeaker(clock=clock)
        self.sd = software_sounddevice(SoftwareMicrophone(source or PcmSource(COUNTED, PCM), clock=clock), self.speaker)

    def microphone(self, kind="RawInputStream", **options):
        """A stream that is read."""
        return getattr(self.sd, kind)(**{"samplerate": 1000, "channels": 1, "dtype": "int16", **options})

    def output(self, kind="RawOutputStream", **options):
        """A stream that is written."""
        return getattr(self.sd, kind)(**{"samplerate": 1000, "channels": 1, "dtype": "int16", **options})

    @property
    def heard(self):
        """What sounded, from when in ms."""
        return [(span.at_ns // MS, span.n_bytes // 2) for one in self.speaker.playbacks for span in one.spans if not span.is_silence]


def virtually(act):
    """What ``act(sound, loop)`` gives in virtual time, and the loop, for which nothing was undecided."""
    loops = []

    async def main(loop):
        loops.append(loop)
        return await act(Sound(loop), loop)

    result = run_virtual(main)
    assert loops[0].overdue_jobs == ()
    return result, loops[0]


def test_a_read_on_the_loops_thread_takes_its_time():
    """The clock goes on to the block that completes it; the app has blocked its loop for as long, which is noted with the line."""

    async def act(sound, loop):
        with sound.microphone() as microphone:
            one, is_lost = microphone.read(25)
            assert (microphone.read_available, loop.now_ns()) == (5, 30 * MS)
            two, _ = microphone.read(5)
            return one, two, is_lost, loop.now_ns()

    (one, two, is_lost, now_ns), loop = virtually(act)
    assert (one, two, is_lost, now_ns) == (ms(25), ms(5, 26), False, 30 * MS)
    assert sum(charge.took_ns for charge in loop.charges) == 30 * MS
    assert all("test_waiting.py:" in charge.where for charge in loop.charges)


@pytest.mark.parametrize(("kind", "given"), [("RawOutputStream", ms(50)), ("OutputStream", np.arange(1, 51, dtype=np.int16))])
def test_a_write_on_the_loops_thread_takes_its_time(kind, given):
    """It returns when no more is left than the buffer holds; ``stop`` plays the rest."""

    async def act(sound, loop):
        with sound.output(kind) as output:
            assert (output.write_available, output.write(given)) == (20, False)
            returned_ns = loop.now_ns()
            assert output.write_available == 0
        return sound.heard, sound.speaker.playbacks[0].samples, returned_ns, loop.now_ns(), sound.speaker.playbacks[0].held_ns

    (heard, samples, returned_ns, stopped_ns, held_ns), _ = virtually(act)
    assert (heard, samples) == ([(0, 50)], ms(50))
    assert (returned_ns // MS, stopped_ns // MS, held_ns // MS) == (20, 40, 30)


def test_a_read_in_an_executor_lets_the_clock_go_on():
    """And other tasks with it; the result is there at the very time of the block."""

    async def act(sound, loop):
        seen = []

        async def tick():
            while True:
                await asyncio.sleep(0.004)
                seen.append(loop.now_ns() // MS)

        ticking = asyncio.ensure_future(tick())
        with sound.microphone() as microphone:
            for _ in range(2):
                data, _ = await loop.run_in_executor(None, microphone.read, 10)
                seen.append(data)
        ticking.cancel()
        return seen, loop.now_ns()

    assert virtually(act)[0] == ([4, 8, ms(10), 12, 16, 20, ms(10, 11)], 20 * MS)


def test_writes_in_an_executor_are_paced_by_the_speaker():
    """One piece after another, without a gap between them."""

    async def act(sound, loop):
        done = []
        with sound.output() as output:
            for number in range(4):
                assert await loop.run_in_executor(None, output.write, ms(20, 20 * number + 1)) is False
                done.append(loop.now_ns() // MS)
        return done, sound.heard

    assert virtually(act)[0] == ([0, 10, 30, 50], [(0, 80)])


def test_threads_of_the_apps_own():
    """One listens and hands on to the loop, another plays what it is handed through a queue: the clock waits while they are at work."""

    async def act(sound, loop):
        heard, to_play, got = asyncio.Queue(), queue.Queue(), []

        def listen():
            with sound.microphone() as microphone:
                for _ in range(5):
                    data, _ = microphone.read(10)
                    loop.call_soon_threadsafe(heard.put_nowait, data)

        def play():
            with sound.output() as output:
                # Whoever has waited for time once is known.
                output.write(ms(25))
                for data in iter(to_play.get, None):
                    output.write(data)

        threads = [threading.Thread(target=one) for one in (listen, play)]
        with loop_holds(loop, threads):
            for _ in range(5):
                data = await heard.get()
                got.append((loop.now_ns() // MS, data))
                to_play.put(data)
            to_play.put(None)
            await asyncio.sleep(1)
        for thread in threads:
            thread.join(60)
        return got, sound.heard, b"".join(one.samples for one in sound.speaker.playbacks)

    (got, heard, samples), _ = virtually(act)
    assert got == [(10 * number + 10, ms(10, 10 * number + 1)) for number in range(5)]
    # One behind another, without a gap; the last block has room.
    assert (heard, samples) == ([(0, 80)], ms(25) + ms(50) + bytes(10))


def test_what_a_thread_hands_on_before_it_waits_again_is_not_overtaken(monkeypatch):
    """Also where both happen between the loop's look at what is ready and its look at who is at work."""

    async def act(sound, loop):
        heard, got, may_go_on = asyncio.Queue(), [], []

        def listen():
            with sound.microphone() as microphone:
                for number in range(4):
                    data, _ = microphone.read(10)
                    while number and not may_go_on:
                        time.sleep(0)
                    may_go_on.clear()
                    loop.call_soon_threadsafe(heard.put_nowait, data)

        thread = threading.Thread(target=listen)
        holding = loop._jobs.holding

        def hands_on_first():
            if thread.is_alive() and thread.ident not in loop.parked:
                may_go_on.append(True)
            while thread.is_alive() and thread.ident not in loop.parked:
                time.sleep(0)
            return holding()

        with loop_holds(loop, [thread]):
            monkeypatch.setattr(loop._jobs, "holding", hands_on_first)
            for _ in range(4):
                await heard.get()
                got.append(loop.now_ns() // MS)
        thread.join(60)
        return got

    assert virtually(act)[0] == [10, 20, 30, 40]


class loop_holds:  # noqa: N801 - used as a function
    """Starts threads, and has the clock stand still until each has come to wait for time."""

    def __init__(self, loop, threads):
        self.loop, self.threads = loop, threads

    def __enter__(self):
        release = self.loop.hold("threads that start")
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            while thread.ident not in self.loop.parked:
                assert thread.is_alive()
                threading.Event().wait(0.001)
        release()

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("where", ["loop", "executor"])
def test_a_stream_that_stops_ends_a_read(where):
    """As PortAudio reports it, with its number; so does one that never ran, or has a callback."""

    async def act(sound, loop):
        microphone, output = sound.microphone(), sound.output()
        for call in (lambda: microphone.read(1), lambda: output.write(ms(1))):
            with pytest.raises(PortAudioError, match="-9983"):
                call()
        for stream, call, number in (
            (sound.microphone(callback=print), lambda one: one.read(1), "-9977"),
            (sound.output(callback=print), lambda one: one.write(ms(1)), "-9976"),
        ):
            with pytest.raises(PortAudioError, match=number):
                call(stream)
        microphone.start()
        loop.call_later(0.015, microphone.stop)
        if where == "executor":
            with pytest.raises(PortAudioError, match="-9983"):
                await loop.run_in_executor(None, microphone.read, 100)
            assert loop.now_ns() == 15 * MS
        else:
            await asyncio.sleep(0.02)
            with pytest.raises(PortAudioError, match="-9983"):
                microphone.read(100)

    virtually(act)


def test_what_cannot_be_written_is_refused():
    """By the exceptions that sounddevice raises."""

    async def act(sound, loop):
        with sound.output(channels=2) as output, sound.output("OutputStream", channels=2) as arrays:
            for data in (b"\1", b"\1\2"):
                with pytest.raises(ValueError, match="divisible"):
                    output.write(data)
            for data, error in (
                (np.zeros((2, 2, 2), np.int16), ValueError),
                (np.zeros((2, 1), np.int16), ValueError),
                (np.zeros((2, 2), np.float32), TypeError),
                (np.zeros((2, 4), np.int16)[:, ::2], TypeError),
            ):
                with pytest.raises(error):
                    arrays.write(data)

    virtually(act)


def test_silence_between_writes_is_told_once():
    """By the next write; an aborted stream plays nothing more."""

    async def act(sound, loop):
        output = sound.output()
        output.start()
        told = [output.write(ms(5))]
        await asyncio.sleep(0.03)
        told += [output.write(ms(20)), output.write(ms(1))]
        output.abort()
        return told, sound.heard

    (told, heard), _ = virtually(act)
    assert told == [False, True, False]
    assert sum(n for _, n in heard) < 26


def test_arrays_are_read():
    """A row for each frame, in the type that was asked for."""

    async def act(sound, loop):
        with sound.microphone("InputStream", dtype="float32") as microphone:
            return microphone.read(10)[0]

    data, _ = virtually(act)
    assert (data.shape, data.dtype) == ((10, 1), np.dtype("float32"))
    assert (data[:, 0] * 32768).tolist() == list(range(1, 11))


def test_a_thread_that_waits_when_time_ends_is_let_go():
    """It gets PortAudio's error, and can end."""
    raised = queue.Queue()
    loop = VirtualLoop()
    sound = Sound(loop, SilenceSource(PCM))
    microphone = sound.microphone()

    def listen():
        with pytest.raises(PortAudioError) as caught:
            microphone.read(1000)
        raised.put(str(caught.value))

    thread = threading.Thread(target=listen)

    async def main():
        microphone.start()
        with loop_holds(loop, [thread]):
            pass

    loop.run_until_complete(main())
    loop.close()
    assert "-9983" in raised.get(timeout=60)
    thread.join(60)


def test_in_real_time():
    """The calling thread waits for the device's."""
    sound = Sound()
    with sound.microphone() as microphone, sound.output() as output:
        data, _ = microphone.read(30)
        output.write(data)
    assert data == ms(30)
    assert sound.speaker.playbacks[0].samples == ms(30)


@pytest.mark.parametrize("asks", ["read_available", "active"])
def test_whoever_asks_again_and_again_lets_blocks_pass(asks):
    """A loop that only looks would hang in virtual time: at a thousand times, the clock goes on to the next block, which is noted."""

    async def act(sound, loop):
        with sound.microphone() as microphone:
            n_asked = 0
            while loop.now_ns() < 20 * MS:
                getattr(microphone, asks)
                n_asked += 1
            return n_asked, len(microphone.read(20)[0])

    (n_asked, n_bytes), loop = virtually(act)
    assert (n_asked, n_bytes, len(loop.charges)) == (2 * (SPINS + 1), 40, 2)


def test_whoever_asks_now_and_then_does_not_take_time():
    """At each moment anew."""

    async def act(sound, loop):
        with sound.microphone() as microphone:
            for _ in range(3):
                await asyncio.sleep(0.001)
                for _ in range(SPINS):
                    assert microphone.active
        return loop.now_ns()

    now_ns, loop = virtually(act)
    assert (now_ns, loop.charges) == (3 * MS, [])


def test_whoever_sleeps_on_the_loops_thread_finds_what_was_due_meanwhile():
    """What was heard is there, what ran dry is silence, and a stream that has ended is not active."""

    async def act(sound, loop):
        looked = []
        with sound.microphone() as microphone, sound.output() as output:
            while microphone.read_available < 30:
                time.sleep(0.02)  # noqa: ASYNC251 - what is tried
            looked += [loop.now_ns() // MS, output.write(ms(10))]
        return looked, sound.heard

    assert virtually(act)[0] == ([40, True], [(40, 10)])
