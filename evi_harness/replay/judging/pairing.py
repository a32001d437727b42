"""Pair messages while a replay runs: which recorded message did the app just send?

Only for releasing what waited for it. What is reported is decided afterwards, by alignment, which can see the whole.

Rules of living here: an equal message meets at once. One that equals nothing stays loose and may stand in for a message of its family and
identity that something waits for: then it differs. So an unexpected message alone releases nothing. What another stood in for, and what was
given up, may still come: it is then itself and no other, so that one change does not shift all that follows. Of equal messages the first is
met first; the player, which knows the time, may hand one over to a later one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, Hashable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.app_ids import AppIds
from evi_harness.replay.judging.differences import comparison_key
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect, Message, NamedId

__all__ = ["Comparable", "Pairing", "comparable"]


@dataclass(frozen=True)
class Comparable:
    """A sent message as comparisons see it.

    Attributes:
        type: Its type.
        family: What it may replace.
        identity: What it is about.
        fields: What must be equal.
        key: Type, identity and fields in a form that compares quickly.
    """

    type: Optional[str]
    family: str
    identity: Optional[str]
    fields: Mapping[str, Json]
    key: Hashable

    def equals(self, other: Comparable) -> bool:
        """Whether both say the same."""
        return self.key == other.key

    def may_be(self, other: Comparable) -> bool:
        """Whether one may replace the other, if differently."""
        return self.family == other.family and self.identity == other.identity


def comparable(message: Message, dialect: Dialect) -> Comparable:
    """A sent message as comparisons see it; one that is nested too deep for Python to walk is compared without its fields."""
    identity = dialect.identity(message)
    try:
        fields = dialect.must_equal(message)
        key = comparison_key(fields)
    except RecursionError:
        fields, key = {}, None
    return Comparable(
        type=message.type,
        family=dialect.family(message),
        identity=identity,
        fields=fields,
        key=(message.type, identity, key),
    )


class Pairing:
    """Which recorded messages the app has sent so far, and when.

    Args:
        recorded: The recorded messages by seq, in time.
        dialect: What they are in.
        ids: Learns which ids of the app's stand for which; None where the recorded app gave none.
    """

    def __init__(self, recorded: Mapping[int, Message], dialect: Dialect, ids: Optional[AppIds] = None) -> None:
        self._dialect = dialect
        self._ids = ids
        self._recorded: Dict[int, Comparable] = {seq: comparable(message, dialect) for seq, message in recorded.items()}
        self._seqs = [*self._recorded]
        # By key, what has not come: what may still be waited for, and what no longer is.
        self._open: Dict[Hashable, Deque[int]] = {}
        self._settled: Dict[Hashable, Deque[int]] = {}
        self._equal: Dict[Hashable, List[int]] = {}
        for seq, one in self._recorded.items():
            self._equal.setdefault(one.key, []).append(seq)
            self._open.setdefault(one.key, deque()).append(seq)
        self._loose: List[Tuple[Comparable, int, Sequence[NamedId]]] = []
        self._met_at_ns: Dict[int, int] = {}
        # What has come itself, and nothing in its stead, with its place in the order in which all came.
        self._come: Dict[int, int] = {}

    def meet(self, message: Message, at_ns: int, given: Sequence[NamedId] = ()) -> None:
        """Take a message that the app sent.

        Args:
            message: The message.
            at_ns: When it was sent.
            given: The ids that it gives.
        """
        live = comparable(message, self._dialect)
        if self._open.get(live.key):
            seq = self._open[live.key].popleft()
            self._met_at_ns[seq] = at_ns
            self._come[seq] = len(self._met_at_ns)
            self._learn(seq, given)
        elif self._settled.get(live.key):
            self._learn(self._settled[live.key].popleft(), given)
        else:
            self._loose.append((live, at_ns, given))

    def met_at_ns(self, seq: int) -> Optional[int]:
        """When the app sent a recorded message, or what was accepted for it; None while it has not, and where it was given up."""
        return self._met_at_ns.get(seq)

    def stand_in_at_ns(self, seq: int) -> Optional[int]:
        """When the app sent what could stand in for a recorded message that has not come; None where there is no such message."""
        index = self._stand_in(seq)
        return None if index is None else self._loose[index][1]

    def accept_stand_in(self, seq: int) -> None:
        """Let what could stand in for a recorded message be that message; changes nothing where it has come or nothing could."""
        index = None if seq in self._met_at_ns else self._stand_in(seq)
        if index is not None:
            self._settle(seq)
            _, self._met_at_ns[seq], given = self._loose.pop(index)
            self._learn(seq, given)

    def twins_before(self, seq: int) -> List[int]:
        """The recorded messages before one that say the same and have come, the nearest first; none where it is not waited for."""
        key = self._recorded[seq].key
        if seq not in self._open[key]:
            return []
        equal = self._equal[key]
        return [other for other in reversed(equal[: equal.index(seq)]) if other in self._come]

    def is_overtaken(self, first: int, second: int) -> bool:
        """Whether a message that was recorded between two came before the first."""
        between = self._seqs[self._seqs.index(first) + 1 : self._seqs.index(second)]
        return any(seq in self._come and self._come[seq] < self._come[first] for seq in between)

    def hand_over(self, first: int, second: int) -> None:
        """Take what came for a recorded message for a later one that says the same; the first may still come.

        Args:
            first: One of ``twins_before``.
            second: The later one.
        """
        key = self._recorded[first].key
        left = {*self._open[key], first} - {second}
        self._open[key] = deque(seq for seq in self._equal[key] if seq in left)
        self._met_at_ns[second] = self._met_at_ns.pop(first)
        self._come[second] = self._come.pop(first)
        if self._ids is not None:
            self._ids.hand_over(first, second)

    def give_up(self, seq: int) -> None:
        """Wait no more for a recorded message, nor for those before it; where they still come, they are not taken for others."""
        for other in self._recorded:
            if other not in self._met_at_ns:
                self._settle(other)
            if other == seq:
                return

    def _learn(self, seq: int, given: Sequence[NamedId]) -> None:
        if self._ids is not None:
            self._ids.pair(seq, given)

    def _stand_in(self, seq: int) -> Optional[int]:
        recorded = self._recorded[seq]
        return next((index for index, (live, *_) in enumerate(self._loose) if recorded.may_be(live)), None)

    def _settle(self, seq: int) -> None:
        key = self._recorded[seq].key
        if seq in self._open[key]:
            self._open[key].remove(seq)
            self._settled.setdefault(key, deque()).append(seq)
