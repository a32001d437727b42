from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.judging.session_comparison import KINDS, ComparedSide, compare_sessions
from evi_harness.session.events import TEXT, Frame, Sent
from evi_harness.session.header import Header, Recorded
from evi_harness.session.session import Session


@pytest.fixture
def rows(weather_rows):
    """The rows of ``weather`` without audio, so that places are easy to name."""
    return [row for row in weather_rows if not isinstance(row[2], bytes)]


@pytest.fixture
def compared(session_of, rows):
    """Compares the session of these rows with that of others."""

    def compared_(others, *, first_took=None, second_took=None, tolerance_ms=100.0, **header):
        first = ComparedSide(session_of(rows), EVI, first_took or {})
        second = ComparedSide(session_of(others, **header), EVI, second_took or {})
        return compare_sessions(first, second, tolerance_ms)

    return compared_


def changed(rows, old, new):
    """The rows with one text in place of another, wherever it is."""
    assert any(old in json.dumps(what) for _, _, what in rows)
    return [
        (kind, at_ms, what if isinstance(what, tuple) else json.loads(json.dumps(what).replace(old, new))) for kind, at_ms, what in rows
    ]


def kinds(comparison):
    """What differs, by turn."""
    return [[one.kind for one in turn.partings] for turn in comparison.turns]


def test_a_session_is_the_same_as_itself(compared, rows):
    """Each turn with its number on both sides."""
    found = compared(rows)
    assert found.is_same
    assert [(turn.first, turn.second, turn.user) for turn in found.turns] == [(1, 1, "What's the weather like?"), (2, 2, "Thank you.")]


def test_ids_and_times_of_day_are_no_difference(compared, rows):
    """Those of the chat, of sentences and of tool calls, whose answers name them; nor when a session was, or how late all of it."""
    others = rows
    for old in ("chat-1", "group-1", "request-1", "call-1", "s-1", "s-2"):
        others = changed(others, old, f"other-{old}")
    late = [(kind, at_ms + 5000, what) for kind, at_ms, what in others]
    assert compared(late, created="2027-01-02T03:04:05.000000Z").is_same


@pytest.mark.parametrize(
    ("old", "new", "expected", "sides"),
    [
        ("Thank you.", "Thanks.", [[], ["said"]], ("Thank you.", "Thanks.")),
        ("It is sunny.", "It rains.", [["replied"], []], ("It is sunny.", "It rains.")),
        ("Oslo", "Bergen", [["called"], []], ('get_weather {"place": "Oslo"}', 'get_weather {"place": "Bergen"}')),
    ],
)
def test_what_was_said_and_called(compared, rows, old, new, expected, sides):
    """Each stands in its turn, with both sides."""
    found = compared(changed(rows, old, new))
    assert kinds(found) == expected
    (one,) = found.partings
    assert (one.first, one.second) == sides
    assert one.first_seq == one.second_seq is not None


def test_what_was_sent(compared, rows):
    """With the fields that differ; an answer to no call is a difference although ids are none."""
    (one,) = compared(changed(rows, "sunny, 21 degrees", "rain")).turns[0].partings
    assert (one.kind, [(each.path, each.recorded, each.live) for each in one.differences]) == (
        "sent",
        [("$.content", "sunny, 21 degrees", "rain")],
    )
    wrong = [({**what, "tool_call_id": "x"} if isinstance(what, dict) and what["type"] == "tool_response" else what) for _, _, what in rows]
    (one,) = compared([(kind, at_ms, what) for (kind, at_ms, _), what in zip(rows, wrong)]).partings
    ((path, recorded, live),) = [(each.path, each.recorded, each.live) for each in one.differences]
    assert path == "$.answers"
    assert "nothing" not in recorded
    assert live.startswith("nothing")


def test_what_only_one_side_sent(compared, rows):
    """The answer to a tool that did not come."""
    (one,) = compared([row for row in rows if not (isinstance(row[2], dict) and row[2]["type"] == "tool_response")]).turns[0].partings
    assert (one.kind, one.first, one.second) == ("sent", 'tool response call-1: "sunny, 21 degrees"', None)


def test_a_turn_that_is_missing_is_one_difference(compared, rows):
    """Nothing that belongs to it is told besides, and no other turn moves: neither side is right."""
    first_turn = [row for row in rows if not 1000 <= row[1] <= 2400]
    found = compared(first_turn)
    assert [(turn.first, turn.second) for turn in found.turns] == [(1, None), (2, 1)]
    assert kinds(found) == [["turn"], []]
    assert (found.turns[0].partings[0].first, found.turns[0].partings[0].second) == ("What's the weather like?", None)


def test_how_long_it_took(compared, rows):
    """Within the tolerance it is the same; beyond it is a difference; without one nothing is; what one side does not know is none."""
    took = {(1, "response"): (500.0,), (1, "tool.app"): (100.0, 100.0), (2, "response"): (500.0,)}
    slower = {(1, "response"): (600.0,), (1, "tool.app"): (100.0, 201.0)}
    found = compared(rows, first_took=took, second_took=slower)
    assert [tuple(one) for one in found.turns[0].took] == [
        ("response", 500.0, 600.0, False),
        ("tool.app", 100.0, 100.0, False),
        ("tool.app", 100.0, 201.0, True),
    ]
    assert [tuple(one) for one in found.turns[1].took] == [("response", 500.0, None, False)]
    assert [(one.kind, one.first, one.second) for one in found.partings] == [("took", "tool.app 100 ms", "tool.app 201 ms")]
    assert compared(rows, first_took=took, second_took=slower, tolerance_ms=101).is_same
    assert compared(rows, first_took=took, second_took=slower, tolerance_ms=None).is_same
    assert not compared(rows, first_took=took, second_took=slower, tolerance_ms=0).is_same


def test_the_opening_and_the_end(compared, rows):
    """How the connection was opened, and who closed it with which code."""
    closed = [*rows[:-1], ("closed", 4500, ("service", 1011, ""))]
    found = compared(closed, query=(("verbose_transcription", "true"),))
    assert ([one.kind for one in found.opening], [one.kind for one in found.ending]) == (["handshake"], ["ended"])
    assert re.fullmatch(r"the service closed .* 1011", found.ending[0].second)


def test_what_is_not_known_is_not_compared_and_that_is_told(compared, rows):
    """A session that does not say what was sent."""
    received = [row for row in rows if row[0] != "sent"]
    found = compared(received, recorded=Recorded(sent=False))
    assert found.is_same
    (remark,) = found.remarks
    assert re.match(r"what was sent, .*\bopened, is not compared: made\b", remark)


@pytest.mark.parametrize(
    ("cut", "told"),
    [((False, True), "the second"), ((True, False), "the first"), ((True, True), "the first and the second")],
)
def test_an_end_and_an_opening_that_a_side_does_not_say_are_told(session_of, rows, cut, told):
    """They are no difference, for nobody knows; but nobody may take them for the same."""
    whole, ended = session_of(rows), session_of(rows[:-1])
    unopened = replace(whole, events=whole.events[1:])
    ends = compare_sessions(*(ComparedSide(ended if is_cut else whole, EVI) for is_cut in cut))
    opens = compare_sessions(*(ComparedSide(unopened if is_cut else whole, EVI) for is_cut in cut))
    assert (ends.is_same, opens.is_same) == (True, True)
    for one, what in ((ends, "the session ended"), (opens, "connection was opened")):
        (remark,) = one.remarks
        assert re.fullmatch(rf"how .*{what} is not compared: {told} do(es)? not say", remark)


@pytest.mark.parametrize(
    ("is_closed", "partings"),
    [
        ((False, True), [("E0714", "the app closed")]),
        # Whatever came later in the second, an error may have been in it.
        ((True, False), []),
    ],
)
def test_an_error_is_compared_also_where_the_end_is_not_known(session_of, rows, is_closed, partings):
    """Unless a side might have had it in what is not there."""
    error = ("received", 4400, {"type": "error", "code": "E0714", "slug": "inactivity_timeout", "message": "gone"})
    made = [[*rows[:-1], error], rows[:-1]]
    first, second = (session_of([*each, rows[-1]] if closes else each) for each, closes in zip(made, is_closed))
    found = compare_sessions(ComparedSide(first, EVI), ComparedSide(second, EVI))
    assert len(found.ending) == len(partings)
    assert all(error in one.first and one.second.startswith(end) for one, (error, end) in zip(found.ending, partings))
    assert len(found.remarks) == 1


@pytest.mark.parametrize(
    ("missing", "header", "told"),
    [
        (("events.jsonl, line 9: it ends here.",), {"complete": False}, "events.jsonl, line 9: "),
        ((), {"complete": False}, "session is incomplete"),
        ((), {"counts": {"dropped": 1}}, "1 event was dropped"),
        (("a.", "b.", "c.", "d.", "e."), {}, "a; b; c; and 2 more"),
    ],
)
def test_what_a_session_lost_is_told(session_of, rows, missing, header, told):
    """By the side that lost it."""
    whole, broken = ComparedSide(session_of(rows), EVI), ComparedSide(replace(session_of(rows, **header), missing=missing), EVI)
    for first, sides in ((whole, ["second"]), (broken, ["first", "second"])):
        remarks = compare_sessions(first, broken).remarks
        assert [remark.split()[:2] for remark in remarks] == [["the", side] for side in sides]
        assert all("not compared: " in remark and told in remark for remark in remarks)
    assert compare_sessions(whole, whole).remarks == ()


def test_sessions_without_a_turn(session_of):
    """Nothing but their opening and end."""
    empty = ComparedSide(session_of([("closed", 10, ("app", 1000, ""))]), EVI)
    typed = ComparedSide(session_of([("sent", 5, {"type": "user_input", "text": "Hi"}), ("closed", 10, ("app", 1000, ""))]), EVI)
    assert compare_sessions(empty, empty).is_same
    assert [one.kind for one in compare_sessions(empty, typed).opening] == ["sent"]


def test_every_kind_is_described():
    """In a few words."""
    assert all(KINDS.values())


def made_up(first, second, deleted):
    """A session of the Realtime protocol in which the app makes up ids, and deletes an item by one."""
    messages = (
        {"type": "conversation.item.create", "item": {"id": first, "role": "user"}, "event_id": f"e-{first}"},
        {"type": "conversation.item.create", "item": {"id": second, "role": "user"}, "previous_item_id": first},
        {"type": "response.create", "event_id": f"r-{first}", "response": {"metadata": {"asked_by": f"r-{first}"}}},
        {"type": "conversation.item.create", "item": {"id": f"{second}-b", "role": "user"}, "previous_item_id": deleted},
    )
    frames = [Frame(TEXT, json.dumps(message).encode()) for message in messages]
    return Session(Header("id", "script", "now", OPENAI_REALTIME.name), tuple(Sent(seq, seq, frame=one) for seq, one in enumerate(frames)))


def test_ids_that_the_app_makes_up_are_no_difference():
    """As long as they mean the same; what differs has those of the second session."""

    def found(one, other):
        return compare_sessions(ComparedSide(one, OPENAI_REALTIME), ComparedSide(other, OPENAI_REALTIME))

    assert found(made_up("a", "b", "a"), made_up("x", "y", "x")).is_same
    (only,) = found(made_up("a", "b", "a"), made_up("x", "y", "y")).partings
    assert (only.kind, [(one.path, one.recorded, one.live) for one in only.differences]) == ("sent", [("$.previous_item_id", "x", "y")])
    assert [one.kind for one in found(made_up("a", "b", "a"), made_up("x", "y", "a")).partings] == ["sent"]
