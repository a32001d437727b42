"""The times that an event can have, by the session's clocks, so that no number makes a session endless.

A session that was written to its end says when that was, in session time and by the time of day, and nothing in it comes after that. Where
nothing says how long it lasted, nobody is silent for a week: no event comes so long after all those before it.

Rules of living here: what is refused here could not be replayed, measured or shown in anybody's lifetime; what is odd and harmless is not.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Optional

from evi_harness.session.header import Anchor, Header

__all__ = ["BEHIND_THE_END_NS", "LONGEST_SILENCE_NS", "PlausibleTimes", "anchors_problem", "epoch_ns", "expected_problem"]

_SECOND_NS = 1_000_000_000
LONGEST_SILENCE_NS = 7 * 24 * 3600 * _SECOND_NS
# The end is stamped when the connection is over, and an app may still be taking what came before.
BEHIND_THE_END_NS = 60 * _SECOND_NS


def epoch_ns(wall: str) -> int:
    """Nanoseconds since 1970 of a time in UTC, ISO 8601 with ``Z``.

    Raises:
        ValueError: It is invalid.
    """
    at = datetime.fromisoformat(wall.replace("Z", "+00:00"))
    if at.tzinfo is None:
        raise ValueError(f"{wall!r} has no time zone")
    since = at - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * _SECOND_NS + since.microseconds * 1000


def anchors_problem(start: Optional[Anchor], end: Optional[Anchor]) -> Optional[str]:
    """What is wrong with the instants that a header gives on both clocks; None where nothing is.

    The time of day may be set while a session is recorded, by hours at most; forward by as much as it likes, as on a machine that comes up
    in 1970.
    """
    if start is None or end is None:
        return None
    lasted_ns = end.at_ns - start.at_ns
    try:
        by_day_ns = max(epoch_ns(end.wall) - epoch_ns(start.wall), 0)
    except ValueError:
        # What is no time of day bears nothing out.
        by_day_ns = 0
    if lasted_ns > by_day_ns + LONGEST_SILENCE_NS:
        return f"it lasted {lasted_ns / 1e9:.3f} s, and {by_day_ns / 1e9:.3f} s by the time of day"
    return None


def expected_problem(at_ns: int, recorded_ns: int) -> Optional[str]:
    """What is wrong with the time of a message that is expected of replays; None where nothing is: an app may take its time, not weeks.

    Args:
        at_ns: The time.
        recorded_ns: How long the recording is.
    """
    if at_ns <= recorded_ns + LONGEST_SILENCE_NS:
        return None
    return f"its time is {at_ns / 1e9:.3f} s, more than a week after the end of the session, at {recorded_ns / 1e9:.3f} s"


class PlausibleTimes:
    """Judges the times of one session's events, asked in the order of its lines; a writer asks the same of what it is to write.

    Args:
        header: The session's header; None where it cannot be read.
    """

    def __init__(self, header: Optional[Header]) -> None:
        end = None if header is None else header.end
        self._end_ns = None if end is None else end.at_ns + BEHIND_THE_END_NS
        self._bound_ns = LONGEST_SILENCE_NS if self._end_ns is None else self._end_ns
        self._latest_ns = 0

    def problem(self, at_ns: int, over_ns: int) -> Optional[str]:
        """What is wrong with the times of a line; None where nothing is.

        Args:
            at_ns: When it happened.
            over_ns: When it was over: the message was taken, or the send had returned.
        """
        if at_ns > self._bound_ns:
            return self._told(at_ns)
        if at_ns > self._latest_ns:
            self._latest_ns = at_ns
            if self._end_ns is None:
                self._bound_ns = at_ns + LONGEST_SILENCE_NS
        return self._told(over_ns) if over_ns > self._bound_ns else None

    def _told(self, at_ns: int) -> str:
        if self._end_ns is not None:
            return f"its time is {at_ns / 1e9:.3f} s, and the session ended at {(self._end_ns - BEHIND_THE_END_NS) / 1e9:.3f} s"
        return f"its time is {at_ns / 1e9:.3f} s, more than a week after everything before it, and nothing shows that so much time passed"
