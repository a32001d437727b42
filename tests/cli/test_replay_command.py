from __future__ import annotations

import json
from pathlib import Path

import pytest

from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, weather):
    """The current folder holds a session."""
    monkeypatch.chdir(tmp_path)
    write_session("weather", weather, EVI)


def test_json_on_standard_output_is_pure(capsys):
    """What people read goes to standard error: transcript and report."""
    assert main(["replay", "weather", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["passed"] is True
    assert err.startswith("user: What's the weather like?")
    assert err.endswith("verdict    passed\n")


def test_json_in_a_file_is_the_report(capsys):
    """The file holds it, and standard output what people read."""
    Path("app.py").write_text("def hears(message): ...\n")
    assert main(["replay", "weather", "--handler", "app.py:hears", "--json", "report.json"]) == 1
    told = json.loads(Path("report.json").read_text())
    assert [deviation["kind"] for deviation in told["deviations"]] == ["missing"]
    assert told["handler"] == "app.py:hears"
    assert capsys.readouterr().out.splitlines()[-1] == "verdict    failed: 1 deviation"


def test_a_report_that_cannot_be_written_is_told(capsys, monkeypatch):
    """A full disk after the replay is an error, and no failure of the app's."""

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["replay", "weather", "--handler", "recorded", "--json", "report.json"]) == 3
    assert capsys.readouterr().err == "error: report.json: the report cannot be written: No space left on device\n"


def test_out_is_written_and_told(capsys):
    """The folder's name is in the report, and it is a session."""
    assert main(["replay", "weather", "--handler", "recorded", "--out", "runs"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("written")]
    folder = row.split(maxsplit=1)[1]
    assert Path(folder).parent == Path("runs")
    assert main(["check", folder]) == 0


def test_help_says_what_the_timeout_is_in(capsys):
    """Seconds, and 60 by default."""
    assert main(["replay", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--timeout SECONDS" in out
    assert "60.0" in out
