"""Tests of evi_harness.measure.summary: many samples in a few numbers, and none that the count does not support."""

from __future__ import annotations

import re
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.measure.metrics import EXACT, SAMPLED
from evi_harness.measure.samples import Sample
from evi_harness.measure.summary import needed, percentile, summarise, summarise_all, too_few

numbers = st.lists(st.floats(0, 1e6), min_size=1, max_size=50).map(sorted)


def samples(values, metric="response"):
    """A sample a turn."""
    return [Sample(metric, value, "s", turn) for turn, value in enumerate(values, 1)]


@pytest.mark.parametrize(("percent", "n"), [(50, 2), (90, 10), (95, 20), (99, 100), (99.9, 1000), (5, 20), (75, 4)])
def test_a_percentile_needs_a_value_beyond_it(percent, n):
    """20 for the 95th, 100 for the 99th; the 5th is as hard as the 95th."""
    assert needed(percent) == n


@pytest.mark.parametrize(
    ("n", "has_p95", "has_p99"), [(1, False, False), (19, False, False), (20, True, False), (99, True, False), (100, True, True)]
)
def test_percentiles_come_with_the_count(n, has_p95, has_p99):
    """Median and extremes are there from one value on."""
    found = summarise("response", samples(range(n)))
    assert (found.p95 is not None, found.p99 is not None) == (has_p95, has_p99)
    assert (found.n, found.min, found.med, found.max, found.total) == (n, 0, (n - 1) / 2, n - 1, sum(range(n)))


def test_too_few_says_how_many_and_what_works():
    """In words that help."""
    for of, n, at_least in ((95, 12, 20), (99, 1, 100)):
        assert re.match(rf"p\({of}\) .*\b{at_least} values .*\b{n}; .*\bmax .*\bmed\b", too_few(of, n))


def test_what_is_unavailable_is_counted_and_never_zero():
    """It moves no number, and the most frequent reason is first."""
    gone = [Sample("response", None, "s", 9, why=why) for why in ("no reply came", "no audio", "no audio")]
    found = summarise("response", [*samples([10, 20]), *gone])
    assert (found.n, found.min, found.avg) == (2, 10, 15)
    assert list(found.unavailable.items()) == [("no audio", 2), ("no reply came", 1)]
    nothing = summarise("response", gone)
    assert (nothing.n, nothing.min, nothing.med, nothing.avg, nothing.max) == (0, None, None, None, None)


def test_metrics_stand_in_the_order_asked_for():
    """Those without samples are left out; samples of others are not mixed in."""
    found = summarise_all([(SAMPLED, one) for one in (*samples([1], "b"), *samples([2, 3], "a"))], ["a", "b", "c"])
    assert [(one.metric, one.n) for one in found] == [("a", 2), ("b", 1)]


def test_exact_values_are_not_mixed_with_sampled_ones():
    """Each have a summary where there are both; what has no value stands beside those that have one."""
    gone = Sample("queue", None, "s", why="nobody saw")
    exact, sampled = ([(certainty, one) for one in samples(values, "queue")] for certainty, values in ((EXACT, [0, 0]), (SAMPLED, [8])))
    both = summarise_all([*sampled, *exact, (SAMPLED, gone)], ["queue"])
    assert [(one.certainty, one.n, one.med, sum(one.unavailable.values())) for one in both] == [(EXACT, 2, 0, 0), (SAMPLED, 1, 8, 1)]
    [one] = summarise_all([*exact, (SAMPLED, gone)], ["queue"])
    assert (one.certainty, one.n, sum(one.unavailable.values())) == (EXACT, 2, 1)
    [nothing] = summarise_all([(SAMPLED, gone)], ["queue"])
    assert (nothing.certainty, nothing.n) == (SAMPLED, 0)


@given(values=numbers)
def test_the_extremes_and_the_middle_are_the_values_own(values):
    """0 is the least, 100 the greatest, 50 the median."""
    assert percentile(values, 0) == values[0]
    assert percentile(values, 100) == values[-1]
    assert percentile(values, 50) == pytest.approx(statistics.median(values))


@given(values=numbers, one=st.floats(0, 100), other=st.floats(0, 100))
def test_a_greater_percentile_is_never_less(values, one, other):
    """Whatever lies between two values."""
    low, high = sorted((one, other))
    assert percentile(values, low) <= percentile(values, high) + 1e-6
