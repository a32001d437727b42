from __future__ import annotations

import click
import pytest

from evi_harness.cli.options.seconds import Seconds


@pytest.mark.parametrize(("given", "seconds"), [("0", 0.0), ("1.5", 1.5), ("1e2", 100.0), (" 2 ", 2.0)])
def test_a_number_of_seconds_is_read(given, seconds):
    """As Python reads it."""
    assert Seconds(min=0).convert(given, None, None) == seconds


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "1e999", "soon", "", "-1", "1 s", "1e300"])
def test_what_is_none_is_refused(given):
    """What is no number, has no end, is out of the range, or is longer than anybody waits."""
    with pytest.raises(click.BadParameter):
        Seconds(min=0).convert(given, None, None)


def test_an_open_range_leaves_out_its_end():
    """As with click's own."""
    with pytest.raises(click.BadParameter):
        Seconds(min=0, min_open=True).convert("0", None, None)
