"""Tests of evi_harness.cli.latency_command: the door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evi_harness.cli.latency_command import command
from evi_harness.cli.main import main
from evi_harness.harness.speech import DETECTORS

DEMO = str(Path(__file__).resolve().parents[2] / "sessions" / "demo")


def test_sessions_are_measured_and_told(capsys):
    """A line a turn, a table for each family; 0, whatever the figures."""
    assert main(["latency", DEMO, "--detector", "none"]) == 0
    told = capsys.readouterr().out
    assert "session     demo:" in told
    assert "conversation, in ms" in told


def test_files_are_written(tmp_path, capsys):
    """JSON and CSV, besides what people read."""
    files = [tmp_path / "figures.json", tmp_path / "figures.csv"]
    assert main(["latency", DEMO, "--detector", "none", "--json", str(files[0]), "--csv", str(files[1]), "--end-of-turn-ms", "500"]) == 0
    assert json.loads(files[0].read_text())["assumed"]["end_of_turn_ms"] == 500
    assert files[1].read_text().startswith("session,turn,metric,")
    assert "conversation" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_standard_output_is_for_one_of_them(option, capsys):
    """People then read standard error."""
    assert main(["latency", DEMO, "--detector", "none", option, "-"]) == 0
    done = capsys.readouterr()
    assert done.out.startswith("{" if option == "--json" else "session,turn")
    assert "conversation, in ms" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((DEMO, "--json", "-", "--csv", "-"), "cannot both have standard output"),
        ((DEMO, "--json", "/no/such/folder/x.json"), "is no folder"),
        ((DEMO, "--end-of-turn-ms", "-1"), "--end-of-turn-ms"),
        ((DEMO, "--end-of-turn-ms", "nan"), "no time"),
        ((DEMO, "--detector", "ear"), "ear"),
        ((), "SESSION"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments, words, capsys):
    """2, before anything is measured."""
    assert main(["latency", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_what_is_no_session_could_not_run(tmp_path, capsys):
    """3, with the folder."""
    assert main(["latency", str(tmp_path)]) == 3
    assert str(tmp_path) in capsys.readouterr().err


def test_the_detectors_are_those_that_there_are():
    """The choices stand in the door, so that --help loads nothing; they are the harness's."""
    [option] = [one for one in command.params if one.name == "detector"]
    assert tuple(option.type.choices) == DETECTORS
