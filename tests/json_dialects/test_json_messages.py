"""Tests of ``json_messages``: what a frame says in a dialect of JSON objects, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.json_dialects.json_messages import JsonMessages, in_one_order, member, without_members
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.protocols import Message


def test_a_type_has_one_name():
    """The dialect's; the fields stay as they came, and a short message is read once."""
    messages = JsonMessages(lambda name: {"old": "new"}.get(name, name))
    frame = Frame(TEXT, b'{"type": "old", "x": 1}')
    assert messages.read(frame) == Message("new", {"type": "old", "x": 1})
    assert messages.read(frame) is messages.read(Frame(TEXT, frame.payload))
    assert JsonMessages().read(frame).type == "old"


@pytest.mark.parametrize(
    ("payload", "name", "text"),
    [(b"[]", None, "[]"), (b"\xff", None, "\\xff"), (b'{"type": 3}', None, None), (b"[" * 100_000, None, "[" * 100_000)],
)
def test_what_is_no_message_is_kept_as_text(payload, name, text):
    """Where the frame is text; a binary one then says nothing."""
    read = JsonMessages().read(Frame(TEXT, payload))
    assert (read.type, read.text) == (name, text)
    if text is not None:
        assert JsonMessages().read(Frame(BINARY, payload)) == Message(None)


def test_members_within_members():
    """Empty where there is none on the way."""
    fields = {"a": {"b": {"c": 1}, "d": "text"}}
    assert member(fields, "a", "b") == {"c": 1}
    assert [dict(member(fields, *names)) for names in (("x",), ("a", "d"), ("a", "d", "e"))] == [{}, {}, {}]


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["key", "x", "y"]), inner)))
def test_members_are_left_out_at_every_depth(value):
    """And nothing else is."""
    left = without_members(value, lambda name: name == "key")
    assert '"key":' not in json.dumps(left)
    assert without_members(value, lambda _: False) == value


def test_json_in_one_order():
    """Two texts that say the same are equal; what is no JSON stays."""
    assert in_one_order('{"b": 1, "a": "é"}') == in_one_order('{"a":"é","b":1}') == '{"a": "é", "b": 1}'
    assert [in_one_order(value) for value in ("{", None, 3)] == ["{", None, 3]
