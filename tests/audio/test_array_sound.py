"""Arrays that are played and recorded by a call."""

from __future__ import annotations

import asyncio
import threading
from array import array

import numpy as np
import pytest

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
COUNTED = np.arange(1, 1001, dtype=np.int16)


def sound(clock=None, channels=1):
    """A module with a microphone that counts in milliseconds, in blocks of 10 ms, and its speaker."""
    speaker = SoftwareSpeaker(clock=clock)
    source = PcmSource(COUNTED.tobytes(), Pcm(1000, channels))
    sd = software_sounddevice(SoftwareMicrophone(source, clock=clock), speaker)
    sd.default.samplerate, sd.default.dtype = 1000, "int16"
    return sd, speaker


def virtually(act, **options):
    """What ``act(sd, speaker, loop)`` gives in virtual time."""

    async def main(loop):
        return await act(*sound(loop, **options), loop)

    return run_virtual(main)


def heard(speaker):
    """What was played, as numbers."""
    return [array("h", one.samples).tolist() for one in speaker.playbacks]


def test_what_is_played_is_waited_for():
    """On the loop's thread, and in an executor; a play stops the one before it."""

    async def act(sd, speaker, loop):
        sd.play(COUNTED[:100])
        sd.play(COUNTED[:30], blocking=True)
        at = [loop.now_ns() // MS, sd.get_stream().closed, bool(sd.get_status())]
        sd.play(COUNTED[:20])
        assert sd.get_stream().active
        await loop.run_in_executor(None, sd.wait)
        sd.stop()
        return [*at, loop.now_ns() // MS], heard(speaker)

    at, played = virtually(act)
    assert at == [30, True, False, 50]
    assert played == [[], [*range(1, 31)], [*range(1, 21)]]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "int16"])
def test_whatever_type_an_array_has(dtype):
    """It is heard as the 16 bits that it was made of; a column a channel."""

    async def act(sd, speaker, loop):
        scale = {"f": 32768, "i": 1}[np.dtype(dtype).kind]
        data = COUNTED[:20].astype(dtype) / scale if scale > 1 else COUNTED[:20].astype(dtype) << (8 * np.dtype(dtype).itemsize - 16)
        sd.play(np.stack([data, data], axis=1), blocking=True)
        sd.play(data, mapping=[2], blocking=True)
        return heard(speaker)

    both, right = virtually(act)
    assert both == [number for number in range(1, 21) for _ in range(2)]
    assert right == [number * side for number in range(1, 21) for side in range(2)]


def test_a_loop_is_played_until_it_is_stopped():
    """From its beginning again and again, without a gap."""

    async def act(sd, speaker, loop):
        sd.play(COUNTED[:7], loop=True)
        await asyncio.sleep(0.025)
        sd.stop()
        assert not sd.get_stream().active
        return heard(speaker)

    assert virtually(act) == [[number % 7 + 1 for number in range(30)]]


def test_what_is_recorded_is_what_is_heard():
    """In a new array or in one that is there, of some channels, and after as long as it takes."""

    async def act(sd, speaker, loop):
        first = sd.rec(25, channels=1, blocking=True)
        at = [loop.now_ns() // MS]
        out = np.zeros((10, 1), "float64")
        assert sd.rec(out=out, mapping=[2]) is out
        await loop.run_in_executor(None, sd.wait)
        return first.tolist(), (out[:, 0] * 32768).tolist(), [*at, loop.now_ns() // MS]

    first, second, at = virtually(act, channels=2)
    # Two numbers a frame: the left one is odd. A stream ends with the block in which nothing is wanted any more.
    assert first == [[number] for number in range(1, 50, 2)]
    assert (second, at) == ([*range(82, 102, 2)], [40, 60])


def test_both_at_once():
    """As long as the array that is played; the microphone is silent up to the first block."""

    async def act(sd, speaker, loop):
        out = sd.playrec(COUNTED[100:130], channels=1)
        assert out.dtype == np.int16
        sd.wait()
        return out[:, 0].tolist(), heard(speaker), loop.now_ns() // MS

    assert virtually(act) == ([0] * 10 + [*range(1, 21)], [[*range(101, 131)]], 30)


def test_in_real_time_it_waits():
    """On the machine's clock, on whatever thread."""
    sd, speaker = sound()
    waiting = threading.Thread(target=lambda: sd.play(COUNTED[:20], blocking=True))
    waiting.start()
    waiting.join(60)
    assert heard(speaker) == [[*range(1, 21)]]
    assert sd.rec(15, channels=1, blocking=True)[:, 0].tolist() == [*range(1, 16)]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda sd: sd.play(np.zeros((2, 2, 2))), ValueError),
        (lambda sd: sd.play(np.zeros((4, 2)), mapping=[1]), ValueError),
        (lambda sd: sd.play(np.zeros((4, 2)), mapping=[1, 1]), ValueError),
        (lambda sd: sd.play(np.zeros(4), mapping=[0]), ValueError),
        (lambda sd: sd.play(np.zeros(4, dtype="complex64")), TypeError),
        (lambda sd: sd.rec(), TypeError),
        (lambda sd: sd.rec(10), TypeError),
        (lambda sd: sd.rec(out=np.zeros((4, 2)), mapping=[1]), ValueError),
        (lambda sd: sd.playrec(np.zeros(4), out=np.zeros((5, 1))), ValueError),
        (lambda sd: sd.get_stream(), RuntimeError),
        (lambda sd: sd.get_status(), RuntimeError),
    ],
)
def test_what_sounddevice_refuses_is_refused(call, error):
    """By an error of the same type; and there is nothing to stop or to wait for then."""
    sd, _ = sound()
    with pytest.raises(error):
        call(sd)
    sd.stop()
    assert sd.wait() is None
