"""Tests of ``one_line``: values in a line for people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evi_harness.json_dialects.one_line import WIDTH, clean, names_of, plain, quoted


@given(st.text())
def test_nothing_breaks_the_line(text):
    """No control character comes out, and no more than fits, but for the escapes in what does."""
    line = clean(text)
    assert "\n" not in line
    assert "\x1b" not in line
    assert clean("x" * 500) == "x" * (WIDTH - 1) + "…"


def test_values():
    """A text stands in quotation marks unless it names something; another value is JSON."""
    assert (quoted("a"), quoted(3), plain("a"), plain(None)) == ('"a"', "3", "a", "null")
    assert (names_of({"type": 1, "a": 2, "b": 3}), names_of({"type": 1, "a": 2}, ("type", "a"))) == ("a, b", "no fields")
