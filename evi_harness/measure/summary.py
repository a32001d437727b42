"""Many samples of one metric in a few numbers.

Rules of living here: exact values and sampled ones are never summed up together. A percentile that the count does not support is None, and
it is said how many are needed. What is unavailable is counted by its reason and enters no number.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from statistics import median
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.measure.metrics import EXACT, SAMPLED
from evi_harness.measure.samples import Sample

__all__ = ["PERCENTILES", "Summary", "needed", "percentile", "summarise", "summarise_all", "too_few"]

PERCENTILES = (95, 99)


@dataclass(frozen=True)
class Summary:
    """One metric, pooled over sessions.

    Attributes:
        metric: Its id.
        n: How many values there are.
        unavailable: How many values are missing, by reason, the most frequent first.
        min, med, avg, max: None without values.
        p95, p99: None also with too few values.
        total: The sum of all values.
        certainty: ``exact`` or ``sampled``, for all values; empty if unknown.
    """

    metric: str
    n: int
    unavailable: Mapping[str, int]
    min: Optional[float] = None
    med: Optional[float] = None
    avg: Optional[float] = None
    p95: Optional[float] = None
    p99: Optional[float] = None
    max: Optional[float] = None
    total: float = 0.0
    certainty: str = ""


def needed(percent: float) -> int:
    """How many values a percentile needs, so that at least one lies beyond it: 20 for the 95th, 100 for the 99th.

    Args:
        percent: Above 0 and below 100.
    """
    tail = min(percent, 100 - percent)
    # Rounded first: 100 - 99.9 is a little less than 0.1.
    return math.ceil(round(100 / tail, 6))


def percentile(values: Sequence[float], percent: float) -> float:
    """A percentile, between two values in proportion, as k6 has it.

    Args:
        values: At least one, in ascending order.
        percent: From 0 to 100.
    """
    at = (len(values) - 1) * percent / 100
    below = math.floor(at)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (at - below)


def too_few(percent: float, n: int) -> str:
    """Why there is no percentile, and what there is."""
    return f"p({percent:g}) needs {needed(percent)} values and there {'is' if n == 1 else 'are'} {n}; max and med work"


def summarise(metric: str, samples: Iterable[Sample]) -> Summary:
    """Sum up the samples of one metric.

    Args:
        metric: Its id.
        samples: Samples of it; those of other metrics are passed over.
    """
    mine = [sample for sample in samples if sample.metric == metric]
    values = sorted(sample.value for sample in mine if sample.value is not None)
    reasons = dict(Counter(sample.why for sample in mine if sample.value is None).most_common())
    if not values:
        return Summary(metric, 0, reasons)
    p95, p99 = (percentile(values, one) if len(values) >= needed(one) else None for one in PERCENTILES)
    total = math.fsum(values)
    return Summary(metric, len(values), reasons, values[0], median(values), total / len(values), p95, p99, values[-1], total)


def summarise_all(samples: Iterable[Tuple[str, Sample]], metrics: Iterable[str]) -> List[Summary]:
    """Sum up every metric that there are samples of.

    Args:
        samples: Each behind its certainty, ``exact`` or ``sampled``.
        metrics: Ids of metrics.

    Returns:
        The summaries, in the order of ``metrics``. Of a metric that has both exact and sampled values there are two, the exact ones first:
        together they would be neither.
    """
    pools: Dict[str, Dict[str, List[Sample]]] = {}
    for certainty, sample in samples:
        pools.setdefault(sample.metric, {}).setdefault(certainty, []).append(sample)
    return [summary for metric in metrics if metric in pools for summary in _apart(metric, pools[metric])]


def _apart(metric: str, pools: Mapping[str, Sequence[Sample]]) -> List[Summary]:
    valued = [one for one in (EXACT, SAMPLED) if any(sample.value is not None for sample in pools.get(one, ()))]
    if len(valued) > 1:
        return [replace(summarise(metric, pools[one]), certainty=one) for one in valued]
    # What has no value has no certainty either, and is told beside those that have.
    together = [sample for pool in pools.values() for sample in pool]
    return [replace(summarise(metric, together), certainty=valued[0] if valued else SAMPLED)]
