"""Tests of evi_harness.runs.handler_run: what both clocks share. The set-up itself is tried on each clock, by its own tests."""

from __future__ import annotations

import re
import time
from typing import Any, List, Optional

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.exits import AppExits
from evi_harness.errors import StuckError
from evi_harness.evi.dialect import EVI
from evi_harness.guard.ending import Ending
from evi_harness.runs.handler_run import run_guarded
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import RunOptions
from evi_harness.runs.sandbox import Outside
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.session import Session


def guarded(weather: Session, act: Any, journal: Optional[Journal], loop: Any = None, max_run_s: float = 600.0) -> None:
    """Run something guarded."""
    outside = Outside(weather, ReplayOptions())
    run_guarded(
        act,
        outside,
        AppExits(Ending()),
        RunOptions(EVI, HUME, redact=lambda text: text.replace("k9Jq", "[redacted]")),
        progress=int,
        app=lambda: None,
        journal=lambda: journal,
        loop=lambda: loop,
        max_run_s=max_run_s,
    )


def stands_still() -> None:
    """Get stuck by itself."""
    raise StuckError("nothing moves, says k9Jq")


def test_a_standstill_is_noted_where_something_is_yielded(weather: Session) -> None:
    """Without secrets, as the end of the run; before there is a session it is raised."""
    journal = Journal(RealClock())
    guarded(weather, stands_still, journal)
    (note,) = journal.events
    assert (note.name, note.data["what"], note.data["ended"]) == ("stuck", "nothing moves, says [redacted]", True)
    with pytest.raises(StuckError):
        guarded(weather, stands_still, None)


def test_what_goes_on_is_left_alone(weather: Session) -> None:
    """What it raises is raised, and nothing is noted."""
    journal = Journal(RealClock())
    done: List[int] = []
    guarded(weather, lambda: done.append(1), journal)
    with pytest.raises(ZeroDivisionError):
        guarded(weather, lambda: 1 / 0, journal)
    assert (done, journal.events) == ([1], [])


def test_a_run_whose_time_is_over_is_told_to_end(weather: Session) -> None:
    """By its loop, and it is noted as that and nothing else; before there is a session it is raised."""

    class Loop:
        over: Optional[Exception] = None

    def goes_on(loop: Loop) -> None:
        while loop.over is None:
            time.sleep(0)
        raise loop.over

    journal = Journal(RealClock())
    loop = Loop()
    guarded(weather, lambda: goes_on(loop), journal, loop, max_run_s=0.05)
    (note,) = journal.events
    assert (note.name, note.data["ended"]) == ("over_time", True)
    assert re.search(r"\b0\.05 s of\b", note.data["what"])
    again = Loop()
    with pytest.raises(StuckError, match="not over after"):
        guarded(weather, lambda: goes_on(again), None, again, max_run_s=0.05)
