"""``compare_versions``, the call for ``evi-harness ab``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ContextManager, Iterable, Optional, Sequence, Tuple, Union

from evi_harness.acts.ab import OneSide, commands, compare_sides, revisions
from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.report.gate_report import GateReport

__all__ = ["compare_versions"]


def compare_versions(
    a: str,
    b: str,
    *,
    command: Optional[Sequence[str]] = None,
    n_runs: int = 20,
    warm_up: int = 1,
    metrics: Union[str, Iterable[str]] = (),
    inconclusive: Optional[str] = None,
    gate_seed: Optional[int] = None,
    false_alarm: Optional[float] = None,
    least_effect: Optional[str] = None,
    timeout_s: float = 600.0,
    allow_incomplete: bool = False,
) -> GateReport:
    """Run an old and a new version alternately, and test whether the new one is slower.

    Args:
        a: The old version: a command line, or, with ``command``, a git revision.
        b: The new version, likewise.
        command: The words of the command to run in both revisions; None to run ``a`` and ``b`` themselves. A command is anything that runs
            ``evi-harness replay``, ``evi-harness latency`` or pytest with replays.
        n_runs: How often each version is run and counts.
        warm_up: How often each is run before that.
        metrics: Compare these metrics only; none for all that are measured.
        inconclusive: ``fail`` or ``pass``: what to do if more runs are needed to decide; None for the value in pyproject.toml, else
            ``fail``.
        gate_seed: The seed for resampling; None likewise.
        false_alarm: How likely a version that is not slower may be called slower; None likewise.
        least_effect: The least difference that matters, such as ``5%,1ms..50ms``; None likewise.
        timeout_s: How many seconds one run may take.
        allow_incomplete: Accept incomplete or damaged recordings in every run.

    Returns:
        The report, with a comparison for each metric.

    Raises:
        UsageError: An argument is invalid.
        EviHarnessError: A revision cannot be checked out; a run fails, takes too long or measures nothing.

    Example:
        >>> replay = f"{sys.executable} -m evi_harness replay sessions/weather --handler app.py:WeatherApp"
        >>> evi_harness.compare_versions(replay, replay, metrics="tool.app", n_runs=1, warm_up=0, inconclusive="pass").passed
        True
    """
    if command is not None and not command:
        raise UsageError(Words("invalid value for ", Parameter("command"), ": it is empty"), hint="Give the words of a command.")
    if command is None:
        sides: ContextManager[Tuple[OneSide, OneSide]] = nullcontext(commands(a, b))
    else:
        sides = revisions(a, b, command)
    chosen = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    options = GateOptions(inconclusive=inconclusive, gate_seed=gate_seed, false_alarm=false_alarm, least_effect=least_effect)
    with sides as both:
        return compare_sides(
            both,
            n_runs=n_runs,
            n_warm=warm_up,
            metrics=chosen or None,
            options=options,
            timeout_s=timeout_s,
            allow_incomplete=allow_incomplete,
        )
