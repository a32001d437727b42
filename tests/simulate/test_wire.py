from __future__ import annotations

import json
from random import Random

import pytest

from evi_harness.evi.compat import problems
from evi_harness.evi.failures import ERRORS
from evi_harness.evi.messages import EMOTIONS, MESSAGES
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate import wire
from evi_harness.simulate.ids import Ids
from evi_harness.simulate.replies import Sentence, ToolCall

RANDOM = Random(1)
WAV = header(Pcm(24_000, 1), 4) + b"\1\0\2\0"
EVERY = [
    wire.chat_metadata(Ids(1), "group"),
    wire.user_message("Hello.", 1_500_000, 2_999_999, RANDOM),
    wire.user_message("Hello.", 0, 0, RANDOM, from_text=True),
    wire.user_message("Hel", 0, 5_000_000, RANDOM, interim=True),
    wire.assistant_message(Sentence("Ça va."), "s", RANDOM),
    wire.assistant_message(Sentence("Hi.", has_prosody=True, is_quick=True, from_text=True), "s", RANDOM),
    wire.audio_output("s", 0, WAV, is_final=True),
    wire.assistant_prosody("s", RANDOM),
    wire.assistant_end(),
    wire.user_interruption(810_999_999),
    wire.tool_call(ToolCall("get_weather", '{"place": "Bath"}'), "call"),
    wire.session_settings({"type": "session_settings", "system_prompt": "Be brief."}),
    wire.error("E0101", "Failed.", "request"),
]


@pytest.mark.parametrize("fields", EVERY, ids=[fields["type"] for fields in EVERY])
@pytest.mark.parametrize("session_id", [None, "my session"])
def test_every_message_is_parsed(fields, session_id):
    """By the newest SDK's table and by the installed SDK, with the app's name for its session and without."""
    from evi_harness.sdk.hume.parsing import problems as sdk_problems

    frame = wire.frame(fields, session_id)
    assert problems(frame, "0.14.1") == []
    assert json.loads(frame.payload).get("custom_session_id") == session_id
    assert sdk_problems(frame.payload) == []


def test_every_type_but_those_of_built_in_tools_is_among_them():
    """The table of the dialect has no other that EVI sends."""
    assert {row.name for row in MESSAGES.values() if row.received} - {fields["type"] for fields in EVERY} == {"tool_response", "tool_error"}


def test_times_are_whole_milliseconds_rounded_down():
    """So an end never lies behind the position that was reached."""
    assert EVERY[1]["time"] == {"begin": 1, "end": 2}
    assert EVERY[9]["time"] == 810


def test_there_are_48_scores_in_order():
    """Of spoken words and of the assistant's, in one of two messages; typed and interim words have none."""
    assert tuple(EVERY[1]["models"]["prosody"]["scores"]) == EMOTIONS
    assert [bool(EVERY[place]["models"]) for place in (1, 2, 3, 4, 5, 7)] == [True, False, False, True, False, True]


def test_a_frame_is_compact_json_with_the_type_first():
    """No spaces, letters as they are; half a surrogate pair goes back escaped, as it can only have come."""
    assert wire.frame({"type": "a", "text": "é"}, None).payload == '{"type":"a","text":"é"}'.encode()
    assert wire.frame({"type": "a", "text": "\ud800"}, "s").payload == b'{"type":"a","custom_session_id":"s","text":"\\ud800"}'
    assert wire.frame({"type": "a", "data": b"\0\0\0"}, None).payload == b'{"type":"a","data":"AAAA"}'


def test_an_echo_has_no_key():
    """Everything else comes back, null as null."""
    sent = {"type": "session_settings", "language_model_api_key": "k", "custom_session_id": "s", "context": None}
    assert wire.session_settings(sent) == {"type": "session_settings", "context": None}


@pytest.mark.parametrize("code", ["E0100", "E0101", "E0714", "E0715", "I0116"])
def test_an_error_has_the_slug_that_is_known(code):
    """Where none is known the simulator's own says so."""
    slug = wire.error(code, "m", "r")["slug"]
    assert slug == (ERRORS[code].slug or f"simulator_{code.lower()}")
    assert slug
