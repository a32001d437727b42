"""Handlers that read the connection by themselves, through run_app in virtual time; and what is watched of them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re

import pytest
from scripts import Script
from websockets.exceptions import ConnectionClosed

from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.app import App, run_app
from evi_harness.sdk.handler_reads import leaves
from evi_harness.sdk.hume.handlers import callbacks_of
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.events import Closed, Note, Received
from evi_harness.session.protocols import Close

MS = 1_000_000
CHAT = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}
END = {"type": "assistant_end"}
NEW = {"type": "brand_new"}
OVER = (50, Close(1000))
HAS_EVENTS = importlib.util.find_spec("hume.core.events") is not None


def run(main, *rows):
    """Run a coroutine against a scripted service; gives the notes, each with the type of the message that it is about, and the session."""

    async def run_it(loop):
        arrivals = Arrivals()
        journal = Journal(loop, arrivals.tell)
        server = ChatServer(lambda _: Script(*rows), clock=loop, chat_paths=EVI.chat_paths, journal_for=lambda _: journal)
        async with VirtualCarrier(loop, server) as carrier:
            await run_app(App(carrier.url, HUME, callbacks_of(main, "handler"), Script(), journal, loop, arrivals))
        return journal.events

    events = run_virtual(run_it)
    received = {event.seq: EVI.read("received", event.frame).type for event in events if isinstance(event, Received)}
    return [(event.name, received.get(event.of), event.data) for event in events if isinstance(event, Note)], events


def told(notes, *names):
    """Names and messages of the notes of some names."""
    return [(name, of) for name, of, _ in notes if name in names]


async def iterates(socket):
    """The current quickstart."""
    async for _ in socket:
        await asyncio.sleep(0.005)


async def receives(socket):
    """Until it is told that the connection is closed."""
    while True:
        await socket.recv()
        await asyncio.sleep(0.005)


async def listens(socket):
    """With callbacks."""
    from hume.core.events import EventType

    async def on_message(message):
        await asyncio.sleep(0.005)

    socket.on(EventType.MESSAGE, on_message)
    await socket.start_listening()


STYLES = [iterates, receives, pytest.param(listens, marks=pytest.mark.skipif(not HAS_EVENTS, reason="from hume 0.13 on"))]


@pytest.mark.parametrize("main", STYLES)
def test_each_message_is_noted_when_it_is_taken_and_when_it_is_done_with(main):
    """From when the handler got it to when it asks for the next; the close is no fault."""
    notes, events = run(main, (10, CHAT), (20, END), OVER)
    names = ("handler_entered", "handler_returned")
    assert told(notes, *names) == [(name, of) for of in ("chat_metadata", "assistant_end") for name in names]
    assert [event.at_ns // MS for event in events if isinstance(event, Note) and event.name in names] == [10, 15, 20, 25]
    assert {data["callback"] for name, _, data in notes if name in names} == {main.__name__}


@pytest.mark.parametrize("main", STYLES)
@pytest.mark.parametrize("bad", [NEW, "no json"], ids=["unknown type", "no JSON"])
def test_a_message_that_the_sdk_cannot_parse_ends_it(main, bad):
    """It is noted once, about that message, as what ended the connection; and not as raised."""
    notes, events = run(main, (10, CHAT), (20, bad), (30, END), OVER)
    found = [(of, data["ended"]) for name, of, data in notes if name == "unparseable"]
    assert found == [("brand_new" if bad is NEW else None, True)]
    assert told(notes, "raised") == []
    (closed,) = [event for event in events if isinstance(event, Closed)]
    assert (closed.by, closed.at_ns // MS) == ("app", 20)


def test_a_handler_may_survive_what_the_sdk_cannot_parse():
    """Then it has not ended the connection."""

    async def main(socket):
        while True:
            try:
                await socket.recv()
            except ConnectionClosed:
                return
            except Exception:  # noqa: BLE001 - it goes on, whatever it was
                continue

    notes, _ = run(main, (10, NEW), (20, END), OVER)
    assert [(of, data["ended"]) for name, of, data in notes if name == "unparseable"] == [("brand_new", False)]
    assert told(notes, "handler_entered") == [("handler_entered", "brand_new"), ("handler_entered", "assistant_end")]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ValueError("no"), "raised", "main raised ValueError: no"),
        (SystemExit(3), "exits", "main raised SystemExit: 3, .*"),
        (KeyboardInterrupt(), "exits", "main raised KeyboardInterrupt, .*"),
    ],
    ids=["exception", "exit", "interrupt"],
)
def test_what_it_raises_is_noted_with_the_message_and_ends_the_connection(error, kind, said):
    """As an app's main does."""

    async def main(socket):
        async for message in socket:
            if message.type == "assistant_end":
                raise error

    notes, events = run(main, (10, CHAT), (20, END), OVER)
    ((of, data),) = [(of, data) for name, of, data in notes if name == kind]
    assert (of, data["ended"]) == ("assistant_end", True)
    assert re.fullmatch(said, data["what"])
    assert data["detail"][0].startswith(f"{__file__}:")
    assert [event.at_ns // MS for event in events if isinstance(event, Closed)] == [20]


def test_what_it_awaits_may_have_been_cancelled():
    """Nobody told the handler to end, so that is a finding."""

    async def main(socket):
        async for _ in socket:
            waiting = asyncio.get_running_loop().create_future()
            waiting.cancel()
            await waiting

    notes, _ = run(main, (10, CHAT), OVER)
    assert told(notes, "raised") == [("raised", "chat_metadata")]


def test_who_returns_leaves():
    """The connection is closed from the app's side."""

    async def main(socket):
        await socket.recv()

    _, events = run(main, (10, CHAT), (40, END), OVER)
    assert [(event.by, event.code, event.at_ns // MS) for event in events if isinstance(event, Closed)] == [("app", 1000, 10)]


def test_who_does_not_return_is_told_where_it_waits():
    """Half a minute after the close, with where it waits."""

    async def main(socket):
        async for _ in socket:
            pass
        await asyncio.Event().wait()

    notes, _ = run(main, (10, CHAT), OVER)
    ((_, _, data),) = [note for note in notes if note[0] == "never_returns"]
    assert any(__file__ in place for place in data["detail"])


def test_what_is_watched_is_put_back():
    """The SDK's parser, whatever happened."""
    import sys

    modules = []

    async def main(socket):
        module = sys.modules[type(socket).__module__]
        modules.append((module, module.parse_obj_as))
        raise ValueError

    run(main, OVER)
    ((module, watched),) = modules
    assert module.parse_obj_as is not watched
    assert module.json is json


class Group(Exception):
    """As Python 3.11 has them."""

    def __init__(self, *exceptions):
        super().__init__()
        self.exceptions = exceptions


def test_the_leaves_of_a_group():
    """At any depth; what is no group is its own leaf."""
    one, two = ValueError(), TypeError()
    assert list(leaves(one)) == [one]
    assert list(leaves(Group(one, Group(two)))) == [one, two]


def test_a_group_of_closes_is_the_close():
    """Which is what a task group makes of a microphone that is told of it."""

    async def main(socket):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as error:
            raise Group(error, Group(error)) from None

    notes, _ = run(main, (10, CHAT), OVER)
    assert told(notes, "raised") == []
