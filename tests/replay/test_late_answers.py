"""A tool that is slow in a session of the Realtime protocol: what its answer caused comes later by as much, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as DIALECT
from evi_harness.realtime_strategies import realtime_sessions
from evi_harness.replay.judging.verdict import judge
from evi_harness.replay.player import Player
from evi_harness.session.protocols import Send

SECOND = 1_000_000_000


def fields(event):
    """What an event says."""
    return DIALECT.read(event.kind, event.frame).fields


def answers(session):
    """What the app sent as the outputs of tools."""
    return [event for event in session.sent if fields(event).get("item", {}).get("type") == "function_call_output"]


def talk_with(converse, clockwork, session, late):
    """A replay to an app that goes by the clock, and is late with some messages; how much later each received event was due, by its seq."""
    sent = (replace(event, at_ns=event.at_ns + 2 * SECOND * (event.seq in late)) for event in session.sent)
    app = clockwork([(event.at_ns, Send(event.frame, due_ns=event.at_ns)) for event in sent])
    talk = converse(Player(session, DIALECT), app, session)
    at_ns = {event.seq: event.at_ns for event in session.received}
    return talk, {seq: action.due_ns - at_ns[seq] for seq, (_, action) in talk.sends.items()}


@given(realtime_sessions(), st.data())
def test_a_late_answer_moves_what_tells_of_it(converse, clockwork, session, data):
    """The service's word of the item moves. The response, which was asked for in time, comes as soon as the order lets it."""
    late = answers(session)
    assume(late)
    answer = data.draw(st.sampled_from(late))
    talk, moved_ns = talk_with(converse, clockwork, session, {answer.seq})
    call = fields(answer)["item"]["call_id"]
    told = {
        event.seq
        for event in session.received
        if fields(event).get("item", {}).get("call_id") == call and fields(event)["item"]["type"] == "function_call_output"
    }
    assert told
    follows = {seq for seq, cause in DIALECT.causes(session.events).items() if cause.kind == "received"}
    # What follows what came before it is due by when that came.
    assert {seq: ns for seq, ns in moved_ns.items() if ns and seq not in follows} == dict.fromkeys(told, 2 * SECOND)
    came_ns = 0
    for event in session.received:
        came_ns = max(came_ns, event.at_ns + moved_ns[event.seq])
        assert talk.sends[event.seq][0] == came_ns
    overtaken = {event.seq for event in session.sent if answer.at_ns < event.at_ns < answer.at_ns + 2 * SECOND} - appended(session)
    assert [one.kind for one in judge(session, talk.session, DIALECT).deviations] == ["out_of_order"] * bool(overtaken)


def appended(session):
    """The seqs of the user's audio."""
    return {*session.audio(DIALECT).frames}
