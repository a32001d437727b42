"""Tests of evi_harness.replay.user."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from evi_harness.evi.dialect import EVI
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.protocols import NO_STATUS, Close, Send
from evi_harness.session.session import Session
from evi_harness.strategies import sessions

MS = 1_000_000
HEADER = Header("id", "script", "now", "evi")


def sent(at_ms, kind, **fields):
    """A message that the app sent."""
    return Sent(0, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def audio(at_ms):
    """A block of audio."""
    return Sent(0, at_ms * MS, frame=Frame(BINARY, bytes(200)))


def received(at_ms, kind, **fields):
    """A message that the app received."""
    return Received(0, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


SETTINGS = sent(1, "session_settings", audio={"encoding": "linear16", "sample_rate": 1000, "channels": 1})
EVENTS = (
    SETTINGS,
    received(10, "chat_metadata"),
    sent(30, "user_input", text="one"),
    audio(100),
    received(120, "tool_call", tool_call_id="c"),
    sent(150, "tool_response", tool_call_id="c"),
    audio(200),
    received(220, "assistant_end"),
    sent(240, "user_input", text="two"),
    Closed(0, 400 * MS, by="app", code=4000, reason="bye"),
)


def session_of(*events):
    """A session of these events, opened at 0, with seqs in their order."""
    return Session(HEADER, tuple(replace(event, seq=seq) for seq, event in enumerate([Opened(0, 0), *events])))


SESSION = session_of(*EVENTS)


def user_of(session=SESSION, only_microphone=False, closes=True):
    """The user of a recording."""
    return RecordedUser(session, EVI, only_microphone=only_microphone, closes=closes)


def told(actions):
    """Seqs of what is sent, and closes as they are."""
    return [action.recorded_seq if isinstance(action, Send) else action for action in actions]


def came(user, seq, at_ms):
    """Let the user receive what was recorded under a seq."""
    user.take(replace(SESSION.events[seq], seq=99), at_ms * MS)


def test_audio_and_its_format_go_by_the_clock():
    """They wait for nothing that is received."""
    user = user_of()
    assert user.next_at_ns() == 1 * MS
    assert told(user.due(1 * MS)) == [1]
    assert user.next_at_ns() == 100 * MS
    assert told(user.due(10_000 * MS)) == [4, 7]
    assert user.next_at_ns() is None


def test_an_answer_goes_out_as_long_after_its_prompt_as_it_did():
    """What was prompted later goes out later by as much, and says when it was due."""
    user = user_of()
    came(user, 2, 1010)
    assert told(user.due(1029 * MS)) == [1, 4, 7]
    assert user.next_at_ns() == 1030 * MS
    assert [(action.recorded_seq, action.due_ns) for action in user.due(1030 * MS)] == [(3, 1030 * MS)]


def test_what_never_comes_prompts_nothing_and_keeps_nothing_waiting():
    """Where a later event came, what the one left out would have prompted is left out too."""
    user = user_of()
    came(user, 2, 10)
    came(user, 8, 220)
    assert told(user.due(1000 * MS)) == [1, 3, 4, 7, 9, Close(4000, "bye")]


def test_the_last_event_prompts_the_close():
    """Who closes by recording does so as long after the last event as it did; who does not never closes."""
    for closes, expected in ((True, [Close(4000, "bye")]), (False, [])):
        user = user_of(closes=closes)
        for seq, at_ms in ((2, 10), (5, 120), (8, 1220)):
            came(user, seq, at_ms)
        assert told(user.due(1399 * MS)) == [1, 3, 4, 6, 7, 9]
        assert told(user.due(1400 * MS)) == expected


@pytest.mark.parametrize(("code", "told_code"), [(1000, 1000), (4000, 4000), (None, NO_STATUS)])
def test_the_close_has_the_code_that_it_had(code, told_code):
    """One without a code has none either."""
    user = user_of(session_of(Closed(0, 50 * MS, by="app", code=code)))
    assert user.due(50 * MS) == [Close(told_code, "")]


def test_a_microphone_sends_audio_and_its_format_alone():
    """All else is left to the app."""
    user = user_of(only_microphone=True, closes=False)
    for seq in (2, 5, 8):
        came(user, seq, 300)
    assert told(user.due(10_000 * MS)) == [1, 4, 7]


def test_a_frame_that_was_not_recorded_is_no_prompt():
    """What the recording does not have, and what the app itself did, changes nothing."""
    user = user_of()
    user.take(received(5, "made_up"), 5 * MS)
    user.take(Closed(3, 5 * MS), 5 * MS)
    assert told(user.due(99 * MS)) == [1]


def test_equal_frames_are_taken_in_order():
    """The first of two that look alike prompts what the first did."""
    end = received(10, "assistant_end")
    session = session_of(end, sent(20, "user_input", text="one"), replace(end, at_ns=30 * MS), sent(35, "user_input", text="two"))
    user = user_of(session)
    user.take(end, 100 * MS)
    assert told(user.due(1000 * MS)) == [2]
    user.take(end, 2000 * MS)
    assert user.next_at_ns() == 2005 * MS


def test_what_was_not_sent_is_not_sent():
    """A send that failed is left out, and a close by the service is not the app's to repeat."""
    session = session_of(replace(SETTINGS, outcome="failed"), Closed(0, 50 * MS, by="service"))
    assert user_of(session).next_at_ns() is None


@given(sessions())
def test_all_that_was_sent_goes_out_once(session):
    """Received on time, everything goes out at its recorded time, in the recorded order."""
    user = user_of(session, closes=False)
    out = []
    for event in session.events:
        out += [(event.at_ns, action) for action in user.due(event.at_ns)]
        user.take(event, event.at_ns)
    assert [(at_ns, action.due_ns, action.frame) for at_ns, action in out] == [(one.at_ns, one.at_ns, one.frame) for one in session.sent]
