from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import pytest

from evi_harness.acts.looking.showing import ShowOptions, show_one
from evi_harness.acts.sessions import show_session
from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[2]


def test_it_prints_what_the_call_gives(tmp_path, weather, capsys):
    """A door adds nothing."""
    folder = write_session(tmp_path / "weather", weather, EVI)
    for named in (folder, folder / "session.json"):
        assert main(["show", str(named)]) == 0
        assert capsys.readouterr().out.splitlines() == show_one(folder, ShowOptions()).lines()
        assert main(["show", str(named), "--events"]) == 0
        assert capsys.readouterr().out.splitlines() == show_session(folder)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command line beside a folder of three sessions; gives the code, the lines, and what went to standard error."""
    monkeypatch.chdir(tmp_path)
    for name, source in (("s/a", "demo"), ("s/b", "typed"), ("s/c", "weather"), ("one/a", "typed")):
        shutil.copytree(ROOT / "sessions" / source, name)
    Path("empty").mkdir()
    Path("file.txt").write_text("no session\n")

    def run_(line):
        code = main(line.split())
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run_


HEADING = "session  created                     length  turns   events  made by  complete"
LINES = [
    "s/a      2026-11-22 18:27:21Z      21.353 s      3     2177  record   yes",
    "s/b      2026-11-22 12:00:00Z       3.184 s      1       10  script   yes",
    "s/c      2026-11-22 12:00:00Z      12.238 s      2      386  script   yes",
]


@pytest.mark.parametrize("line", ["show s", "show s/a s/b s/c", "show s/a s"])
def test_several_are_a_line_each_and_a_sum(run, line):
    """However they are named."""
    assert run(line) == (0, [HEADING, *LINES, "", "3 sessions, 36.775 s: 3 complete"], "")


def test_a_folder_of_one_session_is_a_listing(run):
    """A folder of sessions is listed, however few are in it."""
    code, lines, err = run("show one")
    assert (code, lines[0], lines[1], err) == (0, HEADING, LINES[1].replace("s/b  ", "one/a"), "")
    assert lines[-1] == "1 session, 3.184 s: 1 complete"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "session.json").write_text("{"), "the header "),
        (
            lambda folder: (folder / "session.json").unlink(),
            "session.json: No such",
        ),
        (lambda folder: (folder / "events.jsonl").write_text("x\n"), "line is damaged"),
    ],
    ids=["header", "no header", "line"],
)
def test_one_that_cannot_be_read_hides_no_other(run, damage, told):
    """It has its line, and gives the code."""
    damage(Path("s/b"))
    code, lines, err = run("show s")
    assert (code, err) == (3, "")
    assert [lines[1], lines[3]] == [LINES[0], LINES[2]]
    assert re.fullmatch(r"3 sessions, 33\.591 s: 2 complete, 1 .*", lines[5])
    assert lines[2].startswith("s/b      cannot be read: ")
    assert told in lines[2]


def test_what_is_missing_stands_behind(run):
    """The first thing, where it is not all there."""
    os.truncate("s/a/user.wav", 44 + 100_000)
    code, lines, _ = run("show s")
    assert code == 0
    assert lines[1].startswith(f"{LINES[0]}       user.wav: ")
    assert re.search(r"\b100000\b.*\b682880; 1822 frames .*events\.jsonl, line 319\.$", lines[1])


@pytest.mark.parametrize(("name", "says"), [("empty", "a session folder"), ("file.txt", "a file, ")])
def test_what_is_no_session_is_told(run, name, says):
    """Alone as an error, among others in its line."""
    code, lines, err = run(f"show {name}")
    assert (code, lines) == (3, [])
    assert says in err
    code, lines, err = run(f"show {name} s/b")
    assert (code, err) == (3, "")
    assert says in lines[1]
    assert lines[2].split()[0] == "s/b"


@pytest.mark.parametrize(("line", "says"), [("show", "SESSION is missing"), ("show s gone", "'gone' does not exist")])
def test_a_mistake_is_2_and_nothing_is_shown(run, line, says):
    """Told on standard error."""
    code, lines, err = run(line)
    assert (code, lines) == (2, [])
    assert says in " ".join(err.split())


SCHEMA = json.loads((ROOT / "docs" / "reference" / "show.schema.json").read_text(encoding="utf-8"))


def events_of(lines):
    """The lines behind the header."""
    return lines[lines.index("") + 1 :]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--type tool_call", ["tool call call_made_by_a_script"]),
        ("--type tool_call --type opened", ["/v0/evi/chat", "tool call call_made_by_a_script"]),
        ("--events --turn 1 --type received --grep rain|Bath", ["What's the weather in Bath?", "get_weather", "raining in Bath"]),
        ("--from #318 --until #324 --type received", ["dry tomorrow?"]),
        ("--audio --from 9.40 --until 9.42", ["0.020 s of audio, 1 frame"]),
        ("--type audio --until t1 --grep 2.740", ["2.740 s of audio, 137 frames"]),
        ("--type gone", []),
    ],
)
def test_events_are_chosen(run, tmp_path, line, says):
    """By type, place and text; the file for programs has the same ones."""
    code, lines, err = run(f"show s/c {line} --json shown.json")
    assert (code, err) == (0, "")
    found = events_of(lines)
    if not says:
        assert found.pop().startswith("no event ")
    assert len(found) == len(says)
    assert all(text in row for text, row in zip(says, found))
    shown = json.loads((tmp_path / "shown.json").read_text(encoding="utf-8"))
    jsonschema.validate(shown, SCHEMA)
    assert len(shown["events"]) == len(says)


def test_a_turn_alone(run, tmp_path):
    """Its bars, and what happened in it."""
    code, lines, _ = run("show s/c --turn 2 --json shown.json")
    assert code == 0
    told = events_of(lines)
    assert told[0].startswith("turn 2 ")
    assert sum(line.startswith("turn ") for line in told) == 1
    shown = json.loads((tmp_path / "shown.json").read_text(encoding="utf-8"))
    jsonschema.validate(shown, SCHEMA)
    assert [turn["number"] for turn in shown["turns"]] == [2]


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("show s --events", 2, "--events .*single session"),
        ("show s/a s/b --turn 1", 2, "--turn .*single session"),
        ("show s/a --turn 9", 2, "--turn t9: "),
        ("show s/a --from x", 2, "--from 'x' "),
        ("show s/a --until #9999", 2, "--until #9999: "),
        ("show s/a --from 5 --until 2", 2, "within .*--from 5 --until 2"),
        ("show s/a --from 9999", 2, "within .*--from 9999"),
        ("show s/a --grep (", 2, "--grep '\\(' .*regular expression"),
    ],
)
def test_what_cannot_be_meant_is_told(run, line, code, says):
    """By the flag; nothing is shown."""
    assert run(line)[:2] == (code, [])
    assert re.search(says, " ".join(run(line)[2].split()))


@pytest.mark.parametrize("line", ["show s/a", "show s/a --events"])
def test_a_session_whose_audio_was_cut_is_shown(run, line):
    """As far as it goes, with what is missing."""
    os.truncate("s/a/user.wav", 44 + 100_000)
    code, lines, err = run(line)
    assert (code, err) == (0, "")
    assert any(one.startswith("missing ") for one in lines)
