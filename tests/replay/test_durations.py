"""Tests of evi_harness.replay.durations."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import UsageError
from evi_harness.replay.durations import duration_ns

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "s"),
    [("12.5s", 12.5), ("1m3s", 63), ("7", 7), ("0", 0), ("0.25", 0.25), ("250ms", 0.25), ("1h2m3.5s", 3723.5), ("90m", 5400), (" 2s ", 2)],
)
def test_a_length_of_time(text, s):
    """Hours, minutes, seconds and milliseconds in this order; a number alone is seconds."""
    assert duration_ns(text, "--from") == int(s * SECOND)


@pytest.mark.parametrize("text", ["", " ", "s", "-1s", "1s2m", "1 2", "1,5s", ".5s", "1e3", "nan", "inf", "٣s", "1x", "#3"])
def test_what_is_none(text):
    """It is refused by the name of its option, with examples of what would be."""
    with pytest.raises(UsageError, match=rf"^max_gap {re.escape(repr(text))} ") as raised:
        duration_ns(text, "max_gap")
    assert "12.5s" in raised.value.hint


@given(st.integers(0, 10**6), st.integers(0, 999_999_999))
def test_it_is_exact(s, ns):
    """Not a nanosecond is lost, however long; what is finer is rounded down."""
    assert duration_ns(f"{s}.{ns:09}s", "--from") == duration_ns(f"{s}.{ns:09}9", "--from") == s * SECOND + ns
