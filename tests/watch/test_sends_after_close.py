"""Tests of evi_harness.watch.sends_after_close."""

from __future__ import annotations

import asyncio
import re

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.sends_after_close import GRACE_NS, SendsAfterClose


class Websocket:
    """A connection of the library's shape that closes after a second."""

    def __init__(self):
        self.sent = []

    async def send(self, message):
        self.sent.append(message)

    async def wait_closed(self):
        await asyncio.sleep(1)


def notes(*sends, callback="on_message"):
    """What is noted of sends at these times: (seconds, message)."""

    async def main(loop):
        journal, websocket = Journal(loop), Websocket()
        journal.opened(Handshake("/"))
        watch = SendsAfterClose(journal, lambda frame: None if frame.payload == b"audio" else f"a frame of {frame.size} bytes")
        watch.watch(websocket)
        assert not watch.is_over
        for at_s, message in sends:
            await asyncio.sleep(at_s - loop.time())
            if callback is None:
                await websocket.send(message)
            else:
                with on_behalf(callback, 7):
                    await websocket.send(message)
        watch.finish()
        assert websocket.sent == [message for _, message in sends]
        assert vars(websocket).get("send") is None
        return [(note.name, note.of, note.data["what"]) for note in journal.events[1:]]

    return run_virtual(main)


GRACE_S = GRACE_NS / 1e9


@pytest.mark.parametrize(
    ("at_s", "message", "callback"),
    [
        (0.5, "text", "on_message"),
        (1 + GRACE_S, "text", "on_message"),
        (3, b"audio", "on_message"),
        (3, "text", None),
    ],
    ids=["while it is open", "just closed", "a microphone's frame", "not the handler's"],
)
def test_what_is_no_fault(at_s, message, callback):
    """The handler could not know, or did not send it."""
    assert notes((at_s, message), callback=callback) == []


def test_a_message_to_a_connection_that_is_closed():
    """Told with how late and where it was sent, bytes too."""
    told = notes((2.5, "text"), (3, b"12"))
    line = notes.__code__.co_firstlineno + 15
    assert [one[:2] for one in told] == [("sends_after_close", 7)] * 2
    for (_, _, what), n_bytes, late_ms in zip(told, (4, 2), (1500, 2000)):
        assert re.fullmatch(rf"a frame of {n_bytes} bytes .*\b{late_ms} ms after .* closed, at {re.escape(__file__)}:{line} in main", what)


def test_on_close_knows_that_it_is_closed():
    """It has no grace."""
    assert [note[0] for note in notes((1.000000001, "text"), callback="on_close")] == ["sends_after_close"]
