"""Tests of evi_harness.watch.cpu_time: what callbacks compute, by message."""

from __future__ import annotations

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.session.events import Handshake
from evi_harness.watch.cpu_time import CpuTime


class Still:
    """A clock that stands."""

    def now_ns(self):
        return 0

    def call_at_ns(self, at_ns, callback):
        raise NotImplementedError


@pytest.fixture
def journal():
    """An open journal."""
    one = Journal(Still())
    one.opened(Handshake("/"))
    return one


def test_each_callback_is_counted_by_its_message(journal):
    """Also one that raises; what is about no message is not counted."""
    readings = iter((0, 5, 10, 30, 70))
    cpu = CpuTime(journal, lambda: next(readings))
    with cpu.spent_on(3):
        pass
    with cpu.spent_on(None):
        pass
    with pytest.raises(ZeroDivisionError), cpu.spent_on(4):
        raise ZeroDivisionError
    cpu.finish()
    notes = [event for event in journal.events if event.kind == "note"]
    assert [(note.name, note.of, dict(note.data)) for note in notes] == [
        ("handler_cpu", 3, {"sample": True, "cpu_ns": 5}),
        ("handler_cpu", 4, {"sample": True, "cpu_ns": 40}),
    ]


def test_where_nothing_ran_nothing_is_told(journal):
    """No note."""
    CpuTime(journal).finish()
    assert len(journal.events) == 1
