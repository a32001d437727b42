"""Places in a recording as people name them: a time, an event by its number, or a turn.

Rules of living here: a place belongs to what begins or ends with it. A turn begins where the user begins to speak, or types, or where the
assistant speaks unprompted; it ends where the next one begins, or with its own last event where the user spoke into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import Tuple

from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.replay.durations import duration_ns
from evi_harness.replay.played_recording import PlayedRecording, blocks
from evi_harness.replay.speech_positions import SpeechPositions, seqs_of
from evi_harness.session.events import Event, order
from evi_harness.session.protocols import SENT, Dialect
from evi_harness.session.turn import Turn

__all__ = ["EVENT", "TIME", "TURN", "Bound", "Moment", "beginning_of", "end_of", "place_of"]

TIME = "time"
EVENT = "event"
TURN = "turn"

# A place among the events: a time, and a seq among those of that time.
Bound = Tuple[float, float]

# No session has more of either than 18 digits can say, and Python reads no number of some thousand.
_FORMS = ((EVENT, re.compile(r"#(\d{1,18})", re.ASCII)), (TURN, re.compile(r"t(?:urn)?\s*(\d{1,18})", re.ASCII)))


@dataclass(frozen=True)
class Moment:
    """A place in a recording.

    Attributes:
        kind: ``time``, ``event`` or ``turn``.
        number: Nanoseconds of session time, the seq of an event, or the number of a turn.
        text: As it was given, for errors.
    """

    kind: str
    number: int
    text: str


def place_of(text: str, option: str) -> Moment:
    """Read a place.

    Args:
        text: A time (``12.5s``, ``1m3s``, plain seconds), an event (``#123``) or a turn (``turn 3``, ``t3``).
        option: The parameter that gave it, for the error.

    Raises:
        UsageError: It is none of these.
    """
    said = text.strip().lower()
    for kind, form in _FORMS:
        found = form.fullmatch(said)
        if found is not None:
            return Moment(kind, int(found[1]), Words(Parameter(option), f" {text}"))
    try:
        return Moment(TIME, duration_ns(said, option), Words(Parameter(option), f" {text}"))
    except UsageError:
        hint = "Give a time (12.5s, 1m3s), the number of an event (#123) or a turn (turn 3)."
        raise UsageError(Words(Parameter(option), f" {text!r} is not a place in a session"), hint=hint) from None


def beginning_of(place: Moment, recording: PlayedRecording, dialect: Dialect) -> Bound:
    """Find where a place begins.

    Args:
        place: The place.
        recording: The recording.
        dialect: What its messages are in.

    Raises:
        UsageError: There is no such event or turn.
    """
    if place.kind == TIME:
        return place.number, -1
    if place.kind == EVENT:
        return order(_event(place, recording))
    return _Turns(recording, dialect).beginning(place), -1


def end_of(place: Moment, recording: PlayedRecording, dialect: Dialect) -> Bound:
    """Find where a place ends: behind all of a time, an event or a turn; the last turn ends with the session.

    Args:
        place: The place.
        recording: The recording.
        dialect: What its messages are in.

    Raises:
        UsageError: There is no such event or turn.
    """
    if place.kind == TIME:
        return place.number, inf
    if place.kind == EVENT:
        return order(_event(place, recording))
    return _Turns(recording, dialect).end(place)


def _event(place: Moment, recording: PlayedRecording) -> Event:
    events = recording.session.events
    found = next((event for event in events if event.seq == place.number), None)
    if found is None:
        numbers = [event.seq for event in events]
        hint = f"Its events are #{min(numbers)} to #{max(numbers)}." if numbers else "It has none."
        raise UsageError(Words(place.text, ": the session has no such event"), hint=hint)
    return found


class _Turns:
    """Where the turns of a recording begin and end."""

    def __init__(self, recording: PlayedRecording, dialect: Dialect) -> None:
        self._causes = recording.causes
        self._events = {event.seq: event for event in recording.session.events}
        self._turns = dialect.turns(recording.session.events)
        self._spoken = SpeechPositions(blocks(recording.session, dialect, recording.speed))

    def beginning(self, place: Moment) -> int:
        return self._begin_ns(self._index(place))

    def end(self, place: Moment) -> Bound:
        index = self._index(place)
        if index + 1 == len(self._turns):
            return inf, inf
        last: Bound = max(order(self._events[seq]) for seq in seqs_of(self._turns[index]))
        return max(last, (self._begin_ns(index + 1) - 1, inf))

    def _index(self, place: Moment) -> int:
        if not 0 < place.number <= len(self._turns):
            n = len(self._turns)
            hint = f"It has {n} turn{'' if n == 1 else 's'}; the first is 1."
            raise UsageError(Words(place.text, ": the session has no such turn"), hint=hint)
        return place.number - 1

    def _begin_ns(self, index: int) -> int:
        turn = self._turns[index]
        first = self._first(turn)
        cause = self._causes[first.seq]
        if cause.kind == SENT and cause.seq is not None:
            return self._events[cause.seq].at_ns
        if turn.user is None:
            return first.at_ns
        before = self._turns[index - 1] if index else None
        span = self._spoken.span(turn.speech) if turn.speech is not None and self._spoken.had(turn.speech, first.at_ns) else None
        if span is None:
            # Nobody says when the user began: all since the turn before may be it.
            return 0 if before is None else min(first.at_ns, max(self._events[seq].at_ns for seq in seqs_of(before)) + 1)
        return span[0] if before is None else max(span[0], self._first(before).at_ns + 1)

    def _first(self, turn: Turn) -> Event:
        return min((self._events[seq] for seq in seqs_of(turn)), key=order)
