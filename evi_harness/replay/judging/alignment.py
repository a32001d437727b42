"""Align recorded and live messages after the run, when both sides are complete.

Rules of living here: order is kept; as many messages as possible are found equal; what is equal but elsewhere has moved; what is left
between two equal ones and may replace one another differs; the rest is missing or unexpected. One change of one message is one finding.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, Hashable, List, Optional, Sequence, Tuple

from evi_harness.replay.judging.pairing import Comparable

__all__ = ["DIFFERENT", "EQUAL", "MISSING", "MOVED", "UNEXPECTED", "AlignedPair", "align"]

EQUAL = "equal"
DIFFERENT = "different"
MOVED = "moved"
MISSING = "missing"
UNEXPECTED = "unexpected"


@dataclass(frozen=True)
class AlignedPair:
    """What became of one message, by its index on each side.

    Attributes:
        outcome: ``equal``, ``different``, ``moved``, ``missing`` or ``unexpected``.
        recorded: Index among the recorded messages, None where it is unexpected.
        live: Index among the live messages, None where it is missing.
    """

    outcome: str
    recorded: Optional[int]
    live: Optional[int]


def align(recorded: Sequence[Comparable], live: Sequence[Comparable]) -> List[AlignedPair]:
    """Say of every message on both sides what became of it.

    Args:
        recorded: The recorded messages, in time.
        live: The live messages, in time.

    Returns:
        A pair for each recorded message and each unexpected live one, in recorded order; an unexpected one stands behind the recorded
        message that the live side had before it.
    """
    matched = _common([one.key for one in recorded], [one.key for one in live])
    found = dict(matched)
    taken = set(found.values())
    left_recorded = [r for r in range(len(recorded)) if r not in found]
    left_live = [l_ for l_ in range(len(live)) if l_ not in taken]
    pairs = [AlignedPair(EQUAL, r, l_) for r, l_ in matched]
    pairs += _moved(recorded, live, left_recorded, left_live)
    pairs += _altered(recorded, live, left_recorded, left_live, matched)
    pairs += [AlignedPair(MISSING, r, None) for r in left_recorded]
    pairs += [AlignedPair(UNEXPECTED, None, l_) for l_ in left_live]
    # Both indices of the equal ones rise, so they are in live order too.
    live_order = [l_ for _, l_ in matched]
    return sorted(pairs, key=lambda pair: _place(pair, matched, live_order))


def _common(recorded: Sequence[Hashable], live: Sequence[Hashable]) -> List[Tuple[int, int]]:
    """The longest common subsequence, as index pairs in order; equal ends are taken first, so that usual replays cost nothing."""
    shorter = min(len(recorded), len(live))
    start = next((i for i in range(shorter) if recorded[i] != live[i]), shorter)
    end = next((i for i in range(shorter - start) if recorded[-1 - i] != live[-1 - i]), shorter - start)
    middle = _longest(recorded[start : len(recorded) - end], live[start : len(live) - end])
    return [
        *((i, i) for i in range(start)),
        *((start + r, start + l_) for r, l_ in middle),
        *((len(recorded) - i, len(live) - i) for i in range(end, 0, -1)),
    ]


# A pair, and the links of the common subsequence before it.
_Links = Tuple[int, int, Optional["_Links"]]


def _longest(recorded: Sequence[Hashable], live: Sequence[Hashable]) -> List[Tuple[int, int]]:
    """The longest common subsequence by Hunt and Szymanski: quick where most messages are unlike one another, as they are."""
    places: Dict[Hashable, List[int]] = {}
    for l_, key in enumerate(live):
        places.setdefault(key, []).append(l_)
    # By length less one: the smallest live index in which a common subsequence of that length can end, and its links to the start.
    ends: List[int] = []
    chains: List[_Links] = []
    for r, key in enumerate(recorded):
        # Backwards, so that one recorded message does not follow itself.
        for l_ in reversed(places.get(key, ())):
            length = bisect_left(ends, l_)
            chain = (r, l_, chains[length - 1] if length else None)
            ends[length : length + 1] = [l_]
            chains[length : length + 1] = [chain]
    return _unwound(chains[-1] if chains else None)


def _unwound(chain: Optional[_Links]) -> List[Tuple[int, int]]:
    pairs = []
    while chain is not None:
        r, l_, chain = chain
        pairs.append((r, l_))
    return pairs[::-1]


def _moved(recorded: Sequence[Comparable], live: Sequence[Comparable], left_r: List[int], left_l: List[int]) -> List[AlignedPair]:
    places: Dict[Hashable, Deque[int]] = {}
    for l_ in left_l:
        places.setdefault(live[l_].key, deque()).append(l_)
    pairs = []
    for r in list(left_r):
        found = places.get(recorded[r].key)
        if found:
            pairs.append(_paired(MOVED, r, found.popleft(), left_r, left_l))
    return pairs


def _altered(
    recorded: Sequence[Comparable], live: Sequence[Comparable], left_r: List[int], left_l: List[int], matched: Sequence[Tuple[int, int]]
) -> List[AlignedPair]:
    """Pairs up what is left between the same two equal messages: first what is about the same thing, then what may be."""
    pairs = []
    for may in (_same_identity, _same_family):
        for r in list(left_r):
            low, high = _between(r, matched, len(live))
            l_ = next((l_ for l_ in left_l if low < l_ < high and may(recorded[r], live[l_])), None)
            if l_ is not None:
                pairs.append(_paired(DIFFERENT, r, l_, left_r, left_l))
    return pairs


def _paired(outcome: str, r: int, l_: int, left_r: List[int], left_l: List[int]) -> AlignedPair:
    left_r.remove(r)
    left_l.remove(l_)
    return AlignedPair(outcome, r, l_)


def _same_identity(recorded: Comparable, live: Comparable) -> bool:
    return recorded.may_be(live)


def _same_family(recorded: Comparable, live: Comparable) -> bool:
    return recorded.family == live.family


def _between(r: int, matched: Sequence[Tuple[int, int]], n_live: int) -> Tuple[int, int]:
    """The live indices of the equal messages before and behind a recorded one."""
    index = bisect_left(matched, (r, 0))
    low = matched[index - 1][1] if index else -1
    return low, matched[index][1] if index < len(matched) else n_live


def _place(pair: AlignedPair, matched: Sequence[Tuple[int, int]], live_order: Sequence[int]) -> Tuple[float, int]:
    if pair.recorded is not None:
        return pair.recorded, -1
    assert pair.live is not None
    index = bisect_left(live_order, pair.live)
    return (matched[index - 1][0] if index else -1) + 0.5, pair.live
