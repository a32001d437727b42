"""Whether the recorded app sent the user's audio while the assistant's audio played, inferred from what it sent.

The SDK's microphone either sends all that it hears, or nothing while the player plays. A recording says which, where whoever made it knew.
Where nobody did, a replay that guesses wrong holds another conversation: the user's interruption is not in it.

Rules of living here: what was played is not recorded, so what was received counts as played as soon as it can be, one chunk behind the
other, until the user interrupts. Where little was played, or what was sent meanwhile is neither most of it nor next to nothing, nothing is
said.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Iterator, List, Optional, Tuple

from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["talked_over"]

# The player begins a little later than it could, and ends later.
EDGE_NS = 300_000_000
# So much playing, without its edges, tells something.
ENOUGH_NS = 500_000_000
# And of a long session so much is looked at.
PLENTY_NS = 20_000_000_000
MOST, NEXT_TO_NOTHING = 0.6, 0.1


def talked_over(session: Session, dialect: Dialect) -> Optional[bool]:
    """Tell whether the user's audio was sent while the assistant's played.

    Args:
        session: The recording.
        dialect: What its messages are in.

    Returns:
        None where that cannot be told.
    """
    until_ns = _spoke_until_ns(session, dialect)
    spans: List[Tuple[int, int]] = []
    played_ns = 0
    for begin_ns, end_ns in _playing(session, dialect):
        inner = (begin_ns + EDGE_NS, min(end_ns, until_ns) - EDGE_NS)
        if inner[0] < inner[1]:
            spans.append(inner)
            played_ns += inner[1] - inner[0]
        if played_ns >= PLENTY_NS:
            break
    if played_ns < ENOUGH_NS:
        return None
    share = _sent_within(session, dialect, spans) / played_ns
    return True if share >= MOST else False if share <= NEXT_TO_NOTHING else None


def _playing(session: Session, dialect: Dialect) -> Iterator[Tuple[int, int]]:
    """When the assistant's audio played, in session time, one reply after another."""
    audio = session.audio(dialect)
    interruptions = {turn.interrupted_by for turn in dialect.turns(session.events)}
    span: Optional[Tuple[int, int]] = None
    for event in session.received:
        length_ns = audio.length_ns(event.seq)
        if length_ns and span is not None and event.at_ns <= span[1]:
            span = (span[0], span[1] + length_ns)
        elif length_ns:
            if span is not None:
                yield span
            span = (event.at_ns, event.at_ns + length_ns)
        elif span is not None and event.seq in interruptions:
            span = (span[0], max(span[0], min(span[1], event.at_ns)))
    if span is not None:
        yield span


def _spoke_until_ns(session: Session, dialect: Dialect) -> int:
    """When the last of the user's audio was sent: nobody listened behind it. 0 where there is none."""
    audio = session.audio(dialect)
    return next((event.at_ns for event in reversed(session.sent) if event in audio), 0)


def _sent_within(session: Session, dialect: Dialect, spans: List[Tuple[int, int]]) -> int:
    """How much of the user's audio was sent within some spans, which are apart and in order."""
    audio, total_ns = session.audio(dialect), 0
    begins = [begin_ns for begin_ns, _ in spans]
    for event in audio.said:
        if event.at_ns >= spans[-1][1]:
            break
        index = bisect_right(begins, event.at_ns) - 1
        if index >= 0 and event.at_ns < spans[index][1]:
            total_ns += audio.length_ns(event.seq) or 0
    return total_ns
