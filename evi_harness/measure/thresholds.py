"""Thresholds, written as k6 users know them: ``turn_gap: p(95)<1200``.

A metric of the table, a colon, what its values come to, a comparison, a limit. Times are in milliseconds unless a unit follows them
(``us``, ``ms``, ``s``); ``count`` is compared with a number, ``rate`` with a share (``0.05``, ``5%``).

Rules of living here: an invalid threshold is refused, with the position and the valid alternatives; so is one that can never fail, since
everything would pass. A threshold that cannot be judged is neither passed nor failed, and says what it would need.
"""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Callable, Dict, Hashable, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import UsageError
from evi_harness.measure.baseline import MeasuredRun
from evi_harness.measure.metrics import FLAG, METRICS, Metric
from evi_harness.measure.samples import Sample
from evi_harness.measure.statistic import COUNTING, STATISTICS, Statistic, statistic_named

__all__ = [
    "FAILED",
    "INCONCLUSIVE",
    "PASSED",
    "Judged",
    "Threshold",
    "distinct_samples",
    "judge_threshold",
    "metrics_like",
    "parse_threshold",
    "told_reasons",
]

PASSED = "passed"
FAILED = "failed"
INCONCLUSIVE = "inconclusive"

# Nobody writes a longer one, and what is much longer takes long to refuse.
_LONGEST = 1000
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
# Between which values each statistic lies; no time is below 0.
_SHARE = (0.0, 1.0)
_FROM_ZERO = (0.0, math.inf)
_NEARLY_PERCENTILE = re.compile(r"p\s*\(?\s*(\d+(?:\.\d+)?)\s*%?\s*\)?\Z", re.IGNORECASE)
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
        worst: Of a failed one the samples that are furthest off, worst first; none that is within the limit.
    """

    threshold: Threshold
    verdict: str
    value: Optional[float]
    n: int
    why: str = ""
    worst: Tuple[Sample, ...] = ()

    @property
    def is_undecided(self) -> bool:
        """Whether it is inconclusive for want of more values, and not because there was none to judge."""
        return self.verdict == INCONCLUSIVE and self.n > 0


def parse_threshold(text: str) -> Threshold:
    """Read a threshold.

    Args:
        text: For example ``turn_gap: p(95)<1200``.

    Raises:
        UsageError: It is not a threshold; says where, and what is possible there. Or it can never hold, or never fail.
    """
    if not text.strip():
        raise UsageError("the threshold is empty", hint=_EXAMPLE)
    if len(text) > _LONGEST:
        raise UsageError(f"a threshold cannot be read: it has {len(text)} characters", hint=_EXAMPLE)
    name, colon, condition = text.partition(":")
    name = name.strip()
    if not colon:
        raise _refused(text, len(text), "a colon is missing after the metric", _EXAMPLE)
    metric = METRICS.get(name)
    if metric is None:
        raise _refused(text, text.index(name) if name else 0, f"there is no metric {name!r}", metrics_like(name))
    offset = len(text) - len(condition)
    parts = _PARTS.match(condition)
    if parts is None:
        raise _refused(text, len(text), "there is no comparison", f"Write one of {_list(_COMPARISONS)}. {_EXAMPLE}")
    statistic = _statistic(text, offset + parts.start("statistic"), parts["statistic"], metric)
    if parts["comparison"] not in _COMPARISONS:
        what = f"{parts['comparison']!r} is not a comparison"
        raise _refused(text, offset + parts.start("comparison"), what, f"Write one of {_list(_COMPARISONS)}.")
    limit = _limit(text, offset + parts.start("limit"), parts["limit"], statistic)
    comparison = "==" if parts["comparison"] == "===" else parts["comparison"]
    threshold = Threshold(text.strip(), name, statistic, comparison, limit)
    never = _never(threshold)
    if never:
        raise _refused(text, offset + parts.start("limit"), f"it can never {never}", _possible_limits(threshold), cannot="be useful")
    return threshold


def _statistic(text: str, at: int, name: str, metric: Metric) -> Statistic:
    statistic = statistic_named(name)
    if statistic is None:
        hint = f"{_percentile_like(name)}Write one of {STATISTICS}; N is from 0 to 100."
        raise _refused(text, at, f"{name!r} is not a statistic", hint)
    if metric.unit == FLAG and not statistic.is_counting:
        what = f"{metric.id} either happens or does not, so it has no {name}"
        raise _refused(text, at, what, f"Write one of {', '.join(COUNTING)}.")
    return statistic


def _limit(text: str, at: int, limit: str, statistic: Statistic) -> float:
    units = {"count": _NUMBERS, "rate": _SHARES}.get(statistic.name, _MILLISECONDS)
    found = _LIMIT.match(limit)
    named = _list(unit for unit in units if unit)
    possible = f"Write a number{f', with one of {named} after it' if named else ''}."
    if found is None:
        raise _refused(text, at, f"{limit!r} is not a number" if limit else "the limit is missing", possible)
    if found["unit"] not in units:
        raise _refused(text, at + found.start("unit"), f"{found['unit']!r} is not a unit of {statistic.name}", possible)
    value = float(found["number"]) * units[found["unit"]]
    if not math.isfinite(value):
        # It would hold whatever came.
        raise _refused(text, at, "a limit cannot have that many digits", possible)
    return value


def _percentile_like(name: str) -> str:
    found = _NEARLY_PERCENTILE.match(name)
    return f"Did you mean p({found[1]})? " if found is not None and float(found[1]) <= 100 else ""


def _never(threshold: Threshold) -> str:
    """What a threshold can never do by its nature: ``hold`` or ``fail``; empty where both can be."""
    low, high = _SHARE if threshold.statistic.name == "rate" else _FROM_ZERO
    # Comparisons change their mind at the limit alone.
    probes = [low, high, *([threshold.limit] if low <= threshold.limit <= high else [])]
    held = {threshold.holds(value) for value in probes}
    return "" if len(held) > 1 else "fail" if True in held else "hold"


def _possible_limits(threshold: Threshold) -> str:
    if threshold.statistic.name != "rate":
        return "Nothing that is measured is below 0: write a limit above it."
    percent = f": write {threshold.limit:g}% or {threshold.limit / 100:g}" if 1 < threshold.limit <= 100 else ""
    return f"A rate is a share from 0 to 1{percent}."


def _refused(text: str, at: int, what: str, hint: str, cannot: str = "be read") -> UsageError:
    """The error, with a mark under the place."""
    return UsageError(f"a threshold cannot {cannot}: {what}", hint=f"  {text}\n  {' ' * at}^\n{hint}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def metrics_like(name: str) -> str:
    """What to do about a metric that there is not: which may be meant, and which there are."""
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


def distinct_samples(metric: str, runs: Sequence[MeasuredRun]) -> Tuple[Sample, ...]:
    """What a threshold on a metric is held to, of several runs of the same.

    Args:
        metric: Its id.
        runs: Of one thing, each time it was run.

    Returns:
        Its samples in all runs. Where the metric is exact, runs that are the same count once: a value that was only had again is no other.
    """
    found: List[Sample] = []
    known = set()
    for run in runs:
        own = [sample for sample in run.samples if sample.metric == metric]
        same: Hashable = tuple((sample.turn, sample.value, sample.why) for sample in own)
        if metric not in run.exact or same not in known:
            found += own
        known.add(same)
    return tuple(found)


_SHOWN = 3
_NOTHING_HAPPENED = "no such event was measured"


def _too_few(threshold: Threshold, n: int, missing: str) -> str:
    statistic, needed = threshold.statistic, threshold.statistic.n_needed
    if not n:
        return f"there is no value of {threshold.metric}: {missing or _NOTHING_HAPPENED}"
    beside = f" ({missing})" if missing else ""
    return f"{statistic.name} needs {needed} values, and there {_are(n)}{beside}; {needed - n} more would do, or use max or med"


def _are(n: int) -> str:
    return "is 1" if n == 1 else f"are {n}"


def told_reasons(samples: Iterable[Sample]) -> str:
    """Why values are not there, each reason with how often; empty where all are."""
    reasons = Counter(sample.why for sample in samples if sample.value is None)
    return "; ".join(f"{count} without a value: {why}" for why, count in reasons.most_common())


def _worst(threshold: Threshold, own: Sequence[Sample]) -> Tuple[Sample, ...]:
    there: List[Tuple[float, Sample]] = [(sample.value, sample) for sample in own if sample.value is not None]
    is_counting = threshold.statistic.is_counting
    there = [(value, sample) for value, sample in there if (value if is_counting else not threshold.holds(value))]
    sign = -1 if threshold.comparison.startswith(">") else 1
    keyed: Dict[int, float] = {index: -sign * value for index, (value, _) in enumerate(there)}
    return tuple(there[index][1] for index in sorted(keyed, key=lambda index: keyed[index])[:_SHOWN] if math.isfinite(keyed[index]))
