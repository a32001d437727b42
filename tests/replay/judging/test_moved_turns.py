"""Tests of evi_harness.replay.judging.moved_turns."""

from __future__ import annotations

import json

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.evi.evi_user import EVI_USER
from evi_harness.replay.judging.moved_turns import MovedSide, moved_turns


def turn(at_ms, said, reply, calls=(), interrupted=False):
    """The rows of a typed turn."""
    rows = [("received", at_ms, {"type": "user_message", "message": {"role": "user", "content": said}, "from_text": True})]
    for number, (name, arguments) in enumerate(calls):
        call = {"type": "tool_call", "name": name, "parameters": arguments, "tool_call_id": f"{at_ms}-{number}", "response_required": True}
        rows.append(("received", at_ms + 1, call))
    rows.append(("received", at_ms + 5, {"type": "assistant_message", "message": {"role": "assistant", "content": reply}}))
    rows += [("received", at_ms + 6, {"type": "user_interruption", "time": 1})] if interrupted else []
    return [*rows, ("received", at_ms + 9, {"type": "assistant_end"})]


THEN = [turn(10, "What is it?", "It is eleven.", [("look", '{"a": 1, "b": "x"}'), ("see", "{}")]), turn(30, "Thank you.", "Goodbye.")]


@pytest.fixture
def differing(session_of):
    """What differs between two conversations, turn by turn: each is a list of turns."""

    def compare(then, now):
        sides = [MovedSide(session_of([row for rows in turns for row in rows]), EVI, EVI_USER) for turns in (then, now)]
        return [one.differing for one in moved_turns(*sides)]

    return compare


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (THEN[0], ()),
        (turn(10, "what is it", "it's 11", [("see", ""), ("look", '{"b": "x", "a": 1.0}')]), ("called", "replied")),
        (turn(10, "what is it", "It is 11!", [("see", "{ }"), ("look", '{"b": "x", "a": 1.0}')]), ()),
        (turn(10, "What's that?", "It is eleven.", [("look", '{"a": 1, "b": "x"}'), ("see", "{}")]), ("said",)),
        (turn(10, "What is it?", "It is twelve.", [("look", '{"a": 1, "b": "x"}')]), ("called", "replied")),
        (turn(10, "What is it?", "It is eleven.", [("look", '{"a": 2, "b": "x"}'), ("see", "{}")]), ("called",)),
        (turn(10, "What is it?", "It is eleven.", [("look", '{"a": 1, "b": "x"}')] * 2), ("called",)),
        (turn(10, "What is it?", "It is", [("look", '{"a": 1, "b": "x"}'), ("see", "{}")], interrupted=True), ("replied", "interrupted")),
    ],
)
def test_what_differs_in_a_turn_is_named(differing, first, expected):
    """By what is said and not by how it is written; in no other turn anything does."""
    assert differing(THEN, [first, THEN[1]]) == [expected, ()]


def test_of_two_interrupted_replies_what_both_have_counts(differing):
    """How far each got is by chance."""
    then, other = [[turn(10, "a", words, interrupted=True)] for words in ("One thing and", "Two things")]
    assert differing(then, [turn(10, "a", "one thing, and another", interrupted=True)]) == [()]
    assert differing(then, other) == [("replied",)]


def test_a_turn_that_only_one_side_has_is_told_and_shifts_no_other(differing):
    """On either side."""
    assert differing(THEN, THEN[1:]) == [("turn",), ()]
    assert differing(THEN[1:], THEN) == [("turn",), ()]


def test_secrets_are_in_nothing_that_is_shown(session_of):
    """What is said, called and replied goes through whoever knows them."""
    session = session_of(turn(10, "key", "key", [("key", json.dumps("key"))]))
    (one,) = moved_turns(MovedSide(session, EVI, EVI_USER), MovedSide(session, EVI, EVI_USER), lambda text: text.replace("key", "***"))
    assert "key" not in repr(one)
