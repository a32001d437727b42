"""One line about each message."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.describing import describe
from evi_harness.evi.messages import MESSAGES
from evi_harness.evi.reading import read
from evi_harness.json_dialects.one_line import WIDTH
from evi_harness.session.protocols import Message
from evi_harness.session.wav import Pcm, header
from evi_harness.strategies import frames

SAID = base64.b64encode(header(Pcm(24_000, 1), 59_520) + bytes(59_520)).decode()


@pytest.mark.parametrize(
    ("kind", "fields", "line"),
    [
        ("sent", {"type": "audio"}, "user audio"),
        ("sent", {"type": "user_input", "text": "Hi"}, 'user types: "Hi"'),
        ("sent", {"type": "assistant_input", "text": "Hi"}, 'assistant .*: "Hi"'),
        ("sent", {"type": "tool_response", "tool_call_id": "t1", "content": "{}"}, 'tool response t1: "{}"'),
        ("received", {"type": "tool_response", "tool_call_id": "t1", "content": "{}"}, 'service\'s tool response t1: "{}"'),
        ("sent", {"type": "tool_error", "tool_call_id": "t1", "error": "no"}, 'tool error t1: "no"'),
        ("sent", {"type": "resume_assistant_message"}, "resume"),
        (
            "sent",
            {"type": "session_settings", "audio": {"sample_rate": 48000, "channels": 1}, "language_model_api_key": "k"},
            "session settings: audio \\(48000 Hz, 1 channels\\)",
        ),
        ("received", {"type": "session_settings"}, "service's session settings: no fields"),
        ("received", {"type": "chat_metadata", "chat_id": "c"}, "chat c"),
        ("received", {"type": "user_message", "message": {"content": "What's that?"}}, 'user: "What\'s that\\?"'),
        (
            "received",
            {"type": "user_message", "message": {"content": "a"}, "from_text": True, "interim": True},
            'user, typed, interim: "a"',
        ),
        ("received", {"type": "assistant_message", "message": {"content": "Ça va\n?"}}, 'assistant: "Ça va\\\\n\\?"'),
        ("received", {"type": "audio_output", "index": 0, "data": SAID}, "audio 1\\.24 s, chunk 0"),
        ("received", {"type": "audio_output", "index": 3, "data": ""}, "audio, chunk 3"),
        ("received", {"type": "tool_call", "tool_call_id": "t1", "name": "f", "parameters": "{}"}, 'tool call t1: f "{}"'),
        ("received", {"type": "error", "code": "E1", "slug": "s", "message": "m"}, 'error E1 s: "m"'),
        ("received", {"type": "new", "b": 1, "a": 2}, "new: b, a"),
        ("received", {}, "not .*JSON object"),
        ("received", {"a": 1}, "object without .*: a"),
    ],
)
def test_describe(kind, fields, line):
    """A line says who says what."""
    assert re.fullmatch(line, describe(kind, Message(fields.get("type"), fields)))


def test_long_text_is_cut():
    """What does not fit is cut, and the cut is seen."""
    line = describe("received", Message("assistant_message", {"message": {"content": "x" * 1000}}))
    assert line == f'assistant: "{"x" * (WIDTH - 1)}…"'


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_type_survives_missing_fields(name):
    """A message with nothing but its type has a line of its own."""
    assert describe("received", Message(name, {"type": name}))


@given(st.sampled_from(("sent", "received")), frames())
def test_a_line_is_a_line(kind, frame):
    """Whatever a frame holds, its line has no break, nothing that a terminal acts on, and can be encoded."""
    line = describe(kind, read(kind, frame))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert line.encode()


def test_a_terminal_is_not_commanded():
    """Control characters, also those above 127, and lone surrogates come out escaped."""
    line = describe("received", Message("\x1b[2J\x9b\ud800\u2028", {"type": "", "\x07": 1}))
    assert line == "\\x1b[2J\\x9b\\ud800\\u2028: \\x07"


def test_what_is_no_object_is_quoted():
    """As much of it as fits, and nothing that a terminal acts on."""
    assert re.fullmatch(r'text .*: "hello\\x1b\[2J"', describe("sent", Message(None, text="hello\x1b[2J")))
    assert len(describe("sent", Message(None, text="x" * 500))) < 110
