"""Samples of two runs, paired by the place that they are of: the session, the turn, and which one of the turn it is.

Rules of living here: a turn that takes twice as long as another does so in both runs, so only pairs are compared. What has no partner
is counted. Seqs are no place: in real time two runs of the same have different ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.measure.samples import Sample

__all__ = ["Pair", "Pairs", "Place", "pairs_of"]


class Place(NamedTuple):
    """Where a sample is.

    Attributes:
        session: Name of the session.
        turn: Number of the turn, None where it is of none.
        nth: Which one of the metric's in the turn, from 0.
    """

    session: str
    turn: Optional[int]
    nth: int

    def __str__(self) -> str:
        """As reports have it."""
        turn = "" if self.turn is None else f" turn {self.turn}"
        return f"{self.session}{turn}{f' #{self.nth + 1}' if self.nth else ''}"


class Pair(NamedTuple):
    """The values at one place."""

    place: Place
    old: float
    new: float


@dataclass(frozen=True)
class Pairs:
    """What two runs have of a metric.

    Attributes:
        pairs: In the order of the old run.
        n_old_alone: How many values of the old run have no partner.
        n_new_alone: The same of the new run.
        reasons: Why a value is missing on either side, each with how often.
    """

    pairs: Tuple[Pair, ...]
    n_old_alone: int
    n_new_alone: int
    reasons: Mapping[str, int]

    @property
    def n_alone(self) -> int:
        """How many values have no partner."""
        return self.n_old_alone + self.n_new_alone


def pairs_of(old: Sequence[Sample], new: Sequence[Sample]) -> Pairs:
    """Pair the samples of one metric.

    Args:
        old: Of the one run.
        new: Of the other. Where each run is of one session, they are paired whatever the sessions are called.
    """
    same_name = len(_sessions(old)) == len(_sessions(new)) == 1
    before, after = _by_place(old, ""), _by_place(new, next(iter(_sessions(old))) if same_name else "")
    pairs: List[Pair] = []
    for place, value in before.items():
        partner = after.get(place)
        if value is not None and partner is not None:
            pairs.append(Pair(place, value, partner))
    n_old, n_new = (sum(value is not None for value in one.values()) for one in (before, after))
    reasons = Counter(sample.why for sample in (*old, *new) if sample.value is None)
    return Pairs(tuple(pairs), n_old - len(pairs), n_new - len(pairs), dict(reasons.most_common()))


def _sessions(samples: Sequence[Sample]) -> FrozenSet[str]:
    return frozenset(sample.session for sample in samples)


def _by_place(samples: Sequence[Sample], name: str) -> Dict[Place, Optional[float]]:
    n_before: Dict[Tuple[str, Optional[int]], int] = {}
    found: Dict[Place, Optional[float]] = {}
    for sample in samples:
        turn = (name or sample.session, sample.turn)
        nth = n_before.get(turn, 0)
        n_before[turn] = nth + 1
        found[Place(*turn, nth)] = sample.value
    return found
