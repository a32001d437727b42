"""Whether the app of a recording sent the user's audio while the assistant's audio played, read off what it sent.

The SDK's microphone either sends all that it hears, or nothing while the player plays. A recording says which, where whoever made it knew.
Where nobody did, a replay that guesses wrong holds another conversation: the user's interruption is not in it.

Rules of living here: what was played is not recorded, so what was received counts as played as soon as it can be, one chunk behind the
other, until the user interrupts. Where little was played, or what was sent meanwhile is neither most of it nor next to nothing, nothing is
said.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

from evi_harness.session.events import Sent
from evi_harness.session.protocols import RECEIVED, SENT, Dialect
from evi_harness.session.session import Session

__all__ = ["talked_over"]

# The player begins a little later than it could, and ends later.
EDGE_NS = 300_000_000
# So much playing, without its edges, tells something.
ENOUGH_NS = 500_000_000
MOST, NEXT_TO_NOTHING = 0.6, 0.1


def talked_over(session: Session, dialect: Dialect) -> Optional[bool]:
    """Tell whether the user's audio was sent while the assistant's played.

    Args:
        session: The recording.
        dialect: What its messages are in.

    Returns:
        None where that cannot be told.
    """
    spans = _playing(session, dialect)
    played_ns = sum(end_ns - begin_ns for begin_ns, end_ns in spans)
    if played_ns < ENOUGH_NS:
        return None
    share = _sent_within(session, dialect, spans) / played_ns
    return True if share >= MOST else False if share <= NEXT_TO_NOTHING else None


def _playing(session: Session, dialect: Dialect) -> List[Tuple[int, int]]:
    """When the assistant's audio played, in session time, without the edges; up to the last of the user's audio: then nobody listened."""
    places = dialect.audio_places(session.handshake)
    interruptions = {turn.interrupted_by for turn in dialect.turns(session.events)}
    played: List[Tuple[int, int]] = []
    for event in session.received:
        length_ns = places.length_ns(RECEIVED, event.frame) if places.is_audio(RECEIVED, event.frame) else None
        if length_ns:
            begin_ns = max(event.at_ns, played[-1][1]) if played else event.at_ns
            if played and begin_ns == played[-1][1]:
                played[-1] = (played[-1][0], begin_ns + length_ns)
            else:
                played.append((begin_ns, begin_ns + length_ns))
        elif played and event.seq in interruptions:
            played[-1] = (played[-1][0], max(played[-1][0], min(played[-1][1], event.at_ns)))
    until_ns = _spoke_until_ns(session, dialect)
    inner = ((begin_ns + EDGE_NS, min(end_ns, until_ns) - EDGE_NS) for begin_ns, end_ns in played)
    return [span for span in inner if span[0] < span[1]]


def _spoke_until_ns(session: Session, dialect: Dialect) -> int:
    places = dialect.audio_places(session.handshake)
    return max((event.at_ns for event in session.sent if places.is_audio(SENT, event.frame)), default=0)


def _sent_within(session: Session, dialect: Dialect, spans: List[Tuple[int, int]]) -> int:
    """How much of the user's audio was sent within some spans."""
    places, total_ns = dialect.audio_places(session.handshake), 0
    for event in session.sent:
        length_ns = places.length_ns(SENT, event.frame)
        if length_ns and _is_out(event) and any(begin_ns <= event.at_ns < end_ns for begin_ns, end_ns in spans):
            total_ns += length_ns
    return total_ns


def _is_out(event: Sent) -> bool:
    return event.outcome == "sent"
