"""Whole replays through the unmodified SDK in virtual time: what must hold for any session, and for ten minutes of one."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import HealthCheck, given, settings

from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Closed, Received, Sent
from evi_harness.session.protocols import Message
from evi_harness.session.session import Session
from evi_harness.strategies import sessions

SECOND = 1_000_000_000
ROOT = Path(__file__).parent.parent


def made(name: str) -> ModuleType:
    """A module of fixtures/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "fixtures" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recorded_times(result: ReplayResult) -> Dict[int, int]:
    """Live time of each received event, by the seq of the recorded one that it repeats."""
    live = {event.seq: event.at_ns for event in result.session.received}
    return {note.data["recorded_seq"]: live[note.of] for note in result.session.notes if note.name == "due" and note.of is not None}


@given(session=sessions())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_recording_meets_itself(session: Session) -> None:
    """Over the wire, too, the null test has no deviation, and every received event comes exactly at its recorded time."""
    result = replay_session(session, handler="recorded")
    assert result.passed, "\n".join(result.lines())
    assert recorded_times(result) == {event.seq: event.at_ns for event in session.received}
    assert result.session.closed is not None
    assert session.closed is not None
    assert (result.session.closed.by, result.session.closed.at_ns) == (session.closed.by, session.closed.at_ns)
    assert [event.frame for event in result.session.sent] == [event.frame for event in session.sent]


@given(session=sessions())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_the_sdk_takes_any_conformant_session(session: Session) -> None:
    """The built-in handler, behind the SDK's own parser, gets every message of any conformant session."""
    result = replay_session(session, write=lambda _: None)
    assert result.passed, "\n".join(result.lines())
    entered = [note.of for note in result.session.notes if note.name == "handler_entered" and note.data["callback"] == "on_message"]
    assert entered == [event.seq for event in result.session.received]


class Answering:
    """Answers the tool calls of the made ten minutes as they were answered, one of them later."""

    def __init__(self, late: Optional[str] = None) -> None:
        self.late = late
        self.socket: Any = None
        self.tasks: List[Any] = []

    def set_socket(self, socket: Any) -> None:
        """Keep the connection."""
        self.socket = socket

    async def on_message(self, message: Any) -> None:
        """Answer a tool call in a task of its own, so that the reading goes on."""
        if message.type == "tool_call":
            self.tasks.append(asyncio.ensure_future(self.answer(message)))

    async def answer(self, call: Any) -> None:
        """Answer after 80 ms; two seconds later where told so."""
        await asyncio.sleep(0.08 + (2 if call.tool_call_id == self.late else 0))
        content = json.dumps({"found": json.loads(call.parameters)["number"]})
        answer = {"tool_call_id": call.tool_call_id, "content": content, "type": "tool_response"}
        await self.socket._send(answer)


@pytest.mark.slow
def test_ten_minutes_twice() -> None:
    """Ten minutes of conversation pass through the SDK, and a second run is the same to the byte."""
    session = made("ten_minutes").ten_minutes()
    assert session.duration_ns > 600 * SECOND
    result = replay_session(session, handler=Answering, twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()
    assert recorded_times(result) == {event.seq: event.at_ns for event in session.received}


def test_a_late_answer_moves_what_it_caused_and_no_more() -> None:
    """A tool call answered two seconds late brings the rest of its reply exactly two seconds late, and later turns at their own time."""
    session = made("ten_minutes").ten_minutes(12)
    result = replay_session(session, handler=Answering("call-5"))
    assert result.passed, "\n".join(result.lines())
    answer = next(event.seq for event in session.sent if tells(event).fields.get("tool_call_id") == "call-5")
    caused = {seq for seq, cause in EVI.causes(session.events).items() if cause.seq == answer}
    assert len(caused) == 10
    late = {seq: at_ns - recorded_at(session, seq) for seq, at_ns in recorded_times(result).items()}
    assert {late[seq] for seq in caused} == {2 * SECOND}
    assert {late[seq] for seq in late if seq not in caused} == {0}


@pytest.mark.parametrize("n_turns", [6, 12])
def test_no_answer_is_one_deviation_that_names_it(n_turns: int) -> None:
    """An app that never answers gets one deviation for each call, which names the awaited answer, and the rest goes on to the end."""
    session = made("ten_minutes").ten_minutes(n_turns)
    result = replay_session(session, handler=lambda message: None)
    assert result.exit_code == 1
    assert [deviation.kind for deviation in result.verdict.deviations] == ["missing"] * (n_turns // 6)
    first = result.verdict.deviations[0]
    assert "call-5" in first.what
    assert len(first.consequences) == 10
    assert not result.verdict.findings
    came = recorded_times(result)
    lost = {seq for deviation in result.verdict.deviations for seq in deviation.consequences}
    assert set(came) == {event.seq for event in session.received} - lost
    assert isinstance(result.session.closed, Closed)


def tells(event: Sent) -> Message:
    """What a sent frame says."""
    return EVI.read(event.kind, event.frame)


def recorded_at(session: Session, seq: int) -> int:
    """When a received event came in the recording."""
    return next(event.at_ns for event in session.events if event.seq == seq and isinstance(event, Received))
