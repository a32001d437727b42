"""Tests of evi_harness.evi.refused_messages."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given

from evi_harness.evi.refused_messages import MAX_BYTES, rejected
from evi_harness.session import wav
from evi_harness.strategies import sessions

SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}
CALL = {
    "type": "tool_call",
    "name": "get_weather",
    "parameters": "{}",
    "response_required": True,
    "tool_call_id": "call-1",
    "tool_type": "function",
}
PCM = b"\x01\x00" * 160
IN_BASE64 = {"type": "audio_input", "data": base64.b64encode(PCM).decode()}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("sent", 1, {"type": "user_input", "text": "hi", "more": 1})],
        [("sent", 1, SETTINGS), ("sent", 2, PCM), ("sent", 3, IN_BASE64)],
        [("sent", 1, wav.header(wav.Pcm(16000, 1), 320) + PCM), ("sent", 2, PCM)],
        [("sent", 1, b"OggS" + PCM)],
        [("sent", 1, b"\xff\xfb" + PCM)],
        [("sent", 1, b"\0\0\0\x20ftypM4A " + PCM)],
        [("sent", 1, b"")],
        [("received", 1, CALL), ("sent", 2, {"type": "tool_response", "tool_call_id": "call-1", "content": "rain"})],
        [("received", 1, CALL), ("sent", 2, {"type": "tool_error", "tool_call_id": "call-1", "error": "no"})],
    ],
    ids=["nothing", "a field too many", "linear16", "WAV", "Ogg", "MP3", "MP4", "an empty frame", "an answer", "an error of a tool"],
)
def test_what_may_be_right_is_right(session_of, rows):
    """Nothing is told of it."""
    assert rejected(session_of(rows).events) == {}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("no json", ".*not JSON \\(E0100\\)"),
        ([1], "message: .*\\(E0101\\)"),
        ({"text": "hi"}, "message: .*\\(E0101\\)"),
        ({"type": "user_said"}, "user_said: type 'user_said' .*\\(E0101\\)"),
        ({"type": "assistant_end"}, "assistant_end: type 'assistant_end' .*\\(E0101\\)"),
        ({"type": "user_input"}, "user_input: text is missing \\(E0101\\)"),
        ({"type": "session_settings", "metadata": "x"}, "session_settings: metadata is a string, .*\\(E0101\\)"),
        (
            {"type": "session_settings", "audio": {**SETTINGS["audio"], "encoding": "mulaw"}},
            "session_settings: audio\\.encoding is a string, not 'linear16' \\(E0101\\)",
        ),
        (
            {"type": "tool_response", "tool_call_id": "call-2", "content": "rain"},
            "tool_response: no tool_call .*'call-2'.*",
        ),
        ({"type": "audio_input", "data": "%%"}, ".*audio .*not base64"),
    ],
)
def test_what_is_wrong_is_told_with_the_rule(session_of, what, why):
    """One message after a call of a tool."""
    found = rejected(session_of([("received", 1, CALL), ("sent", 2, what)]).events)
    assert list(found) == [2]
    (said,) = found[2]
    assert re.fullmatch(why, said)


@pytest.mark.parametrize("audio", [PCM, IN_BASE64], ids=["binary", "base64"])
def test_audio_that_nobody_can_tell_what_it_is(session_of, audio):
    """Told once, of the first; a handshake may have said it too."""
    rows = [("sent", 1, audio), ("sent", 2, audio), ("sent", 3, SETTINGS), ("sent", 4, audio)]
    found = rejected(session_of(rows).events)
    assert list(found) == [1]
    assert re.search("no session_settings .*linear16", found[1][0])
    prefix = "session_settings[audio]"
    query = ((f"{prefix}[encoding]", "linear16"), (f"{prefix}[sample_rate]", "16000"), (f"{prefix}[channels]", "1"))
    assert rejected(session_of(rows, query=query).events) == {}


def test_a_message_has_an_upper_limit(session_of):
    """At it, it is taken; above, it is told with both figures."""
    rows = [("sent", 1, SETTINGS), ("sent", 2, bytes(MAX_BYTES)), ("sent", 3, bytes(MAX_BYTES + 1))]
    found = rejected(session_of(rows).events)
    assert list(found) == [3]
    assert re.findall(r"\d+", *found[3]) == ["16777217", "16777216"]


@given(sessions())
def test_a_conforming_session_has_none(session):
    """Whatever an app in order sends."""
    assert rejected(session.events) == {}
