"""Tests of evi_harness.evi.evi_user."""

from __future__ import annotations

import json

import pytest

from evi_harness.errors import UsageError
from evi_harness.evi.evi_user import EVI_USER
from evi_harness.session.events import TEXT, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.protocols import ANSWERS, FOREIGN, SETS_UP, TYPES, Message, ToolSpec, ToolUse, UserSetup
from evi_harness.session.wav import Pcm

TOOL = {"type": "function", "name": "look", "description": "Looks.", "parameters": '{"type": "object"}'}
SPEC = ToolSpec("look", "Looks.", {"type": "object"})


def sent(fields, seq=1):
    """A sent message."""
    return Sent(seq, 0, frame=Frame(TEXT, json.dumps(fields).encode()))


def act(**fields):
    """What one sent message does."""
    return EVI_USER.acts([sent(fields)])[1]


def told(frame):
    """What a frame says."""
    return json.loads(frame.payload)


def test_each_message_of_an_app_is_an_act():
    """What is typed, what tools answer, what is set up."""
    assert (act(type="user_input", text="hi").kind, act(type="user_input", text="hi").text) == (TYPES, "hi")
    answer = act(type="tool_response", tool_call_id="c", content="rain")
    assert (answer.kind, answer.text, answer.is_error) == (ANSWERS, "rain", False)
    failed = act(type="tool_error", tool_call_id="c", error="gone", content="I cannot look.")
    assert (failed.kind, failed.text, failed.is_error) == (ANSWERS, "I cannot look.", True)
    settings = act(type="session_settings", system_prompt="Be short.", tools=[TOOL, {"type": "builtin", "name": "hang_up"}], voice_id="v")
    assert (settings.kind, settings.setup) == (SETS_UP, UserSetup("Be short.", (SPEC,)))
    assert settings.lost[0] == "voice_id"
    assert len(settings.lost) == 2


@pytest.mark.parametrize("name", ["assistant_input", "pause_assistant_message", "resume_assistant_message"])
def test_what_only_evi_has_is_foreign(name):
    """It is named."""
    assert (act(type=name).kind, act(type=name).lost) == (FOREIGN, (name,))


def test_audio_is_no_act_and_neither_is_what_was_not_sent():
    """The first is heard, the second never came."""
    failed = Sent(2, 0, frame=Frame(TEXT, b'{"type": "user_input", "text": "x"}'), outcome="failed")
    assert EVI_USER.acts([sent({"type": "audio_input", "data": "AAAA"}), failed]) == {}


def test_the_handshake_sets_up_too():
    """In the form that SDKs write a query in."""
    opened = Opened(0, 0, Handshake("/v0/evi/chat", (("session_settings[system_prompt]", "Be kind."), ("session_settings[voice_id]", "v"))))
    found = EVI_USER.acts([opened])[0]
    assert (found.setup.instructions, found.lost) == ("Be kind.", ("voice_id",))


def test_calls_have_a_name_and_arguments():
    """As the message has them."""
    call = {"type": "tool_call", "name": "look", "parameters": "{}", "tool_call_id": "c", "response_required": True}
    events = [Received(5, 0, frame=Frame(TEXT, json.dumps(call).encode())), Received(6, 0, frame=Frame(TEXT, b'{"type": "assistant_end"}'))]
    assert EVI_USER.calls(events) == {5: ToolUse("look", "{}")}


def test_a_client_opens_with_the_format_and_what_was_set_up():
    """At the recorded rate, one channel, linear."""
    client = EVI_USER.client(UserSetup("Be short.", (SPEC,)), {}, Pcm(24_000, 2), greets=True)
    (opening,) = map(told, client.opening)
    assert opening.pop("type") == "session_settings"
    assert opening.pop("audio") == {"channels": 1, "encoding": "linear16", "sample_rate": 24_000}
    assert opening.pop("system_prompt") == "Be short."
    (tool,) = opening.pop("tools")
    assert {**tool, "parameters": json.loads(tool["parameters"])} == {**TOOL, "parameters": {"type": "object"}}
    assert opening == {}
    assert client.pcm == Pcm(24_000, 1)


def test_what_is_given_counts_before_what_was_set_up():
    """And what it does not say remains."""
    given = {"system_prompt": "Be long.", "voice_id": "v", "audio": {"sample_rate": 16_000}}
    client = EVI_USER.client(UserSetup("Be short.", (SPEC,)), given, Pcm(24_000, 1), greets=False)
    opening = told(client.opening[0])
    assert (opening["system_prompt"], opening["voice_id"], len(opening["tools"])) == ("Be long.", "v", 1)
    assert client.pcm == Pcm(16_000, 1)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "session.update"},
        {"audio": {"sample_rate": 16_000, "channels": 2}},
        {"audio": {"encoding": "opus"}},
        {"audio": 3},
        {"audio": {"sample_rate": 1}},
    ],
)
def test_what_sets_up_no_chat_is_refused(given):
    """Before anything is sent."""
    with pytest.raises(UsageError):
        EVI_USER.client(UserSetup(), given, None, greets=False)


def test_a_client_says_each_act():
    """In EVI's messages, and nothing by itself."""
    client = EVI_USER.client(UserSetup(), {}, None, greets=False)
    call = Message("tool_call", {"name": "look", "parameters": "{}", "tool_call_id": "c"})
    assert [told(frame) for frame in client.types("hi")] == [{"text": "hi", "type": "user_input"}]
    assert [told(frame) for frame in client.answers(call, "rain", is_error=False)] == [
        {"content": "rain", "tool_call_id": "c", "type": "tool_response"}
    ]
    assert [told(frame) for frame in client.answers(call, "gone", is_error=True)] == [
        {"error": "gone", "tool_call_id": "c", "type": "tool_error"}
    ]
    assert [told(frame) for frame in client.sets_up(UserSetup("Be long."))] == [{"system_prompt": "Be long.", "type": "session_settings"}]
    assert (client.says(b"ab").is_text, client.says(b"ab").payload) == (False, b"ab")
    assert client.call_of(call) == ToolUse("look", "{}")
    assert not client.must_wait(client.opening[0])
