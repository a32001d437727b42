"""Tests of evi_harness.session.session."""

from __future__ import annotations

from evi_harness.session.events import Closed, Handshake, Note, Opened, Received, Sent, order
from evi_harness.session.header import Header
from evi_harness.session.notes import DUE, UNMET, DueFacts
from evi_harness.session.session import Session

HEADER = Header("id", "script", "now", "evi")


def test_events_by_kind():
    """Each kind is found, in time, and the duration is the time of the last event."""
    events = (Opened(0, 0, handshake=Handshake("/chat")), Sent(1, 5), Received(2, 7), Note(3, 7), Sent(4, 9), Closed(5, 12))
    session = Session(HEADER, events)
    assert session.opened == events[0]
    assert session.handshake == Handshake("/chat")
    assert session.sent == (events[1], events[4])
    assert session.received == (events[2],)
    assert session.notes == (events[3],)
    assert session.closed == events[5]
    assert session.duration_ns == 12


def test_an_empty_session_has_nothing():
    """A session that was cut before its first event is a session still."""
    session = Session(HEADER, ())
    assert (session.opened, session.handshake, session.closed, session.duration_ns) == (None, None, None, 0)
    assert session.sent == session.received == session.notes == ()


def test_notes_are_found_by_their_kind():
    """In time, and read once; a note that lacks a fact is there and says nothing."""
    damaged, late, early = Note(1, 5, "due", 3, {}), DUE.make(2, 9, 4, due_ns=8), DUE.make(3, 7, 5, due_ns=6)
    session = Session(HEADER, tuple(sorted([damaged, late, early, Note(4, 1, "heard")], key=order)))
    assert session.notes_of(DUE) == [damaged, early, late]
    assert session.noted(DUE) == ((early, DueFacts(6)), (late, DueFacts(8)))
    assert session.noted(DUE) is session.noted(DUE)
    assert (list(session.notes_of(UNMET)), session.noted(UNMET)) == ([], ())
