"""Tests of evi_harness.harness.run: what both clocks share. The set-up itself is tried on each clock, by its own tests."""

from __future__ import annotations

import functools
from typing import Any, List, Optional

import pytest

from evi_harness.errors import StuckError
from evi_harness.evi.dialect import EVI
from evi_harness.harness.outside import Outside, OutsideOptions
from evi_harness.harness.run import BUILT_IN, RunOptions, name_of, recording_of, run_guarded
from evi_harness.live.clock import RealClock
from evi_harness.live.ending import Ending
from evi_harness.live.exits import AppExits
from evi_harness.live.journal import Journal
from evi_harness.replay.recording import Recording
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
    assert recording_of(weather) == Recording.of(weather, EVI)
    recording = Recording.of(weather, EVI)
    assert recording_of(recording) is recording


def guarded(weather: Session, act: Any, journal: Optional[Journal]) -> None:
    """Run something guarded."""
    outside = Outside(weather, OutsideOptions())
    run_guarded(
        act,
        outside,
        AppExits(Ending()),
        RunOptions(redact=lambda text: text.replace("k9Jq", "[redacted]")),
        progress=int,
        app=lambda: None,
        journal=lambda: journal,
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
