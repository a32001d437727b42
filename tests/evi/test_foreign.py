"""Tests of evi_harness.evi.foreign: what a file that is no capture looks like."""

from __future__ import annotations

import json
import re

import pytest

from evi_harness.evi.foreign import form_of_bytes, form_of_row, form_of_whole, is_message

METADATA = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g"}
END = {"type": "assistant_end"}
ROW = {"type": "receive", "time": 1764394984.1, "opcode": 1, "data": json.dumps(END)}
HISTORY = {"id": "e", "chat_id": "c", "timestamp": 1764394984000, "role": "USER", "type": "USER_MESSAGE", "message_text": "Hello."}
CREATED = {"type": "session.created", "event_id": "e", "session": {}}


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (METADATA, True),
        (END, True),
        ({"type": "error", "code": "E0101", "slug": "s", "message": "m", "new": 1}, True),
        # Both directions have it.
        ({"type": "tool_response", "tool_call_id": "c", "content": "x"}, True),
        # An error of somebody else's; a message that only the app sends; none at all.
        ({"type": "error", "error": {"message": "m"}}, False),
        ({"type": "chat_metadata"}, False),
        ({"type": "user_input", "text": "a"}, False),
        ({"type": ["assistant_end"]}, False),
        ({}, False),
        ([END], False),
        (None, False),
    ],
)
def test_what_is_a_message_of_a_server(value, is_one):
    """By its type and what every version of it has."""
    assert is_message(value) is is_one


@pytest.mark.parametrize(
    ("row", "name", "way"),
    [
        (ROW, "WebSocket messages", "jq -r "),
        ({**ROW, "type": "send"}, "WebSocket messages", "jq -r "),
        (HISTORY, "Hume's chat history", "import chat-history FILE"),
        (CREATED, "OpenAI's Realtime API", "EVI's protocol"),
        ({"type": "error", "event_id": "e", "error": {"type": "x"}}, "OpenAI's Realtime API", "EVI's protocol"),
        ({"event": "received", "seq": 1, "at_ns": 5}, "session folder", "no import"),
        ({"at": 1, "message": METADATA}, "member 'message'", """jq -c '.["message"]'"""),
        ({"at": 1, "raw": json.dumps(END)}, "as text in", """jq -r '.["raw"]'"""),
    ],
)
def test_what_a_line_looks_like(row, name, way):
    """And what to do with it."""
    form = form_of_row(row)
    assert name in form.name
    assert way in form.way


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"log": {"version": "1.2", "entries": []}}, "a HAR file"),
        ({"id": "c", "events_page": [HISTORY]}, "Hume's chat history"),
        ([HISTORY], "Hume's chat history"),
        ([CREATED, METADATA], "a JSON array"),
        (METADATA, "several lines"),
        ({"format": "evi-harness session"}, "session folder"),
    ],
)
def test_what_a_whole_file_looks_like(value, name):
    """Where it is one JSON value."""
    assert name in form_of_whole(value).name


@pytest.mark.parametrize("value", [None, 5, "text", [], [[]], {}, {"type": "hello"}, {"type": "x", "data": "[" * 99}, {"log": []}])
def test_what_looks_like_nothing_known(value):
    """Nothing is said of it."""
    assert form_of_row(value) is None
    assert form_of_whole(value) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "a WAV file, .*"),
        (b"\x1f\x8b\x08", ".*\\bgzip"),
        ("{}".encode("utf-16"), r".*\bUTF-16\b.*"),
        (b"", None),
        (b"\x89PNG", None),
    ],
)
def test_what_bytes_look_like(head, name):
    """Where they are no text."""
    form = form_of_bytes(head)
    assert form is None if name is None else re.fullmatch(name, form.name)
