"""What to try where a threshold does not hold, or a comparison does not pass: one sentence or two for each kind.

Rules of living here: pure, and of a report's words; docs/how-to/gate.md has the long version.
"""

from __future__ import annotations

from evi_harness.measure.comparison import REGRESSED
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.thresholds import FAILED

__all__ = ["BASELINE_FLAG", "GATE_FLAG", "comparison_advice", "threshold_advice"]

# What thresholds and baselines of the command line are given by.
GATE_FLAG = "--gate"
BASELINE_FLAG = "--baseline"

_NO_VALUE = "Judge more sessions or turns, or another metric; docs/reference/latency.md says what each metric needs."
_TOO_FEW = "Judge more sessions together, or write max or med in place of the percentile."
_WRITE_AGAIN = "write the baseline again, without comparing"
_TYPED_AGAIN = f"run the command again with --save-baseline FILE in place of {BASELINE_FLAG} FILE"
_UNDECIDED = "Compare both versions in one job with `evi-harness ab`, or let it pass (--inconclusive pass)."

# By command, the option that shows more.
_SHOWN_BY = {"replay": "--html FILE makes a page of it", "latency": "--csv FILE has every value"}


def threshold_advice(metric: str, verdict: str, limit_from: str, *, n: int, shown_by: str = "") -> str:
    """What to try where a threshold does not hold.

    Args:
        metric: Its metric.
        verdict: ``failed`` or ``inconclusive``.
        limit_from: What gave the limit: a flag, a file, a call; empty if unknown.
        n: How many values there were.
        shown_by: The command that judged, such as ``replay``; empty if unknown.
    """
    if verdict == FAILED:
        where = f" in {limit_from}" if limit_from and not limit_from.startswith("-") else ""
        return f"Look at {_span(metric)}{_more(shown_by)}. If this is intended, change the limit{where}."
    return _TOO_FEW if n else _NO_VALUE


def comparison_advice(metric: str, verdict: str, baseline_from: str, *, is_undecided: bool, shown_by: str = "") -> str:
    """What to try where a comparison does not pass.

    Args:
        metric: Its metric.
        verdict: ``regressed`` or ``inconclusive``.
        baseline_from: What gave the baseline: a flag or a file; empty where two versions ran side by side.
        is_undecided: Whether it is inconclusive by its statistics, and not for what was measured.
        shown_by: As above.
    """
    again = _TYPED_AGAIN if baseline_from == BASELINE_FLAG else _WRITE_AGAIN
    if verdict == REGRESSED:
        accept = f" If this is intended, {again}." if baseline_from else ""
        return f"Look at {_span(metric)}{_more(shown_by)}.{accept}"
    if is_undecided:
        return _UNDECIDED
    return f"If these sessions and options are the right ones, {again}." if baseline_from else _NO_VALUE


def _more(shown_by: str) -> str:
    shown = _SHOWN_BY.get(shown_by)
    return f" ({shown})" if shown else ""


def _span(metric: str) -> str:
    """From what to what a metric is measured."""
    row = METRICS.get(metric)
    if row is None:
        return f"what {metric} measures"
    return f"what happens between '{row.begins}' and '{row.ends}'"
