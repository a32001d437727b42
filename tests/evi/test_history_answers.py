from __future__ import annotations

import json
from uuid import UUID

import pytest
from hume.core.pydantic_utilities import parse_obj_as
from hume.empathic_voice import (
    ReturnChatGroupPagedChats,
    ReturnChatGroupPagedEvents,
    ReturnChatPagedEvents,
    ReturnPagedChatGroups,
    ReturnPagedChats,
)

from evi_harness.evi.chat_history import chats_in, rebuilt
from evi_harness.evi.history_answers import PATHS, history_answer
from evi_harness.evi.messages import EMOTIONS
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import ToldSession

BEGAN_MS = 1_716_244_940_648
CHAT, GROUP = "chat-1", "group-1"
METADATA = ("received", 0, {"type": "chat_metadata", "chat_group_id": GROUP, "chat_id": CHAT, "request_id": "r"})
SCORES = {name: place / 100 for place, name in enumerate(EMOTIONS)}
MODELS = [ReturnPagedChats, ReturnChatPagedEvents, ReturnPagedChatGroups, ReturnChatGroupPagedChats, ReturnChatGroupPagedEvents]
ASKED = ["/v0/evi/chats", f"/v0/evi/chats/{CHAT}", "/v0/evi/chat_groups", f"/v0/evi/chat_groups/{GROUP}"]
ASKED.append(f"/v0/evi/chat_groups/{GROUP}/events")


def said(role, text, **fields):
    """A message with all scores."""
    return {"type": f"{role}_message", "message": {"role": role, "content": text}, "models": {"prosody": {"scores": SCORES}}, **fields}


SPOKEN = said("user", "Rain?", time={"begin": 640, "end": 1140}, from_text=False, interim=False)
ROWS = [
    METADATA,
    ("sent", 100, b"\x00\x01"),
    ("received", 900, {**SPOKEN, "interim": True}),
    ("received", 1000, SPOKEN),
    ("received", 1100, {"type": "tool_call", "name": "f", "parameters": "{}", "tool_call_id": "t"}),
    ("sent", 1200, {"type": "tool_response", "tool_call_id": "t", "content": "yes"}),
    ("received", 1500, said("assistant", "Yes.", id="a" * 32)),
    ("received", 1600, {"type": "assistant_prosody", "id": "a" * 32, "models": {"prosody": {"scores": SCORES}}}),
    ("received", 1700, {"type": "user_interruption", "time": 1700}),
    ("received", 1800, {"type": "assistant_end"}),
    ("received", 1900, {**SPOKEN, "models": {}, "time": {"begin": 1, "end": 1}, "from_text": True}),
    ("received", 2000, "not JSON"),
    ("closed", 2500, ("app", 1000, "")),
]


@pytest.fixture
def ask(session_of):
    """Ask a session for a path and a query; what is answered."""

    def ask(path, query=(), *, rows=ROWS, opened=(), more=()):
        sessions = [ToldSession(session_of(rows, query=opened).events, BEGAN_MS)]
        sessions += [ToldSession(session_of(rows, query=opened).events, BEGAN_MS + 60_000) for rows, opened in more]
        return history_answer(Handshake(path, tuple(dict(query).items())), sessions)

    return ask


@pytest.mark.parametrize(("path", "model"), list(zip(ASKED, MODELS)), ids=PATHS)
def test_each_answer_is_one_that_the_sdk_parses(ask, path, model):
    """By its own models, with nothing left over that they do not know."""
    answer = ask(path, opened=[("config_id", "c"), ("config_version", "2")])
    assert answer.status == 200
    parsed = parse_obj_as(type_=model, object_=json.loads(json.dumps(answer.body)))
    assert parsed.model_extra == {}
    for one in (*getattr(parsed, "events_page", ()), *getattr(parsed, "chats_page", ()), *getattr(parsed, "chat_groups_page", ())):
        assert one.model_extra == {}
    assert (parsed.page_number, parsed.page_size, parsed.total_pages, parsed.pagination_direction) == (0, 10, 1, "ASC")


def test_the_events_are_those_that_the_messages_tell(ask):
    """Each at its time, by whom the API says that it is; a call of a tool has no text, since nobody has written down which."""
    told = ask(f"/v0/evi/chats/{CHAT}").body["events_page"]
    assert [(one["timestamp"] - BEGAN_MS, one["type"], one["role"], one["message_text"]) for one in told] == [
        (1000, "USER_MESSAGE", "USER", "Rain?"),
        (1100, "FUNCTION_CALL", "TOOL", None),
        (1200, "FUNCTION_CALL_RESPONSE", "TOOL", None),
        (1500, "AGENT_MESSAGE", "AGENT", "Yes."),
        (1600, "ASSISTANT_PROSODY", "AGENT", ""),
        (1700, "USER_INTERRUPTION", "USER", ""),
        (1900, "USER_MESSAGE", "USER", "Rain?"),
    ]
    spoken, agent, prosody, typed = told[0], told[3], told[4], told[6]
    assert json.loads(spoken["emotion_features"]) == SCORES
    span = {"begin_ms": 640, "end_ms": 1140}
    assert json.loads(spoken["metadata"]) == {"segments": [{"content": "Rain?", "scores": list(SCORES.values()), "time": span}]}
    assert (typed["emotion_features"], typed["metadata"]) == ("", "")
    assert prosody["related_event_id"] == agent["id"]
    assert len({UUID(one["id"]) for one in told}) == len(told)
    assert {one["chat_id"] for one in told} == {CHAT}


def test_what_is_told_is_what_an_import_reads(ask):
    """The words, the scores and the times of speech come back; the chat has its ids."""
    (chat,) = chats_in(json.loads(json.dumps(ask(f"/v0/evi/chats/{CHAT}").body)))
    assert (chat.id, chat.group_id, chat.started_ms, chat.status) == (CHAT, GROUP, BEGAN_MS, "USER_ENDED")
    messages = {json.loads(one.frame.payload)["type"]: json.loads(one.frame.payload) for one in rebuilt(chat)[:6] if one.frame is not None}
    assert messages["user_message"] == SPOKEN
    assert messages["assistant_message"]["message"] == {"role": "assistant", "content": "Yes."}
    assert messages["assistant_prosody"]["models"] == {"prosody": {"scores": SCORES}}


@pytest.mark.parametrize(
    ("rows", "status", "ended_ms"),
    [
        ([], "ACTIVE", None),
        ([("closed", 9, ("app", 1000, ""))], "USER_ENDED", 9),
        ([("closed", 9, ("app", None, ""))], "USER_ENDED", 9),
        ([("closed", 9, ("service", 1000, ""))], "USER_ENDED", 9),
        ([("closed", 9, ("service", 1011, ""))], "ERROR", 9),
        ([("closed", 9, ("network", None, ""))], "ERROR", 9),
        ([("received", 8, {"type": "error", "code": "E0714"}), ("closed", 9, ("service", 1000, ""))], "INACTIVITY_TIMEOUT", 9),
        ([("received", 8, {"type": "error", "code": "E0715"}), ("closed", 9, ("service", 1000, ""))], "MAX_DURATION_TIMEOUT", 9),
        ([("received", 8, {"type": "error", "code": "I0116"}), ("closed", 9, ("service", 1000, ""))], "ERROR", 9),
        ([("received", 8, {"type": "error", "code": "E0101"}), ("closed", 9, ("app", 1000, ""))], "USER_ENDED", 9),
        ([("received", 8, {"type": "error", "code": "E0714"})], "ACTIVE", None),
    ],
)
def test_a_chat_says_how_it_ended(ask, rows, status, ended_ms):
    """By the error that ended it, else by who closed, and how."""
    (chat,) = ask("/v0/evi/chats", rows=[METADATA, *rows]).body["chats_page"]
    assert chat["status"] == status
    assert chat["end_timestamp"] == (None if ended_ms is None else BEGAN_MS + ended_ms)
    (group,) = ask("/v0/evi/chat_groups", rows=[METADATA, *rows]).body["chat_groups_page"]
    assert group["active"] is (status == "ACTIVE")


@pytest.mark.parametrize(
    ("query", "texts", "n_pages", "direction"),
    [
        ({}, [1000, 1100, 1200, 1500, 1600, 1700, 1900], 1, "ASC"),
        ({"page_size": "3"}, [1000, 1100, 1200], 3, "ASC"),
        ({"page_size": "3", "page_number": "2"}, [1900], 3, "ASC"),
        ({"page_size": "3", "page_number": "3"}, [], 3, "ASC"),
        ({"page_size": "3", "ascending_order": "false"}, [1900, 1700, 1600], 3, "DESC"),
        ({"page_size": "100", "ascending_order": "True"}, [1000, 1100, 1200, 1500, 1600, 1700, 1900], 1, "ASC"),
        ({"page_size": "", "page_number": ""}, [1000, 1100, 1200, 1500, 1600, 1700, 1900], 1, "ASC"),
    ],
)
def test_pages_are_counted_from_zero_from_either_end(ask, query, texts, n_pages, direction):
    """A page behind the last is empty, which is how the SDK's pager ends."""
    for path in (f"/v0/evi/chats/{CHAT}", f"/v0/evi/chat_groups/{GROUP}/events/"):
        body = ask(path, query).body
        assert [one["timestamp"] - BEGAN_MS for one in body["events_page"]] == texts
        assert (body["total_pages"], body["pagination_direction"]) == (n_pages, direction)


@pytest.mark.parametrize(
    "query",
    [{"page_size": "0"}, {"page_size": "101"}, {"page_size": "x"}, {"page_number": "-1"}, {"page_number": "²"}, {"ascending_order": "up"}],
    ids=str,
)
def test_a_page_that_cannot_be_asked_for_is_400(ask, query):
    """The message names the parameter."""
    for path in ASKED:
        answer = ask(path, query)
        assert answer.status == 400
        assert next(iter(query)) in answer.body["message"]


@pytest.mark.parametrize(
    ("query", "n_found"),
    [
        ({"config_id": "c"}, 1),
        ({"config_id": "d"}, 0),
        ({"status": "USER_ENDED"}, 1),
        ({"status": "ERROR"}, 0),
        ({"config_id": "c", "status": "USER_ENDED"}, 1),
    ],
    ids=str,
)
def test_lists_have_what_is_asked_for(ask, query, n_found):
    """By the configuration of the handshake, and by how the chat ended."""
    for path, name in (("/v0/evi/chats", "chats_page"), ("/v0/evi/chat_groups", "chat_groups_page")):
        body = ask(path, query, opened=[("config_id", "c")]).body
        assert (len(body[name]), body["total_pages"]) == (n_found, n_found)


@pytest.mark.parametrize(
    "path",
    [
        "/v0/evi/chats/another",
        f"/v0/evi/chats/{CHAT}/audio",
        f"/v0/evi/chats/{CHAT}/events",
        "/v0/evi/chat_groups/another",
        "/v0/evi/chat_groups/another/events",
        f"/v0/evi/chat_groups/{GROUP}/audio",
        "/v0/evi/chat_groups//events",
        "/v0/evi/configs",
        "/v0/evi/chat",
        "/",
    ],
)
def test_what_a_session_does_not_have_is_not_answered(ask, path):
    """Another chat, its audio as a file of the service's, and the rest of the API."""
    assert ask(path) is None


def test_of_a_group_with_other_chats_nothing_is_told(ask):
    """A chat that resumed another is itself told; of how many there were the session knows nothing."""
    resumed = [("resumed_chat_group_id", GROUP)]
    assert [ask(path, opened=resumed) is not None for path in ASKED] == [True, True, False, False, False]


def test_chats_of_one_group_are_told_together(ask):
    """Where the first of them is there, the group has all that resumed it, and the events of all."""
    second = [("received", 0, {**METADATA[2], "chat_id": "chat-2"}), ("received", 9, said("assistant", "Again.", id="b"))]
    alone = [("received", 0, {**METADATA[2], "chat_id": "chat-3", "chat_group_id": "group-2"})]
    more = [(second, [("resumed_chat_group_id", GROUP)]), (alone, [("resumed_chat_group_id", "group-2")])]
    chats = ask("/v0/evi/chats", {"ascending_order": "false"}, more=more).body["chats_page"]
    assert [chat["id"] for chat in chats] == ["chat-3", "chat-2", CHAT]
    (group,) = ask("/v0/evi/chat_groups", more=more).body["chat_groups_page"]
    assert (group["num_chats"], group["most_recent_chat_id"], group["active"]) == (2, "chat-2", True)
    assert group["most_recent_start_timestamp"] == group["first_start_timestamp"] + 60_000
    assert [chat["id"] for chat in ask(f"/v0/evi/chat_groups/{GROUP}", more=more).body["chats_page"]] == [CHAT, "chat-2"]
    events = ask(f"/v0/evi/chat_groups/{GROUP}/events", more=more).body["events_page"]
    assert [event["chat_id"] for event in events] == [CHAT] * 7 + ["chat-2"]
    assert ask("/v0/evi/chat_groups/group-2", more=more) is None
    assert [event["message_text"] for event in ask("/v0/evi/chats/chat-2", more=more).body["events_page"]] == ["Again."]


@pytest.mark.parametrize("first", [{"type": "chat_metadata"}, {"type": "chat_metadata", "chat_id": 1, "chat_group_id": 2}, "{}"], ids=str)
def test_there_is_no_chat_before_its_ids_are_there(ask, first):
    """Whatever else there is."""
    assert [ask(path, rows=[("received", 0, first), *ROWS[1:]]) for path in ASKED] == [None] * len(ASKED)


def test_texts_that_no_encoding_takes_are_told_too(ask):
    """Half a surrogate pair, in an id as in words."""
    rows = [("received", 0, {**METADATA[2], "chat_id": "\ud800"}), ("received", 1, said("assistant", "\udfff", id="b"))]
    body = ask("/v0/evi/chats/\ud800", rows=rows).body
    assert json.loads(json.dumps(body))["events_page"][0]["message_text"] == "\udfff"
