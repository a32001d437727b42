"""``judge_gate``, the call for the gate of ``evi-harness replay`` and ``evi-harness latency``."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Optional, Union

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.acts.gate import gate_for
from evi_harness.acts.latency import measure_sessions
from evi_harness.acts.measured_runs import runs_of_result
from evi_harness.acts.repeating import RepeatedReplay
from evi_harness.acts.replay import ReplayResult
from evi_harness.calls.given_sessions import sessions_of
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.report.corpus_report import CorpusReport
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.gate_report import GateReport
from evi_harness.report.latency_report import LatencyReport
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath

__all__ = ["judge_gate"]


def judge_gate(
    what: Union[ReplayResult, CorpusReport, LiveReport, LatencyReport, Session, AnyPath, Iterable[Union[AnyPath, Session]]],
    *,
    gate: Union[str, Iterable[str]] = (),
    baseline: Optional[AnyPath] = None,
    save_baseline: Optional[AnyPath] = None,
    inconclusive: Optional[str] = None,
    gate_seed: Optional[int] = None,
    false_alarm: Optional[float] = None,
    job_noise: Optional[float] = None,
    least_effect: Optional[str] = None,
) -> GateReport:
    """Check latencies against thresholds, and compare them with a baseline.

    Arguments that you leave out are read from ``[tool.evi-harness]`` in the pyproject.toml of the current folder or a parent, as for the
    commands.

    Args:
        what: What to judge: the result of a replay, a latency report, or sessions, which are measured first.
        gate: Thresholds such as ``"turn_gap: p(95)<1200"``, in milliseconds unless a unit is given; docs/how-to/gate.md describes them.
        baseline: The file to compare with.
        save_baseline: Write the measurements to this file, unless the gate fails; if it is a folder, to a new file in it.
        inconclusive: ``fail`` or ``pass``: what to do if there are too few values to decide.
        gate_seed: The seed for resampling.
        false_alarm: How likely a run that is not slower may be called slower, above 0 and below 0.5.
        job_noise: How much another job's machine may differ from this one, as a share; 0 for the same machine.
        least_effect: The least difference that matters, such as ``5%,1ms..50ms``.

    Returns:
        The report: ``passed``, ``verdict`` and ``exit_code`` (0 passed, 1 failed, 4 inconclusive).

    Raises:
        UsageError: An argument is invalid; there is nothing to judge by; a threshold for the service is applied to a replay, in which the
            service is the recording; the replay had no handler, so it measured no app.
        EviHarnessError: The baseline cannot be read or written; a session cannot be read.

    Example:
        >>> result = evi_harness.replay_session("sessions/weather", handler="app.py:WeatherApp")
        >>> evi_harness.judge_gate(result, gate="tool.app: max<500").passed
        True
    """
    options = GateOptions(
        gate=(gate,) if isinstance(gate, str) else tuple(gate),
        baseline=None if baseline is None else Path(baseline),
        save_baseline=None if save_baseline is None else Path(save_baseline),
        inconclusive=inconclusive,
        gate_seed=gate_seed,
        false_alarm=false_alarm,
        job_noise=job_noise,
        least_effect=least_effect,
    )
    judge = gate_for(options, is_replay=isinstance(what, (ReplayResult, CorpusReport)), names_no_handler=_names_no_handler(what))
    if not judge.is_needed:
        hint = Words("Give ", Parameter("gate"), ", ", Parameter("baseline"), " or ", Parameter("save_baseline"), ".")
        raise UsageError("there is nothing to judge by: no threshold, no baseline and no configuration", hint=hint)
    if isinstance(what, (ReplayResult, CorpusReport, LiveReport)):
        return judge.judge_runs(runs_of_result(what), keep=not what.exit_code)
    report = what if isinstance(what, LatencyReport) else measure_sessions(sessions_of(what))
    return judge.judge(report.measured)


def _names_no_handler(what: object) -> bool:
    """Whether the built-in handler was replayed to because none was named."""
    if isinstance(what, CorpusReport):
        return any(outcome.names_no_handler for outcome in what.outcomes)
    return isinstance(what, (ReplayResult, RepeatedReplay)) and what.report.names_no_handler
