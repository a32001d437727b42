"""Tests of the export to FLAC: it is the WAV file, compressed."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evi_harness.acts.exporting import export_wav
from evi_harness.acts.exports.export_flac import export_flac
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import Pcm, header

WEATHER = Path(__file__).resolve().parents[3] / "sessions" / "weather"


def test_the_samples_are_those_of_the_wav_file(tmp_path):
    """Every one, at its rate; the file is smaller, for its owner alone, and the same is said of it."""
    wav, flac = export_wav(WEATHER, tmp_path / "x.wav"), export_flac(WEATHER, tmp_path / "x.flac")
    (one, rate), (other, other_rate) = (soundfile.read(str(exported.file), dtype="int16") for exported in (wav, flac))
    assert (np.array_equal(one, other), rate, soundfile.info(str(flac.file)).format) == (True, other_rate, "FLAC")
    assert flac.file.stat().st_size < wav.file.stat().st_size / 2
    assert stat.S_IMODE(flac.file.stat().st_mode) == 0o600
    assert [line.replace(".flac", ".wav") for line in flac.lines()] == wav.lines()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.flac", "x.wav"]


def test_what_cannot_be_written_leaves_nothing(tmp_path, session_of):
    """No audio, and a stranger's session that says that it lasts for a week."""
    week_ms = 7 * 24 * 3600 * 1000
    voice = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(header(Pcm(24_000, 1), 4800) + bytes(4800)).decode()}
    for rows, told in (([], "no audio"), ([("received", 1, voice), ("closed", week_ms, ("app", 1000, ""))], "hours at 24000 Hz")):
        with pytest.raises(EviHarnessError, match=told):
            export_flac(session_of(rows), tmp_path / "x.flac")
    assert list(tmp_path.iterdir()) == []
