"""The public strategy of sessions of the Realtime protocol draws what it promises, and the dialect finds in them what was acted out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from evi_harness.acts.replay import replay_session
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as DIALECT
from evi_harness.openai_realtime.realtime_messages import CLIENT, SERVER
from evi_harness.realtime_strategies import realtime_sessions
from evi_harness.session.events import Closed, Opened, Sent, order


def fields(event):
    """What an event says, with today's name of its type."""
    message = DIALECT.read(event.kind, event.frame)
    return {**message.fields, "type": message.type}


def types(events):
    """The types of messages, in time."""
    return [fields(event)["type"] for event in events]


@given(realtime_sessions())
def test_a_session_is_whole(session):
    """Opened first, closed last, seqs in the order of writing, each message one of the protocol's, a header that fits the events."""
    assert list(session.events) == sorted(session.events, key=order)
    assert sorted(event.seq for event in session.events) == list(range(len(session.events)))
    by_seq = sorted(session.events, key=lambda event: event.seq)
    written = [event.at_ns + (event.took_ns or 0 if isinstance(event, Sent) else 0) for event in by_seq]
    assert written == sorted(written)
    assert isinstance(session.events[0], Opened)
    assert isinstance(session.events[-1], Closed)
    assert {*types(session.sent)} <= CLIENT
    assert {*types(session.received)} <= SERVER
    assert types(session.received)[0] == "session.created"
    assert session.header.counts == Counter(event.kind for event in session.events)
    assert (session.header.dialect, session.header.end.at_ns) == ("openai-realtime", session.duration_ns)


@given(realtime_sessions())
def test_causes_are_those_that_were_acted_out(session):
    """An item answers what gave it, a response one request or the user's turn, all of it the same; a refused request begins none."""
    causes, at = DIALECT.causes(session.events), {event.seq: event for event in session.events}
    responses = {}
    for event in session.received:
        told, cause = fields(event), causes[event.seq]
        asked = {} if cause.seq is None else fields(at[cause.seq])
        if "item" in told and told["type"].rpartition(".")[2] in ("added", "created", "done"):
            _about_item(told["item"], cause, asked)
        response = told.get("response_id") or told.get("response", {}).get("id")
        if response is not None and told["type"] != "response.done":
            assert responses.setdefault(response, cause) == cause
    begun = [cause.seq for cause in responses.values() if cause.kind == "sent"]
    assert len(begun) == len({*begun})
    refused = {causes[event.seq].seq for event in session.received if b"already_has_active" in event.frame.payload}
    assert refused == {*DIALECT.rejected(session.events)}
    requests = {event.seq for event in session.sent if fields(event)["type"] == "response.create"}
    assert requests == refused | {*begun} & requests


def _about_item(item, cause, asked):
    content = [part["type"] for part in item.get("content", [])]
    if item["type"] == "function_call_output" or content == ["input_text"]:
        assert {**asked["item"], "id": ""} == {**item, "id": ""}
    elif content == ["input_audio"]:
        assert cause.kind == "position" or asked["type"] == "input_audio_buffer.commit"
    else:
        assert cause.kind == "position" or asked["type"] == "response.create"


@given(realtime_sessions())
def test_truncations_are_within_what_came(session):
    """Of the item that is cut off, no more is heard than came of it."""
    audio = session.audio(DIALECT)
    for seq, (item, heard_ns) in DIALECT.truncations(session.events).items():
        came = [event for event in session.received if event.seq < seq and fields(event).get("item_id") == item]
        assert 0 <= heard_ns <= sum(audio.length_ns(event.seq) or 0 for event in came)


@given(realtime_sessions(audio=True, drops_frames=False))
def test_speech_is_where_the_service_says(session):
    """Each turn that was spoken is one of the dialect's, and no speech ends before it begins."""
    turns = DIALECT.turns(session.events)
    assert types(session.received).count("input_audio_buffer.committed") == sum(
        fields(next(one for one in session.events if one.seq == turn.user))["type"] == "input_audio_buffer.committed"
        for turn in turns
        if turn.user is not None
    )


@given(realtime_sessions(audio=False, closed_by=("network",), max_turns=0))
def test_arguments_are_kept(session):
    """Nothing is spoken, nobody's turn is taken, and the network ends it."""
    assert not {"input_audio_buffer.append", "input_audio_buffer.commit"} & {*types(session.sent)}
    assert all(turn.user is None for turn in DIALECT.turns(session.events) if turn.reply and not turn.user_text)
    assert (session.closed.by, session.closed.code) == ("network", None)


@given(session=realtime_sessions())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_recording_meets_itself_on_the_wire(session):
    """Through a real client in virtual time the null test has no deviation, and every event comes exactly when it was recorded."""
    result = replay_session(session, handler="recorded")
    assert result.passed, "\n".join(result.lines())
    live = {event.seq: event.at_ns for event in result.session.received}
    came = {note.data["recorded_seq"]: live[note.of] for note in result.session.notes if note.name == "due"}
    assert came == {event.seq: event.at_ns for event in session.received}
    assert [event.frame for event in result.session.sent] == [event.frame for event in session.sent]


SEARCH = settings(phases=[Phase.generate], max_examples=20_000, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
SOMETIMES = [
    *("response.function_call_arguments.done", "conversation.item.truncated", "input_audio_buffer.speech_started", "error", "ping"),
    *("conversation.item.input_audio_transcription.completed", "conversation.item.deleted", "input_audio_buffer.cleared"),
    *("response.output_text.done", "conversation.item.created", "rate_limits.updated"),
]


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("name", SOMETIMES)
def test_every_kind_of_message_occurs(name):
    """Each of these is received in some session, and is missing in another."""
    for wanted in (True, False):
        session = find(realtime_sessions(), lambda session, wanted=wanted: (name in types(session.received)) == wanted, settings=SEARCH)
        assert (name in types(session.received)) == wanted
