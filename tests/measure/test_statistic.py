"""Tests of evi_harness.measure.statistic."""

from __future__ import annotations

import pytest

from evi_harness.measure.statistic import statistic_named


@pytest.mark.parametrize(
    ("name", "value", "n_needed"),
    [
        ("avg", 2.5, 1),
        ("med", 1.5, 1),
        ("min", 0.0, 1),
        ("max", 7.0, 1),
        ("count", 3.0, 0),
        ("rate", 0.75, 1),
        ("p(0)", 0.0, 1),
        ("p(100)", 7.0, 1),
        ("p(95)", 6.25, 20),
        ("p(99)", 6.85, 100),
        ("p(99.9)", 6.985, 1000),
    ],
)
def test_what_values_come_to(name, value, n_needed):
    """Each, whatever the order of the values, with how many it needs."""
    statistic = statistic_named(name)
    assert statistic is not None
    assert statistic.of([7.0, 0.0, 2.0, 1.0]) == pytest.approx(value)
    assert statistic.n_needed == n_needed


@pytest.mark.parametrize("name", ["p95", "p()", "p(101)", "p(-1)", "mean", "", "MAX"])
def test_no_other_name(name):
    """What k6 does not know is not guessed."""
    assert statistic_named(name) is None
