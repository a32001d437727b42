"""Apps that a command starts, each a process of its own: what they do is judged as it is of a handler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.replay import replay_asked, replay_session
from evi_harness.errors import CommandError
from evi_harness.runs.app_channel import CHANNEL, SITE
from evi_harness.runs.app_command import AppCommand, led_to
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.notes import APP_ENDED

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "sessions" / "typed"
APP = str(ROOT / "fixtures" / "apps" / "typing_app.py")
HUME = ("api.hume.ai", None)


def replayed(*words):
    """The result of a replay of the app, or of another command."""
    words = words if len(words) > 1 else (sys.executable, APP, *words)
    return replay_asked(TYPED, ReplayOptions(handler=AppCommand(words, (HUME,))))


def found(result):
    """What fails a replay, by kind."""
    return [finding.kind for finding in result.findings if finding.fails] + [one.kind for one in result.deviations]


@pytest.mark.parametrize(
    "way", ["own_loops", "anyio", "aiohttp", "becomes", "types", "token_first", "started", "multiprocessing", "prints"]
)
def test_an_app_passes_however_it_runs_its_loop_and_connects(way):
    """It is interrupted when the recorded one closed, as by Ctrl+C."""
    result = replayed(way)
    assert found(result) == []
    assert result.exit_code == 0
    recorded, live = result.report.recorded, result.session
    assert [event.kind for event in live.events if event.kind != "note"] == [event.kind for event in recorded.events]


def test_an_app_that_is_run_as_a_module_is_interrupted_as_itself(monkeypatch):
    """It gets Ctrl+C where the recorded one closed, and leaves its conversation by its own code."""
    monkeypatch.chdir(Path(APP).parent)
    result = replayed(sys.executable, "-m", Path(APP).stem, "own_loops")
    assert found(result) == []
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert (facts.signal, facts.exit_code) == ("", 0)


@pytest.mark.parametrize(
    ("endpoint", "hosts"),
    [
        (None, [("b", None), ("a", 1)]),
        ("wss://Own.example.com:444/v1?x=y", [("b", None), ("own.example.com", None), ("a", 1)]),
        ("ws://127.0.0.1:5/chat", [("b", None), ("a", 1)]),
        ("wss://b/chat", [("b", None), ("a", 1)]),
    ],
)
def test_an_app_finds_the_service_where_its_session_has_it(endpoint, hosts):
    """At the hosts of the dialect and where it was recorded, besides where it is said to be; not on this machine, where all else is too."""
    assert led_to(AppCommand(("python",), (("a", 1),)), ["B"], endpoint).hosts == tuple(hosts)


def test_two_runs_are_the_same():
    """Whatever in them depends on chance or on the machine; asked for by a call."""
    result = replay_session(TYPED, handler=app_command([sys.executable, APP, "good"]), twice=True)
    assert result.report.twice == ()
    assert result.passed
    assert [facts for _, facts in result.session.noted(APP_ENDED)] != []
    assert result.report.sdk == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "kinds", "ended"),
    [
        ("no_answer", ["missing"], "SIGINT"),
        ("wrong_id", ["different", "rejected"], "SIGINT"),
        ("blocks", ["blocked"], "SIGINT"),
        ("leaves", ["closed_early"], 0),
        ("deaf", ["never_returns", "never_returns"], "SIGTERM"),
        ("killed", ["crashed", "missing", "missing"], "SIGKILL"),
        ("exits", ["closed_early"], 7),
        ("raises", ["raised"], 1),
        ("connects_again", ["network", "raised"], 1),
        ("started_twice", ["network"], 0),
        ("elsewhere", ["network"], "SIGINT"),
        ("token", ["network"], "SIGINT"),
        ("history", ["network"], "SIGINT"),
    ],
)
def test_what_is_wrong_with_an_app_is_found(way, kinds, ended):
    """An app that answers nothing, or wrongly, blocks, leaves, stays, dies, or reaches for what is not there; and how it ended is told."""
    result = replayed(way)
    assert sorted(found(result)) == kinds
    assert result.exit_code == 1
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert (facts.signal or facts.exit_code) == ended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["fails"], "never connected"),
        (["synchronous"], "blocking"),
        (["in_a_thread"], "blocking"),
        (["connects_itself"], "its own"),
        (["serves"], "serves"),
        ([sys.executable, "-I", APP, "fails"], "no Python process"),
        (["true", "and nothing else"], "no Python process"),
        (["no-such-command-anywhere", "x"], "cannot start"),
    ],
    ids=lambda one: " ".join(map(str, one[-2:])) if isinstance(one, list) else "",
)
def test_what_was_no_replay_is_an_error(words, why):
    """Never a pass: the exit code is 3, and the reason is told."""
    with pytest.raises(CommandError, match=why) as caught:
        replayed(*words)
    assert caught.value.exit_code == 3
    # What virtual time does not carry, real time does.
    assert ("clock='real'" in str(caught.value.hint)) == (why in ("blocking", "its own", "serves", "no Python process"))


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_an_app_that_was_ended_before_it_connected_is_an_error_with_the_limit(clock):
    """It did not end by itself, so what helps is more time, or the service's address."""
    command = AppCommand((sys.executable, "-c", "import threading; threading.Event().wait()"), (HUME,))
    with pytest.raises(CommandError, match="1 s") as caught:
        replay_asked(TYPED, ReplayOptions(handler=command, clock=clock, timeout_s=1.0))
    assert "timeout_s" in str(caught.value.hint)


def test_an_app_is_told_of_its_own_chat(capfd):
    """As far as it has got, at the times of the recording, and the same in two runs."""
    result = replay_session(TYPED, handler=app_command([sys.executable, APP, "looks_back"]), twice=True)
    assert (found(result), result.report.twice, result.exit_code) == ([], (), 0)
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert facts.exit_code == 0
    said = ["What's the weather in Bath?", "None", "None", "Take an umbrella."]
    told = capfd.readouterr().out.splitlines()
    lasted_ms = result.session.closed.at_ns // 1_000_000
    assert told == ["USER_ENDED", str(lasted_ms), *said] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        *("started_by_asyncio", "multiprocessing_spawn", "started_by_system", "started_by_popen", "started_by_posix_spawn"),
        *("started_by_spawnv", "started_by_spawnve", "started_by_fork"),
    ],
)
def test_a_program_that_the_app_starts_is_followed(way):
    """However it starts it."""
    test_an_app_passes_however_it_runs_its_loop_and_connects(way)


def test_an_app_that_goes_on_behind_its_command_is_ended(tmp_path):
    """A daemon: it is named, and nothing of it is left but for its entry in the table of processes."""
    told = tmp_path / "process"
    with pytest.raises(CommandError, match="daemon") as caught:
        replayed(sys.executable, APP, "daemonises", str(told))
    assert caught.value.exit_code == 3
    process = int(told.read_text(encoding="utf-8"))
    while is_running(process):
        time.sleep(0.01)


def is_running(process):
    """Whether a process runs, and is not only there until somebody asks how it ended."""
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        pytest.skip("there is no ps here")
    return state.strip()[:1] not in ("", "Z")


def test_a_program_that_is_not_followed_has_no_part_in_the_run():
    """Where that is asked for."""
    command = app_command((sys.executable, APP, "starts_a_stranger"), follow=False)
    result = replay_asked(TYPED, ReplayOptions(handler=command))
    assert found(result) == []


def test_a_harness_that_is_killed_takes_its_app_with_it(tmp_path):
    """kill -9: at its next report, the app ends; and there is no file of ours left."""
    app = tmp_path / "app.py"
    app.write_text(
        "import asyncio, json, os, sys, websockets\n"
        "async def main():\n"
        "    async with websockets.connect('wss://api.hume.ai/v0/evi/chat') as chat:\n"
        "        print(os.getpid(), flush=True)\n"
        "        while True:\n"
        "            await chat.send(json.dumps({'type': 'user_input', 'text': 'x'}))\n"
        "            await asyncio.sleep(0.001)\n"
        "asyncio.run(main())\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "evi_harness", "replay", str(TYPED), "--", sys.executable, str(app)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    running = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert running.stdout is not None
    with running:
        process = int(running.stdout.readline())
        running.kill()
        assert running.wait() == -signal.SIGKILL
    while is_running(process):
        time.sleep(0.01)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_app_finds_what_it_would_find_by_itself(tmp_path):
    """Its folder, its input, its PYTHONPATH and its own sitecustomize; what it prints goes where it would, through whatever starts it."""
    (tmp_path / "sitecustomize.py").write_text("print('the own one')\n")
    command = [sys.executable, "-m", "evi_harness", "replay", str(TYPED), "--json", "-", "--"]
    shell = ["sh", "-c", f"exec '{sys.executable}' '{APP}' tells 'an argument'"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [*command, *shell],
        cwd=tmp_path,
        env=environment,
        input="typed\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    # The harness itself has that PYTHONPATH, too.
    assert done.stdout.startswith("the own one\n{")
    lines = done.stderr.splitlines()
    assert "the own one" in lines
    assert f"{tmp_path} {tmp_path}{os.pathsep}{ROOT} typed an argument" in lines


def test_a_process_whose_harness_is_gone_ends():
    """It has nobody to report to, and goes on to no real service."""
    heard, reports = os.pipe()
    os.close(heard)
    plan = plan_of(TYPED)
    environment = {**os.environ, "PYTHONPATH": str(SITE), CHANNEL: f"{reports},{plan}"}
    try:
        done = subprocess.run([sys.executable, APP, "good"], env=environment, pass_fds=(reports, plan), capture_output=True, check=False)
    finally:
        os.close(reports)
        os.close(plan)
    assert done.returncode == 1


def plan_of(folder):
    """The plan of a session, as a file descriptor."""
    from evi_harness.dialects import dialect_of
    from evi_harness.replay.played_recording import PlayedRecording
    from evi_harness.runs.app_channel import AppPlan
    from evi_harness.storage.reader import read_session

    session = read_session(folder)
    dialect = dialect_of(session)
    return AppPlan(PlayedRecording.of(session, dialect), dialect, dialect, ReplayOptions(), (HUME,), str).write()


def test_an_interrupt_ends_both(tmp_path):
    """Ctrl+C at the terminal: the exit code is 130, and the app is gone."""
    app = tmp_path / "app.py"
    app.write_text("import os, sys, time\nprint(os.getpid(), flush=True)\nwhile True:\n    time.sleep(0.01)\n")
    command = [sys.executable, "-m", "evi_harness", "replay", str(TYPED), "--", sys.executable, str(app)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert running.stdout is not None
    with running:
        pid = int(running.stdout.readline())
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait() == 130
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_an_app_does_not_play_is_heard(tmp_path, monkeypatch):
    """Of an app of the SDK's own microphone and player, which drops what it receives."""
    monkeypatch.setenv("HUME_API_KEY", "none")
    source = (ROOT / "fixtures" / "apps" / "current_quickstart.py").read_text(encoding="utf-8")
    app = tmp_path / "mute.py"
    app.write_text(source.replace("await stream.put(base64.b64decode(event.data))", "pass"), encoding="utf-8")
    command = AppCommand((sys.executable, str(app)), (HUME,))
    result = replay_asked(ROOT / "sessions" / "weather", ReplayOptions(handler=command))
    assert found(result) == ["plays_nothing"]
    assert result.heard is not None
    assert result.report.sdk
