"""Tests of ``realtime_causes``: what answers what, by the protocol and by what weaker services make of it."""

from __future__ import annotations

import pytest
from realtime_session import AUDIO_20_MS, append, events_of

from evi_harness.openai_realtime.realtime_causes import BufferTimes, causes, prompts

MS = 1_000_000


def caused(*rows, close=None):
    """The cause of each received event in short: ``opened``, the seq of what was sent or received before, or a position in ms."""
    events = events_of(*rows, close=close)
    found = causes(events)
    assert found.keys() == {event.seq for event in events if event.kind == "received" or (event.kind == "closed" and event.by != "app")}
    for event in events:
        cause = found.get(event.seq)
        assert cause is None or cause.seq is None or cause.seq < event.seq
    return [_short(found[seq]) for seq in sorted(found)]


def _short(cause):
    if cause.position_ns is not None:
        return f"{cause.position_ns // MS} ms"
    return cause.kind if cause.seq is None else f"{cause.kind} {cause.seq}"


CREATED = ("<", {"type": "session.created", "session": {"id": "s"}})
COMMITTED = ("<", {"type": "input_audio_buffer.committed", "item_id": "u1"})


def response(kind, **fields):
    """A row of a response."""
    return "<", {"type": f"response.{kind}", **fields}


def test_a_session_is_set_up():
    """Created by the opening, updated by each update, whatever comes in between."""
    update = (">", {"type": "session.update", "session": {}})
    updated = ("<", {"type": "session.updated", "session": {}})
    assert caused(CREATED, update, update, updated, updated, updated) == ["opened", "sent 2", "sent 3", "opened"]


def test_a_spoken_turn():
    """What the service hears answers a position; what follows from it too, the transcript that is late included."""
    rows = [
        CREATED,
        *[append()] * 10,
        ("<", {"type": "input_audio_buffer.speech_started", "audio_start_ms": 20, "item_id": "u1"}),
        ("<", {"type": "conversation.item.input_audio_transcription.delta", "item_id": "u1", "delta": "Hel"}),
        *[append()] * 10,
        ("<", {"type": "conversation.item.input_audio_transcription.delta", "item_id": "u1", "delta": "lo"}),
        ("<", {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 300, "item_id": "u1"}),
        COMMITTED,
        ("<", {"type": "conversation.item.added", "item": {"id": "u1", "role": "user"}}),
        response("created", response={"id": "r"}),
        ("<", {"type": "conversation.item.input_audio_transcription.completed", "item_id": "u1", "transcript": "Hello"}),
        response("output_item.added", response_id="r", item={"id": "a1"}),
        ("<", {"type": "conversation.item.added", "item": {"id": "a1", "role": "assistant"}}),
        response("output_audio.delta", response_id="r", item_id="a1", delta=""),
        response("done", response={"id": "r", "status": "completed"}),
        ("<", {"type": "rate_limits.updated"}),
    ]
    assert caused(*rows) == ["opened", "200 ms", "200 ms", "400 ms", *["300 ms"] * 9, "received 33"]


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_typed_turn_with_a_tool(is_announced):
    """Each response answers its request, also where the service does not say that it begins; each item what the app has sent."""
    rows = [
        CREATED,
        (">", {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}),
        (">", {"type": "response.create"}),
        ("<", {"type": "conversation.item.added", "item": {"id": "u", "type": "message", "role": "user"}}),
        *([response("created", response={"id": "r"})] if is_announced else []),
        response("function_call_arguments.done", response_id="r", item_id="f", call_id="c", arguments="{}"),
        (">", {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c"}}),
        response("done", response={"id": "r", "status": "completed"}),
        (">", {"type": "response.create"}),
        ("<", {"type": "conversation.item.added", "item": {"id": "o", "type": "function_call_output", "call_id": "c"}}),
        ("<", {"type": "conversation.item.done", "item": {"id": "o", "type": "function_call_output", "call_id": "c"}}),
        response("output_text.delta", response_id="q", item_id="a", delta="x"),
    ]
    shift = int(is_announced)
    expected = ["opened", "sent 2", *(["sent 3"] if is_announced else []), "sent 3", "sent 3"]
    assert caused(*rows) == [*expected, f"sent {6 + shift}", f"sent {6 + shift}", f"sent {8 + shift}"]
    events = events_of(*rows)
    answered = prompts(events)
    output = next(event.seq for event in events if event.kind == "sent" and b"function_call_output" in event.frame.payload)
    assert answered[output].seq == 5 + shift


@pytest.mark.parametrize(
    ("details", "cause"),
    [
        ({"type": "cancelled", "reason": "client_cancelled"}, "sent 3"),
        ({"type": "cancelled", "reason": "turn_detected"}, "20 ms"),
        ("unimplemented", "sent 1"),
        (None, "sent 1"),
    ],
)
def test_a_response_that_is_cancelled(details, cause):
    """By whom it was, as far as the service says: one says nothing but a word."""
    rows = [
        (">", {"type": "response.create"}),
        response("created", response={"id": "r"}),
        (">", {"type": "response.cancel"}),
        append(),
        ("<", {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"}),
        response("done", response={"id": "r", "status": "cancelled", "status_details": details}),
    ]
    assert caused(*rows)[-1] == cause


def test_a_request_that_is_refused_begins_nothing():
    """The error answers the second request by its id; the response of the first goes on, and a third request is answered anew."""
    rows = [
        (">", {"type": "response.create"}),
        response("created", response={"id": "r"}),
        (">", {"type": "response.create", "event_id": "again"}),
        ("<", {"type": "error", "error": {"code": "conversation_already_has_active_response", "event_id": "again"}}),
        response("done", response={"id": "r", "status": "completed"}),
        (">", {"type": "response.create"}),
        response("created", response={"id": "q"}),
    ]
    assert caused(*rows) == ["sent 1", "sent 3", "sent 1", "sent 6"]


def test_what_the_app_asks_for_by_an_item():
    """Each answer finds the request about its item; one that was not asked for answers what came before it."""
    names = {"truncate": "truncated", "delete": "deleted", "retrieve": "retrieved"}
    asked = [(">", {"type": f"conversation.item.{name}", "item_id": item}) for name in names for item in ("a", "b")]
    told = [("<", {"type": f"conversation.item.{name}", "item_id": item}) for name in names.values() for item in ("b", "a", "c")]
    assert caused(*asked, *told) == [
        *("sent 2", "sent 1", "received 8"),
        *("sent 4", "sent 3", "received 11"),
        *("sent 6", "sent 5", "received 14"),
    ]


def test_a_commit_of_the_apps():
    """Push to talk: the commit is answered, and the response answers its own request."""
    rows = [append(), (">", {"type": "input_audio_buffer.commit"}), (">", {"type": "response.create"}), COMMITTED]
    assert caused(*rows, response("created", response={"id": "r"})) == ["sent 2", "sent 3"]


def test_what_is_not_known_follows_what_came():
    """A ping, a type that is new, text that is no JSON, and an end that the service makes."""
    assert caused(CREATED, ("<", {"type": "ping"}), ("<", {"type": "x.y"}), ("<", "no JSON"), close="service") == [
        *("opened", "received 1", "received 2", "received 3", "received 4"),
    ]


def test_the_services_milliseconds_are_put_on_our_axis():
    """They count what was written: a microphone that pauses shifts them against the time that passes."""
    times = BufferTimes()
    for at_ms in (0, 20, 40, 1000, 1020):
        times.add(at_ms * MS, 20 * MS)
    assert [times.position_ns(ms * MS) for ms in (0, 10, 60, 61, 80, 100, 101)] == [
        *(0, 10 * MS, 60 * MS, 1001 * MS, 1020 * MS, 1040 * MS, None),
    ]
    assert len(AUDIO_20_MS) == 960
