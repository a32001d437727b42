"""Tests of evi_harness.measure.resampled_interval."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.measure.resampled_interval import least_n, spread, student, typical_interval


@pytest.mark.parametrize(("alpha", "n"), [(0.25, 2), (0.05, 5), (0.01, 7), (0.005, 8), (0.001, 10)])
def test_how_many_differences_there_must_be(alpha, n):
    """With n there are 2 to the n pieces, and the outermost must not be more likely than alpha."""
    assert least_n(alpha) == n
    assert typical_interval([1.0] * (n - 1), alpha, "s") is None
    assert typical_interval([1.0] * n, alpha, "s") == (1.0, 1.0)


def test_all_subsets_of_a_few():
    """Of two differences the subsets' means are the two and their mean: the centre is in each of four pieces alike."""
    assert typical_interval([1.0, 3.0], 0.25, "any") == (1.0, 3.0)


def test_a_seed_gives_one_interval():
    """Written down here, so that every Python and every machine must give the same."""
    draw = random.Random(7)
    differences = [draw.gauss(0, 1) for _ in range(30)]
    first = typical_interval(differences, 0.005, "1 handle med")
    assert first == typical_interval(differences, 0.005, "1 handle med")
    assert first != typical_interval(differences, 0.005, "2 handle med")
    assert first == pytest.approx((-0.4065771801, 0.4646778478), abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=24), st.floats(-1e6, 1e6))
def test_an_interval_lies_within_the_differences_and_moves_with_them(differences, by):
    """Its ends are means of differences; adding to all adds to both ends."""
    low, high = typical_interval(differences, 0.04, "s")
    assert min(differences) - 1e-6 <= low <= high <= max(differences) + 1e-6
    moved = typical_interval([one + by for one in differences], 0.04, "s")
    assert moved == pytest.approx((low + by, high + by), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 20])
@pytest.mark.parametrize("skew", [1, 3])
def test_the_centre_is_outside_as_often_as_said(n, skew):
    """Whatever the noise looks like, as long as it is symmetric; here it has heavy tails. Few subsets, many, and drawn ones."""
    draw, below, above, n_times = random.Random(5), 0, 0, 1000
    for number in range(n_times):
        interval = typical_interval([draw.gauss(0, 1) ** skew for _ in range(n)], 0.05, str(number))
        below, above = below + (interval[0] > 0), above + (interval[1] < 0)
    # Three standard errors of a share of 5%.
    assert abs(below / n_times - 0.05) < 0.021
    assert abs(above / n_times - 0.05) < 0.021


def test_spread():
    """Of none or one there is none."""
    assert spread([]) == spread([3.0]) == 0.0
    assert spread([1.0, 3.0]) == pytest.approx(2**0.5)


@pytest.mark.parametrize(("alpha", "freedom", "value"), [(0.025, 19, 2.093), (0.005, 19, 2.861), (0.005, 9, 3.250), (0.025, 4, 2.776)])
def test_student_is_near_the_table(alpha, freedom, value):
    """Near enough to plan with."""
    assert student(alpha, freedom) == pytest.approx(value, rel=0.01)
