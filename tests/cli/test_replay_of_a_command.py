"""``replay SESSION -- COMMAND`` at the command line: each option of ``replay`` has its effect, or is refused by name with the reason."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from evi_harness.cli.main import main
from evi_harness.cli.options.with_a_command import NOT_WITH_A_COMMAND
from evi_harness.cli.replay_command import command as replay
from evi_harness.verdicts.invoking import command_again

ROOT = Path(__file__).resolve().parents[2]
TYPED = str(ROOT / "sessions" / "typed")
GOOD = [sys.executable, str(ROOT / "fixtures" / "apps" / "typing_app.py"), "good"]

# An app that tells what it meets besides the service, reaches for a host, and computes.
APP = """
import asyncio, datetime, random, socket, sys, time

sys.path.insert(0, {apps!r})
import typing_app

def reach():
    try:
        socket.create_connection(("127.0.0.1", 9)).close()
    except OSError:
        pass

async def main():
    print("read", sys.stdin.readline().strip() or "nothing", flush=True)
    print("met", random.random(), datetime.datetime.now(datetime.timezone.utc).date(), flush=True)
    await asyncio.to_thread(reach)
    time.sleep(0.6)
    await typing_app.main()

asyncio.run(main())
"""

REFUSED = [
    ("handler", ["--handler", "app.py:App"]),
    ("arguments", ["--arg", "a=b"]),
    ("child", ["--no-child"]),
    ("microphone", ["--microphone", "off"]),
    ("executor", ["--executor", "dask://127.0.0.1:1"]),
    ("live", ["--live"]),
    ("dialect", ["--dialect", "evi"]),
    ("setup", ["--setup", __file__]),
    ("config_id", ["--config-id", "a"]),
    ("cadence", ["--cadence", "clock"]),
    ("max_duration_s", ["--max-duration", "9"]),
    ("patience_s", ["--patience", "9"]),
    ("ca", ["--ca", __file__]),
]
# The options that the tests below give, by the names of their parameters.
OF_ONE_RUN = {
    "twice": ["--twice"],
    "ignore": ["--ignore", "$.text"],
    "strict": ["--strict"],
    "max_late_ms": ["--max-late", "100"],
    "allow_incomplete": ["--allow-incomplete"],
    "upgrade": ["--upgrade"],
    "severities": ["--severity", "network=error"],
    "blocked_ms": ["--blocked-ms", "500"],
    "timeout_s": ["--timeout", "50"],
    "max_run_s": ["--max-run-time", "500"],
    "thread_wait_s": ["--thread-wait", "60"],
    "wall_clock": ["--wall-clock", "recorded"],
    "seed": ["--seed", "7"],
    "clock": ["--clock", "virtual"],
    "stdin": ["--stdin", "app.py"],
    "base_url": ["--base-url", "http://127.0.0.1:1"],
    "follow": ["--no-follow"],
    "min_sessions": ["--min-sessions", "1"],
    "speed": ["--speed", "2"],
    "max_gap": ["--max-gap", "9"],
    "last": ["--until", "3.1"],
    "gate": ["--gate", "stall: max<9000"],
    "save_baseline": ["--save-baseline", "saved.json"],
    "job_noise": ["--job-noise", "0"],
    "inconclusive": ["--inconclusive", "pass"],
    "gate_seed": ["--gate-seed", "2"],
    "false_alarm": ["--false-alarm", "0.02"],
    "least_effect": ["--least-effect", "6%,1ms..50ms"],
    "junit_file": ["--junit", "junit.xml"],
    "summary_file": ["--summary", "summary.md"],
    "out": ["--out", "out"],
    "html": ["--html", "page.html"],
    "audio_format": ["--audio-format", "flac"],
    "json_file": ["--json", "-"],
}
OF_OTHERS = (
    "update",
    "dry_run",
    "yes",
    "first",
    "n_runs",
    "jobs",
    "quiet",
    "verbose",
    "exitfirst",
    "last_failed",
    "allow_hosts",
    "baseline",
    "together",
    "drive",
)


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The words that start the app, in an empty folder; no configuration and no CI of the machine's is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "app.py").write_text(APP.lstrip().format(apps=str(ROOT / "fixtures" / "apps")), encoding="utf-8")
    return [sys.executable, "app.py"]


def test_every_option_works_with_a_command_or_is_refused():
    """None is left out: an option that is new has to be put into a table here."""
    named = {param.name for param in replay.params} - {"sessions"}
    assert sorted([*NOT_WITH_A_COMMAND, *OF_ONE_RUN, *OF_OTHERS]) == sorted(named)
    assert sorted(NOT_WITH_A_COMMAND) == sorted(name for name, _ in REFUSED)


def test_only_a_command_can_be_followed(capsys):
    """A handler starts what it likes."""
    assert main(["replay", TYPED, "--no-follow"]) == 2
    assert "--no-follow needs a COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "words"), REFUSED, ids=[name for name, _ in REFUSED])
def test_what_does_not_go_with_a_command_is_refused_by_name(name, words, capsys):
    """With the reason and exit code 2, and nothing is started."""
    assert main(["replay", TYPED, *words, "--", "no-such-command-anywhere"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    flag = words[0].replace("no-", "")
    assert re.match(f"error: {flag} .*: {re.escape(NOT_WITH_A_COMMAND[name])}", err)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--clock", "real", "--blocked-ms", "9"], "--blocked-ms"), (["--base-url", "://"], "--base-url"), (["-j", "2"], "several sessions")],
)
def test_a_value_that_does_not_go_with_a_command_is_refused(words, said, capsys):
    """With exit code 2, and nothing is started."""
    assert main(["replay", TYPED, *words, "--", "no-such-command-anywhere"]) == 2
    assert said in capsys.readouterr().err


def test_options_of_one_replay(app, tmp_path, capsys):
    """Each reaches the app's process, the comparison, or what is written; what the app prints goes aside where the report is printed."""
    code = main(["replay", TYPED, *(word for words in OF_ONE_RUN.values() for word in words), "--", *app])
    out, err = capsys.readouterr()
    report = json.loads(out)
    options = report["options"]
    assert code == 1
    assert sorted(one["kind"] for one in report["findings"] if one["severity"] == "error") == ["blocked", "network"]
    assert [one["kind"] for one in report["deviations"]] == ["late"]
    assert report["twice"] == {"identical": True, "first_difference": []}
    assert (options["thread_wait_s"], options["timeout_s"], options["max_run_s"], options["seed"]) == (60.0, 50.0, 500.0, 7)
    assert (options["strict"], options["ignore"], options["max_late_ms"]) == (True, ["$.text"], 100.0)
    assert report["recorded"]["axis"] == {"speed": "2", "max_gap": "9", "until": "3.1"}
    created = json.loads((Path(TYPED) / "session.json").read_text(encoding="utf-8"))["created"]
    # The first number of a generator with that seed, and the day of the recording, in both runs.
    met = [line.split() for line in err.splitlines() if line.startswith("met ")]
    assert len(met) == 2
    read = [line for line in err.splitlines() if line.startswith("read ")]
    assert read == [f"read {APP.lstrip().splitlines()[0]}"] * 2
    assert met[0] == met[1] == ["met", "0.32383276483316237", created[:10]]
    assert report["command"]["again"][-3:] == ["--", *app]
    assert [one["verdict"] for one in report["gate"]["thresholds"]] == ["passed"]
    for name in ("junit.xml", "summary.md", "page.html"):
        assert (tmp_path / name).stat().st_size
    assert not (tmp_path / "saved.json").exists()
    (written,) = (tmp_path / "out").iterdir()
    assert json.loads((written / "session.json").read_text(encoding="utf-8"))["made_by"] == "replay"


@pytest.fixture
def two(tmp_path):
    """Two sessions, side by side."""
    for name in ("first", "second"):
        shutil.copytree(TYPED, tmp_path / "two" / name)
    return str(tmp_path / "two")


@pytest.mark.slow
def test_a_command_is_started_for_each_of_several_sessions(two, app, capfd):
    """In processes of their own; what an app prints is shown with the report of the session that it failed, and not between them."""
    assert main(["replay", two, "-j", "2", "-v", "--json", "report.json", "--html", "pages", "--", *app]) == 1
    out = capfd.readouterr().out
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert (report["n_workers"], [one["exit_code"] for one in report["sessions"]]) == (2, [1, 1])
    assert out.count("met ") == out.count("\n    met ") == 2
    assert len(list(Path("pages").glob("*.html"))) == 3


@pytest.mark.slow
def test_sessions_may_be_the_connections_of_one_run(two, tmp_path, monkeypatch, capfd):
    """Each is judged by its own; the command for one of them names them all."""
    monkeypatch.chdir(tmp_path)
    app = [sys.executable, str(ROOT / "fixtures" / "apps" / "typing_app.py"), "connects_again"]
    assert main(["replay", two, "--together", "-j", "1", "--json", "report.json", "--", *app]) == 1
    sessions = json.loads(Path("report.json").read_text(encoding="utf-8"))["sessions"]
    assert [one["exit_code"] for one in sessions] == [1, 0]
    (deviation,) = sessions[0]["report"]["deviations"]
    assert deviation["kind"] == "closed_early"
    again, _ = command_again(sessions[1]["report"])
    assert again[again.index("replay") :] == ["replay", *(one["folder"] for one in sessions), "--together", "--", *app]
    capfd.readouterr()
    assert main(["replay", two, "--", *app, "and nothing else"]) == 1
    assert "network" in capfd.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["{typed}", "--together", "--", "x"], ["{two}", "--together"], ["{two}", "--together", "--from", "1", "--", "x"]],
    ids=["one session", "no command", "a part"],
)
def test_what_belongs_together_is_whole(two, words, capsys):
    """Several sessions, of a command, from beginning to end."""
    assert main(["replay", *(word.format(typed=TYPED, two=two) for word in words)]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_options_of_several_sessions(two, app, capfd, monkeypatch):
    """The first that fails ends them; those that failed are replayed again; one that is to be reached is."""
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert main(["replay", two, "-j", "1", "-q", "--allow-host", "127.0.0.1:9", "--severity", "blocked=off", "--", *app]) == 0
    assert main(["replay", two, "-j", "1", "-x", "-q", "--", *app]) == 1
    assert "1 not replayed" in capfd.readouterr().out
    assert main(["replay", two, "-j", "1", "--last-failed", "--repeat", "2", "--json", "-", "--", *GOOD]) == 0
    (again,) = json.loads(capfd.readouterr().out)["sessions"]
    assert (Path(again["folder"]).name, len(again["report"]["runs"])) == ("first", 2)


def test_what_an_app_sends_is_accepted_as_expected(app, tmp_path, capsys):
    """What would change is shown, written where it is agreed to, and matched from then on; a part of a session updates nothing."""
    shutil.copytree(TYPED, tmp_path / "mine")
    Path("app.py").write_text(Path(GOOD[1]).read_text(encoding="utf-8").replace('"rain"', '"snow"'), encoding="utf-8")
    app = [*app, "good"]
    assert main(["replay", "mine", "--update", "--dry-run", "--", *app]) == 1
    assert not (tmp_path / "mine" / "expected.jsonl").exists()
    assert main(["replay", "mine", "--update", "--yes", "--", *app]) == 0
    assert (tmp_path / "mine" / "expected.jsonl").exists()
    assert main(["replay", "mine", "--save-baseline", "base.json", "--", *app]) == 0
    assert main(["replay", "mine", "--baseline", "base.json", "--inconclusive", "pass", "--", *app]) == 0
    assert main(["replay", "mine", "--update", "--from", "0.1", "--", *app]) == 2
    assert "of a session" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stdin", "-", "--twice", "--"], "started several times"),
        (["--stdin", "-", "--repeat", "2", "--"], "started several times"),
        (["--stdin", "no-such-file", "--"], "invalid value for --stdin"),
        (["--stdin", "-"], "--stdin needs a command"),
        (["--drive", "python caller.py"], "--drive"),
        (["--drive", "python 'caller.py", "--"], "--drive"),
        (["--drive", "python caller.py", "--"], "--drive"),
        (["--drive", " ", "--clock", "real", "--"], "--drive"),
    ],
    ids=" ".join,
)
def test_an_input_that_cannot_be_given_is_refused(words, said, capsys):
    """What can be read once is given once; a file has to be there; a handler gets none."""
    assert main(["replay", TYPED, *words, *(["no-such-command-anywhere"] if "--" in words else [])]) == 2
    assert said in capsys.readouterr().err


def test_a_command_has_to_be_there(capsys):
    """Nothing behind the dashes, and a program that is not there, are two errors."""
    assert main(["replay", TYPED, "--"]) == 2
    assert "no command" in capsys.readouterr().err
    assert main(["replay", TYPED, "--", "no-such-command-anywhere", "--handler", "of its own"]) == 3
    assert "cannot start 'no-such-command-anywhere'" in capsys.readouterr().err


def test_the_help_has_the_command(capsys):
    """In its first line."""
    assert main(["replay", "--help"]) == 0
    assert "SESSION... [-- COMMAND...]" in capsys.readouterr().out
