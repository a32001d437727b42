"""One change of one sent message is one deviation, whatever the session and its dialect: player, user and verdict together.

The app is the recorded user with one message changed: it answers what it receives, and so says less where it is not answered.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Callable, Dict, NamedTuple, Optional

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.realtime_strategies import realtime_sessions
from evi_harness.replay.judging.verdict import judge
from evi_harness.replay.player import Player
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import TEXT, Closed, Frame, Note, order
from evi_harness.strategies import sessions


class Spoken(NamedTuple):
    """A dialect, how sessions in it are drawn, and the field of a tool's answer that says which call it answers."""

    dialect: Any
    sessions: Callable[..., Any]
    call_id: str

    def answering(self, frame):
        """What a tool's answer says, addressed to another call."""
        *around, name = self.call_id.split(".")
        fields = json.loads(frame.payload)
        (fields[around[0]] if around else fields)[name] = "another"
        return Frame(TEXT, json.dumps(fields).encode())


SPOKEN = (Spoken(EVI, sessions, "tool_call_id"), Spoken(OPENAI_REALTIME, realtime_sessions, "item.call_id"))
in_each_dialect = pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.dialect.name)


def messages(session, dialect):
    """What was sent but for audio."""
    audio = session.audio(dialect)
    return [event for event in session.sent if event.seq not in audio.frames]


def says(event, dialect):
    """What of a message is compared."""
    return dialect.must_equal(dialect.read(event.kind, event.frame))


def with_field(event, **fields):
    """What a message says, with other fields."""
    return Frame(TEXT, json.dumps({**json.loads(event.frame.payload), **fields}).encode())


def deviations(converse, session, dialect, changes: Dict[int, Optional[Frame]]):
    """What is found where an app sends other frames in place of some, or None in place of one."""
    return replayed(converse, session, dialect, changes)[0].deviations


def replayed(converse, session, dialect, changes: Dict[int, Optional[Frame]], twice: Optional[int] = None):
    """The verdict where an app sends other frames, or one of its messages twice, and what it sent, by seq."""
    changed = (event if event.seq not in changes else replace(event, frame=changes[event.seq]) for event in session.events)
    events = [event for event in changed if isinstance(event, (Closed, Note)) or getattr(event, "frame", event) is not None]
    again = [replace(event, seq=len(session.events)) for event in events if event.seq == twice]
    ordered = tuple(sorted([*events, *again], key=order))
    user = RecordedUser(replace(session, events=ordered), dialect, only_microphone=False, closes=True)
    live = converse(Player(session, dialect), user, session).session
    return judge(session, live, dialect), {event.seq: event for event in live.sent}


def one_of(data, items):
    """One of these, if there is any."""
    assume(items)
    return data.draw(st.sampled_from(items))


@in_each_dialect
@given(st.data())
def test_no_change(converse, spoken, data):
    """Sending what was recorded is no deviation."""
    session = data.draw(spoken.sessions())
    assert deviations(converse, session, spoken.dialect, {}) == ()


@in_each_dialect
@given(st.data())
def test_one_message_less(converse, spoken, data):
    """It is missing, though others may say the same."""
    session = data.draw(spoken.sessions())
    gone = one_of(data, messages(session, spoken.dialect))
    (deviation,) = deviations(converse, session, spoken.dialect, {gone.seq: None})
    assert (deviation.kind, deviation.recorded_seq) == ("missing", gone.seq)


@in_each_dialect
@given(st.data())
def test_one_message_twice(converse, spoken, data):
    """It is unexpected, and says what the first said; or what the service refuses, such as a second response while one runs."""
    session = data.draw(spoken.sessions())
    again = one_of(data, messages(session, spoken.dialect))
    verdict, sent = replayed(converse, session, spoken.dialect, {}, twice=again.seq)
    refused = [sent[one.live_seq] for one in verdict.findings if one.kind == "rejected"]
    if not verdict.deviations:
        assert [says(event, spoken.dialect) for event in refused][:1] == [says(again, spoken.dialect)]
        return
    (deviation,) = verdict.deviations
    assert (deviation.kind, deviation.recorded_seq, deviation.differences) == ("unexpected", None, ())
    nearest = next(event for event in session.sent if event.seq == deviation.nearest_seq)
    assert says(nearest, spoken.dialect) == says(again, spoken.dialect)


@in_each_dialect
@given(st.data())
def test_one_message_altered(converse, spoken, data):
    """It is different, in that field."""
    session = data.draw(spoken.sessions())
    altered = one_of(data, messages(session, spoken.dialect))
    (deviation,) = deviations(converse, session, spoken.dialect, {altered.seq: with_field(altered, zzz=1)})
    assert (deviation.kind, deviation.recorded_seq, [one.path for one in deviation.differences]) == ("different", altered.seq, ["$.zzz"])


@in_each_dialect
@given(st.data())
def test_an_answer_to_another_call(converse, spoken, data):
    """It is different in whom it answers; the service waited for the right one in vain, and what hung on it stands under it."""
    session, dialect = data.draw(spoken.sessions()), spoken.dialect
    read = ((event, dialect.read(event.kind, event.frame)) for event in messages(session, dialect))
    answer = one_of(data, [event for event, message in read if dialect.family(message) == "tool_answer"])
    (deviation,) = deviations(converse, session, dialect, {answer.seq: spoken.answering(answer.frame)})
    assert (deviation.kind, deviation.recorded_seq) == ("different", answer.seq)
    assert [one.path for one in deviation.differences] == [f"$.{spoken.call_id}"]
    answered = {seq for seq, cause in dialect.causes(session.events).items() if cause.seq == answer.seq}
    assert answered <= {*deviation.consequences}


@in_each_dialect
@given(st.data())
def test_two_messages_exchanged(converse, spoken, data):
    """One is out of order; where the app would be answered before it sends the second, it waits for ever, and that one is missing.

    The microphone's own message goes by the clock: an app that is answered earlier may have closed before it is sent.
    """
    session, dialect = data.draw(spoken.sessions()), spoken.dialect
    said = messages(session, dialect)
    neighbours = [(one, other) for one, other in zip(said, said[1:]) if says(one, dialect) != says(other, dialect)]
    first, second = one_of(data, neighbours)
    (deviation,) = deviations(converse, session, dialect, {first.seq: second.frame, second.seq: first.frame})
    awaited = {event.seq for event in (first, second) if deviation.recorded_seq == event.seq}
    between = [event for event in session.received if first.at_ns < event.at_ns < second.at_ns]
    named = next(event for event in session.sent if event.seq == deviation.recorded_seq)
    may_leave_before = session.closed.by == "app" and dialect.sets_audio(dialect.read("sent", named.frame))
    may_be_missing = awaited and (between or may_leave_before)
    assert deviation.kind == "out_of_order" or (deviation.kind == "missing" and may_be_missing)
    assert says(named, dialect) in (says(first, dialect), says(second, dialect))
