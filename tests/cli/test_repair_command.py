"""Tests of ``evi-harness repair``: what it prints, its report and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "repair-report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command line where there is a sound session, one whose audio was cut, and a folder that is no session."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "sessions" / "typed", "sound")
    shutil.copytree(ROOT / "sessions" / "typed", "cut")
    os.truncate("cut/assistant.wav", 1000)
    Path("empty").mkdir()

    def run_(line):
        code = main(line.split())
        return code, *capsys.readouterr()

    return run_


def test_nothing_lost_is_0(run):
    """And the last line says so."""
    code, out, err = run("repair sound -o out")
    assert (code, out.splitlines()[-1], err) == (0, "nothing was lost", "")
    assert run("check out")[0] == 0


def test_something_lost_is_1_and_is_listed(run):
    """For people, and for programs as the schema says."""
    code, out, err = run("repair cut --out out --json losses.json")
    told = json.loads(Path("losses.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert (code, err, told["exit_code"], told["complete"]) == (1, "", 1, False)
    assert {loss["kind"] for loss in told["losses"]} == {"audio_missing", "changed"}
    assert told["audio_lost_s"] > 0
    assert out.splitlines()[-1].startswith("lost: ")
    code, out, _ = run("check out")
    assert (code, out.startswith("out: nothing wrong")) == (0, True)
    assert run("replay out --handler recorded")[0] == 1


def test_json_on_standard_output_is_json_alone(run):
    """People then read standard error."""
    code, out, err = run("repair sound -o out --json -")
    told = json.loads(out)
    jsonschema.validate(told, SCHEMA)
    assert (code, told["losses"], err.splitlines()[-1]) == (0, [], "nothing was lost")


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("repair sound", 2, "--out is missing"),
        ("repair gone -o out", 2, "'gone' does"),
        ("repair sound/session.json -o out", 3, "a session folder"),
        ("repair sound -o cut", 2, "cut exists already"),
        ("repair sound -o sound/out", 2, "repaired"),
        ("repair sound -o out --json gone/x", 2, "--json: 'gone' "),
        ("repair empty -o out", 3, "a session folder"),
        ("repair . -o out", 2, "the session folder"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(run, line, code, says):
    """On standard error, and nothing is written."""
    found, out, err = run(line)
    assert (found, out) == (code, "")
    assert says in " ".join(err.split())
    assert not Path("out").exists()
