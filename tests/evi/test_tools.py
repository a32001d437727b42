"""Tests of evi_harness.evi.tools: answers to tools, addressed to another call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.evi.tools import readdressed, text_of_call
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.protocols import Message


def text(payload):
    """A text frame."""
    return Frame(TEXT, payload.encode())


@given(st.text(), st.text(), st.text())
def test_only_the_id_changes(content, old, new):
    """Whatever stands in the answer and in both ids."""
    answer = {"content": content, "tool_call_id": old, "type": "tool_response"}
    found = json.loads(readdressed(text(json.dumps(answer)), new).payload)
    assert found == {**answer, "tool_call_id": new}


def test_every_other_byte_stays():
    """Spaces, order and escapes are those of the recording."""
    before = b'{ "tool_call_id" :"a\\u0062",\t"content": "\\u00e9 \xc3\xa9", "n": 1.50 }'
    assert readdressed(Frame(TEXT, before), 'x"y').payload == before.replace(b"a\\u0062", b'x\\"y')


@pytest.mark.parametrize(
    "frame",
    [text('{"content": "no id"}'), text("no JSON"), text('{"tool_call_id": 7}'), text('["tool_call_id"]'), Frame(BINARY, b"\0\1")],
)
def test_what_has_no_id_comes_back_as_it_is(frame):
    """There is nothing to address."""
    assert readdressed(frame, "new") is frame


def test_a_call_without_an_id_changes_nothing():
    """A service may send anything."""
    answer = text('{"tool_call_id": "old"}')
    assert readdressed(answer, None) is answer
    assert readdressed(answer, 7) is answer


def test_of_a_name_that_stands_twice_the_last_counts():
    """As for every reader of JSON."""
    found = readdressed(text('{"tool_call_id": "a", "tool_call_id": "b"}'), "c")
    assert json.loads(found.payload) == {"tool_call_id": "c"}


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ('{"b": 1, "a": "é"}', 'look_up {"a": "é", "b": 1}'),
        ('{"a": "é",  "b": 1}', 'look_up {"a": "é", "b": 1}'),
        ("not JSON", "look_up not JSON"),
        (None, "look_up None"),
    ],
)
def test_a_call_is_told_by_what_it_asks_for(parameters, told):
    """The order of names and spaces differ from run to run and are no difference."""
    assert text_of_call({"name": "look_up", "parameters": parameters, "tool_call_id": "1"}) == told


@pytest.mark.parametrize(
    ("message", "is_call"),
    [
        (Message("tool_call", {"response_required": True}), True),
        (Message("tool_call", {}), True),
        (Message("tool_call", {"response_required": False}), False),
        (Message("tool_response", {}), False),
        (Message(None), False),
    ],
)
def test_a_call_that_the_service_answers_itself_is_none_of_the_apps(message, is_call):
    """Built-in tools need no response."""
    assert EVI.is_call(message) is is_call
