"""The times that metrics need of a session, computed once: words, messages and audio.

Rules of living here: nothing is measured here. Session time throughout, in integer nanoseconds; a position becomes session time in one
place, ``SpokenAt``.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Optional, Sequence, Tuple

from evi_harness.session.events import Received, Sent, order
from evi_harness.session.position import JITTER_NS
from evi_harness.session.protocols import RECEIVED, SENT, Cause, Dialect
from evi_harness.session.session import Session
from evi_harness.session.sounding import Span, sounding
from evi_harness.session.turn import Speech, Turn

__all__ = ["Call", "Reading", "SpokenAt"]


@dataclass(frozen=True)
class Call:
    """A call of one of the app's tools.

    Attributes:
        seq: The call.
        turn: Number of its turn.
        answer: What the app sent in answer, None where it did not.
        next: The next message of the reply behind the answer, None where there is none.
    """

    seq: int
    turn: int
    answer: Optional[int]
    next: Optional[int]


class SpokenAt:
    """When the user said what stands at a position of the user's audio.

    A frame is sent when its last sample has been heard, so a position within it lies as much earlier.

    Args:
        session: The session.
        dialect: What its messages are in.
    """

    def __init__(self, session: Session, dialect: Dialect) -> None:
        audio = session.audio(dialect)
        self._times: Sequence[int] = [event.at_ns for event in audio.said]
        self._positions: Sequence[int] = audio.positions.frames_ns
        # Where each frame begins; where its length is not known, nobody can tell whether there was a gap before it.
        lengths_ns = (audio.length_ns(event.seq) for event in audio.said)
        self._begins: Sequence[int] = [
            0 if length_ns is None else position_ns - length_ns for position_ns, length_ns in zip(self._positions, lengths_ns)
        ]

    def at_ns(self, position_ns: int) -> Optional[int]:
        """When that was; where the audio ended before it, its end; None where no audio was sent."""
        if not self._times:
            return None
        # What detectors place behind the last sample by rounding is the end.
        position_ns = min(position_ns, self._positions[-1])
        index = bisect_left(self._positions, position_ns)
        return self._times[index] - (self._positions[index] - position_ns)

    def is_in_gap(self, position_ns: int) -> bool:
        """Whether nothing was sent there, between two frames; who speaks of such a position counts otherwise."""
        index = bisect_left(self._positions, position_ns)
        if not 0 < index < len(self._positions) or position_ns > self._begins[index]:
            return False
        return self._begins[index] - self._positions[index - 1] > JITTER_NS

    def span(self, speech: Speech) -> Optional[Span]:
        """From when until when something was said, None where no audio was sent."""
        begin_ns, end_ns = self.at_ns(speech.begin_ns), self.at_ns(speech.end_ns)
        return None if begin_ns is None or end_ns is None else (begin_ns, end_ns)


class Reading:
    """One reading of a session.

    Args:
        session: The session.
        dialect: What its messages are in.

    Attributes:
        session, dialect: As given.
        at_ns: When each event was, by seq.
        turns: The turns.
        causes: What each received event answered, by seq.
        types: The type of each received message, by seq.
        turn_of: The number of the turn that each received event belongs to, by seq.
        calls: The calls of the app's tools, in time.
        spoken: When the user said what.
    """

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self.session = session
        self.dialect = dialect
        self.at_ns: Dict[int, int] = {event.seq: event.at_ns for event in session.events}
        self.turns: List[Turn] = dialect.turns(session.events)
        self.causes: Dict[int, Cause] = dialect.causes(session.events, session.audio(dialect).frames)
        messages = {event.seq: dialect.read(RECEIVED, event.frame) for event in session.received}
        self.types: Dict[int, str] = {seq: message.type or "" for seq, message in messages.items()}
        self.turn_of: Dict[int, int] = {seq: turn.number for turn in self.turns for seq in _parts(turn)}
        self.spoken = SpokenAt(session, dialect)
        self._called: FrozenSet[int] = frozenset(seq for seq, message in messages.items() if dialect.is_call(message))
        self._lengths_ns = _lengths_ns(session, dialect)
        self.calls: Tuple[Call, ...] = tuple(self._calls())

    def sounding(self, turn: Turn) -> Optional[List[Span]]:
        """When the audio of a turn's reply would sound, piece by piece; None where a length cannot be known."""
        pieces = [(self.at_ns[seq], self._lengths_ns[seq]) for seq in turn.reply if seq in self._lengths_ns]
        known = [(came_ns, length_ns) for came_ns, length_ns in pieces if length_ns is not None]
        if len(known) < len(pieces):
            return None
        silenced_ns = None if turn.interrupted_by is None else self.at_ns[turn.interrupted_by]
        return sounding(known, silenced_ns)

    def has_audio(self, seq: int) -> bool:
        """Whether a received event holds audio."""
        return seq in self._lengths_ns

    def length_ns(self, seq: int) -> Optional[int]:
        """How long the audio of a received event plays; None where it holds none, or that cannot be known."""
        return self._lengths_ns.get(seq)

    def awaited_of_app(self, turn: Turn) -> List[Span]:
        """When the service waited for the app to answer a call of the turn's."""
        calls = [call for call in self.calls if call.turn == turn.number]
        ends = [self.session.duration_ns if call.answer is None else self.at_ns[call.answer] for call in calls]
        return [(self.at_ns[call.seq], end_ns) for call, end_ns in zip(calls, ends)]

    def _calls(self) -> List[Call]:
        answers = self._answers()
        found = []
        for turn in self.turns:
            for seq in turn.tool_calls:
                if seq in self._called:
                    answer = answers.get(seq)
                    found.append(Call(seq, turn.number, None if answer is None else answer.seq, _behind(self.session, turn, answer)))
        return found

    def _answers(self) -> Dict[int, Sent]:
        """What the app sent in answer to each call, by the call's seq: the first that names it."""
        read, prompts = self.dialect.read, self.session.prompts(self.dialect)
        frames = {event.seq: event.frame for event in self.session.received if event.seq in self._called}
        found: Dict[int, Sent] = {}
        for event in self.session.sent:
            call = prompts[event.seq].seq if event.seq in prompts else None
            if call is None or call not in self._called or call in found or event.outcome != "sent":
                continue
            asked = self.dialect.identity(read(RECEIVED, frames[call]))
            if asked is not None and self.dialect.identity(read(SENT, event.frame)) == asked:
                found[call] = event
        return found


def _parts(turn: Turn) -> Sequence[int]:
    others = [seq for seq in (turn.user, turn.interrupted_by) if seq is not None]
    return [*turn.reply, *others]


def _lengths_ns(session: Session, dialect: Dialect) -> Dict[int, Optional[int]]:
    """How long each piece of the assistant's audio plays, by seq; None where that cannot be known."""
    audio = session.audio(dialect)
    return {event.seq: audio.length_ns(event.seq) for event in session.received if event in audio}


def _behind(session: Session, turn: Turn, answer: Optional[Sent]) -> Optional[int]:
    """The first message of a reply behind an answer of the app's."""
    if answer is None:
        return None
    reply = frozenset(turn.reply)
    later = (event for event in session.events if isinstance(event, Received) and event.seq in reply and order(event) > order(answer))
    return next((event.seq for event in later), None)
