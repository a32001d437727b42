from __future__ import annotations

import asyncio
import os
import signal

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.injected.ending_as_recorded import EndingAsRecorded
from evi_harness.session.events import Handshake
from evi_harness.session.notes import NEVER_RETURNS

MS = 1_000_000


@pytest.fixture
def ended(app_time, monkeypatch):
    """What ends an app, the journal, and what was sent to the process, each with its session time."""
    journal = Journal(app_time)
    sent = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((journal.now_ns // MS, signal.Signals(number).name)))
    return EndingAsRecorded(app_time, journal, lambda: sent.append("finished")), journal, sent


def test_an_app_is_interrupted_when_the_recorded_one_closed(ended, run):
    """A moment later, so that one which closes by itself does so first; the latest time that was told counts."""
    ending, journal, sent = ended

    async def main():
        journal.opened(Handshake("/"))
        ending.closes_at(1000 * MS)
        ending.closes_at(None)
        await asyncio.sleep(0.5)
        ending.closes_at(2000 * MS)
        await asyncio.sleep(10)
        ending.closes_at(12_000 * MS)
        await asyncio.sleep(10)

    run(main())
    assert sent == [(2001, "SIGINT")]
    assert ending.has_interrupted


def test_an_app_that_has_closed_is_left_alone(ended, run):
    """Until it has had its time."""
    ending, journal, sent = ended

    async def main():
        journal.opened(Handshake("/"))
        ending.closes_at(1000 * MS)
        await asyncio.sleep(0.9)
        ending.closed()
        await asyncio.sleep(29)

    run(main())
    assert sent == []
    assert not ending.has_interrupted


def test_an_app_that_stays_is_interrupted_then_terminated(ended, run):
    """Each is a finding, and all that there is to tell is told before the end."""
    ending, journal, sent = ended

    async def main():
        journal.opened(Handshake("/"))
        ending.closed()
        ending.closed()
        await asyncio.sleep(4000)

    run(main())
    assert sent == [(30_000, "SIGINT"), "finished", (35_000, "SIGTERM")]
    assert [note.at_ns // MS for note in NEVER_RETURNS.notes_in(journal.events)] == [30_000, 35_000]


def test_an_app_may_take_its_time_before_it_connects_again(ended, run):
    """As much as it is given; another connection ends that time, and the app is interrupted when the recorded one closed that."""
    ending, journal, sent = ended

    async def main():
        journal.opened(Handshake("/"))
        ending.opened()
        ending.closed(100_000 * MS)
        await asyncio.sleep(90)
        assert ending.is_closed
        ending.opened()
        assert not ending.is_closed
        await asyncio.sleep(90)
        ending.closes_at(200_000 * MS)
        await asyncio.sleep(30)
        ending.closed(7000 * MS)
        await asyncio.sleep(90)

    run(main())
    assert sent == [(200_001, "SIGINT"), (217_000, "SIGINT"), "finished", (222_000, "SIGTERM")]
    assert [facts.what.count(" 7 s ") for _, facts in NEVER_RETURNS.all_in(journal.events)] == [1, 0]


def test_what_was_planned_goes_on_with_the_next_loop(ended, run):
    """As where an app runs one loop after another."""
    ending, journal, sent = ended

    async def opens():
        journal.opened(Handshake("/"))
        ending.closes_at(1000 * MS)
        await asyncio.sleep(0.5)

    async def goes_on():
        ending.loop_began()
        await asyncio.sleep(5)

    run(opens())
    # Without a loop nothing rings.
    ending.closes_at(3000 * MS)
    run(goes_on())
    assert sent == [(3001, "SIGINT")]
