"""Tests of evi_harness.watch.handler_waits."""

from __future__ import annotations

import asyncio

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.events import Handshake
from evi_harness.watch.handler_waits import AFTER_S, HandlerWaits


async def callback(takes_s):
    """Wait, at a line that is told."""
    await asyncio.sleep(takes_s)


def notes(takes_s):
    """What is noted of a callback that takes so long."""

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        waits = HandlerWaits(journal)
        look = waits.look(7, "on_message")
        await callback(takes_s)
        look.cancel()
        assert len(journal.events) == 1
        waits.finish()
        return [(note.name, note.of, note.data) for note in journal.events[1:]]

    return run_virtual(main)


def test_where_a_callback_waits_is_told():
    """Once, when it has taken a while, with the innermost place first; written at the end."""
    ((name, of, data),) = notes(5)
    assert (name, of, data["at_ns"], data["callback"]) == ("handler_waits", 7, round(AFTER_S * 1e9), "on_message")
    assert data["detail"][0] == f"{__file__}:{callback.__code__.co_firstlineno + 2} in callback"


@pytest.mark.parametrize("takes_s", [0, AFTER_S / 2])
def test_one_that_is_quick_is_not_looked_at(takes_s):
    """Nobody waits for it."""
    assert notes(takes_s) == []
