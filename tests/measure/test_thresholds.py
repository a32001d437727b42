"""Tests of evi_harness.measure.thresholds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.errors import UsageError
from evi_harness.measure.baseline import MeasuredRun
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import FAILED, INCONCLUSIVE, PASSED, distinct_samples, judge_threshold, parse_threshold


def samples(*values, metric="turn_gap"):
    """Samples of a metric, one a turn; None for one without a value."""
    return [Sample(metric, value, "s", turn, None, "nobody heard" if value is None else "") for turn, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("turn_gap: p(95)<1200", ("turn_gap", "p(95)", "<", 1200.0)),
        ("handle: max<=50ms", ("handle", "max", "<=", 50.0)),
        ("response: avg<1.2s", ("response", "avg", "<", 1200.0)),
        ("missed: count<1", ("missed", "count", "<", 1.0)),
        ("missed: rate<5%", ("missed", "rate", "<", 0.05)),
        ("unprompted: rate<0.05", ("unprompted", "rate", "<", 0.05)),
        ("  handle.own :med > 250us ", ("handle.own", "med", ">", 0.25)),
        ("queue:min==.5", ("queue", "min", "==", 0.5)),
        ("queue: min===0", ("queue", "min", "==", 0.0)),
        ("queue: p( 99.9 )!=3", ("queue", "p(99.9)", "!=", 3.0)),
        ("queue: max<=0", ("queue", "max", "<=", 0.0)),
        ("queue: max>0", ("queue", "max", ">", 0.0)),
        ("missed: count!=0", ("missed", "count", "!=", 0.0)),
        ("missed: rate<100%", ("missed", "rate", "<", 1.0)),
        ("missed: rate>=1", ("missed", "rate", ">=", 1.0)),
    ],
)
def test_what_can_be_written(text, read):
    """k6's words, with or without spaces, in milliseconds unless a unit stands behind the limit."""
    found = parse_threshold(text)
    assert (found.metric, found.statistic.name, found.comparison) == read[:3]
    assert found.limit == pytest.approx(read[3])


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("turn_gap p(95)<1200", 19, ["colon", "turn_gap: p(95)<1200"]),
        ("turn_gp: p(95)<1", 0, ["no metric 'turn_gp'", "Did you mean turn_gap", "handle.own"]),
        ("handle: p95<1", 8, ["'p95'", "p(N)"]),
        ("handle: p(101)<1", 8, ["'p(101)'", "0 to 100"]),
        ("handle: <1", 8, ["''", "avg, med"]),
        ("handle: max", 11, ["no comparison", "<="]),
        ("handle: max=<3", 11, ["'=<'", "<="]),
        ("handle: max<", 12, ["limit is missing", "ms"]),
        ("handle: max<fast", 12, ["'fast'", "ms"]),
        ("handle: max<3min", 13, ["'min'", "ms, s"]),
        ("handle: count<3ms", 15, ["'ms'", "Write a number."]),
        ("missed: max<1", 8, ["or does not", "count, rate"]),
        ("handle: p95<50", 8, ["Did you mean p(95)? "]),
        ("handle: P(99.9%)<50", 8, ["Did you mean p(99.9)? "]),
        ("handle: rate<5", 13, ["can never fail", "share from 0 to 1: write 5% or 0.05."]),
        ("missed: rate>150%", 13, ["can never hold", "share from 0 to 1: write 1.5% or 0.015."]),
        ("missed: rate<=100%", 14, ["can never fail", "share from 0 to 1."]),
        ("missed: rate!=500", 14, ["can never fail", "share from 0 to 1."]),
        ("handle: max<-5", 12, ["can never hold", "below 0"]),
        ("handle: max<0", 12, ["can never hold", "above it"]),
        ("handle: med==-1s", 13, ["can never hold"]),
        ("handle: p(95)>-1", 14, ["can never fail"]),
        ("queue: count>=0", 14, ["can never fail"]),
        ("queue: count<0", 13, ["can never hold"]),
    ],
)
def test_what_is_refused_is_shown(text, at, words):
    """With a mark under the place, and what could stand there."""
    with pytest.raises(UsageError) as refused:
        parse_threshold(text)
    lines = str(refused.value).splitlines()
    assert lines[1:3] == [f"  {text}", f"  {' ' * at}^"]
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("text", "values", "verdict", "value"),
    [
        ("turn_gap: max<3", (1.0, 2.0), PASSED, 2.0),
        ("turn_gap: max<2", (1.0, 2.0), FAILED, 2.0),
        ("turn_gap: max<=2", (1.0, 2.0), PASSED, 2.0),
        ("turn_gap: min>=1", (1.0, 2.0), PASSED, 1.0),
        ("turn_gap: med==1.5", (1.0, 2.0), PASSED, 1.5),
        ("turn_gap: avg!=1.5", (1.0, 2.0), FAILED, 1.5),
        ("turn_gap: count>1", (0.0, 2.0), FAILED, 1.0),
        ("turn_gap: rate<=50%", (0.0, 2.0), PASSED, 0.5),
        ("turn_gap: p(95)<19.06", range(1, 21), PASSED, 19.05),
        ("turn_gap: p(95)<19.05", range(1, 21), FAILED, 19.05),
        ("turn_gap: p(95)<100", range(19), INCONCLUSIVE, None),
        ("turn_gap: p(99)<100", range(99), INCONCLUSIVE, None),
        ("turn_gap: p(99)<100", range(100), PASSED, 98.01),
        ("turn_gap: max<3", (), INCONCLUSIVE, None),
        ("turn_gap: max<3", (None,), INCONCLUSIVE, None),
        ("turn_gap: max<3", (1.0, None), PASSED, 1.0),
        ("turn_gap: count<1", (), PASSED, 0.0),
        ("turn_gap: count<1", (None,), INCONCLUSIVE, None),
        ("turn_gap: rate<1", (), INCONCLUSIVE, None),
    ],
)
def test_verdicts(text, values, verdict, value):
    """Of the values that are there; nothing that is not there passes, but for a count of what did not happen."""
    found = judge_threshold(parse_threshold(text), samples(*(None if one is None else float(one) for one in values)))
    assert found.verdict == verdict
    assert found.value == (None if value is None else pytest.approx(value))


def test_too_few_says_how_many_and_what_works():
    """The count needed, the count there, and the statistics that one value is enough for."""
    found = judge_threshold(parse_threshold("turn_gap: p(95)<3"), samples(1.0, 2.0, None))
    assert re.match(r"p\(95\) .*\b20 values, .*\b2 \(1 without .*: nobody heard\); 18 more .*\bmax .*\bmed\b", found.why)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_one_is_refused(text):
    """There is nothing to mark a place in."""
    with pytest.raises(UsageError, match="empty") as refused:
        parse_threshold(text)
    assert "^" not in str(refused.value)


def test_what_never_happened_is_said():
    """Where there is neither a value nor a reason for none."""
    found = judge_threshold(parse_threshold("interruption.taken: max<5"), [])
    assert re.match(r"there is no .* interruption\.taken: no\b", found.why)


def test_exact_values_of_runs_that_are_the_same_count_once():
    """Whatever the sessions are called; another value, or a sampled metric, is news."""

    def run(*values, name="s", exact=("handle",)):
        return MeasuredRun(tuple(replace(one, session=name) for one in samples(*values, metric="handle")), frozenset(exact))

    one = run(1.0, None, 3.0)
    assert distinct_samples("handle", [one, run(1.0, None, 3.0, name="s (2)")]) == one.samples
    assert len(distinct_samples("handle", [one, run(1.0, None, 4.0), one])) == 6
    assert len(distinct_samples("handle", [run(1.0, exact=()), run(1.0, exact=())])) == 2
    assert distinct_samples("queue", [one, one]) == ()


def test_a_failure_names_the_worst():
    """The furthest off first, on the side that the comparison is about; only of its own metric, and none that is within the limit."""
    other = samples(9.0, metric="handle")
    failed = judge_threshold(parse_threshold("turn_gap: max<3"), [*samples(1.0, 5.0, 4.0, 7.0, 6.0), *other])
    assert [sample.value for sample in failed.worst] == [7.0, 6.0, 5.0]
    failed = judge_threshold(parse_threshold("turn_gap: max<3"), samples(0.0, 5.0, 0.0))
    assert [sample.value for sample in failed.worst] == [5.0]
    failed = judge_threshold(parse_threshold("turn_gap: min>3"), samples(1.0, 5.0))
    assert [sample.value for sample in failed.worst] == [1.0]
    failed = judge_threshold(parse_threshold("missed: count<1"), samples(0.0, 1.0, metric="missed"))
    assert [sample.turn for sample in failed.worst] == [2]
