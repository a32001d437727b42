"""Streams in both directions."""

from __future__ import annotations

import asyncio
from array import array

import pytest

from evi_harness.audio.duplex_sound import RawStream, Stream
from evi_harness.audio.software_devices import PortAudioError, SoftwareDevices
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.software_streams import CallbackStop, RawInputStream
from evi_harness.audio.sources import PcmSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
SETTINGS = {"samplerate": 1000, "channels": 1, "dtype": "int16"}


def ms(count, first=1):
    """So many samples, each of which is a millisecond."""
    return array("h", range(first, first + count)).tobytes()


def virtually(act, **microphone):
    """What ``act(stream, speaker, loop)`` gives in virtual time; ``stream`` opens one on a microphone that counts, in blocks of 10 ms."""

    async def main(loop):
        speaker = SoftwareSpeaker(clock=loop)
        devices = SoftwareDevices(SoftwareMicrophone(PcmSource(ms(1000), Pcm(1000, 1)), clock=loop, **microphone), speaker)
        kinds = {kind: type(kind.__name__, (kind,), {"_sound": devices}) for kind in (RawStream, Stream, RawInputStream)}
        return await act(lambda kind=RawStream, **options: kinds[kind](**{**SETTINGS, **options}), speaker, loop)

    return run_virtual(main)


def test_a_callback_has_what_was_heard_and_fills_what_is_played():
    """At the speaker's times: before the first block of the microphone's there is silence. The end is told once, and ends both."""

    async def act(stream, speaker, loop):
        calls, ends = [], []

        def callback(indata, outdata, frames, times, status):
            calls.append((bytes(indata), frames, round(times.currentTime * 1000), round(times.outputBufferDacTime * 1000)))
            outdata[:] = indata
            if len(calls) == 3:
                raise CallbackStop

        both = stream(callback=callback, finished_callback=lambda: ends.append(loop.now_ns() // MS))
        with both:
            await asyncio.sleep(0.05)
            assert (both.active, both.stopped) == (False, True)
        return calls, ends, speaker.playbacks[0].samples, both.closed

    calls, ends, samples, is_closed = virtually(act)
    assert calls == [(bytes(20), 10, 0, 0), (ms(10), 10, 10, 10), (ms(10, 11), 10, 20, 20)]
    assert (ends, samples, is_closed) == ([20], ms(20), True)


def test_a_microphone_that_begins_later_is_silent_until_then():
    """What the app plays is not held up by it, and nothing of what it hears is lost."""

    async def act(stream, speaker, loop):
        heard = []

        def callback(indata, outdata, *_):
            heard.append(bytes(indata))
            outdata[:] = ms(10)

        with stream(callback=callback):
            await asyncio.sleep(0.055)
        return heard, len(speaker.playbacks[0].samples)

    heard, n_bytes = virtually(act, began_ns=lambda now_ns: now_ns + 25 * MS)
    # The first block is whole at 35 ms, and the speaker wants one at 40 ms.
    assert (heard, n_bytes) == ([bytes(20)] * 4 + [ms(10), ms(10, 11)], 120)


def test_it_is_read_and_written():
    """Without a callback, each in its time; ``stop`` plays the rest."""

    async def act(stream, speaker, loop):
        with stream() as both:
            assert (both.read(15), both.read_available, both.write_available) == ((ms(15), False), 5, 20)
            assert both.write(ms(40)) is True
        return speaker.playbacks[0].samples, loop.now_ns() // MS

    assert virtually(act) == (ms(40), 50)


def test_what_it_says_of_itself():
    """In pairs: the input's and the output's, as they are given."""

    async def act(stream, speaker, loop):
        one = stream(device=(0, 1), channels=(1, 2), dtype=("int16", "float32"), latency="low", blocksize=20)
        pairs = [one.device, one.channels, one.dtype, one.samplesize, one.latency]
        return pairs, [one.samplerate, one.blocksize, one.cpu_load, one.time, one.closed, stream().blocksize]

    pairs, values = virtually(act)
    assert pairs == [(0, 1), (1, 2), ("int16", "float32"), (2, 4), (0.02, 0.02)]
    assert values == [1000.0, 20, 0.0, 0.0, False, 0]


@pytest.mark.parametrize("act", [lambda one: one.read(1), lambda one: one.write(b"\0\0")])
def test_one_with_a_callback_is_neither_read_nor_written(act):
    """Nor is one that does not run."""

    async def both(stream, speaker, loop):
        with stream(callback=print) as one, pytest.raises(PortAudioError, match="callback"):
            act(one)
        with pytest.raises(PortAudioError, match="stopped"):
            act(stream())

    virtually(both)


def test_one_microphone_has_one_listener():
    """Of whatever kind, and of whatever package."""

    async def act(stream, speaker, loop):
        with stream(callback=print), pytest.raises(PortAudioError, match="unavailable"):
            stream(RawInputStream, callback=print).start()
        with stream(RawInputStream), pytest.raises(PortAudioError, match="unavailable"):
            stream().start()

    virtually(act)
    microphone = SoftwareMicrophone(PcmSource(ms(10), Pcm(1000, 1)))
    one, another = (software_sounddevice(microphone, SoftwareSpeaker()) for _ in range(2))
    with one.RawInputStream(callback=lambda *_: None), pytest.raises(PortAudioError, match="unavailable"):
        another.RawInputStream(callback=lambda *_: None).start()


def test_abort_drops_what_was_written():
    """At once, in both directions."""

    async def act(stream, speaker, loop):
        both = stream()
        both.start()
        both.write(ms(20))
        both.abort()
        return both.active, loop.now_ns(), [one.samples for one in speaker.playbacks]

    assert virtually(act) == (False, 0, [b""])


def test_blocks_may_be_arrays():
    """With a callback, and read and written, each in its shape."""

    async def act(stream, speaker, loop):
        shapes = []

        def callback(indata, outdata, *_):
            shapes.append((indata.shape, outdata.shape, indata.dtype, outdata.dtype))
            outdata[:, 1] = indata[:, 0] / 32768
            indata[:] = 0

        with stream(Stream, channels=(1, 2), dtype=("int16", "float32"), callback=callback):
            await asyncio.sleep(0.015)
        with stream(Stream) as both:
            data, _ = both.read(10)
            with pytest.raises(TypeError, match="dtype"):
                both.write(data.astype("float32"))
            both.write(data)
        return shapes, [one.samples for one in speaker.playbacks], data.shape

    shapes, (first, second), shape = virtually(act)
    assert shapes == [((10, 1), (10, 2), "int16", "float32")] * 2
    assert (first, shape) == (b"".join(bytes(2) + ms(1, number) for number in range(1, 11)), (10, 1))
    assert second == ms(10, 11)
