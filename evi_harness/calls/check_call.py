"""``check_sessions``, the call for ``evi-harness check``."""

from __future__ import annotations

from typing import Iterable, Union

from evi_harness.acts import sessions as acts
from evi_harness.calls.given_sessions import paths_of
from evi_harness.report.check_report import CheckReport
from evi_harness.settings.any_path import AnyPath

__all__ = ["check_sessions"]


def check_sessions(sessions: Union[AnyPath, Iterable[AnyPath]]) -> CheckReport:
    """List all problems in session folders.

    Args:
        sessions: Session folders, or folders of them; one or several.

    Returns:
        The report: ``checked`` has an entry per session with its ``folder`` and ``problems``, each with file, line and a description. A
        damaged folder is a problem in the report, not an exception.

    Raises:
        UsageError: No session was given.

    Example:
        >>> report = evi_harness.check_sessions("sessions")
        >>> report.passed, [one.folder for one in report.checked]
        (True, ['sessions/typed', 'sessions/weather'])
    """
    return acts.check_sessions(paths_of(sessions), write=lambda _: None)
