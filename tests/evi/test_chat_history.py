"""Tests of Hume's chat history as such; what becomes of it is tested with the import."""

from __future__ import annotations

import json

import pytest

from evi_harness.evi.chat_history import NotHistory, chats_in, rebuilt
from evi_harness.evi.messages import EMOTIONS

START_MS = 1_716_244_940_648
SCORES = json.dumps(dict.fromkeys(EMOTIONS, 0.25))


def event(at_ms=0, kind="USER_MESSAGE", text="Hello.", **more):
    """An event as Hume's examples have it."""
    return {
        "id": f"{kind}-{at_ms}",
        "chat_id": "c-1",
        "timestamp": START_MS + at_ms,
        "role": "USER",
        "type": kind,
        "message_text": text,
        "emotion_features": "",
        "metadata": "",
        **more,
    }


def page(*events, **more):
    """A page of a chat's events."""
    return {
        "id": "c-1",
        "chat_group_id": "g-1",
        "status": "USER_ENDED",
        "start_timestamp": START_MS,
        "pagination_direction": "ASC",
        "events_page": list(events),
        "page_number": 0,
        "page_size": 10,
        "total_pages": 1,
        **more,
    }


def messages(value):
    """The messages of the only chat of a file, with when and what is assumed in them."""
    (chat,) = chats_in(value)
    return [(one.at_ns, json.loads(one.frame.payload), one.assumed) for one in rebuilt(chat) if one.frame is not None]


def test_a_spoken_message_is_made_again():
    """With its scores and where it was spoken, from the first of its segments to the last."""
    segments = [
        {"content": "Hel", "time": {"begin_ms": 640, "end_ms": 900}},
        {"content": "lo.", "time": {"begin_ms": 900.4, "end_ms": 1140}},
    ]
    one = event(15_630, emotion_features=SCORES, metadata=json.dumps({"segments": segments}))
    (_, first, _), (at_ns, second, assumed) = messages(page(one))
    assert first == {"type": "chat_metadata", "chat_group_id": "g-1", "chat_id": "c-1"}
    assert at_ns == 15_630_000_000
    assert second == {
        "type": "user_message",
        "message": {"role": "user", "content": "Hello."},
        "models": {"prosody": {"scores": json.loads(SCORES)}},
        "time": {"begin": 640, "end": 1140},
        "from_text": False,
        "interim": False,
    }
    assert assumed == ("interim",)


def test_what_the_history_does_not_have_is_named():
    """Of each kind of message."""
    call = {"name": "f", "parameters": "{}", "tool_call_id": "t"}
    value = page(
        event(1),
        event(2, "AGENT_MESSAGE", "Hi."),
        event(3, "USER_INTERRUPTION", None),
        event(4, "FUNCTION_CALL", json.dumps({**call, "response_required": False})),
        event(5, "FUNCTION_CALL", json.dumps({**call, "tool_type": "builtin"})),
        event(6, "ASSISTANT_PROSODY", "", related_event_id="AGENT_MESSAGE-2", emotion_features=SCORES),
    )
    made = messages(value)[1:]
    assert [(one["type"], assumed) for _, one, assumed in made] == [
        ("user_message", ("time", "from_text", "interim")),
        ("assistant_message", ("id", "from_text", "is_quick_response")),
        ("user_interruption", ("time",)),
        ("tool_call", ("tool_type",)),
        ("tool_call", ("response_required",)),
        ("assistant_prosody", ("id",)),
    ]
    assert made[1][1]["id"] == made[5][1]["id"] == "AGENT_MESSAGE-2"
    assert (made[3][1]["response_required"], made[4][1]["tool_type"]) == (False, "builtin")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("FUNCTION_CALL", "get_weather"),
        ("FUNCTION_CALL", '{"name":"f"}'),
        ("FUNCTION_CALL", '{"name":"f","parameters":"\\ud800","tool_call_id":"t"}'),
        ("FUNCTION_CALL", "[" * 1000),
        ("FUNCTION_CALL", "{" + '"a":{' * 50_000),
        ("ASSISTANT_PROSODY", ""),
        ("SESSION_SETTINGS", '{"type":"session_settings"}'),
        ("SYSTEM_PROMPT", "Be kind."),
        ("OF_NEXT_YEAR", "x"),
    ],
)
def test_an_event_that_was_no_message_of_the_services_is_kept_as_it_is(kind, text):
    """And so is one of which nobody can say what the message was."""
    (chat,) = chats_in(page(event(5, kind, text)))
    _, one = rebuilt(chat)
    assert (one.frame, one.event.type, one.event.text, one.at_ns) == (None, kind, text, 5_000_000)


def test_times_are_seconds_or_milliseconds():
    """As documented, and as in Hume's examples."""
    value = page(event(0, timestamp=1_716_244_941), start_timestamp=1_716_244_940)
    assert messages(value)[1][0] == 10**9
    assert messages(page(event(0, timestamp=1_716_244_941.5), start_timestamp=1_716_244_940))[1][0] == 1_500_000_000


def test_pages_are_put_together():
    """In any order, from the newest or from the oldest, with what stands in two of them once; which are missing is known."""
    one, two = page(event(1), event(2), page_number=0, total_pages=3), page(event(2), event(2, id="x"), page_number=2, total_pages=3)
    (chat,) = chats_in([two, one])
    assert [event.id for event in chat.events] == ["USER_MESSAGE-1", "USER_MESSAGE-2", "x"]
    assert (chat.n_repeated, chat.n_pages, chat.pages) == (1, 3, (0, 2))
    falling = page(event(2, id="b"), event(2, id="a"), event(1), pagination_direction="DESC")
    assert [event.id for event in chats_in(falling)[0].events] == ["USER_MESSAGE-1", "a", "b"]


def test_a_group_has_several_chats():
    """Each with its events, in the order of their beginnings; a list of events alone has no group."""
    events = [event(9000, chat_id="c-2"), event(1), event(2, "AGENT_MESSAGE")]
    group = {"id": "g-9", "pagination_direction": "ASC", "events_page": events, "page_number": 0, "total_pages": 1, "page_size": 3}
    first, second = chats_in(group)
    assert (first.id, first.group_id, len(first.events), first.is_start_known) == ("c-1", "g-9", 2, False)
    assert (second.id, second.group_id, second.started_ms) == ("c-2", "g-9", START_MS + 9000)
    assert [(chat.id, chat.group_id) for chat in chats_in(events)] == [("c-1", None), ("c-2", None)]
    assert [chat.id for chat in chats_in([event(1, chat_id=None)])] == [None]


@pytest.mark.parametrize("start", [START_MS + 1, START_MS - 10**9])
def test_a_beginning_that_cannot_be_is_that_of_the_first_event(start):
    """After it, or days before."""
    (chat,) = chats_in(page(event(0), start_timestamp=start))
    assert (chat.is_start_known, chat.started_ms) == (False, START_MS)


@pytest.mark.parametrize(
    ("value", "place", "says"),
    [
        ({}, "", "a chat history"),
        ([], "", "a chat history"),
        ([5], "", "a chat history"),
        ({"events_page": {}}, "events_page", "list of events"),
        ([page(), page(5)], "[1].events_page[0]", "not an event"),
        (page(event(type=5)), "events_page[0].type", "no type"),
        (page(event(text=5)), "events_page[0].message_text", "not text"),
        (page(event(text="\ud800")), "events_page[0].message_text", "surrogate"),
        (page(event(text="x" * (2**20 + 1))), "events_page[0].message_text", "at most 1048576"),
        (page(event(timestamp=None)), "events_page[0].timestamp", "not a time"),
        (page(event(timestamp=True)), "events_page[0].timestamp", "not a time"),
        (page(event(timestamp=-5)), "events_page[0].timestamp", "seconds nor milliseconds"),
        (page(event(timestamp=10**400)), "events_page[0].timestamp", "seconds nor milliseconds"),
        (page(event(timestamp=float("inf"))), "events_page[0].timestamp", "seconds nor milliseconds"),
        (page(start_timestamp="x"), "start_timestamp", "not a time"),
        ([page(), page(start_timestamp=1)], "[1].start_timestamp", "neither seconds"),
        (page(event(0), event(90_000_000)), "events_page[1].timestamp", "than a day"),
        (page(event(emotion_features="{")), "events_page[0].emotion_features", "not JSON"),
        (page(event(emotion_features="[1]")), "events_page[0].emotion_features", "a JSON object"),
        (page(event(emotion_features='{"a":NaN}')), "events_page[0].emotion_features", "not JSON"),
        (page(event(emotion_features='{"a":1e400}')), "events_page[0].emotion_features", "score of 'a'"),
        (page(event(emotion_features='{"a":"b"}')), "events_page[0].emotion_features", "score of 'a'"),
        (page(event(metadata="[" * 100_000)), "events_page[0].metadata", "nested too deep"),
        (page(event(metadata='{"a":[' + "0," * 200_001 + "0]}")), "events_page[0].metadata", "more than 200000 values"),
        (page(event(metadata='{"segments":[{"time":{"begin_ms":-1,"end_ms":5}}]}')), "events_page[0].metadata", "of a segment"),
        (page(event(metadata='{"segments":[{"time":{"begin_ms":0,"end_ms":1e300}}]}')), "events_page[0].metadata", "of a segment"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(value, place, says):
    """Whether it is the file, an event, or what an event holds."""
    with pytest.raises(NotHistory, match=says) as raised:
        list(map(rebuilt, chats_in(value)))
    assert raised.value.place == place
