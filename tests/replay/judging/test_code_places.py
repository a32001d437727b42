"""Tests of evi_harness.replay.judging.code_places."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.code_places import is_silent_return, placed, senders
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.session.events import Note

CALL = {"type": "tool_call", "tool_call_id": "c", "name": "n", "parameters": "{}", "response_required": True}
ANSWER = {"type": "tool_response", "tool_call_id": "c", "content": "x"}


def note(seq, name, function, of=None, source=(), **data):
    """A note with a place in a function."""
    place = {"file": "app.py", "line": 1, "function": function, "source": list(source)}
    return Note(seq, 100, name, of, {**data, "places": [place]})


SOURCE = [{"line": 1, "text": "x"}]


@pytest.fixture
def sessions(session_of):
    """A recording with a call and its answer; its replay, in which the call was handled twice and something else was sent."""
    recorded = session_of([("received", 1, CALL), ("sent", 2, ANSWER)])
    live = session_of([("sent", 1, b"audio"), ("received", 2, CALL), ("sent", 3, ANSWER)])
    notes = (
        Note(10, 2, "due", of=2, data={"due_ns": 0, "recorded_seq": 1}),
        note(11, "handler_entered", "on_open"),
        note(12, "handler_entered", "on_message", of=2, callback="on_message"),
        note(13, "handler_entered", "on_error", of=2, source=SOURCE),
        note(14, "sent_from", "send", number=1),
        note(15, "sent_from", "late", number=7),
        note(16, "closed_from", "leave"),
        note(17, "handler_entered", "on_message", of=9, source=SOURCE),
    )
    return recorded, replace(live, events=(*live.events, *notes))


@pytest.mark.parametrize(
    ("deviation", "function"),
    [
        (Deviation("missing", "x", 2, 3), "send"),
        (Deviation("missing", "x", 1), None),
        (Deviation("missing", "x", None), None),
        (Deviation("unexpected", "x", None, 3), "send"),
        (Deviation("different", "x", 2, 3), "send"),
        (Deviation("different", "x", 0, 0), None),
        (Deviation("out_of_order", "x", 2, 3), "send"),
        (Deviation("late", "x", 2, 3), "send"),
        (Deviation("late", "x", 2, 1), None),
        (Deviation("closed_early", "x", 1, 9), "leave"),
        (Deviation("stuck", "x", 1, 2), None),
    ],
    ids=lambda one: one.kind if isinstance(one, Deviation) else str(one),
)
def test_where_a_deviation_was_brought_about(sessions, deviation, function):
    """Who sent the message; of one that is missing, who had what it was to answer; who closed. As far as notes tell."""
    (found,) = placed([deviation], *sessions, EVI)
    assert [place.function for place in found.places] == ([] if function is None else [function])
    assert replace(found, places=()) == deviation


@pytest.mark.parametrize(
    ("notes", "functions", "detail"),
    [
        ([], ["on_message"], ["on_message had not returned"]),
        ([("handler_returned", 120, {"callback": "on_message"})], ["on_message"], ["on_message .* 118 ms, returned, .*sent nothing"]),
        ([("handler_returned", 2, {"callback": "on_message"})], ["on_message"], ["on_message returned .*sent nothing"]),
        (
            [("sent_from", 3, {"number": 2}), ("handler_returned", 12, {"callback": "on_message"})],
            ["on_message"],
            ["on_message .* 10 ms, .*sent another"],
        ),
        (
            [("raised", 2, {"what": "x"}), ("handler_returned", 2, {"callback": "on_message"})],
            ["on_message"],
            ["on_message raised .*at once .*sent nothing"],
        ),
        (
            [("handler_ran", 200, {"callback": "on_message", "traced": True}), ("handler_returned", 2, {"callback": "on_message"})],
            ["answer", "on_call", "on_message"],
            ["on_message returned .*sent nothing", r"functions .*: on_call \(app\.py:7\), then answer \(app\.py:9\)"],
        ),
        (
            [("handler_ran", 200, {"callback": "on_message", "traced": False})],
            ["answer", "on_call", "on_message"],
            [
                "on_message had not returned",
                r".*\bnot known; .* answer \(app\.py:9\), on_call \(app\.py:7\)",
            ],
        ),
    ],
    ids=["never returned", "took a while", "at once", "sent another", "raised", "ran", "not traced"],
)
def test_what_was_never_sent_has_the_path_of_its_message(sessions, notes, functions, detail):
    """What the callback took that had it, what it sent instead, and which functions ran, the last to begin first."""
    recorded, live = sessions
    path = [
        {"file": "app.py", "line": line, "function": name, "source": [], "whole": "ran"} for line, name in ((9, "answer"), (7, "on_call"))
    ]
    places = {"handler_ran": path}
    more = [
        Note(30 + index, at_ms * 1_000_000, name, 2, {**data, "places": places.get(name, [])})
        for index, (name, at_ms, data) in enumerate(notes)
    ]
    entered = [replace(one, at_ns=2_000_000) if one.seq == 12 else one for one in live.events]
    (found,) = placed([Deviation("missing", "x", 2)], recorded, replace(live, events=(*entered, *more)), EVI)
    assert [one.function for one in found.places] == functions
    assert len(found.detail) == len(detail)
    assert all(re.match(f"{said}$" if said.endswith("sent nothing") else said, line) for said, line in zip(detail, found.detail))
    assert is_silent_return(found.detail) == any("returned" in line and line.endswith("sent nothing") for line in found.detail)


def test_the_source_may_stand_in_another_note(sessions):
    """Of the same place."""
    (found,) = placed([Deviation("missing", "x", 2)], *sessions, EVI)
    assert [one.text for one in found.places[0].source] == ["x"]


def test_a_deviation_keeps_the_places_that_it_has(sessions):
    """As one that is stuck has them from its own note."""
    recorded, live = sessions
    (found,) = placed([Deviation("unexpected", "x", None, 3)], recorded, live, EVI)
    assert placed([replace(found, live_seq=None)], recorded, live, EVI)[0].places == found.places


def test_who_sent_what_is_told_by_number(sessions):
    """A number that no sent event has is passed over, and so is what is no number."""
    recorded, live = sessions
    assert {seq: one.seq for seq, one in senders(live).items()} == {3: 14}
    odd = replace(live, events=(*live.events, note(20, "sent_from", "x", number="1"), note(21, "sent_from", "x", number=-1)))
    assert senders(odd).keys() == {3}
    assert senders(recorded) == {}
