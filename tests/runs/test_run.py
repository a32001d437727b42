"""Tests of evi_harness.runs.run: what both clocks share. The set-up itself is tried on each clock, by its own tests."""

from __future__ import annotations

import functools
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
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import BUILT_IN, RunOptions, longest_s, name_of, recording_of, run_guarded
from evi_harness.runs.sandbox import Outside
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.session import Session


def hears(message: Any) -> None:
    """Does nothing."""


class Hears:
    """Does nothing."""

    def hear(self, message: Any) -> None:
        """Does nothing either."""


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        *((None, BUILT_IN), ("recorded", "recorded"), ("app.py:App", "app.py:App"), (hears, "hears"), (Hears, "Hears"), (Hears(), "Hears")),
        *((functools.partial(functools.partial(hears), message=1), "hears"), (Hears().hear, "Hears.hear")),
    ],
)
def test_what_a_handler_is_called(handler: Any, name: str) -> None:
    """As it was given, or as the code calls it; an object as its class."""
    assert name_of(handler) == name


def test_a_session_is_acted_out_as_it_was(weather: Session) -> None:
    """What is on an axis already stays there."""
    assert recording_of(weather, EVI) == PlayedRecording.of(weather, EVI)
    recording = PlayedRecording.of(weather, EVI)
    assert recording_of(recording, EVI) is recording


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


@pytest.mark.parametrize(("said", "is_real", "longest"), [(None, False, 3600.0), (7.0, False, 7.0), (7.0, True, 7.0)])
def test_how_long_a_run_may_take(weather: Session, said: Optional[float], is_real: bool, longest: float) -> None:
    """As it is told; else an hour, and in real time twice what is replayed besides."""
    recording = PlayedRecording.of(weather, EVI)
    assert longest_s(recording, RunOptions(EVI, HUME, ReplayOptions(max_run_s=said)), is_real=is_real) == longest
    assert longest_s(recording, RunOptions(EVI, HUME), is_real=True) == 3600 + 2 * weather.duration_ns / 1e9
