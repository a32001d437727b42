from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "check-report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, outside of CI: sessions that are sound, one that cannot be read, one whose audio was cut, and what is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    for name, source in (("s/a", "weather"), ("s/b", "typed"), ("s/c", "typed"), ("cut", "demo"), ("one/a", "typed")):
        shutil.copytree(ROOT / "sessions" / source, name)
    Path("s/b/session.json").write_text("{")
    os.truncate("cut/user.wav", 44 + 100_000)
    Path("empty").mkdir()
    Path("file.txt").write_text("no session\n")
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """Runs a command line; gives the code, the lines that were printed, and what went to standard error."""

    def run_(line):
        code = main(line.split())
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run_


def test_a_sound_session_is_one_line(run):
    """And its code is 0; one that is named twice is one."""
    for line in ("check s/a", "check s/a/ s/a"):
        assert run(line) == (0, ["s/a: nothing wrong"], "")


def test_one_session_is_a_line_a_problem(run):
    """Each begins with the folder, in the order of the call."""
    Path("s/c/notes.txt").write_text("x")
    code, lines, err = run("check s/c")
    assert (code, err) == (1, "")
    assert lines == [f"s/c: {problem}" for problem in check_session("s/c")]
    assert len(lines) == 2


def test_audio_that_was_cut_is_told_before_what_follows(run):
    """The cause, all its consequences in one line, then what else is wrong with the file."""
    code, lines, err = run("check cut")
    assert (code, err, len(lines)) == (1, "", 5)
    assert re.match(r"cut: user\.wav: .*\b100000\b.*\b682880\b.*#318\b", lines[0])
    assert re.match(
        r"cut: events\.jsonl, line 319: .*\b99840\b.*\b100160\b.*user\.wav.*\b1821 more\b.*events\.jsonl, line 2176: ", lines[1]
    )
    assert all(line.startswith("cut: user.wav: ") for line in lines[2:])


@pytest.mark.parametrize("line", ["check s", "check s/a s/b s/c", "check s/a s", "check s/../s/a s/b s/c s/a"])
def test_one_that_cannot_be_read_hides_no_other(run, line):
    """A section each, a sum, and the code of the worst."""
    code, lines, err = run(line)
    assert (code, err) == (1, "")
    sections = [one for one in lines if not one.startswith(" ")]
    assert [one.split("/")[-1] for one in sections[:3]] == ["a: nothing wrong", "b: 1 problem", "c: nothing wrong"]
    assert any(line.startswith("  session.json: ") for line in lines)
    assert lines[-1].startswith("3 sessions: 2 ") or "../" in line


def summed_up(lines):
    """Whatever has nothing wrong, by its name or number."""
    return [re.sub(r"(?:: | with )nothing wrong$", "", line) for line in lines]


def test_a_folder_of_sound_sessions_is_0(run):
    """Also where it holds but one, which is summed up all the same."""
    code, lines, err = run("check one")
    assert (code, summed_up(lines), err) == (0, ["one/a", "", "1 session: 1"], "")
    shutil.rmtree("s/b")
    code, lines, _ = run("check s")
    assert (code, summed_up(lines)) == (0, ["s/a", "s/c", "", "2 sessions: 2"])


@pytest.mark.parametrize(
    ("name", "says"),
    [("empty", "neither session.json nor events.jsonl"), ("file.txt", "a file")],
)
def test_what_is_no_session_is_told(run, name, says):
    """Alone and among others, which are checked all the same."""
    code, lines, err = run(f"check {name}")
    assert (code, err, len(lines)) == (1, "", 1)
    assert lines[0].startswith(f"{name}: the folder: ")
    assert says in lines[0]
    code, lines, err = run(f"check {name} s/a")
    assert (code, err) == (1, "")
    assert [lines[0], lines[2]] == [f"{name}: 1 problem", "s/a: nothing wrong"]
    assert says in lines[1]


def test_a_session_that_has_lost_its_header_is_not_passed_over(run):
    """Its events tell that it is one."""
    Path("s/b/session.json").unlink()
    code, lines, _ = run("check s")
    assert code == 1
    assert "s/b: 1 problem" in lines
    assert re.fullmatch(r"3 sessions: 2 .*\bnothing wrong, 1 .*\bproblems", lines[-1])


def test_json_has_every_problem_of_every_session(run):
    """To a file, with the same lines for people as without it; the lines are folded, the file is not."""
    code, lines, err = run("check cut s --json out.json")
    assert (code, err) == (1, "")
    assert run("check cut s") == (1, lines, "")
    told = json.loads(Path("out.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert [one["folder"] for one in told["sessions"]] == ["cut", "s/a", "s/b", "s/c"]
    assert len(told["sessions"][0]["problems"]) == len(check_session("cut")) == 1826
    assert told["sessions"][0]["problems"][0]["kind"] == "file_cut"
    assert {one["kind"] for one in told["sessions"][0]["problems"][1:1823]} == {"beyond_the_end"}


def test_json_on_standard_output_is_json_alone(run):
    """People then read standard error."""
    code, lines, err = run("check s/a --json -")
    told = json.loads("\n".join(lines))
    jsonschema.validate(told, SCHEMA)
    assert (code, told["passed"], err) == (0, True, "s/a: nothing wrong\n")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("check", "SESSION is missing"),
        ("check s/a gone", "'gone' "),
        ("check s --json gone/a", "--json: 'gone' "),
    ],
)
def test_a_mistake_is_2_and_nothing_is_checked(run, line, says):
    """Told on standard error."""
    code, lines, err = run(line)
    assert (code, lines) == (2, [])
    assert says in " ".join(err.split())


def test_ctrl_c_ends_it_with_130(here):
    """In the middle of many: no report is written, and no traceback."""
    for number in range(400):
        # More than a pipe holds: the process cannot be done before it is read.
        folder = Path("many", f"{number:0200}")
        folder.mkdir(parents=True)
        (folder / "events.jsonl").touch()
    arguments = [sys.executable, "-m", "evi_harness", "check", "many", "--json", "out.json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("many/")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted\n")
    assert not Path("out.json").exists()


def test_a_ci_server_is_told_of_each_session(run, monkeypatch):
    """JUnit has all of them; GitHub's marks, and the summary, the file and the line of the first problem of each that is not sound."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    code, lines, _ = run("check s cut --junit j.xml")
    assert code == 1
    marks = [line for line in lines if line.startswith("::")]
    assert [mark.partition(",")[0] for mark in marks] == ["::error file=s/b/session.json", "::error file=cut/user.wav"]
    assert marks[1].endswith(" more problems.")
    suite = ElementTree.parse("j.xml").getroot()[0]
    assert {case.get("name"): len(case) for case in suite} == {"s/a": 0, "s/b": 1, "s/c": 0, "cut": 1}
    assert "2 failed, 2 passed" in Path("summary.md").read_text(encoding="utf-8")
    code, lines, _ = run("check s/a --junit j.xml")
    assert (code, [line for line in lines if line.startswith("::")], ElementTree.parse("j.xml").getroot().get("failures")) == (0, [], "0")


@pytest.mark.parametrize("command", ["check", "replay", "latency"])
def test_a_ci_server_is_told_of_a_folder_that_is_missing(run, monkeypatch, command):
    """Before the command begins; a file that is there and not ours stays."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    code, _, err = run(f"{command} gone --junit j.xml --summary s.md")
    assert (code, f"::error title=evi-harness%3A {command}::invalid value for SESSION" in err) == (2, True)
    assert ElementTree.parse("j.xml").getroot().get("errors") == "1"
    assert "SESSION: path 'gone' " in Path("s.md").read_text(encoding="utf-8")
    Path("mine.xml").write_text("<mine/>", encoding="utf-8")
    assert run(f"{command} s --no-such-option --junit mine.xml")[0] == 2
    assert Path("mine.xml").read_text(encoding="utf-8") == "<mine/>"
    assert "::error" not in run("show gone")[2]


@pytest.mark.parametrize("command", ["check one", "replay one --handler recorded --no-child", "latency one --detector none", "show one"])
def test_a_session_in_a_session_is_named_as_left_out(run, command):
    """However deep it is; not where it is named, too."""
    shutil.copytree("s/a", "one/a/deep/inner")
    _, _, err = run(command)
    assert "left out: one/a/deep/inner is" in err
    assert "left out" not in run(f"{command} one/a/deep/inner")[2]


def test_the_report_has_what_was_left_out(run):
    """For programs."""
    shutil.copytree("s/a", "one/a/inner")
    assert run("check one --json r.json")[0] == 1
    report = json.loads(Path("r.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, SCHEMA)
    assert (report["left_out"], [one["folder"] for one in report["sessions"]]) == (["one/a/inner"], ["one/a"])
