"""The messages around a deviation, in the recording (with the expected ones) and in the replay."""

from __future__ import annotations

from typing import AbstractSet, List, Optional, Tuple

from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.findings import recorded_seqs
from evi_harness.report.timeline import Row, around
from evi_harness.session.events import Event, order
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["surroundings"]


def surroundings(deviation: Deviation, recorded: Session, live: Session, dialect: Dialect) -> Tuple[List[Row], List[Row]]:
    """A few rows of both timelines around a deviation.

    Args:
        deviation: The deviation.
        recorded: The recording, with the messages that are expected in place of its own where others are.
        live: The session that the replay yielded.
        dialect: What both are in.

    Returns:
        The rows of the recording and those of the replay. On a side that the deviation has no place on, those around the place that
        corresponds: behind the last received event before it that both sides have. Nothing where it has no place at all.
    """
    there, here = _event(recorded, deviation.recorded_seq), _event(live, deviation.live_seq)
    if there is None and here is None:
        return [], []
    came = recorded_seqs(live)
    if there is None and here is not None:
        there = _last(recorded, {came[event.seq] for event in _before(live, here) if event.seq in came})
    elif here is None and there is not None:
        repeated = {event.seq for event in _before(recorded, there)}
        here = _last(live, {seq for seq, recorded_seq in came.items() if recorded_seq in repeated})
    return _rows(recorded, there, dialect), _rows(live, here, dialect)


def _rows(session: Session, place: Optional[Event], dialect: Dialect) -> List[Row]:
    return [] if place is None else around(session, order(place), dialect)


def _before(session: Session, place: Event) -> List[Event]:
    return [event for event in session.events if order(event) < order(place)]


def _last(session: Session, seqs: AbstractSet[int]) -> Optional[Event]:
    """The last of some events; the opening where there is none."""
    return next((event for event in reversed(session.events) if event.seq in seqs), session.opened)


def _event(session: Session, seq: Optional[int]) -> Optional[Event]:
    return None if seq is None else next((event for event in session.events if event.seq == seq), None)
