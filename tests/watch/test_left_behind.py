"""Tests of evi_harness.watch.left_behind."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.dialect import EVI
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.left_behind import ENDING_S, LeftBehind


class Websocket:
    """A connection that is closed."""

    async def send(self, message):
        raise NotImplementedError

    async def wait_closed(self):
        return

    async def close(self):
        return


def notes(handler, callback="on_message"):
    """What is noted of a handler that is called once, and the time at which all is over."""

    async def main(loop):
        journal, websocket = Journal(loop), Websocket()
        journal.opened(Handshake("/"))
        with LeftBehind(journal, EVI, lambda text: text.replace("k9Jq", "[redacted]")) as left_behind:
            left_behind.opened(websocket)
            await asyncio.sleep(0)
            with on_behalf(callback, 7):
                await handler(websocket)
            await left_behind.finish()
        # A callback of the loop that is C's own has none; all else is in this file.
        assert all(place["file"] == __file__ and place["source"] for note in journal.events[1:] for place in note.data["places"])
        assert [note.name for note in journal.events[1:] if not note.data["places"]] in ([], ["swallowed"])
        return [(note.name, note.data["what"]) for note in journal.events[1:]], loop.time()

    return run_virtual(main)


async def does_nothing(websocket):
    """Leave nothing behind."""


def test_a_handler_that_leaves_nothing_behind():
    """Nothing is told, and nothing is waited for."""
    assert notes(does_nothing) == ([], 0)


async def wait():
    """Wait for ever."""
    await asyncio.Event().wait()


def test_everything_that_is_left_behind_is_told():
    """Each by its name, after a second in which it could have ended."""
    kept = []
    over = threading.Event()

    async def leaves(websocket):
        threading.Thread(target=over.wait).start()
        kept.append(asyncio.ensure_future(wait()))
        kept.append(socket.socket())
        wait()
        asyncio.get_running_loop().call_soon(int, "k9Jq")

    told, end_s = notes(leaves)
    over.set()
    assert [name for name, _ in told] == ["never_awaited", "swallowed", "leaked_task", "leaked_thread", "open_socket"]
    assert "k9Jq" not in str(told)
    assert end_s == ENDING_S
    kept[1].close()


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (json.dumps({"type": "user_input", "text": "k9Jq"}), " of type user_input"),
        (json.dumps({"type": "k9Jq"}), " of type [redacted]"),
        ("k9Jq", ""),
        (b"\0\0", None),
        (json.dumps({"type": "audio_input", "data": "AAAA"}), None),
    ],
    ids=["by its type", "a type that is a secret", "no JSON", "binary audio", "audio"],
)
def test_what_was_sent_too_late_is_told_by_its_type(payload, what):
    """What it says may hold a key; audio is not told."""

    async def sends(websocket):
        with pytest.raises(NotImplementedError):
            await websocket.send(payload)

    told, _ = notes(sends, "on_close")
    assert [one.partition(" was sent")[0].partition("a message")[2] for _, one in told] == ([] if what is None else [what])
