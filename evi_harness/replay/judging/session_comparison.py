"""Compare two sessions turn by turn: words, calls, sent messages and times.

Rules of living here: both sides are read by the same functions, and neither is right. Ids that are given anew in each run are no
difference, nor is when the session was; of times only how long something took is compared, within a tolerance. Audio is not compared.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, zip_longest
from typing import FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.replay.judging.alignment import DIFFERENT, EQUAL, MOVED, align
from evi_harness.replay.judging.differences import Difference, comparison_key, differences
from evi_harness.replay.judging.endings import ending_of
from evi_harness.replay.judging.made_up_ids import in_ids_of_another
from evi_harness.replay.judging.pairing import Comparable, comparable
from evi_harness.replay.judging.turn_alignment import SaidTurn, align_turns, called_in, said_turns
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session
from evi_harness.session.turn import Turn

__all__ = ["KINDS", "ComparedSide", "ComparedTurn", "Parting", "SessionComparison", "Took", "compare_sessions"]

# Kinds of what differs, and what each says.
KINDS: Mapping[str, str] = {
    "turn": "a turn that only one side has",
    "said": "the user said something else, or was understood differently",
    "called": "other tools were called, or with other parameters",
    "replied": "the assistant said something else",
    "interrupted": "the user interrupted on one side only",
    "sent": "the app sent something else",
    "took": "it took more or less time",
    "handshake": "the connection was opened differently",
    "ended": "the session ended differently",
}
_NAMES = ("the first", "the second")
_SENT = "what was sent, and how the connection was opened,"
# So many sentences about what a session lost are told.
_SHOWN_LOST = 3


class Took(NamedTuple):
    """How long one thing took on both sides.

    Attributes:
        metric: Its metric.
        first_ms: On the first side, None where nobody knows.
        second_ms: On the second side, likewise.
        differs: Whether the two differ by more than the tolerance.
    """

    metric: str
    first_ms: Optional[float]
    second_ms: Optional[float]
    differs: bool


@dataclass(frozen=True)
class Parting:
    """One thing in which two sessions differ.

    Attributes:
        kind: One of ``KINDS``.
        first: What the first side has, in words; None where it has nothing of it.
        second: What the second side has, likewise.
        first_seq: The event of the first side that it is about, None for none.
        second_seq: The same of the second side.
        differences: Of two messages, where they differ.
    """

    kind: str
    first: Optional[str]
    second: Optional[str]
    first_seq: Optional[int] = None
    second_seq: Optional[int] = None
    differences: Tuple[Difference, ...] = ()


@dataclass(frozen=True)
class ComparedTurn:
    """A turn of both sides, or of one.

    Attributes:
        first: Its number on the first side, None where that has no such turn.
        second: The same of the second side.
        user: What the user said in it: on the first side, else on the second; empty for a greeting.
        partings: What differs in it.
        took: How long it took.
    """

    first: Optional[int]
    second: Optional[int]
    user: str
    partings: Tuple[Parting, ...] = ()
    took: Tuple[Took, ...] = ()


@dataclass(frozen=True)
class SessionComparison:
    """All that differs between two sessions.

    Attributes:
        opening: What differs before the first turn: the handshake, and what sets the session up.
        turns: The turns, aligned.
        ending: What differs in how they ended.
        tolerance_ms: By how much two times may differ; None where times were not compared.
        remarks: What was not compared, and why, a sentence each.
    """

    opening: Tuple[Parting, ...]
    turns: Tuple[ComparedTurn, ...]
    ending: Tuple[Parting, ...]
    tolerance_ms: Optional[float]
    remarks: Tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.partings

    @property
    def partings(self) -> Tuple[Parting, ...]:
        """All that differs, in the order of the conversation."""
        return (*self.opening, *(one for turn in self.turns for one in turn.partings), *self.ending)


@dataclass(frozen=True)
class ComparedSide:
    """A session that is compared.

    Attributes:
        session: The session.
        dialect: What it is in.
        took: How long things took in it: milliseconds by turn and metric, in their order within the turn.
        untimed: Why nobody knows how long things took in it; empty where somebody does.
    """

    session: Session
    dialect: Dialect
    took: Mapping[Tuple[int, str], Tuple[float, ...]] = field(default_factory=dict)
    untimed: str = ""


def compare_sessions(first: ComparedSide, second: ComparedSide, tolerance_ms: Optional[float] = None) -> SessionComparison:
    """Compare two sessions turn by turn.

    Args:
        first: One side.
        second: The other.
        tolerance_ms: By how much two times may differ; None to compare no times.
    """
    return _Comparing(_in_ids_of(second, first), second, tolerance_ms).compared()


def _in_ids_of(other: ComparedSide, side: ComparedSide) -> ComparedSide:
    """A side with the ids that the app made up on the other: each run has new ones, which the app uses later on."""
    if side.dialect.name != other.dialect.name:
        return side
    session = in_ids_of_another(side.session, other.session, side.dialect).session
    return side if session is side.session else replace(side, session=session)


class _Side:
    """A session, read once."""

    def __init__(self, side: ComparedSide) -> None:
        self.told = side
        self.session, self.dialect = side.session, side.dialect
        self.turns = self.dialect.turns(self.session.events)
        self._events: Mapping[int, Event] = {event.seq: event for event in self.session.events}
        self._ids = self._called_ids()
        self.sent = self._sent()

    def said(self) -> List[SaidTurn]:
        return said_turns(self.session, self.turns, self.dialect)

    def calls(self, turn: Turn) -> str:
        """The tools that a turn called, with what for."""
        return self._called[turn.number]

    @cached_property
    def _called(self) -> Mapping[int, str]:
        return dict(zip((turn.number for turn in self.turns), called_in(self.session, self.turns, self.dialect)))

    def describe(self, seq: Optional[int]) -> Optional[str]:
        event = None if seq is None else self._events.get(seq)
        if not isinstance(event, (Sent, Received)):
            return None
        return self.dialect.describe(event.kind, self.dialect.read(event.kind, event.frame))

    def turn_of(self, seq: int) -> int:
        """The index of the turn that a sent message belongs to: the first that is not over by then; -1 where there is no turn."""
        return min(bisect_left(self._ends, seq), len(self.turns) - 1)

    @cached_property
    def _ends(self) -> List[int]:
        """The last event of each turn."""
        return list(accumulate((max(one.user or 0, one.end or 0, *one.reply, 0) for one in self.turns), max))

    def _called_ids(self) -> FrozenSet[str]:
        """The ids of all calls, which their answers name."""
        messages = (self.dialect.read(RECEIVED, event.frame) for event in self.session.received)
        found = (self.dialect.identity(message) for message in messages if self.dialect.is_call(message))
        return frozenset(one for one in found if one is not None)

    def _sent(self) -> List[Tuple[int, Comparable]]:
        """The messages that were sent; neither audio nor its format, which is the microphone's affair."""
        found: List[Tuple[int, Comparable]] = []
        audio = self.session.audio(self.dialect)
        for event in self.session.sent:
            if event not in audio:
                message = self.dialect.read(event.kind, event.frame)
                if not self.dialect.gives_format(message):
                    found.append((event.seq, self._without_id(comparable(message, self.dialect))))
        return found

    def _without_id(self, one: Comparable) -> Comparable:
        """A message without its id, which is another in each run: whether anything was called by it stands in its place."""
        if one.identity is None:
            return one
        kept = {name: value for name, value in one.fields.items() if value != one.identity}
        fields = {**kept, "answers": "a call" if one.identity in self._ids else "nothing that was called"}
        return replace(one, identity=None, fields=fields, key=(one.type, comparison_key(fields)))


class _Comparing:
    def __init__(self, first: ComparedSide, second: ComparedSide, tolerance_ms: Optional[float]) -> None:
        self._first, self._second = _Side(first), _Side(second)
        self._tolerance_ms = tolerance_ms
        self._remarks: List[str] = []

    def compared(self) -> SessionComparison:
        pairs = align_turns(self._first.said(), self._second.said())
        rows = [self._turn(i, j) for i, j in pairs]
        opening: List[Parting] = []
        if self._may_compare_sent():
            opening += self._handshake()
            self._put_sent(opening, rows, pairs)
        ending = tuple(self._ending())
        if self._tolerance_ms is not None:
            untimed = [(side.told.untimed, name) for side, name in zip((self._first, self._second), _NAMES)]
            reasons = dict.fromkeys(why for why, _ in untimed if why)
            told = [f"of {' and '.join(name for of, name in untimed if of == why)}, {why}" for why in reasons]
            self._remarks += [f"how long the service took is not compared: {'; '.join(told)}"] if told else []
        lost = [f"{name} is incomplete, and its lost part is not compared: {what}" for name, what in self._lost() if what]
        return SessionComparison(tuple(opening), tuple(rows), ending, self._tolerance_ms, (*lost, *self._remarks))

    def _lost(self) -> Iterator[Tuple[str, str]]:
        """What each side lost, in words; empty where it is whole."""
        for name, side in zip(_NAMES, (self._first, self._second)):
            yield name, _lost(side.session)

    def _remark_unknown(self, what: str, is_known: Sequence[bool]) -> None:
        """Remark that something is not compared because a side does not say it."""
        unknown = [name for name, known in zip(_NAMES, is_known) if not known]
        verb = "does" if len(unknown) == 1 else "do"
        self._remarks.append(f"how {what} is not compared: {' and '.join(unknown)} {verb} not say")

    def _may_compare_sent(self) -> bool:
        names = self._first.dialect.name, self._second.dialect.name
        if names[0] != names[1]:
            self._remarks.append(f"{_SENT} is not compared: one session is in the protocol {names[0]}, the other in {names[1]}")
            return False
        sessions = self._first.session, self._second.session
        unknown = [one.name or "a session" for one in sessions if not one.header.recorded.sent]
        self._remarks += [f"{_SENT} is not compared: {name} does not say what was sent" for name in unknown]
        return not unknown

    def _turn(self, i: Optional[int], j: Optional[int]) -> ComparedTurn:
        one, other = None if i is None else self._first.turns[i], None if j is None else self._second.turns[j]
        numbers = None if one is None else one.number, None if other is None else other.number
        if one is None or other is None:
            there = one or other
            return ComparedTurn(*numbers, "" if there is None else there.user_text, (_alone(one, other),))
        took = tuple(self._took(one.number, other.number))
        return ComparedTurn(*numbers, one.user_text, (*self._words(one, other), *_apart(took, one, other)), took)

    def _words(self, one: Turn, other: Turn) -> Iterator[Parting]:
        calls = self._first.calls(one), self._second.calls(other)
        if one.user_text != other.user_text:
            yield _parting("said", (one.user_text, other.user_text), (one.user, other.user))
        if calls[0] != calls[1]:
            yield _parting("called", calls, (_head(one.tool_calls), _head(other.tool_calls)))
        if one.reply_text != other.reply_text:
            yield _parting("replied", (one.reply_text, other.reply_text), (_head(one.reply), _head(other.reply)))
        seqs = one.interrupted_by, other.interrupted_by
        if (seqs[0] is None) is not (seqs[1] is None):
            yield _parting("interrupted", ["not interrupted" if seq is None else "interrupted" for seq in seqs], seqs)

    def _put_sent(self, opening: List[Parting], rows: List[ComparedTurn], pairs: Sequence[Tuple[Optional[int], Optional[int]]]) -> None:
        """Put what was sent otherwise to the turn that it belongs to; where only one side has that turn, it is said already."""
        one, other = self._first.sent, self._second.sent
        at = {("first", i): row for row, (i, _) in enumerate(pairs)}
        at.update({("second", j): row for row, (_, j) in enumerate(pairs)})
        for pair in align([each for _, each in one], [each for _, each in other]):
            if pair.outcome == EQUAL:
                continue
            seqs = None if pair.recorded is None else one[pair.recorded][0], None if pair.live is None else other[pair.live][0]
            row = at.get(("first", self._first.turn_of(seqs[0]))) if seqs[0] is not None else None
            row = at.get(("second", self._second.turn_of(seqs[1]))) if row is None and seqs[1] is not None else row
            differing: Tuple[Difference, ...] = ()
            if pair.outcome == DIFFERENT and pair.recorded is not None and pair.live is not None:
                differing = tuple(differences(one[pair.recorded][1].fields, other[pair.live][1].fields))
            words = [self._first.describe(seqs[0]), self._second.describe(seqs[1])]
            if pair.outcome == MOVED:
                words = [f"{word}, at another place" for word in words]
            parting = _parting("sent", words, seqs, differing)
            if row is None:
                opening.append(parting)
            elif None not in (rows[row].first, rows[row].second):
                rows[row] = replace(rows[row], partings=(*rows[row].partings, parting))

    def _took(self, turn: int, other: int) -> Iterator[Took]:
        first, second = self._first.told.took, self._second.told.took
        metrics = dict.fromkeys(metric for took, number in ((first, turn), (second, other)) for at, metric in took if at == number)
        for metric in metrics:
            for one, two in zip_longest(first.get((turn, metric), ()), second.get((other, metric), ())):
                yield Took(metric, one, two, self._is_apart(one, two))

    def _is_apart(self, one: Optional[float], other: Optional[float]) -> bool:
        return self._tolerance_ms is not None and one is not None and other is not None and abs(one - other) > self._tolerance_ms

    def _handshake(self) -> Iterator[Parting]:
        one, other = self._first.session.opened, self._second.session.opened
        if one is None or other is None:
            self._remark_unknown("the connection was opened", (one is not None, other is not None))
        else:
            found = tuple(differences(*self._first.dialect.comparable_handshakes(one.handshake, other.handshake)))
            if found:
                yield _parting("handshake", (one.handshake.path, other.handshake.path), (one.seq, other.seq), found)

    def _ending(self) -> Iterator[Parting]:
        one, other = (ending_of(side.session, side.dialect) for side in (self._first, self._second))
        if one.by is None or other.by is None:
            self._remark_unknown("the session ended", (one.by is not None, other.by is not None))
            # An error that the service told of is known all the same, and that there was none once a side has ended.
            is_known = all(each.by is not None or each.error is not None for each in (one, other))
            is_apart = is_known and one.error != other.error
        else:
            is_apart = not other.is_like(one)
        if is_apart:
            closed = self._first.session.closed, self._second.session.closed
            yield _parting("ended", (str(one), str(other)), [None if each is None else each.seq for each in closed])


def _lost(session: Session) -> str:
    """What a session lost, in words; empty where it is whole."""
    told = [sentence.rstrip(".") for sentence in session.missing]
    if not told and not session.header.complete:
        told = ["the session is incomplete"]
    n_dropped = session.header.counts.get("dropped", 0)
    if not told and n_dropped:
        told = [f"{n_dropped} {'event was' if n_dropped == 1 else 'events were'} dropped when it was recorded"]
    more = f"; and {len(told) - _SHOWN_LOST} more, which evi-harness check shows" if len(told) > _SHOWN_LOST else ""
    return f"{'; '.join(told[:_SHOWN_LOST])}{more}"


def _parting(kind: str, words: Sequence[Optional[str]], seqs: Sequence[Optional[int]], differing: Tuple[Difference, ...] = ()) -> Parting:
    return Parting(kind, words[0] or None, words[1] or None, seqs[0], seqs[1], differing)


def _head(seqs: Sequence[int]) -> Optional[int]:
    return seqs[0] if seqs else None


def _alone(one: Optional[Turn], other: Optional[Turn]) -> Parting:
    both = one, other
    words = [None if turn is None else turn.user_text or turn.reply_text or "nothing was said" for turn in both]
    return _parting("turn", words, [None if turn is None else _head(turn.reply) if turn.user is None else turn.user for turn in both])


def _apart(took: Sequence[Took], one: Turn, other: Turn) -> Iterator[Parting]:
    for each in took:
        if each.differs:
            yield _parting("took", [f"{each.metric} {ms:.0f} ms" for ms in (each.first_ms, each.second_ms)], (one.user, other.user))
