"""Show one session, turn by turn or as a list of selected events.

Rules of living here: what is shown has lost its secrets; where somebody spoke is worked out for turns alone, for it takes a moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Pattern, Sequence, Tuple, Union

from evi_harness.dialects import dialect_of
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.replay.cutting import Window, nothing_within
from evi_harness.replay.moments import Bound, beginning_of, end_of, place_of
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.report.plain import printable
from evi_harness.report.timeline import Row, event_rows, header_lines
from evi_harness.session.events import Event, Note, Received, Sent, order
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for

if TYPE_CHECKING:
    from evi_harness.measure.measuring import Measured
    from evi_harness.report.turn_lines import ShownTurn

__all__ = ["SessionTimeline", "ShowOptions", "show_one"]

SCHEMA = 1
_AUDIO = "audio"


@dataclass(frozen=True)
class ShowOptions:
    """What is to be shown of a session.

    Attributes:
        events: Its events, rather than its turns.
        audio: Each frame of audio separately.
        types: Of the events those of these types of messages, kinds of events, or names of notes; all where there is none. ``audio`` is
            every frame of audio.
        turn: Only this turn.
        first: From this place on, see ``place_of``.
        last: Up to this place, which belongs to it.
        grep: Of the events those whose line, or text, has a match of this regular expression.
    """

    events: bool = False
    audio: bool = False
    types: Tuple[str, ...] = ()
    turn: Optional[int] = None
    first: Optional[str] = None
    last: Optional[str] = None
    grep: Optional[str] = None

    @property
    def are_events(self) -> bool:
        """Whether events are shown: also where only they can be chosen from in the way that was asked for."""
        return self.events or self.audio or bool(self.types) or self.grep is not None


@dataclass(frozen=True)
class SessionTimeline:
    """What is shown of a session.

    Attributes:
        header: What its header says, one line each.
        header_json: The same for programs.
        rows: Its events, None where its turns are shown; each with its type.
        turns: Its turns, None where its events are shown.
        measured: The session, measured; likewise.
        redact: Removes secrets from what people and programs read.
    """

    header: Tuple[str, ...]
    header_json: Dict[str, Json]
    rows: Optional[Tuple[Tuple[Row, Optional[str]], ...]]
    turns: Optional[Tuple[ShownTurn, ...]]
    measured: Optional[Measured]
    redact: Callable[[str], str]

    def lines(self, width: Optional[int] = None, can_write: Callable[[str], bool] = bool) -> List[str]:
        """What people are shown.

        Args:
            width: How many places a line of the terminal has, None where there is none.
            can_write: Whether some signs can be written where this goes.
        """
        if self.turns is None or self.measured is None:
            body = [str(row) for row, _ in self.rows or ()] or ["no event matches these options"]
        else:
            from evi_harness.report.turn_lines import PLAIN_SIGNS, SIGNS, as_lines

            body = list(as_lines(self.turns, self.measured, width, SIGNS if can_write(SIGNS) else PLAIN_SIGNS))
        return [self.redact(line) for line in (*self.header, "", *body)]

    def json(self) -> Dict[str, Json]:
        """The report for programs; docs/reference/show.schema.json is its schema."""
        from evi_harness.report.turn_lines import as_json

        rows = [
            {"seq": row.seq, "last_seq": row.last_seq, "at_ns": row.at_ns, "kind": row.kind, "type": kind, "what": row.what}
            for row, kind in self.rows or ()
        ]
        shown: Dict[str, Json] = {"turns": as_json(self.turns)} if self.turns is not None else {"events": rows}
        return {"schema": SCHEMA, "session": self.header_json, **shown}


def show_one(folder: Union[str, Path], asked: ShowOptions, on_part: Callable[[float], object] = id) -> SessionTimeline:
    """Show one session.

    Args:
        folder: Its folder.
        asked: What of it.
        on_part: Called now and then with how much has been listened to, 0 to 1.

    Raises:
        UsageError: A place or a turn that the session does not have, or nothing between two places; a regular expression that is none.
        SessionUnreadable: See ``load_session``.
        AudioMissing: Audio that its timeline needs is not in the folder.
    """
    pattern = _pattern(asked.grep)
    session = load_session(folder)
    redactor = redactor_for(session)
    seen, dialect = discreet_session(session, redactor), Discreet(dialect_of(session), redactor)
    begin, end = _bounds(session, asked)
    rows: Optional[Tuple[Tuple[Row, Optional[str]], ...]] = None
    turns: Optional[Tuple[ShownTurn, ...]] = None
    measured: Optional[Measured] = None
    if asked.are_events:
        found = event_rows(seen, dialect, each_frame=asked.audio, is_in=lambda event: begin <= order(event) <= end)
        told = [(row, _type_of(events[0], dialect), events) for row, events in found]
        rows = tuple((row, kind) for row, kind, events in told if _is_asked(row, kind, asked.types, pattern, events, redactor.string))
    else:
        turns, measured = _turns(session, seen, dialect, asked, (begin, end), on_part)
    return SessionTimeline(tuple(header_lines(seen, dialect)), _header_json(seen), rows, turns, measured, redactor.string)


def _turns(
    session: Session, seen: Session, dialect: Dialect, asked: ShowOptions, bounds: Tuple[Bound, Bound], on_part: Callable[[float], object]
) -> Tuple[Tuple[ShownTurn, ...], Measured]:
    from evi_harness.measure.measuring import measure
    from evi_harness.report.turn_lines import shown_turns
    from evi_harness.verdicts.speech import hear

    measured = measure(seen, dialect, hear(session, on_part=on_part))
    turns = shown_turns(measured, seen, dialect)
    begin_ns, end_ns = bounds[0][0], bounds[1][0]
    wanted = (one for one in turns if asked.turn is None or one.number == asked.turn)
    return tuple(one for one in wanted if one.end_ns >= begin_ns and one.begin_ns <= end_ns), measured


def _pattern(grep: Optional[str]) -> Optional[Pattern[str]]:
    try:
        return None if grep is None else re.compile(grep)
    except re.error as error:
        raise UsageError(Words(Parameter("grep"), f" {grep!r} is not a regular expression: {error}")) from None


def _bounds(session: Session, asked: ShowOptions) -> Tuple[Bound, Bound]:
    """Where what is shown begins and ends."""
    begin: Bound = (-inf, -inf)
    end: Bound = (inf, inf)
    if (asked.turn, asked.first, asked.last) == (None, None, None):
        return begin, end
    dialect = dialect_of(session)
    recording = PlayedRecording.of(session, dialect)
    for place, option in ((asked.first, "first"), (None if asked.turn is None else f"t{asked.turn}", "turn")):
        if place is not None:
            begin = max(begin, beginning_of(place_of(place, option), recording, dialect))
    for place, option in ((asked.last, "last"), (None if asked.turn is None else f"t{asked.turn}", "turn")):
        if place is not None:
            end = min(end, end_of(place_of(place, option), recording, dialect))
    if begin > end or (session.events and begin > order(session.events[-1])):
        places = ((asked.first, "first"), (asked.last, "last"))
        first, last = (None if place is None else place_of(place, option) for place, option in places)
        raise nothing_within(Window(first, last), session)
    return begin, end


def _type_of(event: Event, dialect: Dialect) -> Optional[str]:
    """The type of a message, or the name of a note; None for what has neither."""
    if isinstance(event, (Sent, Received)):
        return dialect.read(event.kind, event.frame).type
    return event.name if isinstance(event, Note) else None


def _is_asked(
    row: Row,
    kind: Optional[str],
    types: Sequence[str],
    pattern: Optional[Pattern[str]],
    events: Sequence[Event],
    redact: Callable[[str], str],
) -> bool:
    is_audio = isinstance(events[0], Sent) and kind is None
    if types and row.kind not in types and kind not in types and not (is_audio and _AUDIO in types):
        return False
    if pattern is None or pattern.search(str(row)):
        return True
    # What is not shown is not searched: who may not see a secret is not told that it is there.
    texts = (
        event.frame.payload.decode("utf-8", "replace") for event in events if isinstance(event, (Sent, Received)) and event.frame.is_text
    )
    return any(pattern.search(redact(text)) for text in texts)


def _header_json(session: Session) -> Dict[str, Json]:
    header = session.header
    return {
        "name": printable(session.name or header.id),
        "id": header.id,
        "made_by": header.made_by,
        "created": header.created,
        "service": header.service,
        "duration_ns": session.duration_ns,
        "n_events": len(session.events),
        "complete": header.complete and not header.counts.get("dropped"),
        "missing": list(session.missing),
    }
