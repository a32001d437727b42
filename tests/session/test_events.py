"""Tests of evi_harness.session.events."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from evi_harness.session.events import BINARY, NOTHING, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent, Unknown, order

EVENTS = [Opened(0, 0), Sent(1, 5), Received(2, 6), Closed(3, 7), Note(4, 8), Unknown(5, 9)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_is_frozen(event):
    """Nobody can change an event; two with the same content are equal, and each has its own kind."""
    with pytest.raises(FrozenInstanceError):
        event.at_ns = 1
    assert event == type(event)(event.seq, event.at_ns)
    assert [other.kind for other in EVENTS].count(event.kind) == 1


def test_order_is_time_then_seq():
    """What was sent first stands first, even where its line was written last."""
    events = [Sent(3, 10), Received(1, 20), Received(2, 10)]
    assert [event.seq for event in sorted(events, key=order)] == [2, 3, 1]


def test_unknown_fields_do_not_make_two_events_differ():
    """What a later version wrote beside an event is kept and not compared."""
    assert Sent(1, 2, extra={"new": 1}) == Sent(1, 2)
    assert Note(1, 2, data={"a": 1}) != Note(1, 2)


def test_a_frame_is_its_opcode_and_its_bytes():
    """Frames are equal where both are; the outline of a frame in memory is its payload."""
    frame = Frame(TEXT, b"{}")
    assert frame == Frame(TEXT, b"{}")
    assert hash(frame) == hash(Frame(TEXT, b"{}"))
    assert frame != Frame(BINARY, b"{}")
    assert frame != Frame(TEXT, b"{ }")
    assert frame != b"{}"
    assert (frame.size, frame.outline, frame.is_text) == (2, b"{}", True)
    assert not Frame(BINARY, b"").is_text


def test_a_frame_does_not_show_what_is_in_it():
    """The form for people says how long a frame is, and nothing that could be a secret."""
    assert repr(Frame(TEXT, b"secret")) == "<Frame text 6 bytes>"


def test_nothing_is_a_mapping_with_nothing_in_it():
    """The default of all mappings is empty, hashable and shared."""
    assert dict(NOTHING) == {}
    assert NOTHING.get("a") is None
    with pytest.raises(KeyError):
        NOTHING["a"]
    assert hash(NOTHING) == hash(Note(0, 0).data)


def test_a_handshake_keeps_the_order_of_its_query():
    """Names may stand twice, and their order counts."""
    assert Handshake("/", (("a", "1"), ("a", "2"))) != Handshake("/", (("a", "2"), ("a", "1")))
