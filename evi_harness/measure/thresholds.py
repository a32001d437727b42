"""Thresholds, written as k6 users know them: ``turn_gap: p(95)<1200``.

A metric of the table, a colon, what its values come to, a comparison, a limit. Times are in milliseconds unless a unit stands behind them
(``us``, ``ms``, ``s``); ``count`` is compared with a number, ``rate`` with a share (``0.05``, ``5%``).

Rules of living here: what cannot be meant is refused, with the place and what could stand there. What cannot be judged is neither passed
nor failed, and says what would be needed.
"""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import UsageError
from evi_harness.measure.metrics import FLAG, METRICS, Metric
from evi_harness.measure.samples import Sample
from evi_harness.measure.statistic import COUNTING, STATISTICS, Statistic, statistic_named

__all__ = ["FAILED", "INCONCLUSIVE", "PASSED", "Judged", "Threshold", "judge_threshold", "parse_threshold", "told_reasons"]

PASSED = "passed"
FAILED = "failed"
INCONCLUSIVE = "inconclusive"

_EXAMPLE = "Write it as 'turn_gap: p(95)<1200'."
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "===": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_MILLISECONDS: Mapping[str, float] = {"": 1.0, "ms": 1.0, "s": 1000.0, "us": 0.001, "µs": 0.001}
_SHARES: Mapping[str, float] = {"": 1.0, "%": 0.01}
_NUMBERS: Mapping[str, float] = {"": 1.0}
# A comparison is the longest run of its signs; what it is not is told.
_PARTS = re.compile(r"\s*(?P<statistic>[^<>=!]*?)\s*(?P<comparison>[<>=!]+)\s*(?P<limit>.*?)\s*\Z", re.DOTALL)
_LIMIT = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))\s*(?P<unit>[^\d\s.]*)\Z")


@dataclass(frozen=True)
class Threshold:
    """What a metric is held to.

    Attributes:
        text: As it was written.
        metric: Id of the metric.
        statistic: What its values come to.
        comparison: ``<``, ``<=``, ``>``, ``>=``, ``==`` or ``!=``.
        limit: In milliseconds; for ``count`` a number, for ``rate`` a share from 0 to 1.
    """

    text: str
    metric: str
    statistic: Statistic
    comparison: str
    limit: float

    @property
    def family(self) -> str:
        """The family of the metric."""
        return METRICS[self.metric].family

    def holds(self, value: float) -> bool:
        """Whether a value of the statistic is as it should be."""
        return _COMPARISONS[self.comparison](value, self.limit)


@dataclass(frozen=True)
class Judged:
    """What became of a threshold.

    Attributes:
        threshold: The threshold.
        verdict: ``passed``, ``failed`` or ``inconclusive``.
        value: What the values came to, None where they cannot be judged.
        n: How many values there were.
        why: Why it is inconclusive and what to do; of the others, what is missing beside the values. Empty where nothing is.
        worst: Of a failed one the samples that are furthest off, worst first.
    """

    threshold: Threshold
    verdict: str
    value: Optional[float]
    n: int
    why: str = ""
    worst: Tuple[Sample, ...] = ()


def parse_threshold(text: str) -> Threshold:
    """Read a threshold.

    Args:
        text: For example ``turn_gap: p(95)<1200``.

    Raises:
        UsageError: It is none; says where it stops being one, and what could stand there.
    """
    name, colon, condition = text.partition(":")
    name = name.strip()
    if not colon:
        raise _refused(text, len(text), "a colon is missing behind the metric", _EXAMPLE)
    metric = METRICS.get(name)
    if metric is None:
        raise _refused(text, _start(text, name), f"there is no metric {name!r}", _metrics_like(name))
    offset = len(text) - len(condition)
    parts = _PARTS.match(condition)
    if parts is None:
        raise _refused(text, len(text), "there is no comparison", f"Write one of {_list(_COMPARISONS)}. {_EXAMPLE}")
    statistic = _statistic(text, offset + parts.start("statistic"), parts["statistic"], metric)
    if parts["comparison"] not in _COMPARISONS:
        what = f"{parts['comparison']!r} compares nothing"
        raise _refused(text, offset + parts.start("comparison"), what, f"Write one of {_list(_COMPARISONS)}.")
    limit = _limit(text, offset + parts.start("limit"), parts["limit"], statistic)
    comparison = "==" if parts["comparison"] == "===" else parts["comparison"]
    return Threshold(text.strip(), name, statistic, comparison, limit)


def _statistic(text: str, at: int, name: str, metric: Metric) -> Statistic:
    statistic = statistic_named(name)
    if statistic is None:
        raise _refused(text, at, f"{name!r} is nothing that values come to", f"Write one of {STATISTICS}; N is from 0 to 100.")
    if metric.unit == FLAG and not statistic.is_counting:
        what = f"{metric.id} happens or does not, and has no {name}"
        raise _refused(text, at, what, f"Write one of {', '.join(COUNTING)}.")
    return statistic


def _limit(text: str, at: int, limit: str, statistic: Statistic) -> float:
    units = {"count": _NUMBERS, "rate": _SHARES}.get(statistic.name, _MILLISECONDS)
    found = _LIMIT.match(limit)
    named = _list(unit for unit in units if unit)
    possible = f"Write a number{f', with one of {named} behind it' if named else ''}."
    if found is None:
        raise _refused(text, at, f"{limit!r} is no number" if limit else "the limit is missing", possible)
    if found["unit"] not in units:
        raise _refused(text, at + found.start("unit"), f"{found['unit']!r} is no unit of {statistic.name}", possible)
    return float(found["number"]) * units[found["unit"]]


def _refused(text: str, at: int, what: str, hint: str) -> UsageError:
    """The error, with a mark under the place."""
    return UsageError(f"a threshold cannot be read: {what}", hint=f"  {text}\n  {' ' * at}^\n{hint}")


def _start(text: str, part: str) -> int:
    return text.index(part) if part else 0


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _metrics_like(name: str) -> str:
    meant = get_close_matches(name, METRICS)
    first = f"Did you mean {' or '.join(meant)}? " if meant else ""
    return f"{first}There are: {_list(METRICS)}."


def judge_threshold(threshold: Threshold, samples: Sequence[Sample]) -> Judged:
    """Hold samples to a threshold.

    Args:
        threshold: The threshold.
        samples: Of any metrics; only its own count.

    Returns:
        The verdict. No value at all is inconclusive, but for a ``count`` of what did not happen; so are too few for a percentile.
    """
    own = [sample for sample in samples if sample.metric == threshold.metric]
    values = [sample.value for sample in own if sample.value is not None]
    missing = told_reasons(own)
    statistic = threshold.statistic
    if len(values) < statistic.n_needed or (not values and missing):
        return Judged(threshold, INCONCLUSIVE, None, len(values), _too_few(threshold, len(values), missing))
    value = statistic.of(values) if values else 0.0
    if threshold.holds(value):
        return Judged(threshold, PASSED, value, len(values), missing)
    return Judged(threshold, FAILED, value, len(values), missing, _worst(threshold, own))


_SHOWN = 3


def _too_few(threshold: Threshold, n: int, missing: str) -> str:
    statistic, needed = threshold.statistic, threshold.statistic.n_needed
    if not n:
        return f"there is no value of {threshold.metric}{f': {missing}' if missing else ''}"
    beside = f" ({missing})" if missing else ""
    return f"{statistic.name} needs {needed} values, and there {_are(n)}{beside}; {needed - n} more would do, or max and med, which need 1"


def _are(n: int) -> str:
    return "is 1" if n == 1 else f"are {n}"


def told_reasons(samples: Iterable[Sample]) -> str:
    """Why values are not there, each reason with how often; empty where all are."""
    reasons = Counter(sample.why for sample in samples if sample.value is None)
    return "; ".join(f"{count} without a value: {why}" for why, count in reasons.most_common())


def _worst(threshold: Threshold, own: Sequence[Sample]) -> Tuple[Sample, ...]:
    there: List[Tuple[float, Sample]] = [(sample.value, sample) for sample in own if sample.value is not None]
    if threshold.statistic.is_counting:
        there = [(value, sample) for value, sample in there if value]
    sign = -1 if threshold.comparison.startswith(">") else 1
    keyed: Dict[int, float] = {index: -sign * value for index, (value, _) in enumerate(there)}
    return tuple(there[index][1] for index in sorted(keyed, key=lambda index: keyed[index])[:_SHOWN] if math.isfinite(keyed[index]))
