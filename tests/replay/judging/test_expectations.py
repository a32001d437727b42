"""Tests of evi_harness.replay.judging.expectations: what an app sends is accepted, and the next replay expects it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.expectations import expectation_of, expecting, misplaced, obstacle
from evi_harness.replay.judging.findings import WARNING, Finding
from evi_harness.replay.judging.verdict import Verdict, judge
from evi_harness.replay.player import Player
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent, order
from evi_harness.session.expectation import Expectation
from evi_harness.session.header import Header, Recorded
from evi_harness.session.protocols import Send
from evi_harness.session.session import Session
from evi_harness.strategies import sessions

MS = 1_000_000
HEADER = Header("id", "script", "now", "evi")


def text(**fields):
    """A text frame."""
    return Frame(TEXT, json.dumps(fields).encode())


def say(at_ms, words):
    """A text of the user."""
    return Sent(0, at_ms * MS, frame=text(type="user_input", text=words))


def pause(at_ms):
    """A message that nobody answers."""
    return Sent(0, at_ms * MS, frame=text(type="pause_assistant_message"))


def come(at_ms, kind="assistant_end"):
    """A message that the app received."""
    return Received(0, at_ms * MS, frame=text(type=kind))


def due(at_ms, of, recorded_seq):
    """The note on a received event that repeats a recorded one."""
    return Note(0, at_ms * MS, name="due", of=of, data={"due_ns": 0, "recorded_seq": recorded_seq})


def session_of(*events, **header):
    """A session of these events, opened at 0, with seqs in their order."""
    return Session(replace(HEADER, **header), tuple(replace(event, seq=seq) for seq, event in enumerate([Opened(0, 0), *events])))


def places(expectation):
    """Seq, milliseconds and words of what is expected."""
    return [(event.seq, event.at_ns / MS, json.loads(event.frame.payload).get("text", "pause")) for event in expectation.sent]


def test_what_was_recorded_needs_no_expectation():
    """The same messages, however late; nothing else is looked at."""
    recorded = session_of(come(1), say(10, "a"), come(20), say(30, "b"))
    live = session_of(come(1), due(1, 1, 1), say(15, "a"), come(25), due(25, 4, 3), say(99, "b"))
    assert expectation_of(recorded, live, EVI) is None
    assert expecting(recorded, None, EVI) is recorded


def test_where_messages_are_put():
    """What stands for a recorded one keeps its place; another stands as long after the received event before it as it was sent."""
    recorded = session_of(come(100), say(110, "a"), come(200), pause(210), say(220, "b"))
    live = session_of(
        *(come(150), due(150, 1, 1), say(158, "new"), say(165, "a")),
        *(come(250), due(250, 5, 3), say(270, "B"), say(275, "one more")),
    )
    assert places(expectation_of(recorded, live, EVI)) == [(6, 108, "new"), (2, 110, "a"), (5, 220, "B"), (7, 225, "one more")]


def test_what_has_no_place_stands_among_its_neighbours():
    """Before the received event and the message that it was sent before, and behind those it was sent after."""
    recorded = session_of(come(100), say(110, "a"), come(200))
    live = session_of(come(100), due(100, 1, 1), say(140, "early"), say(190, "a"), say(390, "late"), come(400), due(400, 6, 3))
    ns = expectation_of(recorded, live, EVI).sent
    assert [(event.seq, event.at_ns) for event in ns] == [(4, 110 * MS - 1), (2, 110 * MS), (5, 200 * MS - 1)]


def test_the_order_is_todays():
    """Of two messages that changed places, one keeps its own."""
    recorded = session_of(say(10, "a"), say(20, "b"))
    live = session_of(say(10, "b"), say(20, "a"))
    expected = expectation_of(recorded, live, EVI)
    assert [words for _, _, words in places(expected)] == ["b", "a"]
    assert [event.seq for event in expecting(recorded, expected, EVI).sent] == [event.seq for event in expected.sent]


def test_all_but_sent_messages_stays():
    """Received events, audio, notes, the opening and what was not got out."""
    kept = (come(1), Sent(0, 2 * MS, frame=Frame(BINARY, b"ab")), Note(0, 3 * MS, "x"), replace(say(4, "lost"), outcome="failed"))
    recorded = session_of(*kept, say(5, "a"), Closed(0, 9 * MS))
    effective = expecting(recorded, Expectation("id", (replace(say(6, "b"), seq=9),)), EVI)
    assert [event for event in effective.events if event.seq != 9] == [event for event in recorded.events if event.seq != 5]
    assert list(effective.events) == sorted(effective.events, key=order)


def test_a_capture_is_given_a_sent_side():
    """Also where the app sends nothing; from then on what is sent is compared."""
    capture = session_of(come(1), recorded=Recorded(sent=False))
    live = session_of(come(1), due(1, 1, 1), say(5, "a"))
    expected = expectation_of(capture, live, EVI)
    assert places(expected) == [(2, 5, "a")]
    assert expectation_of(capture, session_of(come(1), due(1, 1, 1)), EVI).sent == ()
    assert expecting(capture, expected, EVI).header.recorded == Recorded(sent=True)
    assert judge(expecting(capture, expected, EVI), live, EVI).deviations == ()


def test_a_handshake_is_accepted_where_it_is_the_apps():
    """What it asks for, with the recorded headers; the same is not worth a word."""
    recorded = session_of(say(1, "a"))
    recorded = replace(recorded, events=(Opened(0, 0, Handshake("/c", (("v", "1"),), (("h", "x"),))), *recorded.events[1:]))
    live = replace(recorded, events=(Opened(0, 0, Handshake("/c", (("v", "2"),), (("h", "y"),))), *recorded.events[1:]))
    assert expectation_of(recorded, live, EVI) is None
    assert expectation_of(recorded, recorded, EVI, handshake_by_app=True) is None
    expected = expectation_of(recorded, live, EVI, handshake_by_app=True)
    assert expected.handshake == Handshake("/c", (("v", "2"),))
    effective = expecting(recorded, expected, EVI)
    assert effective.handshake == Handshake("/c", (("v", "2"),), (("h", "x"),))
    assert judge(effective, live, EVI, handshake_by_app=True).deviations == ()


def test_what_is_misplaced():
    """An expected message may have the seq of a recorded one, or one of its own, and no other event's."""
    recorded = session_of(come(1), say(2, "a"))
    assert misplaced(recorded, Expectation("id", tuple(replace(say(1, "x"), seq=seq) for seq in (0, 1, 2, 3))), EVI) == [0, 1]


FINDING = Finding("raised", "it raised", 0)
CLEAN = Verdict((), ())

OBSTACLES = {
    "nothing": (CLEAN, [], None),
    "a deviation": (Verdict((Deviation("different", "x"),), ()), [], None),
    "a finding": (Verdict((), (FINDING,)), [], r"a finding \(raised\)"),
    "a warning": (Verdict((), (replace(FINDING, severity=WARNING),)), [], None),
    "stuck": (CLEAN, [Note(0, 1, "stuck", data={"what": "x"})], "stuck"),
    "left early": (CLEAN, [Note(0, 1, "left_early", data={"left": []})], "closed .*early"),
    "given up with what hung on it": (CLEAN, [Note(0, 1, "unmet", data={"awaited": 7, "skipped": [8]})], "#7 was waited for"),
    "given up and nothing hung on it": (CLEAN, [Note(0, 1, "unmet", data={"awaited": 7, "skipped": []})], None),
}


@pytest.mark.parametrize("case", OBSTACLES)
def test_what_keeps_a_replay_from_being_accepted(case):
    """Whatever may have kept the app from sending all that it would."""
    verdict, notes, told = OBSTACLES[case]
    why = obstacle(verdict, session_of(*notes))
    assert (why is None) if told is None else re.search(told, why)


@st.composite
def changed(draw):
    """A session, and one whose app sends something else: less, more, other words, another order."""
    session = draw(sessions())
    audio = session.audio(EVI)
    own = [event for event in session.sent if event.outcome == "sent" and event not in audio]
    assume(own)
    events = list(session.events)
    for _ in range(draw(st.integers(1, 3))):
        one = draw(st.sampled_from(own))
        kind = draw(st.sampled_from(["removed", "altered", "added", "moved"]))
        fields = json.loads(one.frame.payload)
        if kind in ("removed", "moved", "altered"):
            events = [event for event in events if event.seq != one.seq]
        if kind != "removed":
            shift_ns = draw(st.integers(-300, 300)) * MS if kind != "altered" else 0
            frame = one.frame if kind == "moved" else text(**{**fields, "zzz": draw(st.integers(0, 2))})
            seq = one.seq if kind != "added" else len(session.events) + len(events)
            events = [*events, Sent(seq, max(1, one.at_ns + shift_ns), frame)]
    return session, replace(session, events=tuple(sorted(events, key=order)))


def by_the_clock(session):
    """What an app that goes by the clock alone does: everything of a session."""
    return [(event.at_ns, Send(event.frame, due_ns=event.at_ns)) for event in session.sent if event.outcome == "sent"]


@given(changed())
def test_what_was_accepted_is_what_the_next_replay_expects(converse, clockwork, sides):
    """By an app that goes by the clock alone: it deviates before, and not from its own expectation; then there is nothing to update."""
    session, other = sides
    live = converse(Player(session, EVI), clockwork(by_the_clock(other)), session).session
    verdict = judge(session, live, EVI)
    assume(obstacle(Verdict(verdict.deviations, ()), live) is None)
    expected = expectation_of(session, live, EVI)
    effective = expecting(session, expected, EVI)
    assert judge(effective, live, EVI).deviations == ()
    assert [event for event in effective.events if not isinstance(event, Sent)] == [
        event for event in session.events if not isinstance(event, Sent)
    ]
    again = converse(Player(effective, EVI), clockwork(by_the_clock(other)), session).session
    assert judge(effective, again, EVI).deviations == ()
    # What hung on a message that was given up was played before, and is now.
    assert len(again.received) == len(session.received)


@given(changed())
def test_the_expected_user_meets_itself(converse, sides):
    """Acted out as what was expected of it, each message on what prompted it, the app does what is expected."""
    session, other = sides
    live = converse(Player(session, EVI), RecordedUser(other, EVI, only_microphone=False, closes=False), session).session
    assume(obstacle(Verdict(judge(session, live, EVI).deviations, ()), live) is None)
    effective = expecting(session, expectation_of(session, live, EVI), EVI)
    assert judge(effective, live, EVI).deviations == ()
    null = converse(Player(effective, EVI), RecordedUser(effective, EVI, only_microphone=False, closes=True), effective).session
    assert judge(effective, null, EVI).deviations == ()


def test_what_was_sent_behind_the_close_stands_before_it():
    """An app that stays longer sends it while the connection is there."""
    recorded = session_of(come(1), Closed(0, 10 * MS))
    live = session_of(come(1), due(1, 1, 1), say(500, "a"))
    assert [event.at_ns for event in expectation_of(recorded, live, EVI).sent] == [10 * MS - 1]
