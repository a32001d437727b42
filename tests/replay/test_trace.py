"""Tests of evi_harness.replay.trace."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.trace import first_difference, trace
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.strategies import sessions

EVENTS = [
    Opened(0, 0, handshake=Handshake("/chat", (("a", "1"),))),
    Sent(1, 5, frame=Frame(TEXT, b"{}")),
    Received(2, 6, frame=Frame(BINARY, b"\x00")),
    Note(3, 7, name="due", of=2, data={"due_ns": 6}),
    Closed(4, 8, by="app", code=1000, reason="bye"),
]

# One event changed in what two runs must agree in.
CHANGES = {
    "time": (1, {"at_ns": 4}),
    "order": (1, {"seq": 9}),
    "path": (0, {"handshake": Handshake("/other", (("a", "1"),))}),
    "query": (0, {"handshake": Handshake("/chat", (("a", "2"),))}),
    "payload": (1, {"frame": Frame(TEXT, b"{ }")}),
    "opcode": (2, {"frame": Frame(TEXT, b"\x00")}),
    "note": (3, {"name": "other"}),
    "of": (3, {"of": 1}),
    "data": (3, {"data": {"due_ns": 7}}),
    "by": (4, {"by": "service"}),
    "code": (4, {"code": 1001}),
    "reason": (4, {"reason": ""}),
}


@pytest.mark.parametrize(("index", "change"), CHANGES.values(), ids=CHANGES)
def test_what_differs_is_told(index, change):
    """Each thing in which two runs must agree shows in its line, and in no other."""
    other = [*EVENTS]
    other[index] = replace(EVENTS[index], **change)
    assert first_difference(EVENTS, other) == (trace(EVENTS)[index], trace(other)[index])


def test_samples_are_left_out():
    """What depends on the machine is not compared."""
    sample = Note(5, 9, name="cpu", data={"sample": True, "ms": 1.5})
    assert trace([*EVENTS, sample]) == trace(EVENTS)
    assert first_difference([sample, *EVENTS], EVENTS) is None


def test_a_sample_moves_nothing_behind_it():
    """One run may have a sample where another has none: what comes after it has the same line, and so has what is said of it."""
    sample = Note(2, 5, name="cpu", data={"sample": True, "ms": 1.5})
    moved = [replace(event, seq=event.seq + 1, **({"of": 3} if isinstance(event, Note) else {})) for event in EVENTS[2:]]
    assert trace([*EVENTS[:2], sample, *moved]) == trace(EVENTS)


def test_a_shorter_run_differs_in_nothing():
    """Where one run has ended, its line is told as nothing."""
    assert first_difference(EVENTS, EVENTS[:-1]) == (trace(EVENTS)[-1], "(nothing)")
    assert first_difference([], []) is None


def test_no_payload_is_in_a_trace():
    """Frames stand in it by digest, so that a trace holds no secret and no audio."""
    lines = trace([Sent(0, 0, frame=Frame(TEXT, b"secret"))])
    assert "secret" not in lines[0]
    assert len(json.loads(lines[0])["sha256"]) == 64


@given(sessions())
def test_a_run_is_identical_to_itself(session):
    """One line an event, each strict JSON, and no difference."""
    lines = trace(session.events)
    assert len(lines) == len(session.events)
    assert [json.loads(line)["seq"] for line in lines] == [event.seq for event in session.events]
    assert first_difference(session.events, session.events) is None


def made_up(identity, of=None):
    """A run in which the app makes up an id, and means an item by one."""
    messages = (
        {"type": "conversation.item.create", "item": {"id": identity}},
        {"type": "conversation.item.delete", "item_id": of or identity},
    )
    return [Sent(seq, seq, frame=Frame(TEXT, json.dumps(message).encode())) for seq, message in enumerate(messages)]


def test_ids_that_are_made_up_are_no_difference_if_they_mean_the_same():
    """For a dialect that knows them; the line that differs is the one in which they mean something else."""
    one, other = made_up("a"), made_up("x")
    assert first_difference(one, other, OPENAI_REALTIME) is None
    assert first_difference(one, other) == (trace(one)[0], trace(other)[0])
    wrong = made_up("x", of="y")
    found = first_difference(one, wrong, OPENAI_REALTIME)
    assert found is not None
    assert found[1] == trace(wrong)[1]
    # What both have is the same: one of them has sent less.
    assert first_difference(one, other[:1], OPENAI_REALTIME) == (trace(other)[1], "(nothing)")
