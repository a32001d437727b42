"""Tests of evi_harness.sdk.own_reading: what a handler takes of its connection, and whether it speaks for the user."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from evi_harness.live.behalf import on_behalf
from evi_harness.sdk.own_reading import OwnReading


class WebSocket:
    """Gives what is in a list, and keeps what is sent."""

    def __init__(self, *payloads):
        self.payloads, self.sent = list(payloads), []

    async def recv(self):
        return self.payloads.pop(0)

    async def send(self, message):
        self.sent.append(message)


def run(act, *payloads):
    """Let something act on a watched connection; gives the connection, what was heard, and who watched."""

    async def main():
        websocket, heard = WebSocket(*payloads), []

        async def hear(message):
            heard.append(message)

        reading = OwnReading(websocket, hear)
        await act(websocket)
        state = SimpleNamespace(speaks=reading.speaks.is_set(), goes_on=reading.goes_on.is_set())
        reading.stop()
        assert not {"recv", "send"} & set(vars(websocket))
        return websocket, heard, state

    return asyncio.run(main())


def test_what_is_taken_is_heard_before_and_comes_as_it_was():
    """Whatever it is: what is no message is passed over."""
    payloads = [json.dumps({"type": "error", "code": "E1"}), "{", b"\x00", "[1]", json.dumps({"code": 1}), "[" * 100_000]
    taken = []

    async def act(websocket):
        taken.extend([await websocket.recv() for _ in payloads])

    _, heard, state = run(act, *payloads)
    assert taken == payloads
    assert [(message.type, message.code) for message in heard] == [("error", "E1"), ("", 1)]
    assert (state.goes_on, state.speaks) == (True, False)


def test_one_message_is_no_second():
    """It goes on when it asks for that."""

    async def act(websocket):
        await websocket.recv()

    assert not run(act, "{}")[2].goes_on


@pytest.mark.parametrize(
    ("message", "is_own", "speaks"),
    [
        (b"\x00", True, True),
        (bytearray(2), True, True),
        (b"\x00", False, False),
        (json.dumps({"type": "audio_input", "data": ""}), True, True),
        (json.dumps({"type": "audio_input", "data": ""}), False, False),
        (json.dumps({"type": "user_input", "text": "audio_input"}), True, False),
        ("audio_input", True, False),
        ("\ud800 audio_input", True, False),
    ],
)
def test_audio_that_the_handler_sends_is_its_own(message, is_own, speaks):
    """What others send is not; everything is sent as it is."""

    async def act(websocket):
        if is_own:
            with on_behalf("main"):
                await websocket.send(message)
        else:
            await websocket.send(message)

    websocket, _, state = run(act)
    assert websocket.sent == [message]
    assert state.speaks is speaks
