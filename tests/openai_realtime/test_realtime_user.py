"""Tests of evi_harness.openai_realtime.realtime_user."""

from __future__ import annotations

import base64
import json

import pytest

from evi_harness.errors import UsageError
from evi_harness.openai_realtime.realtime_user import DEFAULT_MODEL, REALTIME_USER
from evi_harness.session.events import TEXT, Frame, Received, Sent
from evi_harness.session.g711 import encoded_samples
from evi_harness.session.protocols import ANSWERS, CHORE, FOREIGN, SETS_UP, TYPES, Message, ToolSpec, ToolUse, UserSetup
from evi_harness.session.wav import MU_LAW, Pcm

MS = 1_000_000
TOOL = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
SPEC = ToolSpec("look", "Looks.", {"type": "object"})
NO_SETUP = UserSetup()
CREATE = {"type": "response.create"}
CALL = Message("response.function_call_arguments.done", {"call_id": "c", "arguments": "{}"})


def text(words, role="user"):
    """An item with a text."""
    part = {"type": "input_text" if role == "user" else "output_text", "text": words}
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": [part]}}


def acts(*messages):
    """What sent messages do, by their place."""
    return REALTIME_USER.acts([Sent(number, 0, frame=frame(fields)) for number, fields in enumerate(messages)])


def frame(fields):
    """A frame that says it."""
    return Frame(TEXT, json.dumps(fields).encode())


def told(found):
    """What a frame says."""
    return json.loads(found.payload)


def received(client, at_ns=0, **fields):
    """What a client answers a message with at once."""
    return [told(one) for one in client.take(Received(1, at_ns, frame=frame(fields)), at_ns)]


def client(setup=NO_SETUP, given=None, greets=False):
    """The client of a new session."""
    return REALTIME_USER.client(setup, given or {}, Pcm(48_000, 1), greets=greets)


def test_each_message_of_an_app_is_an_act():
    """What is typed, what tools answer, what is set up; the rest is the protocol's own."""
    output = {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "rain"}}
    update = {
        "type": "session.update",
        "session": {"type": "realtime", "instructions": "Be short.", "tools": [TOOL, {"type": "mcp"}], "prompt": {}},
    }
    found = acts(update, text("hi"), CREATE, output, CREATE, {"type": "input_audio_buffer.commit"}, {"type": "response.cancel"})
    assert [found[number].kind for number in range(7)] == [SETS_UP, TYPES, CHORE, ANSWERS, CHORE, CHORE, CHORE]
    assert found[0].setup == UserSetup("Be short.", (SPEC,))
    assert [one.text for one in found.values()] == ["", "hi", "", "rain", "", "", ""]
    assert found[0].lost[0] == "prompt"
    assert [one.lost for one in found.values()][1:] == [(), (), (), (), (), ("response.cancel",)]


def test_texts_that_one_response_answers_are_one():
    """In the place of the last; history that was answered then is none of them."""
    found = acts(text("old"), text("so", role="assistant"), text("a"), text("b"), CREATE, text("c"), CREATE)
    assert [(number, one.text) for number, one in found.items() if one.kind == TYPES and not one.lost] == [(3, "a\nb"), (5, "c")]
    assert found[0].kind == found[1].kind == found[2].kind == CHORE
    assert found[0].lost


@pytest.mark.parametrize(
    "message",
    [
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_image"}]}},
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": ""}]},
        },
        {"type": "response.create", "response": {"conversation": "none"}},
    ],
)
def test_what_only_this_protocol_has_is_foreign(message):
    """Without it the conversation goes another way."""
    assert acts(message)[0].kind == FOREIGN


def test_a_call_has_its_name_from_the_item_where_the_arguments_come_without():
    """Some services say it once."""
    item = {"type": "conversation.item.added", "item": {"type": "function_call", "call_id": "c", "name": "look"}}
    done = {"type": CALL.type, "call_id": "c", "arguments": "{}"}
    events = [Received(1, 0, frame=frame(item)), Received(2, 0, frame=frame(done))]
    assert REALTIME_USER.calls(events) == {2: ToolUse("look", "{}")}
    here = client()
    received(here, **item)
    assert here.call_of(CALL) == ToolUse("look", "{}")


def test_a_client_opens_with_a_session_that_can_be_compared():
    """PCM both ways, a transcript, turn detection by the service, and what was set up; a greeting is asked for."""
    here = client(UserSetup("Be short.", (SPEC,)), greets=True)
    update, create = map(told, here.opening)
    heard = update["session"]["audio"]["input"]
    assert (heard["format"], heard["turn_detection"]["type"]) == ({"type": "audio/pcm", "rate": 24_000}, "server_vad")
    assert heard["transcription"]["model"]
    assert (update["session"]["instructions"], update["session"]["tools"]) == ("Be short.", [TOOL])
    assert create["type"] == "response.create"
    assert (here.query, here.pcm) == ((("model", DEFAULT_MODEL),), Pcm(24_000, 1))
    assert len(client().opening) == 1


def test_what_is_given_counts_before_the_usual():
    """Member by member, a session or the message that holds it; the model goes into the query."""
    given = {"model": "m", "audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "semantic_vad"}}}}
    for form in (given, {"type": "session.update", "session": given}):
        here = client(UserSetup("Be short."), form)
        session = told(here.opening[0])["session"]
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert session["audio"]["input"]["turn_detection"] == {"type": "semantic_vad"}
        assert session["audio"]["input"]["transcription"]
        assert (session["instructions"], "model" in session) == ("Be short.", False)
        assert (here.query, here.pcm) == ((("model", "m"),), Pcm(8_000, 1, 1, MU_LAW))
    samples = (b"\0\1" * 80, b"\xff\x7f" * 80)
    for one in samples:
        assert base64.b64decode(told(here.says(one))["audio"]) == encoded_samples(one, here.pcm)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "transcription"},
        {"type": "session.update"},
        {"audio": {"input": {"turn_detection": None}}},
        {"turn_detection": None},
        {"audio": {"input": {"format": {"type": "opus"}}}},
    ],
)
def test_what_sets_up_no_conversation_is_refused(given):
    """Before anything is sent."""
    with pytest.raises(UsageError):
        client(given=given)


def test_one_response_is_asked_for_at_a_time():
    """The next waits until the one before is done, or was refused; other messages never wait."""
    here = client()
    item, create = here.types("hi")
    assert (here.must_wait(item), here.must_wait(create)) == (False, False)
    here.sent(create)
    assert (here.must_wait(item), here.must_wait(create)) == (False, True)
    received(here, type="response.done", response={})
    assert not here.must_wait(create)
    received(here, type="response.created", response={})
    assert here.must_wait(create)
    received(here, type="error", error={"event_id": "another"})
    assert here.must_wait(create)
    received(here, type="error", error={"event_id": told(create)["event_id"]})
    assert not here.must_wait(create)


def test_a_tool_is_answered_and_the_assistant_asked_to_go_on():
    """By the id of the call."""
    output, create = map(told, client().answers(CALL, "rain", is_error=False))
    assert output["item"] == {"type": "function_call_output", "call_id": "c", "output": "rain"}
    assert create["type"] == "response.create"


def test_speech_over_a_reply_cuts_it_off_where_it_had_been_played():
    """Once; not where all had been played, or nothing."""
    here = client()
    started = {"type": "input_audio_buffer.speech_started"}
    # A second of audio, which comes in two pieces at once.
    piece = base64.b64encode(bytes(24_000)).decode()
    assert received(here, **started) == []
    for _ in range(2):
        received(here, 100 * MS, type="response.output_audio.delta", item_id="i", delta=piece)
    cut = {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 700}
    assert received(here, 800 * MS, **started) == [cut]
    assert received(here, 900 * MS, **started) == []
    received(here, 1000 * MS, type="response.output_audio.delta", item_id="j", delta=piece)
    assert received(here, 1500 * MS, **started) == []
