"""Tests of evi_harness.session.figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.figures import figure, milliseconds, milliseconds_apart


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.0, "0 ms"),
        (120.0, "120 ms"),
        (119.96, "120 ms"),
        (97.53, "97.5 ms"),
        (9.996, "10 ms"),
        (9.004, "9 ms"),
        (1.2345, "1.23 ms"),
        (0.08124, "0.0812 ms"),
        (0.000001, "0.000001 ms"),
        (0.0000001, "0 ms"),
        (1234.5, "1234 ms"),
        (100_000.0, "100000 ms"),
        (-41.66, "-41.7 ms"),
        (-0.0000001, "0 ms"),
    ],
)
def test_three_digits_count(value, text):
    """Whole ones are all there; zeros behind the last that counts are not."""
    assert milliseconds(value) == text


def test_a_change_has_a_sign():
    """Also where there is none to speak of."""
    assert (figure(50, "+"), figure(-0.5, "+"), figure(0, "+")) == ("+50", "-0.5", "+0")


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (120.0, 170.0, ("120", "170")),
        (120.0, 120.0, ("120", "120")),
        (120.0, 120.000001, ("120", "120.000001")),
        (1200.01, 1200.02, ("1200.01", "1200.02")),
        (0.1, 0.10000000001, ("0.1", "0.1")),
    ],
)
def test_what_differs_is_seen_to_differ(one, other, told):
    """To the nanosecond: a comparison that says the same twice would say nothing."""
    digits = milliseconds_apart(one, other)
    assert (figure(one, "", digits), figure(other, "", digits)) == told


@given(st.floats(-1e9, 1e9))
def test_it_is_the_number(value):
    """Within half of its third digit, or of a nanosecond, and with no exponent."""
    text = figure(value)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.5e-2, abs=0.5e-6)
