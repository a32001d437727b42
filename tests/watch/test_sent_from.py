"""Tests of evi_harness.watch.sent_from."""

from __future__ import annotations

import asyncio
import json

import pytest

from evi_harness.carriers.acted_client import send_close, send_frame
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.dialect import EVI
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake
from evi_harness.watch.sent_from import SentFrom

WRONG = json.dumps({"type": "user_input"})
RIGHT = json.dumps({"type": "user_input", "text": "Good morning."})
AUDIO = json.dumps({"type": "audio_input", "data": "?"})


class Websocket:
    """A connection of the library's shape whose other side keeps a journal."""

    def __init__(self, journal):
        self._journal = journal

    async def send(self, message):
        self._journal.sent(Frame(TEXT, message.encode()) if isinstance(message, str) else Frame(BINARY, message))

    async def close(self, code=1000, reason=""):
        self._journal.closed("app", code, reason)


async def say(websocket, message):
    """Send a message, at a line that is told."""
    await websocket.send(message)


async def leave(websocket):
    """Close, at a line that is told."""
    await websocket.close()


def line_in(function):
    """The line below a function's docstring."""
    return function.__code__.co_firstlineno + 2


def notes(*sends, ours=send_frame):
    """What is noted of sends, each with the callback on whose behalf it is, None for our own; None for a message closes."""

    async def main(loop):
        journal = Journal(loop)
        websocket = Websocket(journal)
        journal.opened(Handshake("/"))
        watch = SentFrom(journal, EVI)
        watch.watch(websocket)
        for callback, message in sends:
            if callback is None:
                # Of a step of the loop's own, in which none of this file stands.
                await asyncio.ensure_future(ours(websocket, message))
            else:
                with on_behalf(callback, 7):
                    await (leave(websocket) if message is None else say(websocket, message))
        watch.restore()
        assert {"send", "close"}.isdisjoint(vars(websocket))
        watch.finish()
        return [(note.name, note.of, note.data) for note in journal.events if note.kind == "note"]

    return run_virtual(main)


def frame(text):
    """A message as ours are sent."""
    return Frame(TEXT, text.encode())


def test_where_each_message_was_sent():
    """Which of the sent events it is, and the place, the innermost first, with its source; also of what the service takes."""
    first, second = notes(("on_message", RIGHT), (None, Frame(BINARY, b"\0\0")), ("on_message", WRONG))
    assert [(name, of, data["number"]) for name, of, data in (first, second)] == [("sent_from", 7, 0), ("sent_from", 7, 2)]
    assert second[2]["detail"][0] == f"{__file__}:{line_in(say)} in say"
    place = first[2]["places"][0]
    assert (place["file"], place["line"], place["function"]) == (__file__, line_in(say), "say")
    assert {"line": line_in(say), "text": "    await websocket.send(message)"} in place["source"]


def test_the_source_of_a_place_is_told_once():
    """In the first note; the place itself in each."""
    told = [data["places"] for _, _, data in notes(*[("on_message", RIGHT)] * 3)]
    assert [bool(places[0]["source"]) for places in told] == [True, False, False]
    assert {(places[0]["file"], places[0]["line"]) for places in told} == {(__file__, line_in(say))}


@pytest.mark.parametrize(
    "sends",
    [(), ((None, frame(WRONG)),), (("on_message", AUDIO),)],
    ids=["nothing", "our own", "audio"],
)
def test_of_what_no_place_is_told(sends):
    """What the harness sends, and audio."""
    assert notes(*sends) == []


def test_what_the_apps_own_code_sends_on_nobodys_behalf_is_the_apps():
    """As from a thread of its own, which knows no callback."""
    ((name, of, data),) = notes((None, RIGHT), ours=say)
    assert (name, of, data["places"][0]["function"]) == ("sent_from", None, "say")


def test_of_equal_messages_each_has_its_own_place():
    """Also where one of them was sent by the harness."""
    assert [data["number"] for _, _, data in notes(("on_open", WRONG), (None, frame(WRONG)), ("on_close", WRONG))] == [0, 2]


def test_who_closes_is_told_once():
    """At once, and the first of them."""
    ((name, of, data),) = notes(("on_message", None), ("on_message", None))
    assert (name, of) == ("closed_from", 7)
    assert (data["places"][0]["function"], data["places"][0]["line"]) == ("leave", line_in(leave))


def test_that_the_harness_closes_is_not_told():
    """As it does where the recorded app closed."""
    assert notes((None, None), ours=lambda websocket, _: send_close(websocket, 1000, "")) == []
