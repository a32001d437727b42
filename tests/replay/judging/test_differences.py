"""Tests of evi_harness.replay.judging.differences."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.replay.judging.differences import ABSENT, Difference, comparison_key, differences

NAN = float("nan")

EQUAL = [
    (1, 1.0),
    (0, -0.0),
    (10**20, 1e20),
    (NAN, NAN),
    (math.inf, math.inf),
    (None, None),
    ("", ""),
    ({}, {}),
    ([], []),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": [{"b": NAN}]}, {"a": [{"b": NAN}]}),
]

# Two values, and where they differ.
DIFFERENT = [
    (1, True, [("$", 1, True)]),
    (0, False, [("$", 0, False)]),
    (1, "1", [("$", 1, "1")]),
    (0, None, [("$", 0, None)]),
    (False, None, [("$", False, None)]),
    ("", None, [("$", "", None)]),
    ("nan", NAN, [("$", "nan", NAN)]),
    (2**53, 2**53 + 1, [("$", 2**53, 2**53 + 1)]),
    ({}, [], [("$", {}, [])]),
    ({}, {"a": None}, [("$.a", ABSENT, None)]),
    ({"a": None}, {}, [("$.a", None, ABSENT)]),
    ([], [None], [("$[0]", ABSENT, None)]),
    ([1, 2], [2, 1], [("$[0]", 1, 2), ("$[1]", 2, 1)]),
    ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [("$.a.b[1].c", 2, 3)]),
    ({"a": 1, "b": 2, "c": 3}, {"d": 4, "b": 5, "a": 1}, [("$.b", 2, 5), ("$.c", 3, ABSENT), ("$.d", ABSENT, 4)]),
    ({"a": {"b": 1}}, {"a": [1]}, [("$.a", {"b": 1}, [1])]),
]

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from((0.0, 1.0, 0.5, NAN, math.inf)), st.sampled_from(("", "1"))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner)), max_leaves=6
)


@pytest.mark.parametrize(("recorded", "live"), EQUAL)
def test_equal(recorded, live):
    """Numbers are equal by value, NaN to itself, objects whatever the order of their names."""
    assert differences(recorded, live) == []
    assert comparison_key(recorded) == comparison_key(live)


@pytest.mark.parametrize(("recorded", "live", "expected"), DIFFERENT)
def test_different(recorded, live, expected):
    """Only what differs is told, with its place; true is not 1, and null is not absent."""
    found = differences(recorded, live)
    assert [(one.path, repr(one.recorded), repr(one.live)) for one in found] == [(path, repr(r), repr(l_)) for path, r, l_ in expected]
    assert comparison_key(recorded) != comparison_key(live)


@given(VALUES, VALUES)
def test_no_difference_is_the_same_key(recorded, live):
    """Two values have equal keys, and keys that hash alike, exactly where nothing differs."""
    keys = comparison_key(recorded), comparison_key(live)
    assert (keys[0] == keys[1]) == (differences(recorded, live) == [])
    if keys[0] == keys[1]:
        assert hash(keys[0]) == hash(keys[1])


@given(VALUES, VALUES)
def test_differences_are_symmetric(recorded, live):
    """The other way round the same places differ, with the sides exchanged."""
    there = {(one.path, repr(one.recorded), repr(one.live)) for one in differences(recorded, live)}
    back = {(one.path, repr(one.live), repr(one.recorded)) for one in differences(live, recorded)}
    assert there == back


@given(VALUES)
def test_nothing_differs_from_itself(value):
    """A value equals itself, whatever it holds."""
    assert differences(value, value) == []


def test_a_difference_names_what_is_absent():
    """A side that is not there is told as absent."""
    assert differences({"a": 1}, {}) == [Difference("$.a", 1, ABSENT)]
    assert repr(ABSENT) == "absent"
