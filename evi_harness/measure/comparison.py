"""Old against new: is it slower, and by enough to matter?

Samples are paired by their place, and a difference is taken within one alternation: an old run and a new one, side by side in one job. What
the job's machine does to both cancels. The differences of the alternations are independent, and symmetric about what the change costs, so
an interval for it comes from resampling (``resampling``), whatever the noise looks like.

::

    regressed      the whole interval is above the least effect that matters
    improved       the whole interval is below its negative
    passed         the whole interval is below the least effect
    inconclusive   else; says how many more runs would decide

So "regressed" of what costs less than the least effect, and "passed" of what costs more, each come about with a probability of at most the
false alarm that is allowed to the whole job: it is shared out among all that is compared. An exact metric needs none of this: one
nanosecond more is a regression.

Rules of living here: the same input and seed give the same verdict on every machine. What was measured in another job is not taken for a
measurement of this one: the spread between jobs is in its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import NormalDist
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.measure.baseline import MeasuredRun, merged
from evi_harness.measure.effect import LEAST_EFFECT, Effect
from evi_harness.measure.metrics import FLAG, METRICS
from evi_harness.measure.origin import apart, partners_of
from evi_harness.measure.paired_samples import Pairs, SamplePair, pairs_of
from evi_harness.measure.resampled_interval import least_n, spread, student, typical_interval
from evi_harness.measure.samples import Sample
from evi_harness.measure.statistic import MEDIAN, P95, RATE, Statistic

__all__ = [
    "EACH",
    "IMPROVED",
    "INCONCLUSIVE",
    "PASSED",
    "REGRESSED",
    "Comparison",
    "ComparisonRules",
    "compare_jobs",
    "compare_side_by_side",
]

PASSED = "passed"
REGRESSED = "regressed"
IMPROVED = "improved"
INCONCLUSIVE = "inconclusive"

# What is compared of an exact metric: every value by itself.
EACH = "each"
# So often is a thing that happens or does not allowed to happen more often, as a share of all.
_LEAST_RATE = 0.05
# How sure one wants to be that the runs asked for will decide.
_DECIDES = NormalDist().inv_cdf(0.95)
_SHOWN_NAMES = 3
# More runs than these nobody makes; it is said that the difference is too near the least effect that matters.
_MOST_RUNS = 500
_ANOTHER_JOB = "measured in another job, whose machine may be {noise:.0%} faster or slower: compare both in one job with `evi-harness ab`"


@dataclass(frozen=True)
class ComparisonRules:
    """How to compare.

    Attributes:
        false_alarm: How likely all that is compared may yield one false "regressed"; of a false "passed" the same holds.
        least: The least effect that matters.
        least_by_metric: The same for some metrics by name.
        job_noise: How much one job's machine differs from another's, as a share; 0 for a machine that nobody else uses.
        seed: Seed of the resampling.
        metrics: What is compared; None for all of ``families`` that are not part of another.
        families: Which families of metrics.
    """

    false_alarm: float = 0.01
    least: Effect = LEAST_EFFECT
    least_by_metric: Mapping[str, Effect] = field(default_factory=dict)
    job_noise: float = 0.26
    seed: int = 1
    metrics: Optional[Tuple[str, ...]] = None
    families: Tuple[str, ...] = ("conversation", "client")


@dataclass(frozen=True)
class Comparison:
    """What became of one metric.

    Attributes:
        metric: Its id.
        statistic: What was compared: ``med``, ``p(95)``, ``avg``, ``rate`` or, of an exact metric, ``each`` value.
        verdict: ``passed``, ``regressed``, ``improved`` or ``inconclusive``.
        old, new: What its values came to, in its unit: the mean over the runs. Of an exact metric, the values that differ most. None where
            there was nothing to compare.
        low, high: The interval of new less old; None where there are too few runs for one.
        least: The least effect that mattered, in the metric's unit; 0 of an exact metric.
        alpha: How likely the difference may be below ``low``, and how likely above ``high``.
        n_runs: How many runs of each were compared.
        n_pairs: How many pairs of values.
        more_runs: How many more runs of each would decide, None where it is decided or no number of runs would.
        why: What a reader should know besides.
        where: Of an exact metric, the place of ``old`` and ``new``, with the event that the new value is of.
        worst: Of one that regressed, the new sample that is most above its partner.
        gone, added: Of one that is inconclusive because other sessions were measured: those of the old runs alone, and of the new ones.
    """

    metric: str
    statistic: str
    verdict: str
    old: Optional[float] = None
    new: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    least: float = 0.0
    alpha: float = 0.0
    n_runs: int = 0
    n_pairs: int = 0
    more_runs: Optional[int] = None
    why: str = ""
    where: str = ""
    worst: Optional[Sample] = None
    gone: Tuple[str, ...] = ()
    added: Tuple[str, ...] = ()

    @property
    def is_undecided(self) -> bool:
        """Whether it is inconclusive by its statistics. Of what is exact, or was not there on both sides, no run more would decide."""
        return self.verdict == INCONCLUSIVE and self.statistic != EACH and self.difference is not None

    @property
    def difference(self) -> Optional[float]:
        """New less old."""
        return None if self.old is None or self.new is None else self.new - self.old


# What is still to be judged, once it is known among how many the false alarm is shared: alpha → comparison.
_Pending = Callable[[float], Comparison]


def compare_side_by_side(old: Sequence[MeasuredRun], new: Sequence[MeasuredRun], rules: ComparisonRules) -> Tuple[Comparison, ...]:
    """Compare runs that were made in turns in one job.

    Args:
        old: Runs of the old version.
        new: Runs of the new one: the first was made beside the first of the old, and so on.
        rules: See there.

    Returns:
        The comparisons in the table's order; of a sampled metric its median and, with 20 values, its 95th percentile.
    """
    return _compare(old, new, rules, _side_by_side)


def compare_jobs(old: Sequence[MeasuredRun], new: Sequence[MeasuredRun], rules: ComparisonRules) -> Tuple[Comparison, ...]:
    """Compare with runs of another job: a baseline.

    Args:
        old: The baseline's runs.
        new: The runs of now.
        rules: See there.

    Returns:
        The comparisons in the table's order; of a sampled metric the average over all places, with the spread between jobs in its interval.
    """
    return _compare(old, new, rules, _other_job)


_Sampled = Callable[[str, Sequence[Pairs], ComparisonRules], List[_Pending]]


def _compare(old: Sequence[MeasuredRun], new: Sequence[MeasuredRun], rules: ComparisonRules, sampled: _Sampled) -> Tuple[Comparison, ...]:
    exact = merged((*old, *new)).exact
    unheard = _detectors_differ(old, new)
    partners = [partners_of(before.origins, after.origins) for before, after in zip(old, new)]
    unlike = next(filter(None, (apart(before.origins, after.origins, names) for before, after, names in zip(old, new, partners))), "")
    by_metric_old, by_metric_new = [_by_metric(run) for run in old], [_by_metric(run) for run in new]
    pending: List[_Pending] = []
    paired: Dict[str, List[SamplePair]] = {}
    for metric in _compared(by_metric_old, by_metric_new, rules):
        sides = zip(by_metric_old, by_metric_new, partners)
        pairs = [pairs_of(before.get(metric, ()), after.get(metric, ()), names) for before, after, names in sides]
        paired[metric] = [pair for one in pairs for pair in one.pairs]
        if unlike:
            pending.append(partial(_given, Comparison(metric, "", INCONCLUSIVE, why=unlike)))
        elif unheard and "speech detector" in METRICS[metric].needs:
            pending.append(partial(_given, Comparison(metric, "", INCONCLUSIVE, why=unheard)))
        elif metric in exact:
            pending.append(partial(_given, _exactly(metric, pairs)))
        elif not any(one.pairs for one in pairs):
            pending.append(partial(_given, _of_strangers(Comparison(metric, "", INCONCLUSIVE, why=_no_pair(pairs)), pairs)))
        else:
            pending += sampled(metric, pairs, rules)
    n_shared = sum(not _is_given(one) for one in pending)
    return tuple(_with_worst(one(rules.false_alarm / max(n_shared, 1)), paired) for one in pending)


def _with_worst(found: Comparison, paired: Mapping[str, Sequence[SamplePair]]) -> Comparison:
    if found.verdict != REGRESSED:
        return found
    most = max(paired[found.metric], key=lambda pair: pair.new - pair.old, default=None)
    return found if most is None else replace(found, worst=most.sample)


def _given(comparison: Comparison, alpha: float) -> Comparison:  # noqa: ARG001 - it is judged already
    return comparison


def _is_given(pending: _Pending) -> bool:
    return isinstance(pending, partial) and pending.func is _given


def _detectors_differ(old: Sequence[MeasuredRun], new: Sequence[MeasuredRun]) -> str:
    before, after = ({str(run.detector) for run in runs if run.detector is not None} for runs in (old, new))
    if not before or not after or before == after:
        return ""
    return f"the user's speech was found by {' and '.join(sorted(before))} before and by {' and '.join(sorted(after))} now: not compared"


def _by_metric(run: MeasuredRun) -> Dict[str, List[Sample]]:
    found: Dict[str, List[Sample]] = {}
    for sample in run.samples:
        found.setdefault(sample.metric, []).append(sample)
    return found


def _compared(old: Sequence[Mapping[str, List[Sample]]], new: Sequence[Mapping[str, List[Sample]]], rules: ComparisonRules) -> List[str]:
    """What is compared, in the table's order: what is asked for, else what has a value on either side and is not part of another."""
    if rules.metrics is not None:
        return [metric for metric in METRICS if metric in rules.metrics]
    there = {metric for one in (*old, *new) for metric, samples in one.items() if any(sample.value is not None for sample in samples)}
    return [
        id_ for id_, row in METRICS.items() if id_ in there and row.family in rules.families and not row.is_assumed and not _is_part(id_)
    ]


def _is_part(metric: str) -> bool:
    whole, dot, _ = metric.partition(".")
    return bool(dot) and whole in METRICS and METRICS[whole].family == METRICS[metric].family


def _no_pair(all_pairs: Iterable[Pairs]) -> str:
    pairs = list(all_pairs)
    n_old, n_new = sum(one.n_old_alone for one in pairs), sum(one.n_new_alone for one in pairs)
    reasons: Dict[str, int] = {}
    for one in pairs:
        for why, count in one.reasons.items():
            reasons[why] = reasons.get(why, 0) + count
    told = [f"{count} without a value: {why}" for why, count in reasons.items()]
    beside = "; ".join(filter(None, [_strangers(pairs), *told]))
    return f"no values to compare: {n_old} before, {n_new} now, none of them at the same place{f' ({beside})' if beside else ''}"


def _alone(all_pairs: Sequence[Pairs]) -> str:
    n_alone = sum(one.n_alone for one in all_pairs)
    told = f"{n_alone} value{'' if n_alone == 1 else 's'} without a counterpart" if n_alone else ""
    return ": ".join(filter(None, [told, _strangers(all_pairs)]))


def _strangers(all_pairs: Iterable[Pairs]) -> str:
    """Which sessions are in one run alone; empty where all are in both."""
    pairs = list(all_pairs)
    gone = _named([name for one in pairs for name in one.gone])
    added = _named([name for one in pairs for name in one.added])
    return "; ".join([*([f"{gone} only before"] if gone else []), *([f"{added} only now"] if added else [])])


def _of_strangers(found: Comparison, all_pairs: Sequence[Pairs]) -> Comparison:
    """A comparison, with the sessions for which it is inconclusive, where it is for that."""
    if found.verdict != INCONCLUSIVE:
        return found
    gone = dict.fromkeys(name for one in all_pairs for name in one.gone)
    added = dict.fromkeys(name for one in all_pairs for name in one.added)
    return replace(found, gone=tuple(gone), added=tuple(added))


def _named(names: Iterable[str]) -> str:
    """A few names, and how many more."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
    return ", ".join(found[:_SHOWN_NAMES]) + more


def _exactly(metric: str, all_pairs: Sequence[Pairs]) -> Comparison:
    """Every value by itself, to the nanosecond but for what is chance."""
    pairs = [pair for one in all_pairs for pair in one.pairs]
    chance_ms = METRICS[metric].chance_ms
    slower = [pair for pair in pairs if pair.new - pair.old > chance_ms]
    faster = [pair for pair in pairs if pair.old - pair.new > chance_ms]
    alone = _alone(all_pairs)
    verdict = REGRESSED if slower else INCONCLUSIVE if alone or not pairs else IMPROVED if faster else PASSED
    most: Optional[SamplePair] = max(slower or faster, key=lambda pair: abs(pair.new - pair.old), default=None)
    most = most or max(pairs, key=lambda pair: (abs(pair.new - pair.old), pair.new), default=None)
    told = [f"{len(slower)} of {len(pairs)} slower" if slower else "", f"{len(faster)} of {len(pairs)} faster" if faster else "", alone]
    why = "; ".join(one for one in told if one) if pairs else _no_pair(all_pairs)
    found = _of_strangers(Comparison(metric, EACH, verdict, n_runs=len(all_pairs), n_pairs=len(pairs), why=why), all_pairs)
    if most is None:
        return found
    difference = most.new - most.old
    return replace(
        found, old=most.old, new=most.new, low=difference, high=difference, where=f"{most.place}{'' if most.of is None else f' #{most.of}'}"
    )


def _side_by_side(metric: str, all_pairs: Sequence[Pairs], rules: ComparisonRules) -> List[_Pending]:
    runs = [one.pairs for one in all_pairs if one.pairs]
    return [partial(_alternations, metric, statistic, runs, rules, alone=_alone(all_pairs)) for statistic in _statistics(metric, runs)]


def _statistics(metric: str, runs: Sequence[Sequence[SamplePair]]) -> List[Statistic]:
    if METRICS[metric].unit == FLAG:
        return [RATE]
    has_p95 = max(map(len, runs)) > 1 and sum(map(len, runs)) >= P95.n_needed
    return [MEDIAN, P95] if has_p95 else [MEDIAN]


def _alternations(
    metric: str, statistic: Statistic, runs: Sequence[Sequence[SamplePair]], rules: ComparisonRules, alpha: float, *, alone: str
) -> Comparison:
    """One statistic: what a run comes to, old and new, and the difference in each alternation."""
    olds = [statistic.of([pair.old for pair in run]) for run in runs]
    news = [statistic.of([pair.new for pair in run]) for run in runs]
    differences = [new - old for old, new in zip(olds, news)]
    old, new = _mean(olds), _mean(news)
    least = _least(metric, old, rules)
    interval = typical_interval(differences, alpha, f"{rules.seed} {metric} {statistic.name}")
    verdict = INCONCLUSIVE if interval is None else _verdict(*interval, least)
    more = _more_runs(differences, least, alpha) if verdict == INCONCLUSIVE else None
    low, high = interval or (None, None)
    why = "; ".join(one for one in (_undecided(verdict, len(runs), more, alpha), alone) if one)
    n_pairs = sum(map(len, runs))
    return Comparison(metric, statistic.name, verdict, old, new, low, high, least, alpha, len(runs), n_pairs, more, why)


def _undecided(verdict: str, n_runs: int, more: Optional[int], alpha: float) -> str:
    if verdict != INCONCLUSIVE:
        return ""
    if more is None:
        return f"the difference is too close to the tolerance: more than {_MOST_RUNS} runs would be needed"
    few = (
        f"a confidence interval needs {least_n(alpha)} runs, and there {'is' if n_runs == 1 else 'are'} {n_runs}; "
        if n_runs < least_n(alpha)
        else ""
    )
    return f"{few}{more} more run{'' if more == 1 else 's'} of each would decide"


def _other_job(metric: str, all_pairs: Sequence[Pairs], rules: ComparisonRules) -> List[_Pending]:
    by_place: Dict[object, List[SamplePair]] = {}
    for one in all_pairs:
        for pair in one.pairs:
            by_place.setdefault(pair.place, []).append(pair)
    places = [
        SamplePair(pairs[0].place, _mean([one.old for one in pairs]), _mean([one.new for one in pairs])) for pairs in by_place.values()
    ]
    return [partial(_jobs, metric, places, rules, n_runs=len(all_pairs), alone=_alone(all_pairs))]


def _jobs(metric: str, places: Sequence[SamplePair], rules: ComparisonRules, alpha: float, *, n_runs: int, alone: str) -> Comparison:
    """The average over the places, with what two jobs may differ by anyway."""
    is_flag = METRICS[metric].unit == FLAG
    old, new = _mean([pair.old for pair in places]), _mean([pair.new for pair in places])
    least, name = _least(metric, old, rules), "rate" if is_flag else "avg"
    differences = [pair.new - pair.old for pair in places]
    interval = typical_interval(differences, alpha, f"{rules.seed} {metric} {name}")
    found = Comparison(metric, name, INCONCLUSIVE, old, new, least=least, alpha=alpha, n_runs=n_runs, n_pairs=len(places))
    if interval is None:
        needed = least_n(alpha)
        what = f"a confidence interval needs {needed} pairs of values, and there {'is' if len(places) == 1 else 'are'} only {len(places)}"
        return replace(found, why="; ".join(one for one in (what, alone) if one))
    # Two jobs differ by more than one does from what is usual.
    noise = 0.0 if is_flag else NormalDist().inv_cdf(1 - alpha) * math.sqrt(2) * rules.job_noise * old
    low, high = _wider(new - old, interval, noise)
    verdict = _verdict(low, high, least)
    in_one_job = _verdict(*interval, least)
    hint = _ANOTHER_JOB.format(noise=rules.job_noise) if verdict == INCONCLUSIVE and noise and in_one_job != INCONCLUSIVE else ""
    if verdict == INCONCLUSIVE and not hint:
        hint = "the values differ too much from turn to turn: compare both in one job with `evi-harness ab`, or record more turns"
    return replace(found, verdict=verdict, low=low, high=high, why="; ".join(one for one in (hint, alone) if one))


def _wider(centre: float, interval: Tuple[float, float], by: float) -> Tuple[float, float]:
    low, high = interval
    return centre - math.hypot(max(centre - low, 0.0), by), centre + math.hypot(max(high - centre, 0.0), by)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _least(metric: str, old: float, rules: ComparisonRules) -> float:
    if METRICS[metric].unit == FLAG:
        return _LEAST_RATE
    return rules.least_by_metric.get(metric, rules.least).beside(old)


def _verdict(low: float, high: float, least: float) -> str:
    if low > least:
        return REGRESSED
    if high < -least:
        return IMPROVED
    return PASSED if high < least else INCONCLUSIVE


def _more_runs(differences: Sequence[float], least: float, alpha: float) -> Optional[int]:
    """How many more differences would decide, if they go on like these; None where it is too many to be made."""
    n = len(differences)
    centre = _mean(differences)
    # Nearer to the least effect than no difference at all is what a pass must be planned for.
    gap = min(abs(centre - least), least) if centre < least else centre - least
    deviation = spread(differences) * _caution(n)
    needed = least_n(alpha)
    for total in range(max(n + 1, needed), _MOST_RUNS + 1):
        if (student(alpha, total - 1) + _DECIDES) * deviation <= gap * math.sqrt(total):
            return total - n
    return None


def _caution(n: int) -> float:
    """By how much a spread of so few values may be too small: once in five (Wilson and Hilferty)."""
    freedom = max(n - 1, 1)
    low = 1 - 2 / (9 * freedom) + NormalDist().inv_cdf(0.2) * math.sqrt(2 / (9 * freedom))
    return 1 / math.sqrt(max(low, 0.1) ** 3)
