"""``explain_report``, the call for ``evi-harness explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Union

from evi_harness.acts.afterwards import explaining
from evi_harness.acts.replay import ReplayResult
from evi_harness.report.corpus_report import CorpusReport
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.gate_report import GateReport
from evi_harness.session.json_value import Json
from evi_harness.settings.any_path import AnyPath

__all__ = ["explain_report"]


def explain_report(
    report: Union[AnyPath, Mapping[str, Json], ReplayResult, CorpusReport, LiveReport, GateReport], *, shorten: bool = False
) -> str:
    """Explain the report of a replay or a gate in less than 2,000 bytes of plain text.

    Args:
        report: A result, the value of its ``json()``, or the JSON file that a command wrote.
        shorten: Look for a part of the session that fails in the same way. This replays it, so your code runs.

    Returns:
        The explanation: the verdict; up to three causes, each with the observation, the expectation, the place in your code and what to
        try; the command that runs it again; versions.

    Raises:
        ReportError: The file cannot be read, or is not such a report.

    Example:
        >>> result = evi_harness.replay_session("sessions/weather", handler="app.py:WeatherApp")
        >>> evi_harness.explain_report(result).splitlines()[0]
        'replay of weather with app.py:WeatherApp: passed'
    """
    if isinstance(report, (ReplayResult, CorpusReport, LiveReport, GateReport)):
        return explaining.explained(report.json(), shorten=shorten)
    if isinstance(report, Mapping):
        return explaining.explained(report, shorten=shorten)
    return explaining.explain_report(Path(report), shorten=shorten)
