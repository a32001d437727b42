"""Tests of evi_harness.measure.thresholds."""

from __future__ import annotations

import pytest

from evi_harness.errors import UsageError
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import FAILED, INCONCLUSIVE, PASSED, judge_threshold, parse_threshold


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
        ("handle: max<fast", 12, ["'fast' is no number", "ms"]),
        ("handle: max<3min", 13, ["'min' is no unit of max", "ms, s"]),
        ("handle: count<3ms", 15, ["'ms' is no unit of count", "Write a number."]),
        ("missed: max<1", 8, ["happens or does not", "count, rate"]),
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
    assert found.why == (
        "p(95) needs 20 values, and there are 2 (1 without a value: nobody heard); 18 more would do, or max and med, which need 1"
    )


def test_a_failure_names_the_worst():
    """The furthest off first, on the side that the comparison is about; only of its own metric."""
    other = samples(9.0, metric="handle")
    failed = judge_threshold(parse_threshold("turn_gap: max<3"), [*samples(1.0, 5.0, 4.0, 7.0, 6.0), *other])
    assert [sample.value for sample in failed.worst] == [7.0, 6.0, 5.0]
    failed = judge_threshold(parse_threshold("turn_gap: min>3"), samples(1.0, 5.0))
    assert failed.worst[0].value == 1.0
    failed = judge_threshold(parse_threshold("missed: count<1"), samples(0.0, 1.0, metric="missed"))
    assert [sample.turn for sample in failed.worst] == [2]
