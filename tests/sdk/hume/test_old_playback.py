from __future__ import annotations

import sys
from types import ModuleType

import pytest

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import SdkError
from evi_harness.sdk.hume import old_playback as old_playback_module
from evi_harness.sdk.hume.old_playback import CHAT_CLIENT, old_playback, playing
from evi_harness.session import wav
from evi_harness.session.wav import Pcm

MS = 1_000_000


@pytest.mark.parametrize("pcm", [Pcm(48000, 1), Pcm(24000, 2)])
@pytest.mark.parametrize("n_ms", [0, 5, 10, 1234])
def test_a_chunk_is_played_whole(pcm, n_ms):
    """It takes as long as it is, to the end of its last block; not a sample is lost."""
    samples = bytes(range(1, 241)) * (pcm.rate * pcm.frame_bytes * n_ms // 240000)

    async def main(loop):
        speaker = SoftwareSpeaker(clock=loop)
        play_audio = playing(software_sounddevice(SoftwareMicrophone(SilenceSource(), clock=loop), speaker))
        await play_audio(wav.header(pcm, len(samples)) + samples)
        return speaker.playbacks[0], loop.now_ns()

    playback, now_ns = run_virtual(main)
    assert (playback.pcm, playback.samples) == (pcm, samples)
    assert now_ns == -(-n_ms // 10) * 10 * MS


def test_what_is_no_wav_is_refused():
    """Nothing else came from the service when that SDK was new."""

    async def main(loop):
        await playing(None)(b"ID3")

    with pytest.raises(SdkError, match="WAV"):
        run_virtual(main)


@pytest.mark.parametrize(("version", "names"), [("0.8.6", ["play_audio"]), ("0.9.0", []), ("0.14.1", []), ("1.0.0", []), ("odd", [])])
def test_it_is_replaced_where_the_sdk_does_not_use_sounddevice(monkeypatch, version, names):
    """From 0.9 on it does."""
    monkeypatch.setattr(old_playback_module, "version_of", lambda package: version)
    for depth in range(1, len(CHAT_CLIENT.split(".")) + 1):
        name = ".".join(CHAT_CLIENT.split(".")[:depth])
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert list(old_playback(ModuleType("sounddevice")).get(CHAT_CLIENT, {})) == names
