"""One change of one sent message is one deviation, whatever the session: player, user and verdict together.

The app is the recorded user with one message changed: it answers what it receives, and so says less where it is not answered.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Dict, Optional

from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.verdict import judge
from evi_harness.replay.player import Player
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import TEXT, Closed, Frame, Note
from evi_harness.strategies import sessions


def messages(session):
    """What was sent but for audio: here all audio is binary."""
    return [event for event in session.sent if event.frame.is_text]


def with_field(event, **fields):
    """What a message says, with other fields."""
    return Frame(TEXT, json.dumps({**json.loads(event.frame.payload), **fields}).encode())


def deviations(converse, session, changes: Dict[int, Optional[Frame]]):
    """What is found where an app sends other frames in place of some, or None in place of one."""
    changed = (event if event.seq not in changes else replace(event, frame=changes[event.seq]) for event in session.events)
    events = tuple(event for event in changed if isinstance(event, (Closed, Note)) or getattr(event, "frame", event) is not None)
    user = RecordedUser(replace(session, events=events), EVI, only_microphone=False, closes=True)
    return judge(session, converse(Player(session, EVI), user, session).session, EVI).deviations


def one_of(data, items):
    """One of these, if there is any."""
    assume(items)
    return data.draw(st.sampled_from(items))


@given(sessions())
def test_no_change(converse, session):
    """Sending what was recorded is no deviation."""
    assert deviations(converse, session, {}) == ()


@given(sessions(), st.data())
def test_one_message_less(converse, session, data):
    """It is missing, though others may say the same."""
    gone = one_of(data, messages(session))
    (deviation,) = deviations(converse, session, {gone.seq: None})
    assert (deviation.kind, deviation.recorded_seq) == ("missing", gone.seq)


@given(sessions(), st.data())
def test_one_message_altered(converse, session, data):
    """It is different, in that field."""
    altered = one_of(data, messages(session))
    (deviation,) = deviations(converse, session, {altered.seq: with_field(altered, zzz=1)})
    assert (deviation.kind, deviation.recorded_seq, [one.path for one in deviation.differences]) == ("different", altered.seq, ["$.zzz"])


@given(sessions(), st.data())
def test_an_answer_to_another_call(converse, session, data):
    """It is different in whom it answers; the service waited for the right one in vain, and what hung on it stands under it."""
    answer = one_of(data, [event for event in messages(session) if b"tool_call_id" in event.frame.payload])
    (deviation,) = deviations(converse, session, {answer.seq: with_field(answer, tool_call_id="another")})
    assert (deviation.kind, deviation.recorded_seq) == ("different", answer.seq)
    assert [one.path for one in deviation.differences] == ["$.tool_call_id"]
    answered = {seq for seq, cause in EVI.causes(session.events).items() if cause.seq == answer.seq}
    assert answered <= {*deviation.consequences}


@given(sessions(), st.data())
def test_two_messages_exchanged(converse, session, data):
    """One is out of order; where the app would be answered before it sends the second, it waits for ever, and that one is missing.

    The microphone's own message goes by the clock: an app that is answered earlier may have closed before it is sent.
    """
    said = messages(session)
    first, second = one_of(data, [(one, other) for one, other in zip(said, said[1:]) if one.frame != other.frame])
    (deviation,) = deviations(converse, session, {first.seq: second.frame, second.seq: first.frame})
    awaited = {event.seq for event in (first, second) if deviation.recorded_seq == event.seq}
    between = [event for event in session.received if first.at_ns < event.at_ns < second.at_ns]
    named = next(event.frame for event in session.sent if event.seq == deviation.recorded_seq)
    may_leave_before = session.closed.by == "app" and EVI.sets_audio(EVI.read("sent", named))
    may_be_missing = awaited and (between or may_leave_before)
    assert deviation.kind == "out_of_order" or (deviation.kind == "missing" and may_be_missing)
    assert named in (first.frame, second.frame)
