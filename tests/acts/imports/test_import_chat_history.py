"""Tests of the import of Hume's chat history."""

from __future__ import annotations

import json
import re

import pytest

from evi_harness.acts.imports.import_chat_history import import_chat_history
from evi_harness.acts.latency import measure_sessions
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.errors import ImportRefused
from evi_harness.evi.dialect import EVI
from evi_harness.evi.messages import EMOTIONS
from evi_harness.session.notes import HISTORY_EVENT, IMPORTED, REBUILT
from evi_harness.verdicts.loading import load_session

START_MS = 1_716_244_940_648
SCORES = json.dumps(dict.fromkeys(EMOTIONS, 0.25))
SEGMENTS = json.dumps({"segments": [{"content": "Hello.", "time": {"begin_ms": 640, "end_ms": 1140}, "embedding": [0.5] * 8}]})


def event(number, at_ms, kind, text=None, **more):
    """An event."""
    return {"id": f"e-{number}", "chat_id": "c-1", "timestamp": START_MS + at_ms, "role": "X", "type": kind, "message_text": text, **more}


# In the form, and with the times, of the example in Hume's own SDKs.
PAGE = {
    "id": "c-1",
    "chat_group_id": "g-1",
    "status": "USER_ENDED",
    "start_timestamp": START_MS,
    "end_timestamp": START_MS + 17_898,
    "pagination_direction": "ASC",
    "events_page": [
        event(1, 114, "SYSTEM_PROMPT", "You are an AI weather assistant.", emotion_features="", metadata=""),
        event(2, 15_630, "USER_MESSAGE", "Hello.", emotion_features=SCORES, metadata=SEGMENTS),
        event(3, 16_383, "AGENT_MESSAGE", "Hello there.", emotion_features=SCORES, metadata=""),
        event(4, 17_000, "FUNCTION_CALL_RESPONSE", "rain"),
    ],
    "page_number": 0,
    "page_size": 4,
    "total_pages": 2,
}


def imported(tmp_path, value):
    """The sessions that a file becomes, and what was said of it."""
    file = tmp_path / "chat.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    found = import_chat_history(file, out=tmp_path / "out")
    assert [check_session(folder) for folder in found.folders] == [[]] * len(found.folders)
    return [load_session(folder) for folder in found.folders], found


def test_a_chat_becomes_a_session_of_its_turns(tmp_path):
    """What the service said is there, when it noted it; what was no message of its own is a note; and nothing passes for measured."""
    (session,), found = imported(tmp_path, PAGE)
    header = session.header
    assert (header.recorded.times, header.recorded.sent, header.recorded.closed) == ("synthesised", False, False)
    assert header.ids == {"chat_id": "c-1", "chat_group_id": "g-1"}
    assert (header.start.wall, header.end.at_ns) == ("2024-05-20T22:42:20.648000Z", 17_000_000_000)
    assert [(one.at_ns, EVI.read(one.kind, one.frame).type) for one in session.received] == [
        (0, "chat_metadata"),
        (15_630_000_000, "user_message"),
        (16_383_000_000, "assistant_message"),
    ]
    (turn,) = EVI.turns(session.events)
    assert (turn.user_text, turn.reply_text, turn.speech.end_ns) == ("Hello.", "Hello there.", 1_140_000_000)
    kept = [(facts.of_type, facts.text) for _, facts in HISTORY_EVENT.all_in(session.events)]
    assert kept == [("SYSTEM_PROMPT", "You are an AI weather assistant."), ("FUNCTION_CALL_RESPONSE", "rain")]
    told = found.lines()
    assert [line for line in told if re.search(r"3 messages .*\b4 events, 17\.000 s; .*not measured", line)]
    assert "kept as notes: 1 FUNCTION_CALL_RESPONSE, 1 SYSTEM_PROMPT" in told


def test_what_is_not_in_the_history_is_in_notes(tmp_path):
    """Of the whole, and of each message; pages that are not in the file, too."""
    (session,), found = imported(tmp_path, PAGE)
    ((_, said),) = IMPORTED.all_in(session.events)
    assert said.form == "chat-history"
    assert any("measured" in one for one in said.lacks)
    assert any("status is USER_ENDED" in one for one in said.lacks)
    assert re.match(r"1 of .*\b2 pages\b", said.lacks[-1])
    (left,) = said.left_out
    assert left.startswith("metadata of 1 event")
    of = {note.of: facts for note, facts in REBUILT.all_in(session.events)}
    assert set(of) == {one.seq for one in session.received}
    assert [(facts.of_type, facts.event_id, facts.assumed) for facts in of.values()] == [
        ("", "", []),
        ("USER_MESSAGE", "e-2", ["interim"]),
        ("AGENT_MESSAGE", "e-3", ["id", "from_text", "is_quick_response"]),
    ]
    assert any(re.search(r"missing: 1 of .*\b2 pages\b", line) for line in found.lines())


def test_no_latency_is_measured_in_it(tmp_path):
    """Each metric says why it is not there."""
    (session,), _ = imported(tmp_path, PAGE)
    (measured,) = measure_sessions([session], detector="none").measured
    assert {one.value for one in measured.samples} == {None}
    assert "made up" in (measured.untimed or "")


def test_it_can_be_replayed(tmp_path):
    """The SDK parses every message, and the handler gets them in their order."""
    (session,), _ = imported(tmp_path, PAGE)
    got = []
    result = replay_session(session, handler=lambda message: got.append(message.type))
    assert result.passed, result.lines()
    assert got == ["chat_metadata", "user_message", "assistant_message"]


def test_a_group_becomes_a_session_for_each_chat(tmp_path):
    """One folder each."""
    events = [event(1, 5, "USER_MESSAGE", "One."), {**event(2, 60_000, "USER_MESSAGE", "Two."), "chat_id": "c-2"}]
    sessions, _ = imported(tmp_path, {"id": "g-1", "pagination_direction": "ASC", "events_page": events})
    assert [one.header.ids for one in sessions] == [{"chat_id": "c-1", "chat_group_id": "g-1"}, {"chat_id": "c-2", "chat_group_id": "g-1"}]
    assert [one.header.recorded.times for one in sessions] == ["synthesised"] * 2


@pytest.mark.parametrize(
    ("value", "where", "says"),
    [
        ("", "", "not JSON"),
        ("{}\n{}", "", "not JSON: Extra data"),
        ({"log": {"entries": []}}, "", "a chat history"),
        ({**PAGE, "events_page": []}, "", "no event"),
        ({**PAGE, "events_page": [5]}, ": events_page[0]", "not an event"),
    ],
)
def test_what_is_none_is_refused_with_its_place(tmp_path, value, where, says):
    """Exit code 3, what is supported, and nothing is written."""
    with pytest.raises(ImportRefused, match=says) as raised:
        imported(tmp_path, value)
    assert (raised.value.where, raised.value.exit_code) == (f"{tmp_path / 'chat.json'}{where}", 3)
    assert "/v0/evi/chats/ID" in raised.value.hint
    assert not (tmp_path / "out").exists()
