"""Match the turns of two sessions by their words, never by number or time.

Rules of living here: order is kept. Turns whose user said the same are found first; between two of these the best pairing of what is
left is taken, by words in common. A turn that was left out or came in between moves no other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from evi_harness.session.events import Received
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.session.turn import Turn

__all__ = ["SaidTurn", "align_turns", "called_in", "plain_words", "said_turns"]

# What it costs to leave a turn alone: two turns with nothing in common, between turns that are alike, are still one turn that changed.
_ALONE = 0.3
_OF_USER, _OF_REPLY = 0.7, 0.3
# Between two turns that are surely the same, so many pairs are looked at; of more, turns are paired in order.
_MOST_PAIRS = 250_000


@dataclass(frozen=True)
class SaidTurn:
    """What a turn is known by.

    Attributes:
        user: What the user said, None for a greeting.
        reply: What the assistant said and called.
    """

    user: Optional[str]
    reply: str


def align_turns(first: Sequence[SaidTurn], second: Sequence[SaidTurn]) -> List[Tuple[Optional[int], Optional[int]]]:
    """Align the turns of two sessions.

    Args:
        first: The turns of one session, in order.
        second: Those of the other.

    Returns:
        Pairs of indices, in the order of both; None on the side on which a turn has no like. A greeting is only ever a greeting's like.
    """
    pairs: List[Tuple[Optional[int], Optional[int]]] = []
    done = (0, 0)
    for i, j in [*_anchors(first, second), (len(first), len(second))]:
        pairs += _between(first, second, done, (i, j))
        if i < len(first):
            pairs.append((i, j))
        done = (i + 1, j + 1)
    return pairs


def said_turns(session: Session, turns: Sequence[Turn], dialect: Dialect) -> List[SaidTurn]:
    """What the turns of a session are known by.

    Args:
        session: The session.
        turns: Its turns.
        dialect: What it is in.
    """
    called = called_in(session, turns, dialect)
    return [SaidTurn(None if one.user is None else one.user_text, f"{one.reply_text} {calls}") for one, calls in zip(turns, called)]


def called_in(session: Session, turns: Sequence[Turn], dialect: Dialect) -> List[str]:
    """The tools that each turn called, with what for.

    Args:
        session: The session.
        turns: Its turns.
        dialect: What it is in.
    """
    events: Dict[int, Received] = {event.seq: event for event in session.received}
    calls = ([events[seq] for seq in turn.tool_calls if seq in events] for turn in turns)
    return ["; ".join(dialect.call_text(dialect.read(Received.kind, one.frame)) for one in found) for found in calls]


def plain_words(text: str) -> List[str]:
    """The words of a text without what writing adds: case and punctuation."""
    letters = (one if one.isalnum() or one == "'" else " " for one in text.casefold())
    return "".join(letters).split()


def _anchors(first: Sequence[SaidTurn], second: Sequence[SaidTurn]) -> List[Tuple[int, int]]:
    """Turns that are surely the same: equal ends of both, and what only one turn of each side says, as far as the order holds."""
    one, other = ([(turn.user is None, *plain_words(turn.user or "")) for turn in side] for side in (first, second))
    shorter = min(len(one), len(other))
    start = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    end = next((i for i in range(shorter - start) if one[-1 - i] != other[-1 - i]), shorter - start)
    if len(one) != len(other) and start + end == shorter:
        # A turn that is said twice in a row may be missing at either: what is alike in its reply tells.
        start, end = _certain(one, other, start), _certain(one[::-1], other[::-1], end)
    middle = range(start, len(one) - end), range(start, len(other) - end)
    counts = [Counter(side[i] for i in inside) for side, inside in zip((one, other), middle)]
    places = {other[j]: j for j in middle[1] if counts[1][other[j]] == 1}
    unique = [(i, places[one[i]]) for i in middle[0] if counts[0][one[i]] == 1 and one[i] in places]
    return [
        *((i, i) for i in range(start)),
        *_rising(unique),
        *((len(one) - i, len(other) - i) for i in range(end, 0, -1)),
    ]


def _certain(one: Sequence[object], other: Sequence[object], n: int) -> int:
    """How many turns of an equal beginning are certain: those before the last ones, where these say what the next one says too."""
    following = one[n : n + 1] or other[n : n + 1]
    while n and one[n - 1] in following:
        n -= 1
    return n


def _rising(pairs: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """The most of some pairs, whose first indices rise, whose second ones rise too."""
    ends: List[int] = []
    at: List[int] = []
    before: Dict[int, Optional[int]] = {}
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before[index] = at[length - 1] if length else None
        ends[length : length + 1] = [j]
        at[length : length + 1] = [index]
    found: List[Tuple[int, int]] = []
    last = at[-1] if at else None
    while last is not None:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]


def _between(
    first: Sequence[SaidTurn], second: Sequence[SaidTurn], start: Tuple[int, int], end: Tuple[int, int]
) -> Iterator[Tuple[Optional[int], Optional[int]]]:
    """The best pairing of the turns between two places."""
    n, m = end[0] - start[0], end[1] - start[1]
    if n * m > _MOST_PAIRS:
        shorter = min(n, m)
        yield from ((start[0] + i, start[1] + i) for i in range(shorter))
        yield from ((i, None) for i in range(start[0] + shorter, end[0]))
        yield from ((None, j) for j in range(start[1] + shorter, end[1]))
        return
    words = [[_Words.of(turn) for turn in side[a:b]] for side, a, b in zip((first, second), start, end)]
    # The best that can be had of the turns from each place on.
    best = [[-_ALONE * (n - i + m - j) for j in range(m + 1)] for i in range(n + 1)]
    alike = [[one.likeness(other) for other in words[1]] for one in words[0]]
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            likeness = alike[i][j]
            alone = max(best[i + 1][j], best[i][j + 1]) - _ALONE
            best[i][j] = alone if likeness is None else max(alone, best[i + 1][j + 1] + likeness)
    i = j = 0
    while i < n or j < m:
        likeness = alike[i][j] if i < n and j < m else None
        if likeness is not None and best[i][j] == best[i + 1][j + 1] + likeness:
            yield start[0] + i, start[1] + j
            i, j = i + 1, j + 1
        elif i < n and (j == m or best[i][j] == best[i + 1][j] - _ALONE):
            yield start[0] + i, None
            i += 1
        else:
            yield None, start[1] + j
            j += 1


@dataclass(frozen=True)
class _Words:
    """The words of a turn, counted."""

    user: Optional[Counter[str]]
    reply: Counter[str]

    @staticmethod
    def of(turn: SaidTurn) -> _Words:
        return _Words(None if turn.user is None else Counter(plain_words(turn.user)), Counter(plain_words(turn.reply)))

    def likeness(self, other: _Words) -> Optional[float]:
        """How alike two turns are, from 0 to 1; None for a greeting and what is none."""
        if self.user is None or other.user is None:
            return 1.0 if self.user is None and other.user is None else None
        return _OF_USER * _in_common(self.user, other.user) + _OF_REPLY * _in_common(self.reply, other.reply)


def _in_common(one: Counter[str], other: Counter[str]) -> float:
    """How many of the words of two texts are in both, from 0 to 1."""
    n = sum(one.values()) + sum(other.values())
    return 2 * sum((one & other).values()) / n if n else 1.0
