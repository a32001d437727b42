from __future__ import annotations

import asyncio
import json

import pytest

from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import SdkError, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.evi.queries import audio_settings
from evi_harness.sdk.hume import connection
from evi_harness.sdk.hume.connection import open_chat, websocket_of
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.protocols import Refuse, Send

CHAT = b'{"type":"chat_metadata","chat_id":"c","chat_group_id":"g","request_id":"r"}'


class Service:
    """Gives its actions at the opening and nothing after."""

    def __init__(self, *actions):
        self.actions = list(actions)

    def take(self, event, at_ns): ...

    def due(self, at_ns):
        now, self.actions = self.actions, []
        return now

    def next_at_ns(self):
        return None


def opened(service, client, **options):
    """Open a chat with the SDK in virtual time; gives what the client gives and the session's events."""

    async def main(loop):
        server = ChatServer(lambda _: service, clock=loop, chat_paths=EVI.chat_paths)
        async with VirtualCarrier(loop, server) as carrier:
            async with open_chat(carrier.url, api_key="made-up-key", options=options) as socket:
                result = await client(socket)
            await asyncio.sleep(1)
        return result, server.journals[0].events

    return run_virtual(main)


def test_the_sdk_is_led_to_the_carrier():
    """The connection is the SDK's own, which parses what comes; the query says what was asked for."""

    async def client(socket):
        return await socket.recv()

    message, events = opened(Service(Send(Frame(TEXT, CHAT), 0)), client, config_id="c-1", verbose_transcription=True)
    assert (message.type, message.chat_id) == ("chat_metadata", "c")
    handshake = events[0].handshake
    assert handshake.path in EVI.chat_paths
    query = {name: value.lower() for name, value in handshake.query}
    assert query["config_id"] == "c-1"
    assert query["verbose_transcription"] == "true"


AUDIO = {"encoding": "linear16", "sample_rate": "16000", "channels": "1"}


async def nothing(socket):
    """A client that only connects."""


def test_the_format_of_the_audio_is_said_in_the_handshake():
    """As far as the SDK can say it: before 0.12.1 it takes no settings."""
    _, events = opened(Service(), nothing, config_id="c-1", audio=AUDIO)
    takes_settings = tuple(map(int, installed_version().split(".")[:3])) >= (0, 12, 1)
    assert audio_settings(events[0].handshake.query) == (AUDIO if takes_settings else {})
    assert dict(events[0].handshake.query)["config_id"] == "c-1"


@pytest.mark.skipif(tuple(map(int, installed_version().split(".")[:2])) < (0, 13), reason="these take their settings by keyword")
def test_two_versions_are_given_the_format_as_text(monkeypatch):
    """They would write an object as its repr, which nobody can read."""
    monkeypatch.setattr(connection, "installed_version", lambda: "0.13.1")
    _, events = opened(Service(), nothing, audio=AUDIO)
    assert dict(events[0].handshake.query)["session_settings"] == json.dumps({"audio": AUDIO})
    assert audio_settings(events[0].handshake.query) == AUDIO


def test_the_websocket_below_the_sdk_is_found():
    """What is sent over it crosses the wire as it is."""

    async def client(socket):
        await websocket_of(socket).send(b"\x00\x01")

    _, events = opened(Service(), client)
    assert [event.frame.payload for event in events if event.kind == "sent"] == [b"\x00\x01"]


def test_a_connection_of_websockets_is_its_own():
    """So that code which opens its own connection can share what reads it with a handler."""

    async def client(socket):
        websocket = websocket_of(socket)
        return websocket_of(websocket) is websocket

    assert opened(Service(), client)[0] is True


@pytest.mark.parametrize(("module", "error"), [("hume.empathic_voice.chat", SdkError), ("somebody.elses", UsageError)])
def test_what_has_no_websocket_is_told(module, error):
    """An SDK that is not as known, or no connection at all; nothing of the object is shown."""
    thing = type("Socket", (), {"__module__": module, "__repr__": lambda self: "made-up-key"})()
    with pytest.raises(error, match=rf"{module}\.Socket") as raised:
        websocket_of(thing)
    assert "made-up-key" not in str(raised.value)


def test_what_refuses_the_connection_comes_out():
    """The exception is the SDK's, and quotes no key."""

    async def client(socket): ...

    with pytest.raises(Exception, match=r"403|ApiError|status") as raised:
        opened(Service(Refuse(403, "no")), client)
    assert "made-up-key" not in repr(raised.value)
