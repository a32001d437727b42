"""Tests of ``realtime_turns``: what is one exchange, spoken and typed, with tools, histories and interruptions."""

from __future__ import annotations

import pytest
from realtime_session import append, events_of

from evi_harness.openai_realtime.realtime_turns import turns

MS = 1_000_000
SERVER_VAD = {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 100}}}}


def typed(text, identity, role="user"):
    """A row in which the service tells of an item that was typed."""
    part = {"type": "input_text" if role == "user" else "output_text", "text": text}
    return "<", {"type": "conversation.item.added", "item": {"id": identity, "type": "message", "role": role, "content": [part]}}


def response(identity, *messages, status="completed"):
    """Rows of a response."""
    about = [("<", {"type": f"response.{kind}", "response_id": identity, **fields}) for kind, fields in messages]
    done = ("<", {"type": "response.done", "response": {"id": identity, "status": status}})
    return [("<", {"type": "response.created", "response": {"id": identity}}), *about, done]


def said(text, item="a"):
    """What the assistant has said."""
    return "output_audio_transcript.done", {"item_id": item, "content_index": 0, "transcript": text}


CALL = "function_call_arguments.done", {"item_id": "f", "call_id": "c", "name": "get", "arguments": "{}"}


def test_a_spoken_turn_has_its_words_whenever_they_come():
    """The transcript is behind the reply; the speech lies where the service says, less the silence that it waited for."""
    rows = [
        ("<", {"type": "session.created", "session": SERVER_VAD}),
        *[append()] * 20,
        ("<", {"type": "input_audio_buffer.speech_started", "audio_start_ms": 40, "item_id": "u"}),
        ("<", {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 360, "item_id": "u"}),
        ("<", {"type": "input_audio_buffer.committed", "item_id": "u"}),
        *response("r", ("output_audio.delta", {"item_id": "a", "delta": ""}), said("Good"), said("day", "b")),
        ("<", {"type": "conversation.item.input_audio_transcription.completed", "item_id": "u", "transcript": "Hello"}),
    ]
    (turn,) = turns(events_of(*rows))
    assert (turn.user, turn.user_text, turn.reply_text, turn.reply) == (24, "Hello", "Good day", (25, 26, 27, 28, 29))
    assert (turn.first_audio, turn.end, turn.interrupted_by) == (26, 29, None)
    assert turn.speech is not None
    assert (turn.speech.begin_ns, turn.speech.end_ns) == (40 * MS, 260 * MS)


def test_a_history_is_no_turn():
    """Of what the app gives before it asks, the user's last words count."""
    rows = [typed("My name is Ada.", "1"), typed("Noted.", "2", "assistant"), typed("What is it?", "3"), *response("r", said("Ada."))]
    (turn,) = turns(events_of(*rows))
    assert (turn.user, turn.user_text, turn.reply_text) == (3, "What is it?", "Ada.")


def test_a_tools_answer_goes_on_in_the_same_turn():
    """Two responses, one turn; it ends with the second."""
    (turn,) = turns(events_of(typed("Weather?", "1"), *response("r", said("Let me see."), CALL), *response("q", said("Foggy.", "b"))))
    assert (turn.reply_text, turn.tool_calls, turn.end) == ("Let me see. Foggy.", (4,), 8)


def test_a_call_that_nobody_answers_has_no_end():
    """The reply goes on from the answer, and that did not come."""
    (turn,) = turns(events_of(typed("Weather?", "1"), *response("r", CALL)))
    assert (turn.tool_calls, turn.end) == ((3,), None)


def test_the_assistant_speaks_by_itself():
    """Before the user and behind a reply: turns without a user."""
    found = turns(
        events_of(*response("r", said("Hello.")), typed("Hi", "1"), *response("q", said("Yes?")), *response("p", said("Still there?")))
    )
    assert [(turn.number, turn.user, turn.reply_text) for turn in found] == [(1, None, "Hello."), (2, 4, "Yes?"), (3, None, "Still there?")]


def test_an_interruption():
    """Speech that begins while a response is under way; the rest of it is still that turn's."""
    begun, *rest = response("r", said("Once upon a time"), status="cancelled")
    speech = ("<", {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"})
    first, second = turns(
        events_of(typed("A story", "1"), begun, speech, *rest, ("<", {"type": "input_audio_buffer.committed", "item_id": "u"}))
    )
    assert (first.interrupted_by, first.end, first.reply) == (3, 5, (2, 4, 5))
    assert (second.user, second.reply) == (6, ())


SPEECH = ("<", {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"})
CUT = (">", {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 5})


@pytest.mark.parametrize(
    ("rows", "interrupted_by"),
    [
        ([SPEECH, CUT], 6),
        ([SPEECH], None),
        ([CUT], None),
        ([CUT, SPEECH], None),
        ([SPEECH, (">", {**CUT[1], "item_id": "b"})], None),
    ],
    ids=["cut off", "not cut off", "nobody spoke", "spoke later", "another item"],
)
def test_a_reply_that_the_app_cuts_off(rows, interrupted_by):
    """The service was done long before it was played: the speech before a truncation interrupts it, and the app alone says so."""
    reply = response("r", ("output_audio.delta", {"item_id": "a", "delta": ""}), said("Once upon a time"))
    (turn,) = turns(events_of(typed("A story", "1"), *reply, *rows))
    assert (turn.first_audio, turn.end, turn.interrupted_by) == (3, 5, interrupted_by)


def test_a_service_that_announces_nothing():
    """No response.created, no committed: the items and the parts of the reply are enough."""
    rows = [
        typed("Hi", "1"),
        ("<", {"type": "response.output_text.done", "response_id": "r", "item_id": "a", "content_index": 0, "text": "Yes?"}),
    ]
    (turn,) = turns(events_of(*rows))
    assert (turn.user_text, turn.reply_text, turn.end) == ("Hi", "Yes?", None)


def test_what_is_typed_and_not_answered():
    """It is a turn, with no reply."""
    (turn,) = turns(events_of(typed("Anybody?", "1")))
    assert (turn.user, turn.user_text, turn.reply) == (1, "Anybody?", ())
    assert turns(events_of(("<", {"type": "session.created", "session": {}}))) == []
