"""Tests of evi_harness.replay.plan."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given

from evi_harness.evi.dialect import EVI
from evi_harness.replay.pace import Pace, paced
from evi_harness.replay.plan import Plan
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.protocols import OPENED, POSITION, RECEIVED, SENT, Cause
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


def plan_of(*events):
    """The plan of a recording of these events."""
    numbered = [replace(event, seq=seq) for seq, event in enumerate(sorted([Opened(0, 0), *events], key=lambda event: event.at_ns))]
    return Plan.of(Session(HEADER, tuple(numbered)), EVI)


def test_steps_are_what_the_service_did_with_cause_and_delay():
    """Each received event and a close by the service, with what it answered and how long after."""
    plan = plan_of(
        sent(1, "session_settings", audio={"encoding": "linear16", "sample_rate": 1000, "channels": 1}),
        received(10, "chat_metadata"),
        audio(100),
        audio(200),
        received(350, "user_message", time={"begin": 0, "end": 150}, from_text=False, interim=False),
        received(400, "tool_call", tool_call_id="c"),
        sent(500, "tool_response", tool_call_id="c"),
        received(620, "assistant_end"),
        received(630, "error"),
        Closed(0, 700 * MS, by="service"),
    )
    assert [(step.event.seq, step.cause, step.delay_ns // MS) for step in plan.steps] == [
        (2, Cause(OPENED), 10),
        (5, Cause(POSITION, position_ns=150 * MS), 150),
        (6, Cause(POSITION, position_ns=150 * MS), 200),
        (8, Cause(SENT, seq=7), 120),
        (9, Cause(RECEIVED, seq=8), 10),
        (10, Cause(RECEIVED, seq=9), 70),
    ]
    assert ([*plan.messages], plan.awaited) == ([1, 7], (7,))


@pytest.mark.parametrize(
    ("speed", "expected_us"), [(Fraction(1), 180_000), (Fraction(2), 90_000), (Fraction(4), 45_000), (Fraction(1, 2), 360_000)]
)
def test_what_is_a_gap_is_one_at_every_speed(session_of, speed, expected_us):
    """A position at which nothing was sent for 80 ms of the recording is where the sending went on; one within 40 ms is itself."""
    end_of = {150: expected_us, 290: int(290_000 / speed)}
    for end_ms, position_us in end_of.items():
        session = session_of(
            [
                ("sent", 1, {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}),
                *(("sent", at_ms, bytes(200)) for at_ms in (1000, 1180, 1320)),
                ("received", 1400, {"type": "user_message", "time": {"begin": 0, "end": end_ms}, "from_text": False}),
            ]
        )
        (step,) = Plan.of(paced(PlayedRecording.of(session, EVI), EVI, Pace(speed)), EVI).steps
        assert abs(step.cause.position_ns - position_us * 1000) <= 5


def test_the_prompts_are_those_of_the_recording():
    """What each sent event answered, by seq."""
    plan = plan_of(sent(1, "user_input", text="x"), received(10, "chat_metadata"), sent(20, "pause_assistant_message"))
    assert plan.prompts == {1: Cause(OPENED), 3: Cause(RECEIVED, seq=2)}


def test_a_close_by_the_app_is_no_step():
    """The service waits for it and does not do it."""
    plan = plan_of(received(10, "chat_metadata"), Closed(0, 20 * MS, by="app"))
    assert [step.event.seq for step in plan.steps] == [1]
    assert plan.close.at_ns == 20 * MS


def test_what_is_awaited():
    """What EVI answers, and settings that were echoed; a pause and settings without an echo are not."""
    plan = plan_of(
        sent(1, "session_settings", system_prompt="a"),
        received(2, "session_settings", system_prompt="a"),
        sent(3, "session_settings", system_prompt="b"),
        sent(4, "pause_assistant_message"),
        sent(5, "user_input", text="x"),
        sent(6, "made_up"),
    )
    assert plan.awaited == (1, 5)


def test_what_failed_to_be_sent_caused_nothing():
    """A send that failed or was cancelled is neither message nor audio; what came then has another cause."""
    failed = [replace(sent(5, "user_input", text="x"), outcome="failed"), replace(audio(6), outcome="cancelled")]
    plan = plan_of(*failed, received(9, "user_message", from_text=True), received(10, "user_interruption"))
    assert plan.messages == {}
    assert plan.positions.first_at_ns is None
    assert {step.cause for step in plan.steps} == {Cause(OPENED)}


def test_an_empty_session_has_an_empty_plan():
    """Nothing is done, nothing awaited, and the end is not known."""
    plan = Plan.of(Session(HEADER, ()), EVI)
    assert (plan.steps, plan.messages, plan.awaited, plan.close) == ((), {}, (), None)


@given(sessions())
def test_causes_lie_before_what_they_caused(session):
    """No delay is negative, every received event is a step, and what is awaited was sent."""
    plan = Plan.of(session, EVI)
    assert all(step.delay_ns >= 0 for step in plan.steps)
    assert [step.event for step in plan.steps if isinstance(step.event, Received)] == [*session.received]
    assert {step.cause.seq for step in plan.steps if step.cause.kind == SENT} <= {*plan.awaited} <= {*plan.messages}
