"""Deviations: the ways in which what the app sent differs from what the recorded app sent.

Rules of living here: one change of one message is one deviation; what only follows from it (the service's answers that did not come, the
messages that these would have prompted) is listed under it and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.alignment import DIFFERENT, EQUAL, MISSING, MOVED, UNEXPECTED, align
from evi_harness.replay.differences import Difference, differences
from evi_harness.replay.findings import recorded_seqs
from evi_harness.replay.pairing import Comparable, comparable
from evi_harness.session.events import Sent
from evi_harness.session.protocols import RECEIVED, Dialect, Message
from evi_harness.session.session import Session

__all__ = ["DEVIATIONS", "Deviation", "sent_deviations"]

# Kinds of deviation, and what each says.
DEVIATIONS: Mapping[str, str] = {
    "missing": "a recorded message was not sent",
    "unexpected": "a message was sent that the recording does not have",
    "different": "a message was sent that differs from the recorded one",
    "out_of_order": "a recorded message was sent at another place in the order",
    "closed_early": "the app closed the connection before the session was over",
    "stuck": "the app stopped moving",
}


@dataclass(frozen=True)
class Deviation:
    """One way in which the replay differed from the recording.

    Attributes:
        kind: One of ``DEVIATIONS``.
        what: One sentence: what was expected and what came.
        recorded_seq: The place in the recording, if it has one.
        live_seq: The place in the replay's session, if it has one.
        differences: What differs, for ``different``.
        detail: More for people, in lines: the nearest recorded message, a stack.
        consequences: Events of the recording that did not happen because of it, by seq; not counted.
    """

    kind: str
    what: str
    recorded_seq: Optional[int] = None
    live_seq: Optional[int] = None
    differences: Tuple[Difference, ...] = ()
    detail: Tuple[str, ...] = ()
    consequences: Tuple[int, ...] = ()


def sent_deviations(
    recorded: Session, live: Session, dialect: Dialect, left: Optional[Sequence[int]] = None
) -> Tuple[List[Deviation], Tuple[int, ...]]:
    """Compare what was sent on both sides; audio is not compared.

    Args:
        recorded: The recording.
        live: The session that the replay yielded.
        dialect: What both are in.
        left: Received events of the recording that did not come since the app had left; None where it stayed to the end.

    Returns:
        The deviations, and the recorded messages that were not sent since the app had left.
    """
    comparison = _Comparison(recorded, live, dialect, left)
    return comparison.deviations(), comparison.unsent()


@dataclass(frozen=True)
class _Message:
    seq: int
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
        self._prompts = dialect.prompts(recorded.events)
        # Awaited messages that were given up, with the received events that hung on each; and these, each with its message.
        self._skipped = {note.data["awaited"]: tuple(note.data["skipped"]) for note in live.notes if note.name == "unmet"}
        self._awaited = {seq: awaited for awaited, skipped in self._skipped.items() for seq in skipped}
        self._left = frozenset(left or ())
        # What would have been sent later than this could not be, and when the received events came.
        self._left_at_ns = None if left is None else (live.closed.at_ns if live.closed is not None else live.duration_ns)
        self._recorded_at_ns = {event.seq: event.at_ns for event in recorded.events}
        self._came_at_ns = _came_at_ns(live)
        self._met = self._align()
        # What is missing, by the message for whose sake it is; under None what is for the app's leaving.
        self._hanging: Dict[Optional[int], List[int]] = {}
        for met in self._met:
            if met.outcome == MISSING and met.recorded is not None:
                self._hanging.setdefault(self._root(met.recorded.seq), []).append(met.recorded.seq)

    def deviations(self) -> List[Deviation]:
        return [self._deviation(met) for met in self._met if met.outcome != EQUAL and not self._is_consequence(met)]

    def unsent(self) -> Tuple[int, ...]:
        return tuple(self._hanging.get(None, ()))

    def _align(self) -> List[_Met]:
        """Align what could be sent in time; what was given up is missing, and may have come too late like what hung on it."""
        kept = [one for one in self._recorded if one.seq not in self._skipped and self._root(one.seq) == one.seq]
        pairs = align([one.comparable for one in kept], [one.comparable for one in self._live])
        met = [_Met(pair.outcome, _at(kept, pair.recorded), _at(self._live, pair.live)) for pair in pairs if pair.outcome != UNEXPECTED]
        spare = [self._live[pair.live] for pair in pairs if pair.outcome == UNEXPECTED and pair.live is not None]
        kept_seqs = {one.seq for one in kept}
        # What may have come in time goes before what did not.
        for one in sorted((one for one in self._recorded if one.seq not in kept_seqs), key=lambda one: one.seq in self._skipped):
            late = _taken(spare, one)
            met.append(_Met(MISSING if late is None or one.seq in self._skipped else EQUAL, one, late))
        return [*met, *(_Met(UNEXPECTED, None, one) for one in spare)]

    # What hangs on what.

    def _is_consequence(self, met: _Met) -> bool:
        return met.outcome == MISSING and met.recorded is not None and met.recorded.seq not in self._hanging

    def _root(self, seq: int) -> Optional[int]:
        """The message for whose sake one was not sent: itself, where nothing kept the app from sending it; None where the app had left."""
        while not self._is_after_leaving(seq):
            prompt = self._prompt(seq)
            if prompt is None or prompt not in self._awaited:
                return seq
            seq = self._awaited[prompt]
        return None

    def _is_after_leaving(self, seq: int) -> bool:
        """Whether the app had left when it should have sent a message: as long after what prompted it as it did then."""
        if self._left_at_ns is None or seq in self._skipped:
            return False
        prompt = self._prompt(seq)
        if prompt in self._left:
            return True
        if prompt is not None and prompt not in self._came_at_ns:
            return False
        shift_ns = 0 if prompt is None else self._came_at_ns[prompt] - self._recorded_at_ns[prompt]
        return self._recorded_at_ns[seq] + shift_ns >= self._left_at_ns

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
            return self._missing(met.recorded, met.live)
        assert met.live is not None
        if met.outcome == MOVED:
            what = f"{self._say(met.recorded)} was sent at another place in the order"
            return Deviation("out_of_order", what, recorded_seq=met.recorded.seq, live_seq=met.live.seq)
        assert met.outcome == DIFFERENT
        return self._different(met.recorded, met.live)

    def _missing(self, recorded: _Message, late: Optional[_Message]) -> Deviation:
        how = "was not sent"
        if recorded.seq in self._skipped:
            how = "was awaited and did not come" if late is None else "was awaited and came too late"
        prompt = self._prompt(recorded.seq)
        after = "" if prompt is None else f"; in the recording it came after #{prompt}"
        return Deviation(
            "missing",
            f"{self._say(recorded)} {how}{after}",
            recorded_seq=recorded.seq,
            live_seq=None if late is None else late.seq,
            consequences=self._consequences(recorded.seq),
        )

    def _unexpected(self, live: _Message) -> Deviation:
        alike = [one for one in self._recorded if one.comparable.type == live.comparable.type]
        nearest = min(alike, key=lambda one: len(differences(one.comparable.fields, live.comparable.fields)), default=None)
        detail = () if nearest is None else (f"nearest recorded message: #{nearest.seq} {self._say(nearest)}",)
        return Deviation(
            "unexpected", f"{self._say(live)} was sent; the recording has no such message here", live_seq=live.seq, detail=detail
        )

    def _different(self, recorded: _Message, live: _Message) -> Deviation:
        found = tuple(differences(_whole(recorded.comparable), _whole(live.comparable)))
        what = f"{self._say(live)} differs from the recorded one in {', '.join(difference.path for difference in found)}"
        return Deviation("different", what, recorded_seq=recorded.seq, live_seq=live.seq, differences=found)

    def _say(self, one: _Message) -> str:
        return self._dialect.describe("sent", one.message)


def _whole(one: Comparable) -> Mapping[str, Any]:
    return {"type": one.type, **one.fields}


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


def _messages(session: Session, dialect: Dialect) -> List[_Message]:
    places = dialect.audio_places(session.handshake)
    found = []
    for event in session.events:
        if isinstance(event, Sent) and event.outcome == "sent" and not places.is_audio(event.kind, event.frame):
            message = dialect.read(event.kind, event.frame)
            found.append(_Message(event.seq, message, comparable(message, dialect)))
    return found
