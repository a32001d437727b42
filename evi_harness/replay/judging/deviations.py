"""Deviations: the differences between the messages that an app sent and those expected of it.

That is what the recorded app sent, or what was accepted in its place: ``recorded`` means either, and no sentence says which.

Rules of living here: one change of one message is one deviation; what only follows from it (the service's answers that did not come, the
messages that these would have prompted) is listed under it and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.judging.alignment import DIFFERENT, EQUAL, MISSING, MOVED, UNEXPECTED, align
from evi_harness.replay.judging.differences import Difference, differences
from evi_harness.replay.judging.findings import recorded_seqs
from evi_harness.replay.judging.made_up_ids import in_ids_of_the_replay
from evi_harness.replay.judging.pairing import Comparable, comparable
from evi_harness.session.events import TEXT, Event, Received
from evi_harness.session.json_value import Json
from evi_harness.session.notes import SENT_AFTER_CLOSE, UNMET
from evi_harness.session.places import Place
from evi_harness.session.protocols import RECEIVED, Dialect, Message
from evi_harness.session.session import Session

__all__ = ["DEVIATIONS", "Deviation", "Late", "Meeting", "SentComparison", "compare_sent", "handshake_deviation", "late_deviations"]

# An unexpected message is compared with so many of the recorded ones of its type, those nearest to it in order.
_NEAR = 50
# So many places are named in a sentence.
_NAMED = 5

# Kinds of deviation, and what each says.
DEVIATIONS: Mapping[str, str] = {
    "missing": "an expected message was not sent",
    "unexpected": "an unexpected message was sent",
    "different": "a message was sent that differs from the expected one",
    "out_of_order": "an expected message was sent out of order",
    "late": "an expected message was sent later than allowed",
    "closed_early": "the app closed the connection before the session was over",
    "stuck": "the app stopped making progress",
    "over_time": "the run took longer than allowed",
}


@dataclass(frozen=True)
class Deviation:
    """One way in which the replay differed from the recording.

    Attributes:
        kind: One of ``DEVIATIONS``.
        what: One sentence with the expected and the actual message.
        recorded_seq: The seq of the recorded event, if there is one.
        live_seq: The seq of the event in the replay's session, if there is one.
        differences: The differences, for ``different``; for ``unexpected``, those from the nearest expected message.
        detail: More lines for people: the nearest expected message, a stack.
        consequences: Events of the recording that did not happen because of it, by seq; not counted.
        nearest_seq: For ``unexpected``, the expected message that is most like it, if one is of its type.
        late_ns: For ``late``, how much later than due it was sent.
        places: Places in the developer's code, innermost first: where the message was sent, where the message to be answered was handled,
            or where the connection was closed.
    """

    kind: str
    what: str
    recorded_seq: Optional[int] = None
    live_seq: Optional[int] = None
    differences: Tuple[Difference, ...] = ()
    detail: Tuple[str, ...] = ()
    consequences: Tuple[int, ...] = ()
    nearest_seq: Optional[int] = None
    late_ns: Optional[int] = None
    places: Tuple[Place, ...] = ()


@dataclass(frozen=True)
class Late:
    """A message that was sent later than due.

    Attributes:
        what: What it says, in a line.
        recorded_seq: The recorded message.
        live_seq: The one that was sent.
        late_ns: How much later than when it was due: as long after what prompted it as in the recording.
    """

    what: str
    recorded_seq: int
    live_seq: int
    late_ns: int


@dataclass(frozen=True)
class Meeting:
    """What became of one sent message.

    Attributes:
        outcome: One of those of ``alignment``.
        recorded_seq: The recorded message, None where the sent one is unexpected.
        live_seq: The sent one, None where the recorded one is missing.
    """

    outcome: str
    recorded_seq: Optional[int]
    live_seq: Optional[int]


@dataclass(frozen=True)
class SentComparison:
    """What was sent on both sides, compared.

    Attributes:
        deviations: Where they differ, in the order of the recording.
        unsent: Recorded messages that were not sent since the app had left.
        late: Messages that were sent later than due, in the order of the recording.
        meetings: What became of each message.
    """

    deviations: Tuple[Deviation, ...]
    unsent: Tuple[int, ...]
    late: Tuple[Late, ...]
    meetings: Tuple[Meeting, ...]


def compare_sent(recorded: Session, live: Session, dialect: Dialect, left: Optional[Sequence[int]] = None) -> SentComparison:
    """Compare what was sent on both sides; audio is not compared.

    Args:
        recorded: The recording.
        live: The session that the replay yielded.
        dialect: What both are in.
        left: Received events of the recording that did not come since the app had left; None where it stayed to the end.

    Returns:
        The comparison. Where the app makes up ids, the recorded messages have those of the replay.
    """
    comparison = _Comparison(in_ids_of_the_replay(recorded, live, dialect).session, live, dialect, left)
    return SentComparison(comparison.deviations(), comparison.unsent(), comparison.late(), comparison.meetings())


def handshake_deviation(recorded: Session, live: Session, dialect: Dialect) -> Optional[Deviation]:
    """Compare what was asked for at the opening; for an app that opened the connection itself.

    Returns:
        One deviation for all that differs, None where nothing does or where one of the openings is not known.
    """
    if recorded.opened is None or live.opened is None:
        return None
    found = tuple(differences(*dialect.comparable_handshakes(recorded.opened.handshake, live.opened.handshake)))
    if not found:
        return None
    what = f"the app's handshake differs in {_paths(found)}"
    return Deviation("different", what, recorded_seq=recorded.opened.seq, live_seq=live.opened.seq, differences=found)


# Due times are sums of rounded ones.
_ROUNDING_NS = 1_000


def late_deviations(late: Iterable[Late], max_late_ns: int) -> List[Deviation]:
    """The messages that were sent more than so much later than due."""
    return [
        Deviation(
            "late",
            f"{one.what} was sent {one.late_ns / 1e6:.12g} ms later than due; {max_late_ns / 1e6:.12g} ms are allowed",
            recorded_seq=one.recorded_seq,
            live_seq=one.live_seq,
            late_ns=one.late_ns,
        )
        for one in late
        if one.late_ns > max(max_late_ns, _ROUNDING_NS)
    ]


@dataclass(frozen=True)
class _Message:
    seq: int
    at_ns: int
    message: Message
    comparable: Comparable


@dataclass(frozen=True)
class _Met:
    """What became of one message: ``Pair``, with the messages themselves."""

    outcome: str
    recorded: Optional[_Message]
    live: Optional[_Message]


class _Comparison:
    def __init__(self, recorded: Session, live: Session, dialect: Dialect, left: Optional[Sequence[int]]) -> None:
        self._dialect = dialect
        self._recorded = _messages(recorded, dialect)
        self._live = _messages(live, dialect)
        self._prompts = recorded.prompts(dialect)
        # Awaited messages that were given up, with the received events that hung on each; and these, each with its message.
        unmet = list(live.noted(UNMET))
        self._skipped = {facts.awaited: tuple(facts.skipped) for _, facts in unmet}
        self._awaited = {seq: awaited for awaited, skipped in self._skipped.items() for seq in skipped}
        self._given_up_ns = {facts.awaited: note.at_ns for note, facts in unmet}
        self._n_after_close = sum(facts.opcode == TEXT for _, facts in live.noted(SENT_AFTER_CLOSE))
        self._left = frozenset(left or ())
        # What would have been sent later than this could not be, and when the received events came.
        self._left_at_ns = None if left is None else (live.closed.at_ns if live.closed is not None else live.duration_ns)
        self._recorded_at_ns = {event.seq: event.at_ns for event in recorded.events}
        self._recorded_events: Mapping[int, Event] = {event.seq: event for event in recorded.events}
        self._came_at_ns = _came_at_ns(live)
        self._about = _about(recorded, self._recorded, dialect) if self._awaited else {}
        self._met = self._align()
        # What is missing, by the message for whose sake it is; under None what is for the app's leaving.
        self._hanging: Dict[Optional[int], List[int]] = {}
        for met in self._met:
            if met.outcome == MISSING and met.recorded is not None:
                self._hanging.setdefault(self._root(met.recorded.seq), []).append(met.recorded.seq)

    def deviations(self) -> Tuple[Deviation, ...]:
        return tuple(self._deviation(met) for met in self._met if met.outcome != EQUAL and not self._is_consequence(met))

    def late(self) -> Tuple[Late, ...]:
        """What was sent later than due; a message at another place in the order is told as such."""
        found = []
        for met in self._met:
            if met.outcome in (EQUAL, DIFFERENT) and met.recorded is not None and met.live is not None:
                # When a microphone says how it sounds is the microphone's own affair.
                due_ns = None if self._dialect.sets_audio(met.recorded.message) else self._due_ns(met.recorded.seq)
                late_ns = 0 if due_ns is None else met.live.at_ns - due_ns
                if late_ns > 0:
                    found.append(Late(self._say(met.recorded), met.recorded.seq, met.live.seq, late_ns))
        return tuple(found)

    def meetings(self) -> Tuple[Meeting, ...]:
        return tuple(Meeting(met.outcome, _seq(met.recorded), _seq(met.live)) for met in self._met)

    def unsent(self) -> Tuple[int, ...]:
        return tuple(self._hanging.get(None, ()))

    def _align(self) -> List[_Met]:
        """Align what could be sent in time; what was given up is missing, and may have come too late like what hung on it."""
        kept = [one for one in self._recorded if not self._is_given_up(one) and self._root(one.seq) == one.seq]
        pairs = align([one.comparable for one in kept], [one.comparable for one in self._live])
        met = [_Met(pair.outcome, _at(kept, pair.recorded), _at(self._live, pair.live)) for pair in pairs if pair.outcome != UNEXPECTED]
        self._put_in_time(met)
        spare = [self._live[pair.live] for pair in pairs if pair.outcome == UNEXPECTED and pair.live is not None]
        kept_seqs = {one.seq for one in kept}
        # What may have come in time goes before what did not.
        for one in sorted((one for one in self._recorded if one.seq not in kept_seqs), key=lambda one: one.seq in self._skipped):
            late = _taken(spare, one) or self._instead(spare, one)
            met.append(_Met(MISSING if late is None or one.seq in self._skipped else EQUAL, one, late))
        return [*met, *(_Met(UNEXPECTED, None, one) for one in spare)]

    def _put_in_time(self, met: List[_Met]) -> None:
        """Let the missing one of neighbours that say the same be the one that was not sent at its time: order alone does not tell."""
        for index in range(len(met)):
            self._slide(met, index, -1)
        for index in reversed(range(len(met))):
            self._slide(met, index, 1)

    def _slide(self, met: List[_Met], index: int, step: int) -> None:
        while 0 <= index + step < len(met) and self._fits_better(met[index], met[index + step]):
            missing, other = met[index], met[index + step]
            met[index], met[index + step] = _Met(EQUAL, missing.recorded, other.live), _Met(MISSING, other.recorded, None)
            index += step

    def _fits_better(self, missing: _Met, other: _Met) -> bool:
        """Whether what came for another message came at the time of the missing one, which says the same."""
        if (missing.outcome, other.outcome) != (MISSING, EQUAL) or not missing.recorded or not other.recorded or not other.live:
            return False
        if not missing.recorded.comparable.equals(other.recorded.comparable):
            return False
        due_ns, other_due_ns = self._due_ns(missing.recorded.seq), self._due_ns(other.recorded.seq)
        if due_ns is None:
            return False
        return other_due_ns is None or abs(other.live.at_ns - due_ns) < abs(other.live.at_ns - other_due_ns)

    def _is_given_up(self, one: _Message) -> bool:
        """Whether a message was given up for good: of two that say the same and released nothing, the wrong one may have been."""
        if one.seq not in self._skipped:
            return False
        twins = (other for other in self._recorded if other.seq not in self._skipped and other.comparable.equals(one.comparable))
        return bool(self._skipped[one.seq]) or next(twins, None) is None

    def _instead(self, spare: List[_Message], given_up: _Message) -> Optional[_Message]:
        """What was sent while a message was waited for and may be it but for what it is about, taken from those to spare."""
        if given_up.seq not in self._given_up_ns:
            return None
        prompt, until_ns = self._prompt(given_up.seq), self._given_up_ns[given_up.seq]
        since_ns = 0 if prompt is None else self._came_at_ns.get(prompt, 0)
        family = given_up.comparable.family
        found = (index for index, one in enumerate(spare) if one.comparable.family == family and since_ns <= one.at_ns <= until_ns)
        index = next(found, None)
        return None if index is None else spare.pop(index)

    # What hangs on what.

    def _is_consequence(self, met: _Met) -> bool:
        return met.outcome == MISSING and met.recorded is not None and met.recorded.seq not in self._hanging

    def _root(self, seq: int) -> Optional[int]:
        """The message for whose sake one was not sent: itself, where nothing kept the app from sending it; None where the app had left."""
        while not self._is_after_leaving(seq):
            # What it is about may not have come, whatever prompted it: nobody can truncate a reply that there was not.
            hangs_on = next((one for one in (self._prompt(seq), self._about.get(seq)) if one in self._awaited), None)
            if hangs_on is None:
                return seq
            seq = self._awaited[hangs_on]
        return None

    def _is_after_leaving(self, seq: int) -> bool:
        """Whether the app had left when it should have sent a message: as long after what prompted it as it did then."""
        if self._left_at_ns is None or seq in self._skipped:
            return False
        if self._prompt(seq) in self._left:
            return True
        due_ns = self._due_ns(seq)
        return due_ns is not None and due_ns >= self._left_at_ns

    def _due_ns(self, seq: int) -> Optional[int]:
        """When a message should have been sent: as long after what prompted it as it was then; None where that did not come."""
        prompt = self._prompt(seq)
        if prompt is None:
            return self._recorded_at_ns[seq]
        if prompt not in self._came_at_ns:
            return None
        return self._recorded_at_ns[seq] + self._came_at_ns[prompt] - self._recorded_at_ns[prompt]

    def _prompt(self, seq: int) -> Optional[int]:
        """The received event that prompted a message, None where none did."""
        prompt = self._prompts.get(seq)
        return prompt.seq if prompt is not None and prompt.kind == RECEIVED else None

    def _consequences(self, root: int) -> Tuple[int, ...]:
        messages = self._hanging[root]
        skipped = [seq for message in messages for seq in self._skipped.get(message, ())]
        return tuple(sorted({*skipped, *messages} - {root}))

    # What is said of it.

    def _deviation(self, met: _Met) -> Deviation:
        if met.recorded is None:
            assert met.live is not None
            return self._unexpected(met.live)
        if met.outcome == MISSING:
            if met.live is not None and not met.live.comparable.equals(met.recorded.comparable):
                # The service waited for the right one in vain, so what hung on it did not happen.
                return replace(self._different(met.recorded, met.live), consequences=self._consequences(met.recorded.seq))
            return self._missing(met.recorded, met.live)
        assert met.live is not None
        if met.outcome == MOVED:
            what = f"{self._say(met.recorded)} was sent out of order"
            return Deviation("out_of_order", what, recorded_seq=met.recorded.seq, live_seq=met.live.seq)
        assert met.outcome == DIFFERENT
        return self._different(met.recorded, met.live)

    def _missing(self, recorded: _Message, late: Optional[_Message]) -> Deviation:
        is_awaited = recorded.seq in self._skipped
        how = "was sent too late: the replay no longer waited for it" if is_awaited and late is not None else "was not sent"
        if late is None and self._n_after_close:
            n = self._n_after_close
            how += f" before the close, after which {n} message{' was' if n == 1 else 's were'} sent"
        if late is None and is_awaited:
            how += ", although the replay waited for it"
        prompt = self._prompt(recorded.seq)
        after = "" if prompt is None else f"; expected after {self._say_received(prompt)}"
        return Deviation(
            "missing",
            f"{self._say(recorded)} {how}{after}",
            recorded_seq=recorded.seq,
            live_seq=None if late is None else late.seq,
            consequences=self._consequences(recorded.seq),
        )

    def _unexpected(self, live: _Message) -> Deviation:
        what = f"{self._say(live)} was sent; no such message is expected here"
        nearest = self._nearest(live)
        if nearest is None:
            return Deviation("unexpected", what, live_seq=live.seq, detail=("no message of its type is expected",))
        return Deviation(
            "unexpected",
            what,
            live_seq=live.seq,
            differences=_differences(nearest, live),
            detail=(f"nearest expected message: #{nearest.seq} {self._say(nearest)}",),
            nearest_seq=nearest.seq,
        )

    def _nearest(self, live: _Message) -> Optional[_Message]:
        """The recorded message of a live one's type that differs from it in the fewest places, of those the nearest to it in time."""
        alike = [one for one in self._recorded if one.comparable.type == live.comparable.type]
        near = sorted(alike, key=lambda one: abs(one.at_ns - live.at_ns))[:_NEAR]
        return min(near, key=lambda one: len(_differences(one, live)), default=None)

    def _different(self, recorded: _Message, live: _Message) -> Deviation:
        found = _differences(recorded, live)
        what = f"{self._say(live)} differs in {_paths(found)}"
        return Deviation("different", what, recorded_seq=recorded.seq, live_seq=live.seq, differences=found)

    def _say_received(self, seq: int) -> str:
        """A received message by what it says, and by its number."""
        event = self._recorded_events.get(seq)
        said = self._dialect.describe(RECEIVED, self._dialect.read(RECEIVED, event.frame)) if isinstance(event, Received) else ""
        return f"{said} (#{seq})" if said else f"#{seq}"

    def _say(self, one: _Message) -> str:
        return self._dialect.describe("sent", one.message)


def _differences(recorded: _Message, live: _Message) -> Tuple[Difference, ...]:
    return tuple(differences(_whole(recorded.comparable), _whole(live.comparable)))


def _whole(one: Comparable) -> Mapping[str, Json]:
    return {"type": one.type, **one.fields}


def _paths(found: Sequence[Difference]) -> str:
    """Where something differs, as part of a sentence."""
    named = ", ".join(difference.path for difference in found[:_NAMED])
    return named if len(found) <= _NAMED else f"{named} and {len(found) - _NAMED} more places"


def _seq(message: Optional[_Message]) -> Optional[int]:
    return None if message is None else message.seq


def _at(messages: Sequence[_Message], index: Optional[int]) -> Optional[_Message]:
    return None if index is None else messages[index]


def _taken(spare: List[_Message], recorded: _Message) -> Optional[_Message]:
    """The first message that equals a recorded one, taken from those to spare."""
    index = next((index for index, live in enumerate(spare) if live.comparable.equals(recorded.comparable)), None)
    return None if index is None else spare.pop(index)


def _came_at_ns(live: Session) -> Dict[int, int]:
    """When each received event of the recording came, by its recorded seq."""
    repeats = recorded_seqs(live)
    return {repeats[event.seq]: event.at_ns for event in live.received if event.seq in repeats}


def _about(session: Session, messages: Sequence[_Message], dialect: Dialect) -> Dict[int, int]:
    """For each sent message the received event that was the first to name what it is about, by seq; none where the app named it first."""
    first: Dict[str, int] = {}
    for event in session.received:
        identity = dialect.identity(dialect.read(RECEIVED, event.frame))
        if identity is not None:
            first.setdefault(identity, event.seq)
    found = ((one.seq, first.get(one.comparable.identity or "")) for one in messages)
    return {seq: named for seq, named in found if named is not None and named < seq}


def _messages(session: Session, dialect: Dialect) -> List[_Message]:
    frames = session.audio(dialect).frames
    found = []
    for event in session.sent:
        if event.seq not in frames and event.outcome == "sent":
            message = dialect.read(event.kind, event.frame)
            found.append(_Message(event.seq, event.at_ns, message, comparable(message, dialect)))
    return found
