"""Tests of evi_harness.runs.child_run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.errors import HandlerError, UsageError
from evi_harness.replay.trace import first_difference

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "sessions" / "typed"
WEATHER = ROOT / "sessions" / "weather"
HANDLERS = ROOT / "fixtures" / "handlers"
GOOD = {"handler": f"{HANDLERS / 'guide.py'}:App", "arguments": {"typed": "What's the weather in Bath?"}}

CRASHES = f"""
import ctypes, os, signal, subprocess, sys
sys.path.insert(0, {str(HANDLERS)!r})
import guide

class App(guide.App):
    def __init__(self, how):
        super().__init__("What's the weather in Bath?")
        self.how = how

    async def answer(self, call, content):
        getattr(self, self.how)()
        await super().answer(call, content)

    def faults(self):
        ctypes.string_at(0)

    def exits_in_c(self):
        ctypes.CDLL(None).exit(0)

    def is_killed(self):
        subprocess.run(["kill", "-9", str(os.getpid())])

    def tells_pid(self):
        print(os.getpid(), os.getppid(), flush=True)
        sys.stdin.readline()
"""


LEAVES = f"""
import sys
sys.path.insert(0, {str(HANDLERS)!r})
import weather

class App(weather.WeatherApp):
    async def on_message(self, message):
        await super().on_message(message)
        if message.type == "assistant_end":
            sys.exit(3)
"""


@pytest.fixture
def crashing(tmp_path):
    """A SPEC of a handler that ends its process in a way that Python does not see."""
    file = tmp_path / "crashing.py"
    file.write_text(CRASHES, encoding="utf-8")
    return f"{file}:App"


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize(
    ("how", "what", "place"),
    [
        ("faults", "SIGSEGV", "crashing.py:16 in faults"),
        ("exits_in_c", "exit code 0", "on_message was running"),
        ("is_killed", "SIGKILL", "on_message was running"),
    ],
)
def test_a_process_that_dies_is_a_finding(crashing, how, what, place, clock):
    """With where it was, as far as anybody knows; and what was still to be sent is missing."""
    result = replay_session(TYPED, handler=crashing, arguments={"how": how}, clock=clock, child=True, write=lambda _: None)
    (found,) = (one for one in result.findings if one.kind != "maybe_blocked")
    assert found.kind == "crashed"
    assert re.search(rf"\bprocess .*ended .*\b{what}\b", found.what)
    assert found.detail[0].endswith(place)
    # Where nobody knows the line, the callback that was running stands for it.
    assert found.places[0].file.endswith("crashing.py" if how == "faults" else "guide.py")
    assert found.places[0].source
    assert [one.kind for one in result.deviations] == ["missing"]
    assert result.exit_code == 1


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_run_in_a_child_yields_what_one_here_does(clock):
    """Event by event, in virtual time to the nanosecond; the handler's lines come here."""
    lines = {True: [], False: []}
    results = {child: replay_session(TYPED, child=child, clock=clock, write=lines[child].append) for child in lines}
    assert results[True].passed
    assert lines[True] == lines[False] != []
    if clock == "virtual":
        assert first_difference(results[True].session.events, results[False].session.events) is None


def played_in(file):
    """Whether what the app played, on the right, is anything but silence."""
    return soundfile.read(file, dtype="int16", always_2d=True)[0][:, 1].any()


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_what_was_heard_in_a_child_is_kept(tmp_path, clock):
    """In heard.wav, beside the session; and in virtual time it is what is heard here, to the sample."""
    spec = f"{HANDLERS / 'weather.py'}:WeatherApp"
    results = {
        child: replay_session(WEATHER, handler=spec, child=child, clock=clock, out=tmp_path / str(child), write=lambda _: None)
        for child in (True, False)
    }
    files = {child: Path(result.report.heard) for child, result in results.items()}
    assert check_session(files[True].parent) == []
    assert played_in(files[True])
    if clock == "virtual":
        assert files[True].read_bytes() == files[False].read_bytes()


def test_what_was_heard_is_lost_with_the_process(crashing, tmp_path):
    """The session is written all the same, and the report says what is missing."""
    result = replay_session(TYPED, handler=crashing, arguments={"how": "is_killed"}, child=True, out=tmp_path, write=lambda _: None)
    assert (result.report.heard, len(result.report.remarks)) == (None, 1)
    assert check_session(result.report.folder) == []


@pytest.mark.parametrize("child", [True, False])
def test_what_was_heard_until_the_app_left_is_kept(tmp_path, child):
    """The replies up to there, and nothing behind them."""
    spec = tmp_path / "leaves.py"
    spec.write_text(LEAVES, encoding="utf-8")
    result = replay_session(WEATHER, handler=f"{spec}:App", child=child, out=tmp_path / "out", write=lambda _: None)
    (exits,) = (one for one in result.findings if one.kind == "exits")
    assert exits.places[0].function == "on_message"
    assert played_in(result.report.heard)


def test_two_runs_in_children_are_compared():
    """Each has a child of its own."""
    assert replay_session(TYPED, child=True, twice=True, write=lambda _: None, **GOOD).passed


def test_what_the_handler_changes_is_gone_with_the_child(tmp_path):
    """Here it stays; both is documented."""
    seen = []

    def on_message(message):
        seen.append(message.type)

    replay_session(TYPED, handler=on_message, child=True)
    assert seen == []
    replay_session(TYPED, handler=on_message)
    assert "chat_metadata" in seen


def test_what_a_handler_prints_is_printed_here():
    """Wherever this process's standard output leads."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        replay_session(TYPED, child=True, **GOOD)
    assert "WebSocket connection opened." in printed.getvalue()


@pytest.mark.parametrize(
    ("handler", "error"), [("gone.py:App", HandlerError), (f"{HANDLERS / 'not_a_handler.py'}:app", UsageError)], ids=["gone", "none"]
)
def test_errors_are_those_of_a_run_here(handler, error):
    """With where, what and hint."""
    raised = []
    for child in (True, False):
        with pytest.raises(error) as caught:
            replay_session(TYPED, handler=handler, child=child)
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)])
@pytest.mark.parametrize("to_both", [True, False], ids=["as a terminal", "to the parent"])
def test_what_ends_the_parent_ends_the_child(crashing, number, code, to_both):
    """Whether it comes to both, as Ctrl+C in a terminal, or to the parent alone; and 130 is 130."""
    command = [sys.executable, "-m", "evi_harness", "replay", str(TYPED), "--handler", crashing, "--arg", "how=tells_pid"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT
    )
    with process:
        child, parent = next(tuple(map(int, line.split())) for line in process.stdout if line.strip().replace(" ", "").isdigit())
        assert parent == process.pid
        if to_both:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate()
    assert (process.returncode, err) == (code, "interrupted\n" if code == 130 else "")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells of the end of a process that is not one's own child")
def test_a_child_does_not_outlive_its_parent_for_long(crashing):
    """It ends with the first event that nobody takes any more: here, with the pipe that the parent held."""
    command = [sys.executable, "-m", "evi_harness", "replay", str(TYPED), "--handler", crashing, "--arg", "how=tells_pid"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    with process:
        child, _ = next(tuple(map(int, line.split())) for line in process.stdout if line.strip().replace(" ", "").isdigit())
        ending = os.pidfd_open(child)
        process.kill()
        process.wait()
        process.stdin.close()
        # The child has the other end, and ends.
        assert process.stdout.read() == ""
    assert select.select([ending], [], [], 30)[0]
    os.close(ending)


OUTLIVES = f"""
import gc, multiprocessing, os, sys, time
from evi_harness.clocks.watchdog import Watchdog
sys.path.insert(0, {str(HANDLERS)!r})
import guide

class App(guide.App):
    def __init__(self, how, fifo):
        super().__init__("What's the weather in Bath?")
        self.how, self.fifo = how, fifo

    async def answer(self, call, content):
        getattr(self, self.how)()
        await super().answer(call, content)

    def forks(self):
        if os.fork() == 0:
            with open(self.fifo) as file:
                file.read()
            os._exit(0)

    def has_a_daemon(self):
        self.process = multiprocessing.get_context("fork").Process(target=open, args=(self.fifo,), daemon=True)
        self.process.start()

    def swallows(self):
        # Only from here on is it seen that nothing moves: until then a busy machine has all the time it takes.
        for one in gc.get_objects():
            if isinstance(one, Watchdog):
                one._timeout_ns = 0
        while True:
            try:
                time.sleep(1)
            except:
                pass
"""


@pytest.fixture
def outliving(tmp_path):
    """What is given to a replay of a handler that leaves a process, or cannot be interrupted."""
    file, fifo = tmp_path / "outlives.py", tmp_path / "fifo"
    file.write_text(OUTLIVES, encoding="utf-8")
    os.mkfifo(fifo)
    return lambda how: {"handler": f"{file}:App", "arguments": {"how": how, "fifo": str(fifo)}, "child": True, "write": lambda _: None}


def test_a_process_that_the_app_leaves_keeps_nobody_waiting(outliving, tmp_path):
    """It holds the pipe for as long as it lives, which is longer than the run."""
    assert replay_session(TYPED, **outliving("forks")).passed
    # It lives until somebody writes.
    with (tmp_path / "fifo").open("w") as file:
        file.write("end")


def test_a_daemon_of_multiprocessing_ends_with_the_child(outliving, tmp_path):
    """As it does where Python ends."""
    assert replay_session(TYPED, **outliving("has_a_daemon")).passed
    with pytest.raises(OSError, match="No such device"):
        # Nobody reads.
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.slow
def test_what_swallows_the_end_of_its_time_is_given_up(outliving):
    """It has been told so, and interrupted; the process ends, and the report says what it was that was over."""
    result = replay_session(TYPED, **outliving("swallows"), max_run_s=0.5)
    assert "over_time" in [one.kind for one in result.deviations]
    assert result.exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_what_swallows_every_interrupt_is_given_up(outliving, clock):
    """Behind a bare except nothing comes out of it; the process is its own, and ends."""
    result = replay_session(TYPED, **outliving("swallows"), clock=clock)
    assert [one.kind for one in result.deviations][:1] == ["stuck"]
    assert any("outlives.py" in line for line in result.lines())
    assert result.exit_code == 1
