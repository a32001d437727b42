"""Tests of evi_harness.sdk.hume.own_reading: what a handler takes of its connection, and whether it opens the microphone."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

from evi_harness.sdk.hume.own_reading import OwnReading


class WebSocket:
    """Gives what is in a list."""

    def __init__(self, *payloads):
        self.payloads = list(payloads)

    async def recv(self):
        return self.payloads.pop(0)


def run(act, *payloads):
    """Let something act on a watched connection; gives what was heard, and what was seen of it."""

    async def main():
        websocket, heard = WebSocket(*payloads), []

        async def hear(message):
            heard.append(message)

        reading = OwnReading(websocket, hear)
        await act(websocket)
        state = SimpleNamespace(opens=reading.opens.is_set(), goes_on=reading.goes_on.is_set())
        reading.stop()
        assert "recv" not in vars(websocket)
        return heard, state

    return asyncio.run(main())


def test_what_is_taken_is_heard_before_and_comes_as_it_was():
    """Whatever it is: what is no message is passed over."""
    payloads = [json.dumps({"type": "error", "code": "E1"}), "{", b"\x00", "[1]", json.dumps({"code": 1}), "[" * 100_000]
    taken = []

    async def act(websocket):
        taken.extend([await websocket.recv() for _ in payloads])

    heard, state = run(act, *payloads)
    assert taken == payloads
    assert [(message.type, message.code) for message in heard] == [("error", "E1"), ("", 1)]
    assert (state.goes_on, state.opens) == (True, False)


def test_one_message_is_no_second():
    """It goes on when it asks for that."""

    async def act(websocket):
        await websocket.recv()

    assert not run(act, "{}")[1].goes_on
