"""How an app may end its run, as a table: act × place × clock × door. Whatever it does, the replay has its report and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple
from xml.etree import ElementTree

import pytest

from evi_harness.acts.replay import ReplayResult, replay_session

ROOT = Path(__file__).resolve().parents[1]
HANDLERS = ROOT / "fixtures" / "handlers"
HANDLER = f"{HANDLERS / 'ends.py'}:App"
TYPED = ROOT / "sessions" / "typed"

EXIT, STOPS, CANCELS, CHILD = ("exits",), ("stops_loop",), ("cancels_tasks",), ("forked_child",)
# What is found for an act, wherever it is done; and where something else is found.
FOUND: Dict[str, Tuple[str, ...]] = {
    **dict.fromkeys(("exit_silently", "exit_with_3", "raise_keyboard_interrupt"), EXIT),
    **dict.fromkeys(("end_at_once", "abort", "execute", "kill_by_sigterm", "kill_by_sigkill", "kill_group", "interrupt"), EXIT),
    "stop_loop": STOPS,
    "cancel_all": CANCELS,
    "fork_and_return": CHILD,
}
ELSEWHERE: Dict[Tuple[str, str], Tuple[str, ...]] = {
    # Nothing was expected any more.
    ("exit_silently", "on_close"): ("exits_at_end",),
    ("exit_with_3", "on_close"): ("exits_at_end",),
    ("cancel_all", "on_close"): (),
    # In Python, an exit ends the thread that it is raised in, and says nothing.
    ("exit_silently", "thread"): (),
    ("exit_with_3", "thread"): (),
    ("raise_keyboard_interrupt", "thread"): ("swallowed",),
    ("exit_silently", "executor_unawaited"): ("swallowed",),
    ("exit_with_3", "executor_unawaited"): ("swallowed",),
    ("raise_keyboard_interrupt", "executor_unawaited"): ("swallowed",),
    # The child of a thread has that thread alone, and ends with it.
    ("fork_and_return", "thread"): (),
}
PLACES = (
    *("on_open", "set_socket", "on_message", "on_close", "task", "call_soon", "call_later", "done_callback", "gather"),
    *("executor", "executor_unawaited", "thread", "signal_handler"),
    *(("task_group",) if sys.version_info >= (3, 11) else ()),
)
# A handler of SIGINT that sends SIGINT never comes to an end.
NEVER = {("interrupt", "signal_handler")}
EVERY = [(act, place) for act in FOUND for place in PLACES if (act, place) not in NEVER]
# One of each kind, where a process is started for it.
SOME = [
    ("exit_silently", "task"),
    ("raise_keyboard_interrupt", "call_later"),
    ("end_at_once", "thread"),
    ("kill_by_sigterm", "on_message"),
    ("stop_loop", "call_soon"),
    ("cancel_all", "on_message"),
    ("fork_and_return", "on_message"),
]
WARNINGS = {"exits_at_end"}


def expected(act: str, place: str) -> Tuple[str, ...]:
    """The findings of an act at a place."""
    return ELSEWHERE.get((act, place), FOUND[act])


def replayed(act: str, place: str, clock: str, **options: Any) -> ReplayResult:
    """A replay of a handler that does an act at a place."""
    return replay_session(TYPED, handler=HANDLER, arguments={"act": act, "where": place}, clock=clock, write=lambda _: None, **options)


def kinds(result: ReplayResult) -> Tuple[str, ...]:
    """The findings, but for what the machine's speed brings about."""
    return tuple(one.kind for one in result.findings if one.kind != "maybe_blocked")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("act", "place"), EVERY, ids=lambda name: name)
def test_in_virtual_time(act: str, place: str) -> None:
    """One finding, with a place in the handler, and a report; the process goes on."""
    process, result = os.getpid(), replayed(act, place, "virtual")
    assert os.getpid() == process
    assert kinds(result) == expected(act, place)
    assert all(any("ends.py:" in line for line in one.detail) for one in result.findings)
    assert all(one.places[0].file.endswith("ends.py") and one.places[0].source for one in result.findings)
    assert result.exit_code == (1 if {*expected(act, place)} - WARNINGS else 0)
    # A connection that has lost its tasks may break, by the version of Python and the library; then what was still to be sent is missing.
    assert {one.kind for one in result.deviations} <= ({"missing"} if act == "cancel_all" else set())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("act", "place"), SOME, ids=lambda name: name)
def test_in_real_time(act: str, place: str) -> None:
    """The same on the machine's clock."""
    result = replayed(act, place, "real")
    assert kinds(result) == expected(act, place)
    assert result.exit_code == 1


def ran(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of the command."""
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL
    )


def arguments(act: str, place: str) -> List[str]:
    """The handler, as the command takes it."""
    return ["--handler", HANDLER, "--arg", f"act={act}", "--arg", f"where={place}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "place", "door"), [*((*each, "--child") for each in SOME), *((*each, "--no-child") for each in SOME[:2])], ids=lambda name: name
)
def test_everything_that_was_asked_for_is_written(act: str, place: str, door: str, tmp_path: Path) -> None:
    """The report, JSON, JUnit and the session; what failed is no baseline."""
    files = {name: tmp_path / name for name in ("report.json", "junit.xml", "baseline.json", "out")}
    done = ran(
        *("evi_harness", "replay", TYPED, *arguments(act, place), door, "--json", files["report.json"], "--junit", files["junit.xml"]),
        *("--save-baseline", files["baseline.json"], "--gate", "handle: max<5s", "--out", files["out"]),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "verdict    failed: 1 finding" in done.stdout, done.stdout
    assert [one["kind"] for one in json.loads(files["report.json"].read_text())["findings"]] == [*expected(act, place)]
    failure = ElementTree.parse(files["junit.xml"]).find(".//failure")
    assert failure is not None
    assert "1 finding" in failure.attrib["message"]
    assert not files["baseline.json"].exists()
    assert len(list(files["out"].iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_one_sessions_end_is_no_others(jobs: str, tmp_path: Path) -> None:
    """Whatever the handler does in one session, the others are replayed."""
    spec = tmp_path / "by_turns.py"
    # The handler knows the session by nothing but its order; each run takes the next act from a folder.
    acts = tmp_path / "acts"
    acts.mkdir()
    n_sessions = len(SOME) + 1
    for number, (act, place) in enumerate([*SOME, ("none", "nowhere")]):
        (acts / f"{number}").write_text(f"{act} {place}", encoding="utf-8")
        shutil.copytree(TYPED, tmp_path / "sessions" / f"s{number}")
    spec.write_text(
        "import os, pathlib, sys\n"
        f"sys.path.insert(0, {str(HANDLERS)!r})\n"
        "import ends\n"
        "def App():\n"
        f"    for file in sorted(pathlib.Path({str(acts)!r}).iterdir()):\n"
        "        taken = file.with_name('taken' + file.name)\n"
        "        try:\n"
        "            if file.name.startswith('taken'): continue\n"
        "            file.rename(taken)\n"
        "        except FileNotFoundError:\n"
        "            continue\n"
        "        act, place = taken.read_text().split()\n"
        "        ends.ACTS.setdefault('none', int)\n"
        "        return ends.App(act, place)\n",
        encoding="utf-8",
    )
    report = tmp_path / "report.json"
    done = ran("evi_harness", "replay", tmp_path / "sessions", "--handler", f"{spec}:App", "-j", jobs, "--json", report)
    told = json.loads(report.read_text())
    assert done.returncode == 1
    assert f"{n_sessions} sessions: 1 passed, {len(SOME)} failed" in done.stdout
    found = sorted(tuple(one["kind"] for one in session["report"]["findings"]) for session in told["sessions"])
    assert found == sorted([*(expected(*each) for each in SOME), ()])


PYTEST = """
import pytest
SOME = {some!r}

def replay(evi_replay, act, place):
    return evi_replay({handler!r}, arguments={{"act": act, "where": place}}, write=lambda _: None)

@pytest.mark.parametrize(("act", "place"), SOME)
@pytest.mark.evi_session({session!r})
def test_plain(evi_replay, act, place):
    replay(evi_replay, act, place).assert_passed()

@pytest.mark.asyncio
@pytest.mark.parametrize(("act", "place"), SOME)
@pytest.mark.evi_session({session!r})
async def test_async(evi_replay, act, place):
    replay(evi_replay, act, place).assert_passed()

@pytest.mark.evi_session({session!r})
def test_good(evi_replay):
    evi_replay({good!r}, arguments={{"typed": "What's the weather in Bath?"}}).assert_passed()
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--evi-child"]], ids=["in this process", "in a child"])
def test_in_pytest(options: List[str], tmp_path: Path) -> None:
    """Each fails its own test, in a test of either kind; the others are run."""
    file = tmp_path / "test_it.py"
    names = {"handler": HANDLER, "session": str(TYPED), "good": f"{HANDLERS / 'guide.py'}:App"}
    file.write_text(PYTEST.format(some=SOME, **names), encoding="utf-8")
    reports = tmp_path / "reports"
    done = ran(
        "pytest",
        "-p",
        "no:recording",
        "-p",
        "no:cassetter",
        "-q",
        "--no-header",
        "--rootdir",
        tmp_path,
        file,
        "--evi-report",
        reports,
        *options,
    )
    assert f"{2 * len(SOME)} failed, 1 passed" in done.stdout, done.stdout
    found = sorted(tuple(one["kind"] for one in json.loads(path.read_text())["findings"]) for path in reports.glob("*.json"))
    assert found == sorted([*(expected(*each) for each in SOME for _ in range(2)), ()])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "place"), [*SOME[:-1], ("exit_silently", "on_close"), ("kill_by_sigkill", "executor")], ids=lambda name: name
)
def test_in_record(act: str, place: str, tmp_path: Path) -> None:
    """The session is complete, the fault is told with its place, and the exit code says so; an exit at the very end is a warning."""
    weather = ROOT / "sessions" / "weather"
    handler = tmp_path / "app.py"
    handler.write_text(
        f"import sys\nsys.path.insert(0, {str(HANDLERS)!r})\nimport ends\ndef App():\n    return ends.App({act!r}, {place!r})\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "evi_harness", "serve", str(weather)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert server.stdout is not None
    with server:
        try:
            url = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
            done = ran(
                *("evi_harness", "record", "--mic", weather / "user.wav", "--base-url", url, "--out", tmp_path / "out", "--duration", "8"),
                *("--handler", f"{handler}:App"),
            )
        finally:
            server.terminate()
            server.communicate()
    (folder,) = (tmp_path / "out").iterdir()
    assert json.loads((folder / "session.json").read_text())["complete"] is True
    is_fault = expected(act, place) != ("exits_at_end",)
    assert done.returncode == (3 if is_fault else 0), done.stdout + done.stderr
    assert "ends.py:" in (done.stderr if is_fault else done.stdout)
