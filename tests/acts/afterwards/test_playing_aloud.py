"""Tests of evi_harness.acts.afterwards.playing_aloud: what a software speaker in place of a sound card was given."""

from __future__ import annotations

import re
import shutil
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from evi_harness.acts.afterwards.playing_aloud import play_session
from evi_harness.acts.exporting import export_wav
from evi_harness.acts.replay import replay_session
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.errors import EviHarnessError, SessionUnreadable, UsageError

ROOT = Path(__file__).resolve().parents[3]
WEATHER, TYPED = ROOT / "sessions" / "weather", ROOT / "sessions" / "typed"


@pytest.fixture
def speaker(monkeypatch, request):
    """The speaker that sounddevice has; it plays fifty times as fast as it should."""
    speaker = SoftwareSpeaker(speed=Fraction(50), channels=getattr(request, "param", 2))
    monkeypatch.setitem(sys.modules, "sounddevice", software_sounddevice(SoftwareMicrophone(SilenceSource()), speaker))
    return speaker


def sounding(samples):
    """The frames in which anything sounds: what is not mixed in time, on a busy machine, is silence, and comes later."""
    return samples[samples.any(axis=1)]


def played(speaker):
    """What the speaker played, without silence, and its format."""
    (playback,) = speaker.playbacks
    return sounding(np.frombuffer(playback.samples, "<i2").reshape(-1, playback.pcm.channels)), playback.pcm


def in_file(path):
    """The frames of a WAV file."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels()), file.getframerate()


def test_all_of_a_session_is_played(speaker, tmp_path):
    """The user left, what a speaker would have played right: sample by sample what export writes."""
    lines = []
    play_session(WEATHER, write=lines.append)
    export_wav(WEATHER, tmp_path / "x.wav")
    expected, rate = in_file(tmp_path / "x.wav")
    heard, pcm = played(speaker)
    assert (pcm.rate, pcm.channels) == (rate, 2)
    assert np.array_equal(heard, sounding(expected))
    (line,) = lines
    assert re.fullmatch(r"weather: .*\b0\.000 s .*\bend, .*user left, .*heard right \(reconstructed\b.*\); on .*\bsoftware speaker", line)


@pytest.mark.parametrize(("side", "channel"), [("user", 0), ("heard", 1)])
def test_one_side_is_one_channel(speaker, tmp_path, side, channel):
    """Of the other nothing is heard."""
    play_session(WEATHER, side=side, write=lambda _: None)
    export_wav(WEATHER, tmp_path / "x.wav")
    expected, rate = in_file(tmp_path / "x.wav")
    heard, pcm = played(speaker)
    assert pcm.channels == 1
    if pcm.rate == rate:
        assert np.array_equal(heard, sounding(expected[:, channel : channel + 1]))
    else:
        assert len(heard)


@pytest.mark.parametrize("speaker", [1], indirect=True)
def test_a_speaker_with_one_channel_has_both_in_it(speaker, tmp_path):
    """Both sides are there, mixed; nobody speaks at the same time here."""
    lines = []
    play_session(WEATHER, write=lines.append)
    export_wav(WEATHER, tmp_path / "x.wav")
    expected = in_file(tmp_path / "x.wav")[0].astype(int).sum(axis=1, keepdims=True)
    heard, pcm = played(speaker)
    assert (pcm.channels, lines[0].count("heard (reconstructed")) == (1, 1)
    assert np.array_equal(heard, sounding(np.clip(expected, -32768, 32767)))


def test_a_turn_is_played_alone(speaker, tmp_path):
    """From where the user begins to speak until the next one begins: the same samples as in all of it."""
    lines = []
    play_session(WEATHER, turn=2, write=lines.append)
    export_wav(WEATHER, tmp_path / "x.wav")
    expected, rate = in_file(tmp_path / "x.wav")
    begin = round(float(lines[0].split("from ")[1].split(" s")[0]) * rate)
    assert 0 < begin < len(expected)
    assert np.array_equal(played(speaker)[0], sounding(expected[begin:]))


def test_what_was_heard_is_what_is_played(speaker, tmp_path):
    """A replay that was written has a file of it; without the file that its header names, that is said."""
    replay_session(TYPED, out=tmp_path, write=lambda _: None)
    (folder,) = tmp_path.iterdir()
    lines = []
    play_session(folder, side="heard", write=lines.append)
    expected, _ = in_file(folder / "heard.wav")
    assert np.array_equal(played(speaker)[0], sounding(expected[:, 1:]))
    assert "was heard; on" in lines[0]
    header = (folder / "heard.wav").read_bytes()[:44]
    for n_bytes in (1, 3):
        # Not one sample of two channels.
        (folder / "heard.wav").write_bytes(header + bytes(n_bytes))
        with pytest.raises(EviHarnessError, match=r"heard\.wav"):
            play_session(folder, side="heard", write=lambda _: None)
    (folder / "heard.wav").unlink()
    with pytest.raises(EviHarnessError, match=r"heard\.wav is not there"):
        play_session(folder, write=lambda _: None)


def test_what_cannot_be_played_is_refused(speaker, tmp_path):
    """No such turn, side or speaker; no session; no audio. Nothing sounds."""
    for options in ({"turn": 9}, {"turn": 0}, {"side": "left"}, {"speaker": "nowhere"}):
        with pytest.raises(UsageError):
            play_session(WEATHER, **options)
    shutil.copytree(TYPED, tmp_path / "x")
    (tmp_path / "x" / "session.json").write_text("{")
    with pytest.raises(SessionUnreadable):
        play_session(tmp_path / "x")
    with pytest.raises(EviHarnessError, match="no audio"):
        play_session(TYPED, side="user")
    assert speaker.playbacks == []


def test_where_there_is_no_speaker(speaker, monkeypatch):
    """That is told, with what to do instead."""
    monkeypatch.setattr(sys.modules["sounddevice"], "query_devices", _no_device)
    with pytest.raises(EviHarnessError, match="no speaker") as raised:
        play_session(WEATHER)
    assert (raised.value.exit_code, "export" in str(raised.value.hint)) == (3, True)


def _no_device(device=None, kind=None):
    """PortAudio where there is no sound card."""
    if kind is not None:
        raise sys.modules["sounddevice"].PortAudioError("Error querying device -1")
    return []


def test_a_speaker_that_stops_is_an_error(speaker, monkeypatch):
    """Such as one that is unplugged."""
    monkeypatch.setattr("evi_harness.acts.afterwards.playing_aloud._Feed.fill", lambda *_: 1 / 0)
    with pytest.raises(EviHarnessError, match="stopped before"):
        play_session(WEATHER, write=lambda _: None)
