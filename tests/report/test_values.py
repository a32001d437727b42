"""Tests of evi_harness.report.values."""

from __future__ import annotations

import json
import math

import pytest

from evi_harness.replay.judging.differences import ABSENT, Difference
from evi_harness.report.values import SHOWN, difference_json, sides, strict

LONG = "x" * 500


@pytest.mark.parametrize(
    ("recorded", "live", "told"),
    [
        ("a", "b", ("'a'", "'b'")),
        (None, ABSENT, ("null", "absent")),
        (True, 1, ("true", "1")),
        # The first character that differs is in sight, with a little before it.
        (f"{LONG}a", f"{LONG}b", (f"…'{'x' * 40}a'", f"…'{'x' * 40}b'")),
        (LONG, f"{LONG}b", (f"…'{'x' * 40}'", f"…'{'x' * 40}b'")),
        (f"a{LONG}", f"b{LONG}", (f"'a{'x' * (SHOWN - 3)}…", f"'b{'x' * (SHOWN - 3)}…")),
        (f"{LONG}a", 1, (f"'{'x' * (SHOWN - 2)}…", "1")),
    ],
)
def test_sides(recorded, live, told):
    """Short, and so that they can be told apart."""
    assert sides(Difference("$", recorded, live)) == told


def test_a_difference_has_a_member_for_each_side_that_is_there():
    """Null is a value."""
    assert difference_json(Difference("$.a", None, ABSENT)) == {"path": "$.a", "recorded": None}
    assert difference_json(Difference("$.a", ABSENT, 1)) == {"path": "$.a", "live": 1}


def test_strict_json():
    """Numbers that JSON does not have become strings, and an item that was left out becomes null."""
    value = {"a": [math.nan, math.inf, 1.5, ABSENT, (1, {"b": -math.inf})]}
    assert json.dumps(strict(value), allow_nan=False) == '{"a": ["nan", "inf", 1.5, null, [1, {"b": "-inf"}]]}'
