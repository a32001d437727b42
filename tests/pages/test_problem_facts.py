"""Tests of evi_harness.pages.problem_facts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.pages.problem_facts import ProblemFacts, with_holes
from evi_harness.session.events import Note

PLACES = {"places": [{"file": "app.py", "line": 3, "function": "on_message", "source": [], "whole": "ran"}]}
ENTERED = ("handler_entered", 7, {"callback": "on_message", **PLACES})
TAIL = ("player_tail", 7, {"what": "it held some", "tail_ns": 20_400_000})
RAN = ("handler_ran", {"callback": "on_message", "traced": True, **PLACES})


@pytest.fixture
def facts(weather):
    """The facts of a session with some notes: each its kind, what it is of, and its data."""

    def found(*notes, silent_ms=889.4):
        events = [Note(1000 + number, 5_000_000_000, kind, of, data) for number, (kind, of, data) in enumerate(notes)]
        return ProblemFacts(replace(weather, events=(*weather.events, *events)), {7: silent_ms})

    return found


def problem(kind, *, recorded_seq=None, replayed_seq=None, more=()):
    """A problem as the page has it."""
    return {"kind": kind, "recorded_seq": recorded_seq, "replayed_seq": replayed_seq, "more": list(more)}


@pytest.mark.parametrize(
    ("one", "is_told"),
    [
        (problem("missing", recorded_seq=4), True),
        (problem("missing", recorded_seq=5), False),
        (problem("different", recorded_seq=4), False),
    ],
)
def test_what_the_replay_did_about_a_message_that_did_not_come(facts, one, is_told):
    """Until when it waited, of the very message that it waited for."""
    told = facts(("unmet", None, {"awaited": 4})).waited(one)
    assert (told is not None and "until 5.000 s" in told) == is_told


@pytest.mark.parametrize(
    ("notes", "silent_ms", "numbers"),
    [([TAIL], 889.4, ["0.89", "0.02", "0.87"]), ([TAIL], 20.0, None), ([], 889.4, None)],
)
def test_the_parts_of_what_was_played_on_add_up(facts, notes, silent_ms, numbers):
    """What the SDK's player held, and what the app handed on; where one of them is not known, neither is told."""
    told = facts(*notes, silent_ms=silent_ms).split(problem("plays_on", replayed_seq=7))
    assert (None if told is None else [word for word in told.split() if word[0].isdigit()]) == numbers


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ([], None),
        ([ENTERED], "on_message [^;]*interruption:"),
        ([ENTERED, (RAN[0], 7, RAN[1])], ".*functions ran .*first:"),
        ([ENTERED, (RAN[0], 8, RAN[1])], "on_message .*; no other function .*:"),
        ([ENTERED, (RAN[0], 7, {**RAN[1], "traced": False})], "on_message [^;]*interruption:"),
    ],
)
def test_what_ran_for_the_interruption(facts, notes, words):
    """That nothing else did is told only where that would be known."""
    found = facts(*notes).handled(problem("plays_on", replayed_seq=7))
    assert found is None if words is None else re.fullmatch(words, found.words)
    assert found is None or [place.function for place in found.places] == ["on_message"]


def test_each_hole_of_a_reply_is_one_of_the_times_of_its_problem():
    """Those in other replies, and what was not heard for a reason, are not."""
    pieces = [(7, 1, "skipped"), (9, 1, "cut"), (10, 1, "dropped"), (11, 2, "skipped")]
    lost = [
        {"seq": seq, "turn": turn, "kind": kind, "begin_ms": 100.0 * seq, "end_ms": 100.0 * seq + 50, "length_ms": 50.0}
        for seq, turn, kind in pieces
    ]
    found = with_holes(problem("never_played", replayed_seq=7), lost)
    assert [(one["replayed_seq"], one["at_ms"], one["until_ms"]) for one in found["more"]] == [(9, 900.0, 950.0)]
    assert with_holes(problem("underrun", replayed_seq=7), lost)["more"] == []
