"""Tests of evi_harness.openai_realtime.realtime_ids."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.openai_realtime.realtime_ids import EVENT, ITEM, named_ids, renamed
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.protocols import RECEIVED, SENT, NamesIds

CREATE, ADDED = "conversation.item.create", "conversation.item.added"
# Each is put in the place of every id that is called x, as an item's and as an event's.
IDS = {(ITEM, "x"): "an item", (EVENT, "x"): "an event"}

# Which way a message goes; the message; what it is with the other ids; what of it the app gives.
PLACES = {
    "a created item": (SENT, {"type": CREATE, "item": {"id": "x"}}, {"type": CREATE, "item": {"id": "an item"}}, [ITEM]),
    "behind an item": (SENT, {"type": CREATE, "previous_item_id": "x"}, {"type": CREATE, "previous_item_id": "an item"}, []),
    "any event": (SENT, {"type": "response.create", "event_id": "x"}, {"type": "response.create", "event_id": "an event"}, [EVENT]),
    "both": (
        SENT,
        {"event_id": "x", "type": CREATE, "previous_item_id": "x", "item": {"type": "message", "id": "x"}},
        {
            "event_id": "an event",
            "type": CREATE,
            "previous_item_id": "an item",
            "item": {"type": "message", "id": "an item"},
        },
        [EVENT, ITEM],
    ),
    "truncated": (
        SENT,
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0},
        {"type": "conversation.item.truncate", "item_id": "an item", "content_index": 0},
        [],
    ),
    "in an input": (
        SENT,
        {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}, {"id": "y"}, {"id": "x"}]}},
        {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "an item"}, {"id": "y"}, {"id": "an item"}]}},
        [],
    ),
    "attached": (
        SENT,
        {"type": "response.create", "event_id": "x", "response": {"metadata": {"any": "x", "other": "z x"}}},
        {"type": "response.create", "event_id": "an event", "response": {"metadata": {"any": "an event", "other": "z x"}}},
        [EVENT],
    ),
    "attached to a response": (
        RECEIVED,
        {"type": "response.created", "event_id": "x", "response": {"id": "x", "metadata": {"any": "x"}, "output": []}},
        {"type": "response.created", "event_id": "x", "response": {"id": "x", "metadata": {"any": "an event"}, "output": []}},
        [],
    ),
    "added": (
        RECEIVED,
        {"type": ADDED, "event_id": "x", "previous_item_id": "x", "item": {"id": "x", "content": [{"type": "input_text", "text": "x"}]}},
        {
            "type": ADDED,
            "event_id": "x",
            "previous_item_id": "an item",
            "item": {"id": "an item", "content": [{"type": "input_text", "text": "x"}]},
        },
        [],
    ),
    "deleted": (
        RECEIVED,
        {"type": "conversation.item.deleted", "item_id": "x"},
        {"type": "conversation.item.deleted", "item_id": "an item"},
        [],
    ),
    "committed": (
        RECEIVED,
        {"type": "input_audio_buffer.committed", "previous_item_id": "x", "item_id": "y"},
        {"type": "input_audio_buffer.committed", "previous_item_id": "an item", "item_id": "y"},
        [],
    ),
    "an error": (
        RECEIVED,
        {"type": "error", "event_id": "x", "error": {"message": "x", "param": "x", "event_id": "x", "code": None}},
        {"type": "error", "event_id": "x", "error": {"message": "x", "param": "x", "event_id": "an event", "code": None}},
        [],
    ),
}


def frame(message: object) -> Frame:
    """A message as the SDK writes it."""
    return Frame(TEXT, json.dumps(message).encode())


@pytest.mark.parametrize(("kind", "message", "then", "gives"), PLACES.values(), ids=PLACES)
def test_ids_are_found_and_changed_where_the_protocol_has_them(kind, message, then, gives):
    """And nothing else: what is said, the service's own ids and the form of the message stay."""
    assert renamed(kind, frame(message), IDS).payload == frame(then).payload
    found = named_ids(kind, frame(message))
    assert [one.what for one in found if one.is_given] == gives
    assert {one.id for one in found} <= {"x", "y", "z x"}
    assert renamed(kind, renamed(kind, frame(message), IDS), {(ITEM, "an item"): "x", (EVENT, "an event"): "x"}) == frame(message)


# What names no id that is to be changed, at no place where one may be.
ELSEWHERE = {
    "a call": (RECEIVED, {"type": "response.function_call_arguments.done", "call_id": "x", "response_id": "x"}),
    "a response": (RECEIVED, {"type": "response.done", "response": {"id": "x", "output": [{"id": "x"}], "metadata": {"item_id": ["x"]}}}),
    "a session": (RECEIVED, {"type": "session.created", "session": {"id": "x"}, "event_id": "x"}),
    "a part": (SENT, {"type": CREATE, "item": {"content": [{"id": "x", "item_id": "x", "text": "x"}], "call_id": "x"}}),
    "a list": (SENT, {"type": CREATE, "item": [{"id": "x"}]}),
    "deeper": (SENT, {"type": "response.create", "response": {"input": [[{"id": "x"}]], "item_id": "x", "metadata": {"a": {"b": "x"}}}}),
    "not a text": (SENT, {"type": CREATE, "item": {"id": ["x"]}, "previous_item_id": None, "event_id": 5, "item_id": {"id": "x"}}),
    "other ids": (SENT, {"type": CREATE, "item": {"id": "y"}, "previous_item_id": "root", "event_id": "X"}),
    "an item's id as an event's": (SENT, {"type": CREATE, "event_id": "z"}),
}


@pytest.mark.parametrize(("kind", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_elsewhere_there_are_none(kind, message):
    """The frame is the same object."""
    one = frame(message)
    assert renamed(kind, one, {**IDS, (ITEM, "z"): "an item"}) is one


@pytest.mark.parametrize("kind", [SENT, RECEIVED])
@pytest.mark.parametrize(
    "payload", [b"", b"x", b"[]", b'"x"', b'{"item_id": "x"', b'{"item_id": NaN}', b"[" * 5000, b'{"item": {"id": 1}}']
)
def test_what_has_no_ids_has_none(kind, payload):
    """Whatever a frame holds, nothing is raised."""
    for one in (Frame(TEXT, payload), Frame(BINARY, payload)):
        assert list(named_ids(kind, one)) == []
        assert renamed(kind, one, IDS) is one


def test_the_bytes_around_an_id_stay():
    """Spaces, escapes, repeated names, and the order of the fields; an escaped id is an id too."""
    payload = b'{ "item_id":"\\u0078" ,"note": "\\u00e9 x",\t"item_id" : "x", "n": 1.0e2}\n'
    then = b'{ "item_id":"an item" ,"note": "\\u00e9 x",\t"item_id" : "an item", "n": 1.0e2}\n'
    assert renamed(RECEIVED, Frame(TEXT, payload), IDS).payload == then


def test_a_list_in_the_place_of_an_object_has_no_ids():
    """Though the names on the way are the same."""
    message = {"type": CREATE, "item": [{"id": "x"}], "item_id": ["x"], "response": {"input": {"id": "x"}}}
    then = frame({**message, "previous_item_id": "an item"})
    assert renamed(SENT, frame({**message, "previous_item_id": "x"}), IDS) == then


def test_what_is_not_strict_json_stays():
    """Its places cannot be told for sure."""
    one = Frame(TEXT, b'{"item_id": "x", "n": NaN}')
    assert renamed(RECEIVED, one, IDS) is one


def test_an_id_of_any_form_is_put_in_as_json():
    """With quotes and other letters in it."""
    ids = {(ITEM, "x"): 'a "b" \u2603\\'}
    assert json.loads(renamed(SENT, frame({"type": CREATE, "item": {"id": "x"}}), ids).payload)["item"]["id"] == ids[ITEM, "x"]


@given(st.sampled_from([*PLACES]), st.text(), st.text())
def test_there_and_back_is_the_same_frame(name, one, other):
    """For ids of any form, as long as two are not one."""
    kind, message, _, _ = PLACES[name]
    first = frame(json.loads(json.dumps(message).replace('"x"', json.dumps(f"1{one}"))))
    ids = {(what, f"1{one}"): f"2{other}" for what in (ITEM, EVENT)}
    back = {(what, f"2{other}"): f"1{one}" for what in (ITEM, EVENT)}
    assert renamed(kind, renamed(kind, first, ids), back) == first


def test_the_dialect_names_them_unless_all_must_be_equal():
    """If strict, it knows none."""
    assert isinstance(OPENAI_REALTIME, NamesIds)
    kind, message, then, _ = PLACES["both"]
    strict = OPENAI_REALTIME.strictly()
    assert (list(strict.named_ids(kind, frame(message))), strict.renamed(kind, frame(message), IDS)) == ([], frame(message))
    assert OPENAI_REALTIME.named_ids(kind, frame(message)) == named_ids(kind, frame(message))
    assert OPENAI_REALTIME.renamed(kind, frame(message), IDS) == frame(then)
