"""Tests of the command ``export``; what is in the file is tested with acts.exporting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import soundfile

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
WEATHER = str(ROOT / "sessions" / "weather")


def test_a_stereo_file_is_written_and_said_to_be_computed(tmp_path, capsys):
    """Exit code 0; the first line names the file, the second says what it is not."""
    assert main(["export", WEATHER, "--wav", str(tmp_path / "x.wav")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path}/x.wav: 12.238 s, 24000 Hz")
    assert second.startswith("reconstructed ")
    info = soundfile.info(str(tmp_path / "x.wav"))
    assert (info.channels, info.samplerate, info.subtype) == (2, 24_000, "PCM_16")


def test_a_file_that_is_there_needs_force(tmp_path, capsys):
    """Without it the command is refused as mistyped; with it the file is replaced."""
    (tmp_path / "x.wav").write_bytes(b"mine")
    words = ["export", WEATHER, "--wav", str(tmp_path / "x.wav")]
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert soundfile.info(str(tmp_path / "x.wav")).channels == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        ([WEATHER], 2),
        ([WEATHER, "--wav", f"{WEATHER}/x.wav"], 2),
        ([WEATHER, "--wav", "none/x.wav"], 2),
        (["none", "--wav", "x.wav"], 2),
        ([".", "--wav", "x.wav"], 3),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_and_what_cannot_be_read_could_not_run(tmp_path, monkeypatch, capsys, words, code):
    """One line or two on standard error, no traceback, and no file."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == code
    out, err = capsys.readouterr()
    assert (out, "Traceback" in err, list(tmp_path.iterdir())) == ("", False, [])
    assert err


def test_several_forms_are_written_at_once_or_none_of_them(tmp_path, capsys):
    """Each is told of; where one may not be written, or two are one file, no file is begun."""
    files = {form: str(tmp_path / f"x.{form}") for form in ("wav", "har")}
    words = [one for form, file in files.items() for one in (f"--{form}", file)]
    assert main(["export", WEATHER, *words]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [any(line.startswith(f"{file}: ") for line in told) for file in files.values()] == [True, True]
    (tmp_path / "x.wav").unlink()
    assert main(["export", WEATHER, *words]) == 2
    assert main(["export", WEATHER, "--wav", str(tmp_path / "y"), "--har", str(tmp_path / "." / "y")]) == 2
    assert re.search(r"--har: \S+/y .*--wav\b", capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["x.har"]
