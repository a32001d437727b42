"""Software sound in the place of simpleaudio."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import io
import time
import wave
from array import array

import pytest

from evi_harness.audio.software_simpleaudio import software_simpleaudio
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.clocks.virtual import run_virtual

MS = 1_000_000
# 50 ms.
SAMPLES = array("h", range(1, 401)).tobytes()


def virtually(act):
    """What ``act(sa, speaker, loop)`` gives in virtual time."""

    async def main(loop):
        speaker = SoftwareSpeaker(clock=loop)
        return await act(software_simpleaudio(speaker), speaker, loop)

    return run_virtual(main)


def test_whoever_waits_for_the_end_lets_time_pass():
    """On the loop's thread; the sound goes on meanwhile, and is over then."""

    async def act(sa, speaker, loop):
        playing = sa.play_buffer(SAMPLES, 1, 2, 8000)
        assert (playing.is_playing(), loop.now_ns()) == (True, 0)
        playing.wait_done()
        at_ms = loop.now_ns() // MS
        playing.stop()
        return at_ms, playing.is_playing(), speaker.playbacks[0].samples

    assert virtually(act) == (50, False, SAMPLES)


def test_it_plays_beside_whatever_the_app_does():
    """Two at once, and one waited for in an executor."""

    async def act(sa, speaker, loop):
        first, second = sa.play_buffer(SAMPLES, 1, 2, 8000), sa.WaveObject(SAMPLES, 1, 2, 16000).play()
        assert first.play_id != second.play_id
        await loop.run_in_executor(None, second.wait_done)
        at = [(loop.now_ns() // MS, first.is_playing())]
        await asyncio.sleep(0.05)
        return [*at, first.is_playing()], [one.samples for one in speaker.playbacks]

    # A block lasts 10 ms; 25 ms need three.
    assert virtually(act) == ([(30, True), False], [SAMPLES, SAMPLES + bytes(160)])


@pytest.mark.parametrize("stops", ["stop", "stop_all"])
def test_what_is_stopped_is_heard_no_further(stops):
    """And whoever waits for it goes on."""

    async def act(sa, speaker, loop):
        playing = sa.play_buffer(SAMPLES, 1, 2, 8000)
        waiting = loop.run_in_executor(None, playing.wait_done)
        await asyncio.sleep(0.015)
        (sa.stop_all if stops == "stop_all" else playing.stop)()
        await waiting
        return playing.is_playing(), speaker.playbacks[0].samples, loop.now_ns() // MS

    assert virtually(act) == (False, SAMPLES[:320], 15)


@pytest.mark.parametrize(("sleeps_s", "over_ms"), [(0, 50), (0.02, 60)])
def test_whoever_looks_again_and_again_lets_time_pass(sleeps_s, over_ms):
    """A loop on the loop's thread, with a sleep in it or without, would hang in virtual time."""

    async def act(sa, speaker, loop):
        playing = sa.play_buffer(SAMPLES, 1, 2, 8000)
        while playing.is_playing():
            if sleeps_s:
                time.sleep(sleeps_s)  # noqa: ASYNC251 - what is tried
        return loop.now_ns() // MS

    assert virtually(act) == over_ms


def test_a_wav_file(tmp_path):
    """By its name, as an open file, or as what the wave module reads."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((2, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes([0x80, 0x81] * 40))
    (tmp_path / "a.wav").write_bytes(written.getvalue())

    async def act(sa, speaker, loop):
        with wave.open(str(tmp_path / "a.wav"), "rb") as read:
            waves = [sa.WaveObject.from_wave_read(read)]
        waves += [sa.WaveObject.from_wave_file(one) for one in (str(tmp_path / "a.wav"), io.BytesIO(written.getvalue()))]
        for one in waves:
            one.play().wait_done()
        return [(one.num_channels, one.bytes_per_sample, one.sample_rate) for one in waves], [one.samples for one in speaker.playbacks]

    # Unsigned samples of 8 bits are heard as signed ones of 16.
    settings, heard = virtually(act)
    assert settings == [(2, 1, 8000)] * 3
    assert [one[:160] for one in heard] == [b"\0\0\0\1" * 40] * 3


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ((b"\0" * 101, 1, 2, 16000), ValueError),
        ((b"\0" * 102, 3, 2, 16000), ValueError),
        ((b"\0" * 100, 1, 6, 16000), ValueError),
        ((b"\0" * 100, 1, 2, 11111), ValueError),
        (("text", 1, 2, 16000), TypeError),
    ],
)
def test_what_simpleaudio_refuses_is_refused(given, error):
    """By an error of the same type."""
    with pytest.raises(error):
        software_simpleaudio(SoftwareSpeaker()).play_buffer(*given)


def test_in_real_time_it_waits():
    """On the machine's clock."""
    speaker = SoftwareSpeaker()
    software_simpleaudio(speaker).play_buffer(SAMPLES[:320], 1, 2, 8000).wait_done()
    assert speaker.playbacks[0].samples == SAMPLES[:320]


def test_the_names_are_those_of_the_installed_version():
    """With their arguments."""
    if importlib.util.find_spec("simpleaudio") is None:
        pytest.skip("simpleaudio is not installed: nothing to compare with")
    real = pytest.importorskip("simpleaudio", reason="simpleaudio is installed without its library")
    sa = software_simpleaudio(SoftwareSpeaker())
    for name in ("play_buffer", "stop_all", "WaveObject"):
        assert [*inspect.signature(getattr(sa, name)).parameters] == [*inspect.signature(getattr(real, name)).parameters]
    for kind in ("PlayObject", "WaveObject"):
        assert [name for name in vars(getattr(real, kind)) if name[0] != "_" and not hasattr(getattr(sa, kind), name)] == []
