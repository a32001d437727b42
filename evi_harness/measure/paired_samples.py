"""Pair the samples of two runs by place: the session, the turn, and the position in the turn.

Rules of living here: a turn that takes twice as long as another does so in both runs, so only pairs are compared. Values without a
counterpart are counted. A seq does not identify a place: in real time two equal runs have different ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from evi_harness.measure.samples import Sample

__all__ = ["Pairs", "SamplePair", "SamplePlace", "pairs_of"]


class SamplePlace(NamedTuple):
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
        return f"{self.session}{turn}{f', {_ordinal(self.nth + 1)} value' if self.nth else ''}"


class SamplePair(NamedTuple):
    """The values at one place, and the sample that the new one is from, None for an average of several."""

    place: SamplePlace
    old: float
    new: float
    sample: Optional[Sample] = None

    @property
    def of(self) -> Optional[int]:
        """The event that the new value is of, None where it is of none."""
        return None if self.sample is None else self.sample.of


@dataclass(frozen=True)
class Pairs:
    """What two runs have of a metric.

    Attributes:
        pairs: In the order of the old run.
        n_old_alone: How many values of the old run have no partner.
        n_new_alone: The same of the new run.
        reasons: Why a value is missing on either side, each with how often.
        gone: Sessions of the old run that are not in the new one.
        added: Sessions of the new run that are not in the old one.
    """

    pairs: Tuple[SamplePair, ...]
    n_old_alone: int
    n_new_alone: int
    reasons: Mapping[str, int]
    gone: Tuple[str, ...] = ()
    added: Tuple[str, ...] = ()

    @property
    def n_alone(self) -> int:
        """How many values have no partner."""
        return self.n_old_alone + self.n_new_alone


def pairs_of(old: Sequence[Sample], new: Sequence[Sample], partners: Mapping[str, str]) -> Pairs:
    """Pair the samples of one metric.

    Args:
        old: Of the one run.
        new: Of the other.
        partners: Names of sessions in the other run → names of the same in the one.
    """
    before, after = _by_place(old, {}), _by_place(new, partners)
    pairs: List[SamplePair] = []
    for place, sample in before.items():
        partner = after.get(place)
        if sample.value is not None and partner is not None and partner.value is not None:
            pairs.append(SamplePair(place, sample.value, partner.value, partner))
    n_old, n_new = (sum(sample.value is not None for sample in one.values()) for one in (before, after))
    reasons = Counter(sample.why for sample in (*old, *new) if sample.value is None)
    gone, added = _only(old, set(partners.values())), _only(new, set(partners))
    return Pairs(tuple(pairs), n_old - len(pairs), n_new - len(pairs), dict(reasons.most_common()), gone, added)


def _only(samples: Sequence[Sample], partnered: Set[str]) -> Tuple[str, ...]:
    """The sessions that have no partner, in their order."""
    return tuple(dict.fromkeys(sample.session for sample in samples if sample.session not in partnered))


def _by_place(samples: Sequence[Sample], names: Mapping[str, str]) -> Dict[SamplePlace, Sample]:
    n_before: Dict[Tuple[str, Optional[int]], int] = {}
    found: Dict[SamplePlace, Sample] = {}
    for sample in samples:
        turn = (names.get(sample.session, sample.session), sample.turn)
        nth = n_before.get(turn, 0)
        n_before[turn] = nth + 1
        found[SamplePlace(*turn, nth)] = sample
    return found


def _ordinal(number: int) -> str:
    """The number as one counts places: 1st, 2nd, 3rd, 4th and so on."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
