"""Tests of evi_harness.replay.judging.json_paths."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import UsageError
from evi_harness.replay.judging.differences import comparison_key, differences
from evi_harness.replay.judging.json_paths import ABSENT, MessagePath, item_of, member_of, typed_path
from evi_harness.session.protocols import Message

FIELDS = {"type": "t", "a": {"b": 1, "c": [1, 2, {"d": 3}]}, "d": {"d": 4}, "a name": 5, "": 6, "it's\\": 7, "x.y": {"type": 8}}

# Path, and what is left of FIELDS.
LEFT = {
    "$.a.b": {**FIELDS, "a": {"c": [1, 2, {"d": 3}]}},
    "$.a": {name: value for name, value in FIELDS.items() if name != "a"},
    "$.a.c[0]": {**FIELDS, "a": {"b": 1, "c": [ABSENT, 2, {"d": 3}]}},
    "$.a.c[2]": {**FIELDS, "a": {"b": 1, "c": [1, 2]}},
    "$.a.c[*]": {**FIELDS, "a": {"b": 1, "c": []}},
    "$.a.c[*].d": {**FIELDS, "a": {"b": 1, "c": [1, 2, {}]}},
    "$..d": {name: {"b": 1, "c": [1, 2, {}]} if name == "a" else value for name, value in FIELDS.items() if name != "d"},
    "$..c[1]": {**FIELDS, "a": {"b": 1, "c": [1, ABSENT, {"d": 3}]}},
    "$.d..d": {**FIELDS, "d": {}},
    "$['a name']": {name: value for name, value in FIELDS.items() if name != "a name"},
    "$['']": {name: value for name, value in FIELDS.items() if name != ""},
    "$['it\\'s\\\\']": {name: value for name, value in FIELDS.items() if not name.startswith("it")},
    "$['x.y']": {name: value for name, value in FIELDS.items() if name != "x.y"},
    "$..type": {**FIELDS, "x.y": {}},
    "$": {"type": "t"},
    "t:$": {"type": "t"},
    "t:$.a": {name: value for name, value in FIELDS.items() if name != "a"},
    # What is not there, of another type, or of another kind.
    "$.b": FIELDS,
    "$.a[0]": FIELDS,
    "$.a.c.0": FIELDS,
    "$.a.c[3]": FIELDS,
    "$.a.b.c": FIELDS,
    "u:$.a": FIELDS,
}

NO_PATHS = [
    "",
    "a",
    ".a",
    "$a",
    "$.",
    "$..",
    "$[",
    "$[]",
    "$[-1]",
    "$[a]",
    "$['a]",
    '$["a"]',
    "$.a b",
    "$.*",
    "t:",
    "t:a",
    ":$.a",
    "$.a.",
    "$[1.5]",
]

NAMES = st.one_of(st.sampled_from(("a", "b", "type")), st.text(max_size=4))
VALUES = st.recursive(
    st.integers(0, 2),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES.filter(lambda name: name != "type"), VALUES, max_size=4)


@pytest.mark.parametrize("path", LEFT)
def test_what_is_left(path):
    """What stands at a path is gone, items keep their places, the type stays, and what is not there changes nothing."""
    message = Message("t", FIELDS)
    before = copy.deepcopy(FIELDS)
    assert MessagePath.parse(path).pruned(message) == LEFT[path]
    assert MessagePath.parse(path).matches(message) is (LEFT[path] != FIELDS)
    assert before == FIELDS


@pytest.mark.parametrize("text", NO_PATHS)
def test_what_is_no_path_is_refused(text):
    """With the text, and what a path is."""
    with pytest.raises(UsageError) as raised:
        MessagePath.parse(text)
    assert repr(text) in str(raised.value)
    assert "A path is $" in raised.value.hint


@pytest.mark.parametrize("text", ["$.type", "t:$.type", "$['type']"])
def test_the_type_is_always_compared(text):
    """Messages are told apart by it."""
    with pytest.raises(UsageError, match="always compared"):
        MessagePath.parse(text)


@given(OBJECTS, OBJECTS)
def test_every_place_that_differs_is_a_path(recorded, live):
    """Leaving out all of them, nothing differs any more."""
    paths = [MessagePath.parse(one.path) for one in differences(recorded, live)]
    for path in paths:
        recorded, live = path.pruned(Message(None, recorded)), path.pruned(Message(None, live))
    assert differences(recorded, live) == []
    assert comparison_key(recorded) == comparison_key(live)


@given(OBJECTS, st.data())
def test_leaving_out_a_place_changes_no_other(fields, data):
    """What differs between two objects elsewhere still differs, at the same path."""
    other = data.draw(OBJECTS)
    found = differences(fields, other)
    if found:
        left_out = data.draw(st.sampled_from(found)).path
        path = MessagePath.parse(left_out)
        rest = differences(path.pruned(Message(None, fields)), path.pruned(Message(None, other)))
        assert [one.path for one in rest] == [one.path for one in found if one.path != left_out]


@given(NAMES, st.integers(0, 9))
def test_names_and_indices_are_read_as_they_are_written(name, index):
    """Whatever a name holds."""
    path = item_of(member_of("$.x", name), index)
    items = [0] * 10
    left = MessagePath.parse(path).pruned(Message(None, {"x": {name: items}}))
    assert left["x"][name] == ([*items[:index], ABSENT, *items[index + 1 :]] if index < 9 else items[:9])


def test_absent_is_one():
    """Also where it comes out of another process."""
    assert pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    assert copy.deepcopy(ABSENT) is ABSENT


def test_a_path_of_one_type_can_be_read_again():
    """And a type that a path cannot name is left out of it."""
    assert MessagePath.parse(typed_path("tool_response", "$.content")).type == "tool_response"
    assert [typed_path(kind, "$.a") for kind in ("", "a:b", "a$b")] == ["$.a"] * 3
