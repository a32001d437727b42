"""Tests of evi_harness.bounds: what a number or a word may be, in words."""

from __future__ import annotations

import pytest

from evi_harness.bounds import Bounds, require_number, require_word
from evi_harness.errors import UsageError


@pytest.mark.parametrize(
    ("bounds", "words", "within", "without"),
    [
        (Bounds(least=1), "at least 1", [1, 10**30], [0, 0.99, float("-inf")]),
        (Bounds(above=0), "above 0", [1e-300, 1e300], [0, -1, float("inf")]),
        (Bounds(most=2.5), "at most 2.5", [2.5, -9], [2.6]),
        (Bounds(least=0, most=4294967295), "from 0 to 4294967295", [0, 4294967295], [-1, 4294967296]),
        (Bounds(above=0, below=0.5), "above 0 and below 0.5", [0.1], [0, 0.5]),
    ],
    ids=str,
)
def test_bounds_have_words(bounds, words, within, without):
    """One that is on an edge is within unless the edge is left out; what is not a number is never within."""
    assert str(bounds) == words
    for value in within:
        require_number("n", value, bounds)
    for value in (*without, float("nan")):
        with pytest.raises(UsageError, match=f"^invalid value for n: must be {words}, not {value}$"):
            require_number("n", value, bounds)
    for value in ("1", None, True):
        with pytest.raises(UsageError, match=r"^invalid value for n: .* is not a number$"):
            require_number("n", value, bounds)


def test_a_word_is_one_of_several():
    """In the words that the command line has for it."""
    require_word("side", "a", ("a", "b"))
    with pytest.raises(UsageError, match=r"^invalid value .*side: 'x' .* 'a', 'b'$"):
        require_word("side", "x", ("a", "b"))
