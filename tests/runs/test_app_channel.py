from __future__ import annotations

import os
import subprocess
import sys

import pytest

from evi_harness.dialects import dialect_named
from evi_harness.runs.app_channel import (
    CHANNEL,
    EVENT,
    FAILED,
    FINISHED,
    SITE,
    AppOutcome,
    PointedPlan,
    ReportReader,
    Reports,
    read_plan,
)


@pytest.fixture
def plan():
    """The file of a plan."""
    number = os.open(os.devnull, os.O_RDWR)
    yield number
    os.close(number)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reports_are_the_same_however_their_bytes_come(size, plan):
    """Whatever has an end in the pipe; that the injected part has failed is text."""
    heard, pipe = os.pipe()
    reports = Reports(pipe, plan)
    reports.send(EVENT, ["an event"])
    reports.send(FINISHED, (1, AppOutcome(sdk="0.14.1")))
    os.write(pipe, FAILED + (3).to_bytes(8, "big") + b"why")
    os.close(pipe)
    with os.fdopen(heard, "rb") as pipe_end:
        data = pipe_end.read()
    reader = ReportReader()
    found = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size])]
    assert found == [(EVENT, ["an event"]), (FINISHED, (1, AppOutcome(sdk="0.14.1"))), (FAILED, "why")]


def test_a_forked_child_reports_nothing(monkeypatch):
    """It has no part in the run."""
    heard, pipe = os.pipe()
    reports = Reports(pipe, -1)
    process = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: process + 1)
    reports.send(EVENT, "of the child")
    os.close(pipe)
    with os.fdopen(heard, "rb") as pipe_end:
        assert pipe_end.read() == b""


# Reports larger than what a pipe takes in one piece, from a process that nobody of ours has started.
REPORTS = """
import sys
from evi_harness.runs.app_channel import EVENT, Reports

reports = Reports(int(sys.argv[1]), int(sys.argv[2]))
for number in range(40):
    reports.send(EVENT, (sys.argv[3], number, "x" * 100_000))
"""


def test_reports_of_several_processes_do_not_mix(tmp_path):
    """Such as of two that a shell has started: each report is whole, and those of a process are in order."""
    with (tmp_path / "plan").open("wb") as plan:
        heard, pipe = os.pipe()
        shared = pipe, plan.fileno()
        words = [[sys.executable, "-c", REPORTS, *map(str, shared), name] for name in "ab"]
        processes = [subprocess.Popen(one, pass_fds=shared) for one in words]
        os.close(pipe)
        with os.fdopen(heard, "rb") as pipe_end:
            data = pipe_end.read()
        assert [process.wait() for process in processes] == [0, 0]
    found = [what for _, what in ReportReader().feed(data)]
    for name in "ab":
        assert [number for one, number, _ in found if one == name] == list(range(40))


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "replayed"])
def test_an_app_in_which_nothing_of_ours_can_begin(is_recorded, tmp_path):
    """As where its Python is too old: it goes on while it is recorded, with a line; a replay ends it, and is told why."""
    number = PointedPlan((("api.hume.ai", None),), ("127.0.0.1", 1), dialect_named("evi")).write()
    assert read_plan(number).proxy == ("127.0.0.1", 1)
    first, rest = os.pread(number, 1, 0), b"no plan"
    os.close(number)
    plan = tmp_path / "plan"
    plan.write_bytes((first if is_recorded else b"e") + rest)
    heard, pipe = os.pipe()
    with plan.open("rb") as file:
        shared = pipe, file.fileno()
        env = {**os.environ, "PYTHONPATH": str(SITE), CHANNEL: ",".join(map(str, shared))}
        done = subprocess.run([sys.executable, "-c", "print('the app')"], env=env, pass_fds=shared, capture_output=True, check=False)
    os.close(pipe)
    with os.fdopen(heard, "rb") as pipe_end:
        found = list(ReportReader().feed(pipe_end.read()))
    assert (done.returncode, done.stdout) == ((0, b"the app\n") if is_recorded else (3, b""))
    assert [kind for kind, _ in found] == ([] if is_recorded else [FAILED])
    assert (b"UnpicklingError" in done.stderr) is is_recorded
