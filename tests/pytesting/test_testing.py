"""Replays and servers as a test wants them; what a test runner makes of them is tried in tests/test_pytest_plugin.py."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from pathlib import Path
from typing import Any, Callable, List

import pytest

from evi_harness.acts.sessions import check_session
from evi_harness.errors import EviHarnessError, HandlerError, UsageError
from evi_harness.pytesting.testing import CheckedReplay, CheckedServer, Replayer, explanation_of, write_report
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.events import Sent

ROOT = Path(__file__).resolve().parents[2]
WEATHER = ROOT / "sessions" / "weather"
HANDLERS = ROOT / "fixtures" / "handlers"


@pytest.fixture
def kept() -> List[CheckedReplay]:
    """The results that were kept."""
    return []


@pytest.fixture
def replay(kept: List[CheckedReplay], monkeypatch: pytest.MonkeyPatch) -> Callable[..., CheckedReplay]:
    """Replays weather to a handler of ours by its file's name."""
    monkeypatch.syspath_prepend(str(HANDLERS))
    replayer = Replayer(WEATHER, ReplayOptions(), kept.append)
    return lambda handler=None, **options: replayer(f"{HANDLERS}/{handler}" if handler else "recorded", **options)


def test_a_replay_that_passed_asserts_nothing(replay: Callable[..., CheckedReplay], kept: List[CheckedReplay]) -> None:
    """A result is kept and said in a line; what holds raises nothing."""
    result = replay("weather.py:WeatherApp")
    result.assert_passed()
    result.assert_latency("queue: max<1", "tool.app: med<=120ms")
    assert kept == [result]
    assert repr(result) == "<replay of weather passed>"


def test_a_failure_says_the_most_important_first(replay: Callable[..., CheckedReplay]) -> None:
    """The first line has the verdict and the first thing wrong; the report follows whole; a finding comes before what follows from it."""
    result = replay("never_answers.py:App")
    with pytest.raises(AssertionError) as raised:
        result.assert_passed()
    first, *rest = str(raised.value).splitlines()
    assert re.match(r"replay of weather .*: 1 deviation; missing: .*\bcall_made_by_a_script\b", first)
    assert rest == result.lines()
    with pytest.raises(AssertionError, match=r"\Areplay of weather .*: 1 finding.*; raised: \S"):
        replay("raises.py:App").assert_passed()


def test_samples_are_those_of_one_metric(replay: Callable[..., CheckedReplay]) -> None:
    """Each message has its sample, in time; a metric of the service, or none, is refused."""
    result = replay("weather.py:WeatherApp")
    assert len(result.samples("handle")) == len(result.session.received)
    assert [one.value for one in result.samples("handle") if one.value] == [120.0]
    for metric in ("turn_gap", "speed"):
        with pytest.raises(UsageError, match=metric):
            result.samples(metric)


def test_what_is_beyond_the_limit_is_shown(replay: Callable[..., CheckedReplay]) -> None:
    """Of the samples those are shown that do not hold, the worst first and ten at most; what is left is said by what it is."""
    result = replay("weather.py:WeatherApp")
    with pytest.raises(AssertionError) as raised:
        result.assert_latency("handle: min>=1ms", "handle: max<100")
    lines = str(raised.value).splitlines()
    heads = [index for index, line in enumerate(lines) if not line.startswith(" ")]
    assert [lines[index].split(": ", 2)[1] for index in heads] == ["handle", "handle"]
    assert heads[1] == 13
    assert re.match(r"  3 .*\bbeyond .*, 1 .*\bwithin ", lines[11])
    assert lines[-3].split()[:3] == ["120", "ms", "#161"]
    assert re.match(r"  13 .*\bwithin ", lines[-2])
    assert lines[12].split()[0] == lines[-1].split()[0] == "try"


@pytest.mark.parametrize("spec", ["app.py:App", "app.py:App('Bath')"])
def test_a_class_with_arguments_may_be_given_as_an_instance(tmp_path: Path, spec: str) -> None:
    """Where its SPEC was given, the error says so; where the class was, as ever."""
    (tmp_path / "app.py").write_text(
        "class App:\n    def __init__(self, place):\n        pass\n\n    on_message = print\n", encoding="utf-8"
    )
    replayer = Replayer(WEATHER, ReplayOptions(), id, places=(tmp_path,))
    with pytest.raises(EviHarnessError, match=r"give an instance: evi_replay\(App\(…\)\)\.$"):
        replayer(spec)
    with pytest.raises(EviHarnessError) as raised:
        replayer("app.py:Gone")
    assert "instance" not in str(raised.value)


def test_what_is_too_slow_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a gate of the command line is, with the test as the command; what is quick is not."""
    replayer = Replayer(WEATHER, ReplayOptions(), id, test="tests/test_app.py::test_fast")
    monkeypatch.syspath_prepend(str(HANDLERS))
    result = replayer(f"{HANDLERS}/weather.py:WeatherApp")
    assert explanation_of([result], tmp_path) == ""
    with pytest.raises(AssertionError, match=r"again  pytest tests/test_app\.py::test_fast"):
        result.assert_latency("handle: max<100")
    lines = explanation_of([result], tmp_path).splitlines()
    assert [line for line in lines if re.match(r"1\. handle \(gate\), .*\bweather, turn 1, .*\b2\.990 s, #161 tool_call$", line)]
    assert [line for line in lines if re.match(r"  expected  handle: max<100; .*\b100 ms, from assert_latency$", line)]
    assert f"  again     cd {tmp_path} && pytest tests/test_app.py::test_fast" in lines


@pytest.mark.parametrize(
    ("threshold", "left"),
    [
        ("tool.app: max<100", []),
        ("handle: count<1", ["  13 more are 0"]),
        ("handle: count>1", ["  13 more are 0"]),
        ("queue: count>0", ["  14 are 0"]),
        ("queue: max>=1ms", ["  4 more are beyond the limit"]),
    ],
)
def test_what_is_not_shown_is_counted(replay: Callable[..., CheckedReplay], threshold: str, left: List[str]) -> None:
    """Behind the samples it is said how many more there are of either kind; of a count, how many are counted."""
    with pytest.raises(AssertionError) as raised:
        replay("weather.py:WeatherApp").assert_latency(threshold)
    lines = str(raised.value).splitlines()[1:]
    assert [line for line in lines if " ms  #" not in line and line.split()[0] != "try"] == left


def test_what_a_call_cannot_mean_is_told_with_what_it_can(replay: Callable[..., CheckedReplay]) -> None:
    """An option that there is not is refused with those that are spelled like it and all that there are; so is a threshold in a list."""
    with pytest.raises(UsageError, match=r"no option 'speeed'\n.* speed or seed\? .*: arguments, clock, ") as raised:
        replay("weather.py:WeatherApp", speeed=2)
    assert "session" not in str(raised.value)
    with pytest.raises(UsageError, match=r"no option 'session'"):
        replay("weather.py:WeatherApp", session="sessions/typed")
    result = replay("weather.py:WeatherApp")
    with pytest.raises(UsageError, match=r"a threshold .*type list: .*\n.*assert_latency\('"):
        result.assert_latency(["queue: max<50"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"no metric 'quue'\n.* queue\?"):
        result.samples("quue")
    with pytest.raises(UsageError, match="no metric"):
        result.samples(["queue"])  # type: ignore[arg-type]


def test_a_wrong_handler_is_told_without_our_frames(replay: Callable[..., CheckedReplay]) -> None:
    """What a test gets wrong is raised as it is, and its traceback ends at the call."""
    with pytest.raises(HandlerError) as raised:
        replay("nowhere.py:App")
    assert [entry.path.name for entry in raised.traceback if "evi_harness" in entry.path.parts] in ([], ["testing.py"])


def test_a_class_that_cannot_be_built_is_told_without_our_frames() -> None:
    """Where it was never entered, what Python raised is in the sentence; where it was, the traceback of the cause begins there."""
    replay = Replayer(WEATHER, ReplayOptions(), lambda _: None)

    class App:
        def __init__(self, n: int) -> None:
            raise ValueError(n)

        def on_message(self, message: Any) -> None: ...

    with pytest.raises(HandlerError, match="missing 1 required") as raised:
        replay(App)
    assert raised.value.__cause__ is None
    assert "an instance, App(n=…)" in str(raised.value)
    with pytest.raises(HandlerError, match="ValueError") as raised:
        replay(App, arguments={"n": 3})
    cause = raised.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_name == "__init__"


def test_beside_a_loop_a_replay_runs_on_another_thread() -> None:
    """Where a loop runs, the replay has a thread of its own; whatever it raises, Ctrl+C too, is raised where it was asked for."""
    threads: List[threading.Thread] = []

    def on_message(message: Any) -> None:
        threads.append(threading.current_thread())

    replayer = Replayer(WEATHER, ReplayOptions(), lambda _: None)

    async def main() -> None:
        replayer(on_message, ignore=["$"])
        with pytest.raises(HandlerError):
            replayer("nowhere.py:App")

    asyncio.run(main())
    assert threads
    assert threading.current_thread() not in threads
    threads.clear()
    replayer(on_message)
    assert set(threads) == {threading.current_thread()}


def test_defaults_give_way_to_what_a_test_says(tmp_path: Path) -> None:
    """The clock and the update of a whole run hold where a test says nothing."""
    replayer = Replayer(ROOT / "sessions" / "typed", ReplayOptions(clock="moon"), lambda _: None)
    with pytest.raises(UsageError, match="no clock 'moon'"):
        replayer("recorded")
    assert replayer("recorded", clock="virtual").passed


def test_a_server_that_nobody_spoke_to_has_no_result() -> None:
    """Asked too early, or for a conversation that was never opened, it says so and how to reach it."""
    with CheckedServer(ROOT / "sessions" / "typed", ReplayOptions(), lambda _: None) as server:
        assert server.sessions == []
        assert len(server.events) == 0
        assert server.lateness.n == 0
        for number in (1, 2, 0):
            with pytest.raises(UsageError, match=f"connected .*\n.*HUME_BASE_URL={server.url}"):
                server.result(number)


def test_a_report_is_named_after_its_test(replay: Callable[..., CheckedReplay], tmp_path: Path) -> None:
    """Two tests whose names a file cannot tell apart have two files; a name that is too long is cut; a folder that is a file is told."""
    result = replay()
    for test in ("a/test_x.py::test[a b]", "a/test_x.py::test[a:b]", "a/test_x.py::test[a]", "x" * 300):
        write_report(tmp_path / "deep" / "er", test, 1, result)
    write_report(tmp_path / "deep" / "er", "a/test_x.py::test[a]", 2, result)
    names = sorted(path.name for path in (tmp_path / "deep" / "er").glob("*.json"))
    assert len(names) == 5
    assert {"a.test_x.py.test[a].json", "a.test_x.py.test[a].2.json"} < set(names)
    assert max(map(len, names)) < 160
    told = json.loads((tmp_path / "deep" / "er" / "a.test_x.py.test[a].json").read_text(encoding="utf-8"))
    assert told["passed"]
    (tmp_path / "file").touch()
    with pytest.raises(EviHarnessError, match="report cannot be"):
        write_report(tmp_path / "file", "t", 1, result)


def test_the_session_of_a_failure_can_be_read_again(replay: Callable[..., CheckedReplay], tmp_path: Path) -> None:
    """What a failed replay leaves is a session folder, which replays."""
    write_report(tmp_path, "t", 1, replay("never_answers.py:App"))
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    again = Replayer(folder, ReplayOptions(), lambda _: None)("recorded")
    assert any(isinstance(event, Sent) for event in again.session.events)
    assert f"written    {folder}" in (tmp_path / "t.txt").read_text(encoding="utf-8")


def test_what_a_failure_sounded_like_is_kept_with_it(replay: Callable[..., CheckedReplay], tmp_path: Path) -> None:
    """The session of a failed replay has its heard.wav, and the report says where; of an app of the test's own there is none."""
    write_report(tmp_path, "t", 1, replay("never_answers.py:App"))
    told = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert told["heard"] == f"{told['folder']}/heard.wav"
    assert check_session(told["folder"]) == []
    assert Path(told["heard"]).stat().st_size > 1_000_000
    write_report(tmp_path, "u", 1, replay(None, ignore=("$.content",), first="turn 2", last="turn 2"))
    assert json.loads((tmp_path / "u.json").read_text(encoding="utf-8"))["heard"] is None


class TellsItsKey:
    """Quotes what it was given."""

    def __init__(self, token: str) -> None:
        self.token = token

    def on_message(self, message: Any) -> None:
        """Fail."""
        raise ValueError(f"{self.token} is wrong")


def test_a_report_holds_no_secret_that_a_test_gave(tmp_path: Path) -> None:
    """By the name of the argument: neither the text, nor the JSON, nor the session that is kept."""
    key = "k9Jq2vXw7LmZ4tRb"
    replayer = Replayer(WEATHER, ReplayOptions(), lambda _: None, "t")
    write_report(tmp_path, "t", 1, replayer(TellsItsKey, arguments={"token": key}))
    said = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert (key.encode() in said, b"[redacted] is wrong" in said) == (False, True)
