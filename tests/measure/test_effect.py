"""Tests of evi_harness.measure.effect."""

from __future__ import annotations

import math

import pytest

from evi_harness.errors import UsageError
from evi_harness.measure.effect import LEAST_EFFECT, Effect, parse_effect


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("5%", Effect(0.05)),
        ("20ms", Effect(0.0, 20.0)),
        ("0.02s", Effect(0.0, 20.0)),
        ("5%,1ms", Effect(0.05, 1.0)),
        ("5%, 1ms..50ms", Effect(0.05, 1.0, 50.0)),
        ("2.5 %,500us..0.05s", Effect(0.025, 0.5, 50.0)),
    ],
)
def test_what_can_be_written(text, effect):
    """A share, a time, or a share with its least and most; written out, it reads the same again."""
    assert parse_effect(text) == effect
    assert parse_effect(str(effect)) == effect


@pytest.mark.parametrize("text", ["", "5", "5%%", "ms", "-1ms", "0%", "0ms", "5%,2ms..1ms", "5%,0ms..0ms", "5%,x"])
def test_what_is_refused(text):
    """What is no size, or leaves nothing; with what can be written."""
    with pytest.raises(UsageError, match=r"5%,1ms\.\.50ms"):
        parse_effect(text)


@pytest.mark.parametrize(("old", "least"), [(0.0, 1.0), (10.0, 1.0), (100.0, 5.0), (1000.0, 50.0), (9000.0, 50.0)])
def test_the_default_beside_an_old_value(old, least):
    """A share of it, never less than a millisecond and never more than fifty."""
    assert LEAST_EFFECT.beside(old) == pytest.approx(least)
    assert Effect(0.05).most_ms == math.inf
