from __future__ import annotations

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.session.events import TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.session.notes import CLOSED_BY_GRACE, DUE, END_UNKNOWN


class Clock:
    def __init__(self) -> None:
        self.time_ns = 500

    def now_ns(self) -> int:
        return self.time_ns

    def call_at_ns(self, at_ns, call):
        raise AssertionError("a journal sets no timer")


HANDSHAKE = Handshake("/chat", (("a", "b"),))
FRAME = Frame(TEXT, b"{}")


def test_events_are_numbered_and_stamped_from_the_opening_on():
    """Each event gets the next seq and the time since the opening."""
    clock = Clock()
    journal = Journal(clock)
    journal.opened(HANDSHAKE)
    clock.time_ns += 10
    journal.sent(FRAME, took_ns=3, outcome="failed")
    clock.time_ns += 10
    journal.received(FRAME)
    journal.note(DUE, of=2, due_ns=20)
    clock.time_ns += 1
    journal.closed("service", 1000, "bye")
    assert journal.events == [
        Opened(0, 0, HANDSHAKE),
        Sent(1, 10, FRAME, 3, "failed"),
        Received(2, 20, FRAME),
        Note(3, 20, "due", 2, {"due_ns": 20}),
        Closed(4, 21, "service", 1000, "bye"),
    ]
    assert journal.now_ns == 21


def test_notes_from_before_the_opening_stand_behind_it():
    """The opening has seq 0 whatever was noted before; the sink gets the events by seq and never before the opening."""
    clock = Clock()
    written = []
    journal = Journal(clock, written.append)
    journal.note(CLOSED_BY_GRACE)
    clock.time_ns += 10
    assert (journal.now_ns, written) == (0, [])
    journal.opened(HANDSHAKE)
    journal.note(END_UNKNOWN)
    assert [(event.kind, event.seq, event.at_ns) for event in written] == [("opened", 0, 0), ("note", 1, 0), ("note", 2, 0)]
    assert written == journal.events


def test_a_journal_holds_one_session():
    """A second opening is refused."""
    journal = Journal(Clock())
    journal.opened(HANDSHAKE)
    with pytest.raises(ValueError, match="one session"):
        journal.opened(HANDSHAKE)


def test_a_journal_goes_on_from_events_that_are_there():
    """Numbers and times go on from theirs; where there are none, as from the start."""
    clock = Clock()
    events = [Opened(0, 0, HANDSHAKE), Received(7, 20, FRAME)]
    journal = Journal.of(events, 400, clock)
    note = journal.note(DUE, of=7, due_ns=20)
    assert (note.seq, note.at_ns) == (8, 100)
    assert journal.events is events
    assert events[-1] == note
    assert Journal.of([], None, clock).note(DUE, due_ns=1).at_ns == 0
