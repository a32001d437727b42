"""When received audio would sound: a speaker plays each piece when it has arrived and the one before has been played.

Audio arrives faster than it plays, so when it came and when it is heard are two things. The SDK keeps all it gets in a buffer that is
never full; where the next piece comes too late, the speaker runs dry.

Rules of living here: times of receipt in, times of sounding out; no device is as fast as this one, and none can be faster.
"""

from __future__ import annotations

from typing import Iterable, List, Optional, Tuple

__all__ = ["Span", "sounding"]

# From, and until, in session time.
Span = Tuple[int, int]


def sounding(pieces: Iterable[Tuple[int, int]], silenced_ns: Optional[int] = None) -> List[Span]:
    """When each piece of audio would sound.

    Args:
        pieces: When each came and how long it plays, in nanoseconds, in the order in which they came.
        silenced_ns: When an interruption silenced the speaker; what came later is not heard, what was sounding is cut off.

    Returns:
        From when until when each is heard, in order, without overlap. A piece that is not heard at all has none.
    """
    spans: List[Span] = []
    free_ns = 0
    for came_ns, length_ns in pieces:
        begin_ns = max(free_ns, came_ns)
        free_ns = begin_ns + length_ns
        if silenced_ns is None:
            spans.append((begin_ns, free_ns))
        elif begin_ns < silenced_ns:
            spans.append((begin_ns, min(free_ns, silenced_ns)))
    return spans
