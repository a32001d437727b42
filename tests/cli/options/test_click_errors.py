"""Tests of evi_harness.cli.options.click_errors: what click refuses is told as everything else is."""

from __future__ import annotations

import re

import pytest

from evi_harness.cli.main import main


@pytest.mark.parametrize(
    ("line", "said", "command"),
    [
        ("replay", "SESSION is missing", "replay"),
        ("replay gone", "invalid value for SESSION: path 'gone' does not exist", "replay"),
        ("replay . --clock x", "invalid value .*--clock: 'x' .* 'virtual', 'real', 'auto'", "replay"),
        ("replay . --jobs 0", "invalid value for --jobs: must be at least 1, not 0", "replay"),
        ("replay . --timeout 0", "invalid value for --timeout: must be at least 0.1, not 0.0", "replay"),
        ("replay . --seed -1", "invalid value for --seed: must be from 0 to 4294967295, not -1", "replay"),
        ("replay . --false-alarm 0.5", "invalid value for --false-alarm: must be above 0 and below 0.5, not 0.5", "replay"),
        ("record --duration 0", "invalid value for --duration: must be above 0, not 0.0", "record"),
        ("replay . --jobs x", "invalid value .*--jobs: 'x' .*whole number", "replay"),
        ("replay . --blocked-ms x", "invalid value .*--blocked-ms: 'x' .*a number", "replay"),
        ("replay . --thread-wait nan", "invalid value .*--thread-wait: 'nan' .*number of seconds", "replay"),
        ("replay . --arg x", "invalid value for --arg: 'x' is not NAME=VALUE", "replay"),
        ("replay . --seed", "--seed requires an argument", "replay"),
        ("replay . --turns", "unknown option --turns", "replay"),
        ("repair .", "--out is missing", "repair"),
        ("compare .", "B is missing", "compare"),
        ("check . --json gone/x", "invalid value .*--json: 'gone' .*a folder", "check"),
        ("devices x", r"got unexpected extra .*\(x\)", "devices"),
        ("serve", ".*SESSION or --simulate", "serve"),
        ("import har", "FILE is missing", "import har"),
        ("gone", "unknown command 'gone'", ""),
        ("import gone", "unknown command 'gone'", "import"),
        ("--gone", "unknown option --gone", ""),
    ],
)
def test_an_error_of_click_s_has_our_form(line, said, command, capsys, tmp_path, monkeypatch):
    """What and where first, then what to do; exit code 2, and nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, *_, last = err.splitlines()
    assert re.fullmatch(f"error: {said}", first)
    assert last == f"See {f'evi-harness {command}'.strip()} -h."


@pytest.mark.parametrize(("line", "meant"), [("replay . --last-faild", "--last-failed"), ("repla", "'replay'")])
def test_what_is_misspelt_is_guessed(line, meant, capsys):
    """In a line of its own, before the last."""
    assert main(line.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("Did you mean ")
    assert meant in lines[1]


def test_what_is_quoted_moves_no_cursor(capsys):
    """It may be a stranger's file name."""
    assert main(["show", "a\x1b[2Jb"]) == 2
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [("sessions/lamp", "lamp"), ("kitchen", "sessions/kitchen"), ("sessions/kitchn", "sessions/kitchen"), ("sessions/nowhere", None)],
)
def test_a_path_that_is_elsewhere_is_named(given, meant, capsys, tmp_path, monkeypatch):
    """In this folder, among the sessions, or beside it under a name like it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sessions" / "kitchen").mkdir(parents=True)
    (tmp_path / "lamp").mkdir()
    assert main(["show", given]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" exists")[0] for line in lines[1:-1]] == ([] if meant is None else [meant])
