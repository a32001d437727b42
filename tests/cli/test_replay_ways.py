"""Tests of ``evi-harness replay`` with several sessions, at another pace, and with a live service."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, simulation
from evi_harness.cli.main import main
from evi_harness.cli.replay_command import command
from evi_harness.errors import UsageError

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = ROOT / "sessions"
APP = f"{ROOT}/fixtures/handlers/never_answers.py:App"
ISLAND = '<script type="application/json" id="evi-data">'
SCRIPT = """
[[turn]]
expect = "text"
[turn.tool]
name = "get_weather"
parameters = { location = "Bath" }
[[turn.tool.answer]]
say = "It is raining."
"""


@pytest.fixture
def run(capsys):
    """Runs ``evi-harness replay`` with words: the exit code, and what it printed on both outputs."""

    def run(*words):
        code = main(["replay", *map(str, words)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_folder_of_sessions_is_replayed_whole(run, tmp_path):
    """A line for each, the failing ones last with their reports, one exit code, and all of it as JSON."""
    # A folder of our own: in sessions/ there may be whatever was recorded there.
    folder = tmp_path / "sessions"
    for name in ("demo", "typed", "weather"):
        shutil.copytree(SESSIONS / name, folder / name)
    code, out, _ = run(folder, "--handler", APP, "-j", "2", "--json", tmp_path / "all.json")
    assert code == 1
    lines = out.splitlines()
    assert len([line for line in lines if line.startswith(str(folder)) and "failed" in line]) == 3
    assert "DEVIATION  missing" in out
    assert lines[-2].startswith("3 sessions: 0 passed, 3 failed (")
    told = json.loads((tmp_path / "all.json").read_text())
    assert [Path(one["folder"]).name for one in told["sessions"]] == ["demo", "typed", "weather"]
    assert all(one["report"]["deviations"] for one in told["sessions"])
    # Each report has the command of all, and the one that replays its session alone.
    for one in told["sessions"]:
        command = one["report"]["command"]
        words = ["replay", str(folder), "--handler", APP, "-j", "2", "--json", str(tmp_path / "all.json")]
        assert command["argv"] == [sys.executable, "-m", "evi_harness", *words]
        assert command["again"] == ["evi-harness", "replay", one["folder"], "--handler", APP]
        assert one["report"]["deviations"][0]["places"]


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A folder of three sessions, of which the second cannot be read; what failed is remembered for this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in "abc":
        shutil.copytree(SESSIONS / "typed", tmp_path / "s" / name)
    (tmp_path / "s" / "b" / "session.json").write_text("{")
    return Path("s")


ONE_BY_ONE = ("-j", "1", "--no-child")


def test_as_little_as_is_wanted_is_printed(run, three):
    """Quiet: causes and the sum. Verbose: with one of a cause as ever."""
    code, out, _ = run(three, "-q", *ONE_BY_ONE)
    assert code == 3
    assert [line.split()[0] for line in out.splitlines() if line] == ["not", "1", "s/b", "3", "verdict"]
    assert [len(run(three, *words, *ONE_BY_ONE)[1].splitlines()) for words in ((), ("-v",))] == [12, 12]


def test_the_first_that_fails_is_the_last(run, three):
    """What stands behind it is not replayed, and the last line says how much that is."""
    code, out, _ = run(three, "-x", *ONE_BY_ONE)
    assert code == 3
    assert re.match(r"3 sessions: 1 passed, 1 \D*\brun, 1 not replayed \(", out.splitlines()[-2])


def test_what_failed_last_is_replayed_alone(run, three):
    """Until it passes; then all are, and that is told."""
    code, out, err = run(three, "--last-failed", *ONE_BY_ONE)
    assert (code, err.startswith("no session ")) == (3, True)
    code, out, err = run(three, "--last-failed", *ONE_BY_ONE)
    assert (code, err.startswith("1 of 3 ")) == (3, True)
    assert re.match(r"1 session: 0 passed, 1 \D*\brun\b", out.splitlines()[-2])
    shutil.copy(three / "a" / "session.json", three / "b")
    code, out, err = run(three, "--last-failed", *ONE_BY_ONE)
    assert (code, err.startswith("1 of 3 ")) == (0, True)
    code, out, err = run(three, "--last-failed", *ONE_BY_ONE)
    assert (code, out.splitlines()[-2].split(" (")[0]) == (0, "3 sessions: 3 passed")


def test_several_runs_and_a_part(run):
    """The sum of the runs stands in place of the verdict."""
    code, out, _ = run(SESSIONS / "weather", "--handler", "recorded", "--until", "t1", "--speed", "2", "--repeat", "2")
    assert code == 0
    assert re.fullmatch("verdict +passed: 2 of 2 runs", out.splitlines()[-1])


@pytest.mark.slow
def test_the_conversation_is_held_again(run, tmp_path, monkeypatch):
    """--live against a simulator on this machine: nothing is asked, the new session is where --out says; how far it has got is shown."""
    shown = []

    @contextmanager
    def progress(*asked):
        shown.append(asked)
        yield SimpleNamespace(part=lambda share, where: shown.append(where) if 0 <= share <= 1 else pytest.fail(str(share)))

    monkeypatch.setattr("evi_harness.cli.replay_command.progress", progress)
    (tmp_path / "script.toml").write_text(SCRIPT)
    with served(simulation(tmp_path / "script.toml"), ServeOptions(service=SIMULATOR)) as server:
        code, out, _ = run(SESSIONS / "typed", "--live", "--base-url", server.url, "--out", "out", "--json", "r.json", "--html", "p.html")
    assert code == 0, out
    told = json.loads(Path("r.json").read_text())
    assert told["command"]["argv"][3:8] == ["replay", str(SESSIONS / "typed"), "--live", "--base-url", server.url]
    assert (told["command"]["cwd"], told["command"]["again"]) == (str(tmp_path), None)
    assert (told["recording"]["path"], len(told["recording"]["sha256"])) == (str(SESSIONS / "typed"), 64)
    assert (told["options"]["base_url"], told["options"]["cadence"]) == (server.url, "turn")
    assert {"evi_harness", "python"} <= set(told["versions"])
    assert out.splitlines()[-1] == "verdict    passed"
    assert [folder.name.endswith("-typed-live") for folder in (tmp_path / "out").iterdir()] == [True]
    assert shown[:2] == [("replaying live", 1), "turn 1 of 1, 0:00 of 0:03"]
    # Its page has both conversations, the live one below, and is named where a report names it.
    assert (told["page"], "page       p.html" in out) == ("p.html", True)
    page = json.loads(Path("p.html").read_text().partition(ISLAND)[2].partition("</script>")[0])
    assert [side["label"] for side in page["sides"]] == ["Recorded", "Live"]
    assert (page["verdict"], page["problems"]) == ({"state": "passed", "text": "passed"}, [])
    assert page["paired_turns"] == [[1, 1]]
    assert [line["text"] for line in page["sides"][1]["transcript"] if line["who"] == "assistant"] == ["It is raining."]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["weather", "--live", "--handler", "app.py:App"], 2, "--handler .*--live"),
        (["weather", "--live", "--twice"], 2, "--twice .*--live"),
        (["weather", "--base-url", "http://127.0.0.1:1"], 2, "--base-url needs --live"),
        (["weather", "--cadence", "clock"], 2, "--cadence needs --live"),
        (["weather", "-j", "2"], 2, "--jobs needs several sessions"),
        (["weather", "--executor", "dask://127.0.0.1:1"], 2, "--executor needs several sessions"),
        (["weather", "-x"], 2, "--exitfirst needs several sessions"),
        (["weather", "--last-failed"], 2, "--last-failed needs several sessions"),
        (["weather", "typed", "-q", "-v"], 2, "-q and -v cannot"),
        (["weather", "typed", "--live"], 2, "--live .*one session"),
        (["weather", "typed", "--executor", "nonsense"], 2, "'nonsense' is not"),
        (["weather", "--speed", "fast"], 2, "--speed"),
        (["weather", "--max-gap", "-1"], 2, "--max-gap"),
        (["weather", "--from", "whenever"], 2, "--from"),
        (["weather", "--from", "t9"], 2, "turn"),
        (["weather", "--update", "--until", "t1"], 2, "--update"),
        (["weather", "--update", "--repeat", "2"], 2, "--repeat"),
        (["weather", "--dry-run"], 2, "--dry-run needs --update"),
        (["weather", "--yes"], 2, "--yes needs --update or --live"),
        (["weather", "--live", "--dry-run"], 2, "--dry-run .*--live"),
        (["weather", "--severity", "raised"], 2, "NAME=VALUE"),
        (["weather", "--severity", "tired=off"], 2, "no finding 'tired'"),
        (["weather", "--severity", "raised=loud"], 2, "'loud' .*a severity"),
        (["weather", "--allow-host", "http://a.invalid/x"], 2, "a.invalid"),
        (["weather", "--seed", "-1"], 2, "-1"),
        (["weather", "--live", "--base-url", "https://evi.invalid"], 3, "HUME_API_KEY"),
        (["weather", "--live", "--base-url", "http://127.0.0.1:1"], 3, "nothing listens there"),
        (["weather", "--live", "--ca", "none.pem"], 2, "'none.pem' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_a_sentence(run, monkeypatch, words, code, says):
    """Options that would change nothing are refused, and values that cannot be meant."""
    monkeypatch.chdir(SESSIONS)
    found, _, err = run(*words)
    assert found == code, err
    assert re.search(says, err)
    assert "Traceback" not in err


def test_a_service_elsewhere_is_asked_for_on_a_terminal_only(monkeypatch):
    """Where nobody can answer, nothing is sent."""
    monkeypatch.setenv("HUME_API_KEY", "k" * 48)
    result = CliRunner().invoke(command, [str(SESSIONS / "typed"), "--live", "--base-url", "https://evi.invalid"])
    assert isinstance(result.exception, UsageError)
    assert "nothing was sent" in str(result.exception)


def on_a_terminal(answer, *words, **environment):
    """What ``replay`` prints on a terminal on which somebody has typed ahead, and what it exits with."""
    unattended = ("CI", "BUILD_NUMBER", "TF_BUILD", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "PYTEST_VERSION")
    kept = {name: value for name, value in os.environ.items() if name not in unattended}
    ours, its = pty.openpty()
    os.write(ours, answer)
    asked = [sys.executable, "-m", "evi_harness", "replay", *words]
    with subprocess.Popen(
        asked, stdin=its, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**kept, "PYTHONPATH": str(ROOT), **environment}
    ) as process:
        os.close(its)
        printed = process.communicate()[0].decode()
    os.close(ours)
    return process.returncode, printed


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """Two sessions in the current folder, and a handler that answers otherwise."""
    for name in ("a", "b"):
        shutil.copytree(SESSIONS / "weather", tmp_path / "s" / name)
    monkeypatch.chdir(tmp_path)
    return ["s", "--handler", f"{ROOT / 'fixtures' / 'handlers' / 'wrong_answer.py'}:App", "--update"]


@pytest.mark.slow
def test_an_update_is_asked_for_on_a_terminal(changed):
    """Once, with every change; no is 1 and writes nothing, yes is 0 and writes all; then there is nothing to ask for."""
    code, printed = on_a_terminal(b"n\n", *changed)
    assert (code, list(Path("s").rglob("expected.jsonl"))) == (1, [])
    assert printed.count(", in 2 sessions? [y/N]") == 1
    assert printed.partition(", in 2 sessions? ")[0].count("~ #158") == 2
    code, printed = on_a_terminal(b"y\n", *changed, "--json", "report.json")
    assert code == 0, printed
    assert sorted(Path("s").rglob("expected.jsonl")) == [Path("s/a/expected.jsonl"), Path("s/b/expected.jsonl")]
    told = json.loads(Path("report.json").read_text())["sessions"]
    assert [one["report"]["expectation"]["outcome"] for one in told] == ["written", "written"]
    # Whoever says again how it was asked for does not say that it was tried.
    assert told[0]["report"]["command"]["again"][-1] == "--update"
    code, printed = on_a_terminal(b"", *changed)
    assert (code, "Accept" in printed) == (0, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "environment"),
    [(["--yes"], {}), ([], {"CI": "true"}), ([], {"PYTEST_CURRENT_TEST": "test_x.py::test (call)"})],
    ids=["--yes", "CI", "pytest"],
)
def test_where_nobody_is_there_or_wants_it_nobody_is_asked(changed, words, environment):
    """What is asked for is done, and shown."""
    code, printed = on_a_terminal(b"", *changed, *words, **environment)
    assert code == 0, printed
    assert len(list(Path("s").rglob("expected.jsonl"))) == 2
    assert ("Accept" in printed, printed.count("~ #158")) == (False, 2)


def test_a_dry_run_is_not_asked_for_either(changed):
    """It shows what would change, and exits with 1."""
    code, printed = on_a_terminal(b"", "s/a", *changed[1:], "--dry-run")
    assert (code, "Accept" in printed) == (1, False)
    assert re.search("expected.jsonl .*: 2 messages", printed)
    assert not list(Path("s").rglob("expected.jsonl"))


@pytest.mark.slow
def test_one_session_is_asked_for_likewise(changed):
    """With the same answers."""
    assert on_a_terminal(b"n\n", "s/a", *changed[1:])[0] == 1
    code, printed = on_a_terminal(b"y\n", "s/a", *changed[1:], "--json", "-")
    assert code == 0, printed
    assert Path("s/a/expected.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "labels"), [(["weather"], ["cause", "next"]), (["typed", "weather"], ["next"])], ids=["a long report", "several sessions"]
)
def test_a_terminal_is_told_at_the_end_why_and_how_to_go_on(names, labels, monkeypatch, tmp_path):
    """Above the verdict, where the report may have gone off the screen; through a pipe nothing is added."""
    out = StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["replay", *(str(SESSIONS / name) for name in names), "--handler", APP, "--no-child"]) == 1
    *_, last = lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[-len(labels) - 1 : -1]] == labels
    assert "failed" in last


@pytest.mark.parametrize("command", [("replay", "--handler", "recorded"), ("check",), ("latency", "--detector", "none")])
def test_a_session_that_is_missing_is_noticed(three, capsys, command):
    """By how many there should be, before anything is done."""
    name, *words = command
    assert main([name, str(three), *words, "--min-sessions", "4"]) == 3
    out, err = capsys.readouterr()
    assert (out, "3 sessions were found" in err, "--min-sessions 4" in err) == ("", True, True)


def test_what_is_left_of_a_session_could_not_run(run, three):
    """Audio without events is no folder to pass over, and neither is a link to a session or one that leads nowhere."""
    shutil.rmtree(three / "b")
    for name in ("session.json", "events.jsonl"):
        (three / "c" / name).unlink()
    (three / "linked").symlink_to(SESSIONS / "weather")
    (three / "lost").symlink_to("nowhere")
    code, _, _ = run(three, "--handler", "recorded", "--json", "r.json", *ONE_BY_ONE)
    told = {Path(one["folder"]).name: one["exit_code"] for one in json.loads(Path("r.json").read_text())["sessions"]}
    assert (code, told) == (3, {"a": 0, "c": 3, "linked": 0, "lost": 3})


def test_as_little_as_is_wanted_of_one_session(run):
    """The verdict; and what failed is told as ever."""
    (line,) = run(SESSIONS / "typed", "-q")[1].splitlines()
    assert re.fullmatch("verdict    passed, .*built-in.*", line)
    code, out, _ = run(SESSIONS / "weather", "-q", "--handler", APP)
    assert (code, "DEVIATION" in out, out.splitlines()[-1]) == (1, True, "verdict    failed: 1 deviation")


@pytest.mark.parametrize("words", [("empty", "-x"), ("empty", "-v"), ("s/a/user.wav",), ("s/a/user.wav", "-x")])
def test_what_is_no_session_is_told_before_what_does_not_go_with_it(run, three, words):
    """As could not run; a sound file of a session is none, and the error names its folder."""
    Path("empty").mkdir()
    if "wav" in words[0]:
        (three / "a" / "user.wav").touch()
    code, out, err = run(*words)
    assert (code, out) == (3, "") if words != ("s/a/user.wav", "-x") else code == 2
    assert len(words) == 2 or f"Name the folder: {three / 'a'}" in err


def test_what_is_missing_in_a_recording_is_named_where_little_is_told(run, three):
    """With the command that lists everything, and nothing of it is measured."""
    (three / "b" / "session.json").write_bytes((three / "a" / "session.json").read_bytes())
    (three / "c" / "events.jsonl").write_bytes(b"".join((three / "c" / "events.jsonl").read_bytes().splitlines(keepends=True)[:-1]))
    code, out, _ = run(three, "-q", "--handler", "builtin", "--save-baseline", "b.json", *ONE_BY_ONE)
    assert (code, "evi-harness check" in out, Path("b.json").exists()) == (1, True, False)
    assert any(line.startswith(f"      {three / 'c'}: events.jsonl") for line in out.splitlines())
