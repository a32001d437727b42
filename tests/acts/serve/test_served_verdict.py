"""Tests of evi_harness.acts.serve.served_verdict."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.serve.served_verdict import compare
from evi_harness.session.events import TEXT, Closed, Frame, Note, Sent
from evi_harness.session.expectation import Expectation
from evi_harness.verdicts.expected import Expected, load_expected
from evi_harness.verdicts.loading import load_session

TYPED = Path(__file__).resolve().parents[3] / "sessions" / "typed"
SECRET = "Zw3SecretKeyOfThisRun987654"
ANSWER = 5


@pytest.fixture(scope="module")
def typed():
    """The session that is typed; its app answers a tool call with #5."""
    return load_session(TYPED)


def conversation(session, *, without=(), instead=None):
    """A session as a server keeps it: a due note for each received event; some messages left out, or with another text."""
    events = []
    for event in session.events:
        if event.seq in without:
            continue
        if instead is not None and event.seq in instead:
            event = replace(event, frame=Frame(TEXT, instead[event.seq]))
        events.append(event)
        if event.kind == "received":
            events.append(
                Note(1000 + event.seq, event.at_ns, "due", of=event.seq, data={"due_ns": 0, "recorded_seq": event.seq, "held_ns": 0})
            )
    return events


def other_answer(session, content):
    """The answer to the tool call, with another content."""
    (answer,) = [event for event in session.sent if event.seq == ANSWER]
    return json.dumps({**json.loads(answer.frame.payload), "content": content}).encode()


def test_the_recorded_app_passes(typed):
    """One line."""
    found = compare(load_expected(typed), conversation(typed))
    assert (found.passed, found.lines) == (True, ("verdict    passed",))


def test_another_answer_differs(typed):
    """In the words of a replay, and without what was around it."""
    found = compare(load_expected(typed), conversation(typed, instead={ANSWER: other_answer(typed, "no")}))
    assert not found.passed
    assert found.lines[0].startswith(f"DEVIATION  different: recorded #{ANSWER} at ")
    assert "around it" not in "\n".join(found.lines)
    assert found.lines[-1] == "verdict    failed: 1 deviation"


def test_the_handshake_is_the_apps_own(typed):
    """What it asked for is compared."""
    opened, *rest = conversation(typed)
    asked = replace(opened.handshake, query=(*opened.handshake.query, ("verbose_transcription", "true")))
    found = compare(load_expected(typed), [replace(opened, handshake=asked), *rest])
    assert re.search(r"handshake .*\$\.query\.verbose_transcription", found.lines[1])


def test_what_is_expected_is_compared_with(typed):
    """And is the word for it."""
    sent = tuple(
        replace(event, frame=Frame(TEXT, other_answer(typed, "no"))) if event.seq == ANSWER else event
        for event in typed.sent
        if isinstance(event, Sent)
    )
    expectation = Expectation(typed.header.id, sent)
    played = replace(typed, events=tuple({event.seq: event for event in (*typed.events, *sent)}.values()))
    expected = Expected(typed, None, expectation, played)
    assert compare(expected, conversation(typed, instead={ANSWER: other_answer(typed, "no")})).passed
    found = compare(expected, conversation(typed))
    assert re.match(r"DEVIATION +different: expected #5 ", found.lines[0])


def left(typed, by):
    """A conversation that ended at the tool call, since somebody left."""
    call_ns = next(event.at_ns for event in typed.events if event.seq == ANSWER - 1)
    events = [event for event in conversation(typed) if event.at_ns <= call_ns]
    end = Closed(2000, call_ns + 1, by)
    return [*events, end, Note(2001, call_ns + 1, "left_early", data={"left": [6, 7, 8]})]


def test_an_app_that_leaves_early_is_told(typed):
    """With what was still to come."""
    found = compare(load_expected(typed), left(typed, "app"))
    assert found.lines[0].startswith("DEVIATION  closed_early: recorded #6 at ")
    assert found.lines[-1] == "verdict    failed: 1 deviation"


def test_an_app_that_was_left_did_not_leave(typed):
    """The verdict says how far it goes."""
    found = compare(load_expected(typed), left(typed, "network"), is_cut_off=True)
    assert found.passed
    assert re.fullmatch("verdict    passed, as far .*", *found.lines)


def test_no_secret_is_told(typed):
    """Neither the app's own key nor what it quotes of it."""
    opened, *rest = conversation(typed, instead={ANSWER: other_answer(typed, f"my key is {SECRET}")})
    asked = replace(opened.handshake, query=(*opened.handshake.query, ("api_key", SECRET)))
    found = compare(load_expected(typed), [replace(opened, handshake=asked), *rest])
    assert not found.passed
    assert SECRET not in "\n".join(found.lines)
