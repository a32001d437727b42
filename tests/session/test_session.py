"""Tests of evi_harness.session.session."""

from __future__ import annotations

from evi_harness.session.events import Closed, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Header
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
