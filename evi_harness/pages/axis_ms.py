"""Times as a page has them: milliseconds on the session's axis, to the microsecond."""

from __future__ import annotations

from typing import Optional

__all__ = ["SEEK_BEFORE_MS", "ms", "seek_ms"]

# A click on a finding plays from so much earlier: what led to it is heard, too.
SEEK_BEFORE_MS = 2000.0


def ms(at_ns: Optional[int]) -> Optional[float]:
    """Nanoseconds as milliseconds, None for None."""
    return None if at_ns is None else round(at_ns / 1e6, 3)


def seek_ms(at_ms: Optional[float]) -> Optional[float]:
    """From where to play what is to be heard at a time, None where there is no time."""
    return None if at_ms is None else round(max(0.0, at_ms - SEEK_BEFORE_MS), 3)
