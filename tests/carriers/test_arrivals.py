from __future__ import annotations

import pytest

from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.session.events import TEXT, Frame, Handshake
from evi_harness.session.notes import DUE, HANDLER_ENTERED


def test_messages_are_taken_in_the_order_of_sending():
    """Whatever else a connection's journal gets between them; equal ones too are told apart."""
    arrivals = Arrivals()
    journal = Journal(RealClock(), arrivals.tell)
    journal.note(HANDLER_ENTERED, callback="on_open")
    journal.opened(Handshake("/v0/evi/chat"))
    first = journal.received(Frame(TEXT, b"{}"))
    journal.note(DUE, of=first.seq, due_ns=0)
    journal.sent(Frame(TEXT, b"{}"))
    second = journal.received(Frame(TEXT, b"{}"))
    assert [arrivals.next().seq, arrivals.next().seq] == [first.seq, second.seq]
    with pytest.raises(IndexError):
        arrivals.next()


def test_the_close_is_told_once_it_is_there():
    """What was under way before can still be taken."""
    over = []
    arrivals = Arrivals(lambda: over.append(True))
    journal = Journal(RealClock(), arrivals.tell)
    journal.opened(Handshake("/v0/evi/chat"))
    received = journal.received(Frame(TEXT, b"{}"))
    assert (arrivals.is_over, over) == (False, [])
    journal.closed("service", 1000)
    assert (arrivals.is_over, over, arrivals.next()) == (True, [True], received)
