from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.guard.wall_clock import WallClock
from evi_harness.session.header import Anchor
from evi_harness.session.plausible_times import epoch_ns

pytest.importorskip("time_machine", reason="the extra wall-clock is not installed")

WALL = "2026-01-02T03:04:05.678901Z"
WALL_NS = 1_767_323_045_678_901_000
SECOND = 1_000_000_000
# Taken before any clock is replaced, as a developer's module takes it.
TAKEN_EARLIER = time.time


def test_everything_that_tells_the_time_of_day_follows():
    """``time``, ``datetime``, ``date``, also functions that were imported before; on every thread."""
    with WallClock(Anchor(0, WALL)) as wall:
        wall.show(1_500_000_001)
        on_thread = []
        thread = threading.Thread(target=lambda: on_thread.append(time.time_ns()))
        thread.start()
        thread.join()
        at = datetime(2026, 1, 2, 3, 4, 7, 178901, tzinfo=timezone.utc)
        assert time.time_ns() == WALL_NS + 1_500_000_001
        assert on_thread == [WALL_NS + 1_500_000_001]
        assert TAKEN_EARLIER() == pytest.approx(at.timestamp(), abs=1e-6)
        assert datetime.now(timezone.utc) == at
        assert date.today() == at.astimezone().date()  # noqa: DTZ011 - that it follows too is what is tried
        assert time.gmtime()[:6] == (2026, 1, 2, 3, 4, 7)


def test_it_stands_still_and_the_monotonic_clocks_go():
    """Nothing that a loop or a measurement runs on is touched."""
    with WallClock(Anchor(0, WALL)):
        seen = time.time_ns()
        before = time.monotonic_ns(), time.perf_counter_ns()
        while time.monotonic_ns() == before[0] or time.perf_counter_ns() == before[1]:
            pass
        assert time.time_ns() == seen == WALL_NS


@given(st.lists(st.integers(0, 10**13), max_size=30))
def test_every_instant_is_shown_to_the_nanosecond(steps):
    """However often it was moved, nothing adds up."""
    with WallClock(Anchor(0, WALL)) as wall:
        for session_ns in sorted(steps):
            wall.show(session_ns)
            assert time.time_ns() == WALL_NS + session_ns


def test_the_anchor_may_stand_after_the_opening():
    """What counts is the wall clock at session time zero."""
    with WallClock(Anchor(2 * SECOND, WALL)):
        assert time.time_ns() == WALL_NS - 2 * SECOND


def test_told_to_go_it_goes():
    """As real time does, from the instant shown."""
    with WallClock(Anchor(0, WALL)) as wall:
        wall.go(3 * SECOND)
        first = time.time_ns()
        while time.time_ns() == first:
            pass
        assert WALL_NS + 3 * SECOND <= first < time.time_ns() < WALL_NS + 60 * SECOND


def test_afterwards_the_machines_clock_is_back():
    """Also where the block raises."""
    with pytest.raises(ZeroDivisionError), WallClock(Anchor(0, WALL)):
        raise ZeroDivisionError
    assert abs(time.time_ns() - WALL_NS) > 60 * SECOND


def test_two_sessions_cannot_be_followed_at_once():
    """The second is refused, the first goes on, and after it there is room again."""
    with WallClock(Anchor(0, WALL)):
        with pytest.raises(EviHarnessError, match="another session"), WallClock(Anchor(0, WALL)):
            pytest.fail("entered")
        assert time.time_ns() == WALL_NS
    with WallClock(Anchor(0, WALL)):
        assert time.time_ns() == WALL_NS


def test_a_session_without_the_time_of_day_is_refused():
    """Nothing is guessed."""
    with pytest.raises(UsageError, match="time of day"):
        WallClock(None)


WITHOUT = """
import sys
sys.modules["time_machine"] = None
from evi_harness.errors import EviHarnessError
from evi_harness.guard.wall_clock import WallClock
from evi_harness.session.header import Anchor
try:
    WallClock(Anchor(0, "1970-01-01T00:00:00Z")).__enter__()
except EviHarnessError as error:
    print(error)
"""


def test_a_missing_package_is_named():
    """With what to install."""
    # In a process of its own: what time-machine has put into Python's clocks looks for it ever after.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=True)
    assert "pip install time-machine" in done.stdout


def test_a_package_that_stops_loops_is_refused(monkeypatch):
    """Some versions stop the monotonic clock as well; nothing is left stopped."""
    real = time.monotonic_ns
    monkeypatch.setattr(time, "monotonic_ns", time.time_ns)
    with pytest.raises(EviHarnessError, match="monotonic"), WallClock(Anchor(0, WALL)):
        pytest.fail("entered")
    monkeypatch.setattr(time, "monotonic_ns", real)
    with WallClock(Anchor(0, WALL)):
        assert time.time_ns() == WALL_NS


def test_a_wall_clock_time_is_read_exactly():
    """With and without a fraction."""
    assert epoch_ns(WALL) == WALL_NS
    assert epoch_ns("1970-01-01T00:00:01Z") == SECOND
