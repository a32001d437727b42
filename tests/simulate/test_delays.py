from __future__ import annotations

import statistics
from dataclasses import replace
from random import Random

import pytest

from evi_harness.errors import UsageError
from evi_harness.simulate.delays import Delay, Latency

MS = 1_000_000


def draws(delay, seed=1, n=2000):
    """Draws in ms."""
    random = Random(seed)
    return [delay.draw_ns(random) / MS for _ in range(n)]


def test_without_spread_a_delay_is_fixed():
    """Every draw is the median; 0 is at once."""
    assert set(draws(Delay(120.5), n=20)) == {120.5}
    assert set(draws(Delay(0, 0.5), n=20)) == {0}


def test_a_spread_is_lognormal():
    """The logarithms have the median and the spread given, and no delay is negative."""
    import math

    found = draws(Delay(200, 0.4))
    logs = [math.log(value) for value in found]
    assert statistics.median(found) == pytest.approx(200, rel=0.05)
    assert statistics.stdev(logs) == pytest.approx(0.4, rel=0.1)


def test_the_same_seed_draws_the_same():
    """And another seed something else."""
    assert draws(Delay(200, 0.4)) == draws(Delay(200, 0.4))
    assert draws(Delay(200, 0.4)) != draws(Delay(200, 0.4), seed=2)


def test_changing_one_delay_leaves_the_next_draw_as_it_was():
    """A fixed delay takes a draw as well."""

    def second(first):
        random = Random(3)
        first.draw_ns(random)
        return Delay(100, 0.5).draw_ns(random)

    assert second(Delay(50)) == second(Delay(50, 0.9))


def test_injected_latency_is_added_to_the_response():
    """To that alone, and a negative one never gives a negative delay."""
    latency = Latency(response=Delay(300), extra_ms=250)
    assert latency.response_ns(Random(1)) == 550 * MS
    assert replace(latency, extra_ms=-1000).response_ns(Random(1)) == 0


@pytest.mark.parametrize("wrong", [(-1, 0), (1, -1), (float("nan"), 0), (float("inf"), 0), (1, float("inf"))])
def test_a_delay_that_cannot_be_is_refused(wrong):
    """Neither negative nor infinite."""
    with pytest.raises(UsageError, match="delay"):
        Delay(*wrong)
