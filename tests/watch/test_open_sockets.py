"""Tests of evi_harness.watch.open_sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.stepping import run_stepping
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.open_sockets import OpenSockets

HERE = __file__


class Clock:
    """Stands still."""

    def now_ns(self):
        return 0


def notes(handler, run=run_virtual):
    """What is noted of a handler that is called once, with an event, on a loop that carries ``db.invalid:5432``."""

    async def main(loop):
        journal = Journal(Clock())
        journal.opened(Handshake("/"))
        if run is run_virtual:
            loop.carry("db.invalid", 5432, asyncio.Protocol)
            ours, _ = await loop.create_connection(asyncio.Protocol, "db.invalid", 5432)
        with OpenSockets(journal) as sockets:
            with on_behalf("on_message", 7):
                await handler(loop)
            sockets.finish()
        if run is run_virtual:
            ours.close()
        # What is closed takes the loop some steps.
        await asyncio.sleep(0.01)
        return [(note.name, note.of, note.data["what"]) for note in journal.events[1:]]

    return run(main)


def place(handler, offset):
    """A line of a handler, as notes give it."""
    return f"{HERE}:{handler.__code__.co_firstlineno + offset} in {handler.__name__}"


@pytest.mark.parametrize("how", ["arguments", "names"])
def test_a_connection_that_is_left_open(how):
    """Told with where to and where it was opened, and not again for its sockets; the conversation's own is not the handler's."""
    kept = []

    async def handler(loop):
        if how == "arguments":
            kept.append(await loop.create_connection(asyncio.Protocol, "db.invalid", 5432))
        else:
            kept.append(await loop.create_connection(asyncio.Protocol, host="db.invalid", port=5432))

    opened = place(handler, 2 if how == "arguments" else 4)
    what = f"a connection to db.invalid:5432, opened by on_message at {opened}, was still open at the end"
    assert notes(handler) == [("open_socket", 7, what)]


def test_streams_are_connections():
    """Through asyncio's own helpers, the place is the handler's."""
    kept = []

    async def handler(loop):
        kept.append(await asyncio.open_connection("db.invalid", 5432))

    ((_, _, what),) = notes(handler)
    assert place(handler, 1) in what


@pytest.mark.parametrize("run", [run_virtual, run_stepping], ids=["virtual", "real"])
def test_a_socket_that_is_left_open(run):
    """One that the handler makes itself; also in a thread on its behalf."""
    kept = []

    async def handler(loop):
        kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    try:
        what = f"a socket, opened by on_message at {place(handler, 1)}, was still open at the end"
        assert notes(handler, run) == [("open_socket", 7, what)]
    finally:
        kept[0].close()


def test_over_real_sockets_too():
    """A connection over TCP is one finding: the transport and its socket are the same."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        async def handler(loop):
            kept.append((await loop.create_connection(asyncio.Protocol, "127.0.0.1", port))[0])
            made = socket.create_connection(("127.0.0.1", port))
            kept.append((await loop.create_connection(asyncio.Protocol, sock=made))[0])

        found = notes(handler, run_stepping)
    assert [what.partition(",")[0] for _, _, what in found] == [f"a connection to 127.0.0.1:{port}"] * 2
    assert all(transport.is_closing() for transport in kept)


def test_what_is_closed_is_closed():
    """Also where the loop has not come to it yet."""

    async def handler(loop):
        transport, _ = await loop.create_connection(asyncio.Protocol, "db.invalid", 5432)
        transport.close()
        socket.socket().close()
        _, writer = await asyncio.open_connection("db.invalid", 5432)
        writer.close()

    assert notes(handler) == []


def test_everything_comes_back():
    """The loop's methods and the sockets' own constructor."""
    real = socket.socket.__init__

    async def main(loop):
        with OpenSockets(Journal(Clock())):
            assert "create_connection" in vars(loop)
            assert socket.socket.__init__ is not real
        return "create_connection" in vars(loop), socket.socket.__init__ is real

    assert run_virtual(main) == (False, True)
