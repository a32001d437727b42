from __future__ import annotations

import asyncio

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.tap.app_side import AppSide


class Headers:
    def raw_items(self):
        return [("Host", "h")]


class WebSocket:
    """What is looked at of a connection."""

    path = "/v0/evi/chat?config_id=c"
    request_headers = Headers()

    def __init__(self, *messages):
        self.messages = list(messages)
        self.sent = []

    async def recv(self):
        if not self.messages:
            raise EOFError
        return self.messages.pop(0)

    async def send(self, message):
        self.sent.append(message)


@pytest.fixture
def side():
    """A journal, and what was told of as it happened."""
    told = []
    journal = Journal(RealClock())
    return AppSide(journal, lambda event: told.append((event.kind, len(journal.events)))), journal, told


def test_what_crosses_is_noted_and_goes_on_unchanged(side):
    """The opening with what was asked for; text and bytes, both ways, with their opcodes."""
    app_side, journal, told = side
    websocket = WebSocket("hi", b"\x00")

    async def main():
        app_side.opened(websocket)
        taken = [await websocket.recv(), await websocket.recv()]
        await websocket.send("there")
        await websocket.send(bytearray(b"\x01"))
        return taken

    assert asyncio.run(main()) == ["hi", b"\x00"]
    assert websocket.sent == ["there", b"\x01"]
    opened, *events = journal.events
    assert (opened.handshake.path, opened.handshake.query) == ("/v0/evi/chat", (("config_id", "c"),))
    assert [(event.kind, event.frame.opcode, event.frame.payload) for event in events] == [
        ("received", "text", b"hi"),
        ("received", "binary", b"\x00"),
        ("sent", "text", b"there"),
        ("sent", "binary", b"\x01"),
    ]
    # What is sent is told of before it is; what is taken is told of by whoever took it.
    assert told == [("opened", 1), ("sent", 4), ("sent", 5)]


def test_the_end_is_no_message(side):
    """What the library raises goes on, and nothing is written."""
    app_side, journal, _ = side
    websocket = WebSocket()

    async def main():
        app_side.opened(websocket)
        await websocket.recv()

    with pytest.raises(EOFError):
        asyncio.run(main())
    assert [event.kind for event in journal.events] == ["opened"]
