"""Many sessions: found, handed out, brought back in order; what one does to its worker is its own."""

from __future__ import annotations

import json
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from evi_harness.acts.corpus import Task, replay_corpus, replay_one
from evi_harness.acts.executors import lent_executor
from evi_harness.acts.sessions import check_session
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.verdicts.loading import find_sessions, load_session

REPOSITORY = Path(__file__).parents[2]
WEATHER, TYPED, DEMO = (REPOSITORY / "sessions" / name for name in ("weather", "typed", "demo"))
HANDLERS = REPOSITORY / "fixtures" / "handlers"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four sessions in a folder: three that can be replayed, and one whose header is gone wrong."""
    for name in ("b/weather", "a", "c"):
        shutil.copytree(TYPED if name == "a" else WEATHER, tmp_path / "corpus" / name)
    broken = tmp_path / "corpus" / "broken"
    shutil.copytree(TYPED, broken)
    (broken / "session.json").write_text("{")
    return tmp_path / "corpus"


def names(folders: List[Path], below: Path) -> List[str]:
    """Folders as they are called below another."""
    return [folder.relative_to(below).as_posix() for folder in folders]


def test_sessions_are_found_in_order_and_once(corpus: Path) -> None:
    """Below a folder sessions are sorted by path; one that is named twice is one."""
    assert names(find_sessions([corpus]), corpus) == ["a", "b/weather", "broken", "c"]
    assert names(find_sessions([corpus / "c", corpus]), corpus) == ["c", "a", "b/weather", "broken"]
    assert find_sessions([WEATHER / "session.json"]) == [WEATHER / "session.json"]


def test_a_place_without_sessions_stands_for_itself(tmp_path: Path) -> None:
    """Nothing that was named is passed over: its replay could not run, and says why."""
    assert find_sessions([WEATHER, tmp_path]) == [WEATHER, tmp_path]
    [_, empty] = replay_corpus([WEATHER, tmp_path], n_jobs=1).outcomes
    assert empty.exit_code == 3
    assert "session folder" in empty.verdict


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_outcomes_come_back_in_the_order_given(corpus: Path, n_jobs: int) -> None:
    """In this process or in others: the same outcomes, in the same order, and the code of the worst."""
    seen: List[str] = []
    report = replay_corpus(find_sessions([corpus]), n_jobs=n_jobs, on_done=lambda outcome: seen.append(outcome.folder))
    told = {Path(one.folder).relative_to(corpus).as_posix(): one.exit_code for one in report.outcomes}
    assert list(told.items()) == [("a", 0), ("b/weather", 0), ("broken", 3), ("c", 0)]
    assert sorted(seen) == sorted(one.folder for one in report.outcomes)
    assert (report.passed, report.exit_code, report.n_workers) == (False, 3, n_jobs)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_was_heard_is_written_with_each_session(tmp_path: Path, n_jobs: int) -> None:
    """Wherever it was replayed; the report of each says where it is."""
    handler = f"{HANDLERS}/weather.py:WeatherApp"
    report = replay_corpus([WEATHER, TYPED], ReplayOptions(handler=handler, out=tmp_path), n_jobs=n_jobs, keep_json=True)
    told = [one.json for one in report.outcomes]
    assert [Path(one["heard"]) for one in told if one is not None] == [Path(one["folder"]) / "heard.wav" for one in told if one is not None]
    assert len(list(tmp_path.glob("*/heard.wav"))) == 2
    assert [check_session(folder) for folder in tmp_path.iterdir()] == [[], []]


def test_failing_ones_stand_last_with_their_reports(corpus: Path) -> None:
    """A table of all, then each failing session's own report, then the sum."""
    report = replay_corpus([corpus / "broken", WEATHER, TYPED], ReplayOptions(handler=f"{HANDLERS}/never_answers.py:App"), n_jobs=1)
    lines = report.lines()
    assert [line.split()[0] for line in lines[:3]] == [str(corpus / "broken"), str(WEATHER), str(TYPED)]
    assert any("DEVIATION  missing" in line for line in lines[3:])
    assert re.match(r"3 sessions: 0 passed, 2 failed, 1 could not run\b", lines[-2])


def test_what_a_handler_prints_is_shown_where_its_session_failed() -> None:
    """Prints of many sessions would mix: they are kept, and the last ones told with a failure."""
    failing = replay_one(Task(str(WEATHER), ReplayOptions(handler=f"{HANDLERS}/never_answers.py:App")))
    assert failing.exit_code == 1
    assert failing.printed
    assert replay_one(Task(str(WEATHER), ReplayOptions(handler=f"{HANDLERS}/weather.py:WeatherApp"))).printed == ()


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_handler_that_ends_its_process_harms_no_other_session(n_jobs: int, tmp_path: Path) -> None:
    """Its session has a finding and a report; the others, also those that were in flight, have their own verdicts."""
    shutil.copy(HANDLERS / "weather.py", tmp_path / "weather_app.py")
    handler = tmp_path / "exits.py"
    handler.write_text(EXITS.format(chat_id(DEMO)))
    report = replay_corpus([WEATHER, DEMO, TYPED], ReplayOptions(handler=f"{handler}:App", child=True), n_jobs=n_jobs, keep_json=True)
    told = {Path(one.folder).name: (one.exit_code, one.verdict) for one in report.outcomes}
    assert told["weather"] == (0, "passed")
    # Nobody types there.
    assert told["typed"] == (1, "failed: 1 deviation")
    assert told["demo"][0] == 1
    assert [one["kind"] for one in (report.outcomes[1].json or {})["findings"]] == ["crashed"]


# Ends its process in one chat, in C code, which Python does not see.
EXITS = """
import ctypes
from weather_app import WeatherApp

class App(WeatherApp):
    async def on_message(self, message):
        if getattr(message, "chat_id", "") == {!r}:
            ctypes.CDLL(None).exit(7)
        await super().on_message(message)
"""


def chat_id(folder: Path) -> str:
    """The id of a session's chat."""
    frames = (json.loads(event.frame.payload) for event in load_session(folder).received)
    return next(str(message["chat_id"]) for message in frames if "chat_id" in message)


def test_any_executor_will_do() -> None:
    """Work goes through the interface of concurrent.futures; an executor of threads runs one session at a time in its process."""
    with ThreadPoolExecutor(3) as threads:
        report = replay_corpus([WEATHER, TYPED], executor=threads, keep_json=True)
    assert report.passed
    assert report.n_workers == 3
    assert [session["report"]["passed"] for session in report.json()["sessions"]] == [True, True]


def test_a_handler_given_as_an_object_cannot_be_handed_out() -> None:
    """Only a SPEC means the same in another process."""
    with pytest.raises(UsageError, match=r"FILE\.py:NAME"):
        replay_corpus([WEATHER], ReplayOptions(handler=print))
    with pytest.raises(UsageError, match="n_jobs"):
        replay_corpus([WEATHER], n_jobs=0)


@pytest.mark.parametrize("address", ["dask", "ray://127.0.0.1:1", "dask://", "127.0.0.1:8786"])
def test_an_address_of_no_known_executor_is_a_mistake(address: str) -> None:
    """The error says what an address looks like."""
    with pytest.raises(UsageError, match="dask://HOST:PORT") as caught, lent_executor(address):
        pass
    assert address in caught.value.what


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster on loopback: two workers, each a process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


# The warnings are Dask's own, at its end. A cluster of one worker, behind TLS, is in tests/acts/test_executors.py, which is not slow.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_dask_cluster_replays_whole_sessions(cluster: Any, corpus: Path) -> None:
    """The workers' verdicts are those of this process, and so is all that they tell but how long it took."""
    address = cluster.scheduler_address.replace("tcp://", "dask://")
    there = replay_corpus(find_sessions([corpus]), executor=address, keep_json=True)
    here = replay_corpus(find_sessions([corpus]), n_jobs=1, keep_json=True)
    assert there.n_workers == 2
    told = [
        [(one.folder, one.exit_code, one.verdict, one.json and {**one.json, "real_s": 0}) for one in report.outcomes]
        for report in (there, here)
    ]
    assert told[0] == told[1]


@pytest.mark.slow
def test_no_cluster_at_an_address_is_told() -> None:
    """Nobody answers: the error says where, and what to start."""
    pytest.importorskip("distributed")
    with socket.socket() as taken:
        # Bound and not listening: whoever connects is refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(EviHarnessError, match="dask scheduler"), lent_executor(f"dask://127.0.0.1:{taken.getsockname()[1]}"):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_update_shows_every_change_of_every_session(corpus: Path, n_jobs: int) -> None:
    """As it does of one; what is refused, unchanged or broken is told as ever."""
    handler = str(HANDLERS / "wrong_answer.py:App")
    folders = [corpus / "b" / "weather", corpus / "c", corpus / "broken"]
    report = replay_corpus(folders, ReplayOptions(handler=handler, update=True), n_jobs=n_jobs, keep_json=True)
    assert [one.exit_code for one in report.outcomes] == [0, 0, 3]
    lines = report.lines()
    assert [lines[lines.index(str(folder)) + 1].strip().partition(":")[0] for folder in folders[:2]] == ["expected.jsonl is written"] * 2
    assert len([line for line in lines if re.search(r"~ #158 .*3\.110 s tool response", line)]) == 2
    assert len([line for line in lines if "$.content: was" in line]) == 2
    assert all((folder / "expected.jsonl").exists() for folder in folders[:2])
    again = replay_corpus(folders[:2], ReplayOptions(handler=handler, update=True), n_jobs=n_jobs)
    assert again.passed
    assert not [line for line in again.lines() if "expected.jsonl" in line]


@pytest.mark.slow
def test_a_dry_run_of_many_writes_nothing(corpus: Path) -> None:
    """And fails where something would change."""
    handler = str(HANDLERS / "wrong_answer.py:App")
    report = replay_corpus([corpus / "c", corpus / "b" / "weather"], ReplayOptions(handler=handler, update=True, dry_run=True), n_jobs=2)
    assert report.exit_code == 1
    assert len([line for line in report.lines() if "expected.jsonl would be written" in line]) == 2
    assert not list(corpus.rglob("expected.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_first_that_does_not_pass_can_be_the_last(corpus: Path, n_jobs: int) -> None:
    """What was not replayed by then is counted; what was is told."""
    folders = [corpus / "broken", *find_sessions([corpus / "a", corpus / "b", corpus / "c"])]
    report = replay_corpus(folders, n_jobs=n_jobs, stop_at_first=True)
    assert report.exit_code == 3
    assert len(report.outcomes) + report.n_left == 4
    assert report.n_left >= 1 or n_jobs > 1
    assert report.outcomes[0].exit_code == 3
