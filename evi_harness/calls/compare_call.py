"""``compare_sessions``, the call for ``evi-harness compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Union

from evi_harness.acts.afterwards.comparing_sessions import TOLERANCE_MS, compare, compared_sessions
from evi_harness.report.comparison_report import ComparedPair, ComparisonReport
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.verdicts.loading import load_session

__all__ = ["compare_sessions"]


def compare_sessions(
    first: Union[AnyPath, Session], second: Union[AnyPath, Session], *, tolerance_ms: Optional[float] = TOLERANCE_MS
) -> ComparisonReport:
    """Compare two sessions, or two folders of sessions, turn by turn: words, tool calls, messages and times.

    Args:
        first: A session, its folder, or a folder of sessions.
        second: The same. Sessions in folders are matched by name.
        tolerance_ms: How many milliseconds longer or shorter something may take; None to compare no times.

    Returns:
        The report: ``passed`` if they are the same, and ``pairs`` with a comparison each.

    Raises:
        UsageError: One is a session and the other a folder of them, or the tolerance is invalid.
        SessionUnreadable: One of two sessions cannot be read, or a folder holds no session. In two folders of sessions, one that cannot be
            read is reported for its pair.

    Example:
        >>> result = evi_harness.replay_session("sessions/weather", handler="app.py:WeatherApp")
        >>> evi_harness.compare_sessions("sessions/weather", result.session).passed
        True
    """
    if not isinstance(first, Session) and not isinstance(second, Session):
        return compare(Path(first), Path(second), tolerance_ms=tolerance_ms)
    old, new = (one if isinstance(one, Session) else load_session(one) for one in (first, second))
    pair = ComparedPair(old.name, old.name, new.name, compared_sessions(old, new, tolerance_ms))
    return ComparisonReport(old.name, new.name, (pair,))
