"""Tests of evi_harness.live.sent_from."""

from __future__ import annotations

import json

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.live.behalf import on_behalf
from evi_harness.live.journal import Journal
from evi_harness.live.sent_from import SentFrom
from evi_harness.live.virtual import run_virtual
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake

WRONG = json.dumps({"type": "user_input"})
RIGHT = json.dumps({"type": "user_input", "text": "Good morning."})
AUDIO = json.dumps({"type": "audio_input", "data": "?"})


class Websocket:
    """A connection of the library's shape whose other side keeps a journal."""

    def __init__(self, journal):
        self._journal = journal

    async def send(self, message):
        self._journal.sent(Frame(TEXT, message.encode()) if isinstance(message, str) else Frame(BINARY, message))


async def say(websocket, message):
    """Send a message, at a line that is told."""
    await websocket.send(message)


def notes(*sends):
    """What is noted of sends, each with the callback on whose behalf it is, None for our own."""

    async def main(loop):
        journal = Journal(loop)
        websocket = Websocket(journal)
        journal.opened(Handshake("/"))
        watch = SentFrom(journal, EVI)
        watch.watch(websocket)
        for callback, message in sends:
            if callback is None:
                await websocket.send(message)
            else:
                with on_behalf(callback, 7):
                    await say(websocket, message)
        watch.restore()
        assert vars(websocket).get("send") is None
        watch.finish()
        return [(note.name, note.of, note.data) for note in journal.events if note.kind == "note"]

    return run_virtual(main)


def test_where_a_message_was_sent_that_the_service_does_not_take():
    """Which of the sent events it is, and the place, the innermost first."""
    ((name, of, data),) = notes(("on_message", RIGHT), (None, b"\0\0"), ("on_message", WRONG))
    assert (name, of, data["number"]) == ("sent_from", 7, 2)
    assert data["detail"][0] == f"{__file__}:{say.__code__.co_firstlineno + 2} in say"


@pytest.mark.parametrize(
    "sends",
    [(), (("on_message", RIGHT),), ((None, WRONG),), (("on_message", AUDIO),)],
    ids=["nothing", "what is taken", "our own", "audio"],
)
def test_of_what_no_place_is_told(sends):
    """What is taken, what the harness sends, and audio."""
    assert notes(*sends) == []


def test_of_equal_messages_each_has_its_own_place():
    """Also where one of them was sent by the harness."""
    assert [data["number"] for _, _, data in notes(("on_open", WRONG), (None, WRONG), ("on_close", WRONG))] == [0, 2]
