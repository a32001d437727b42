from __future__ import annotations

import asyncio
import re

import pytest
from scripts import Script
from websockets.exceptions import ConnectionClosed

from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import NotAHandler
from evi_harness.evi.dialect import EVI
from evi_harness.guard.place_lookup import told
from evi_harness.sdk.app import App, run_app
from evi_harness.sdk.hume.handlers import callbacks_of
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.events import Note, Received
from evi_harness.session.protocols import Close

MS = 1_000_000
END = {"type": "assistant_end"}
CHAT = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}
ERROR = {"type": "error", "code": "E1", "slug": "s", "message": "m"}


def run(handler, *rows, user=None, redact=str):
    """Run a handler against a scripted service in virtual time; gives the events of the session."""

    async def main(loop):
        arrivals = Arrivals()
        journal = Journal(loop, arrivals.tell)
        server = ChatServer(lambda _: Script(*rows), clock=loop, chat_paths=EVI.chat_paths, journal_for=lambda _: journal)
        async with VirtualCarrier(loop, server) as carrier:
            callbacks = callbacks_of(handler, "handler")
            await run_app(App(carrier.url, HUME, callbacks, user or Script(), journal, loop, arrivals, redact=redact))
        return journal.events

    return run_virtual(main)


def notes(events, name):
    """The notes of one name."""
    return [event for event in events if isinstance(event, Note) and event.name == name]


class Logs:
    """Keeps which callbacks were called, in order."""

    def __init__(self):
        self.log = []

    def set_socket(self, socket):
        self.socket = socket
        self.log.append("set_socket")

    async def on_open(self):
        self.log.append("on_open")

    async def on_message(self, message):
        self.log.append(message.type)

    async def on_close(self):
        self.log.append("on_close")

    async def on_error(self, error):
        self.log.append(f"on_error {type(error).__name__}")


def test_callbacks_come_in_the_order_of_the_sdk():
    """on_open before set_socket, then each message, then on_close."""
    handler = Logs()
    run(handler, (0, CHAT), (10, END), (20, Close(1000)))
    assert handler.log == ["on_open", "set_socket", "chat_metadata", "assistant_end", "on_close"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
@pytest.mark.parametrize("where", ["on_open", "set_socket", "on_message"])
def test_an_exit_in_a_callback_ends_the_conversation(error, where):
    """It is noted with its place, and nothing of the handler is called any more; the connection is closed by the app."""

    class Leaves(Logs):
        def at(self, name):
            self.log.append(name)
            if name == where:
                raise error

        def set_socket(self, socket):
            self.at("set_socket")

        async def on_open(self):
            self.at("on_open")

        async def on_message(self, message):
            self.at("on_message")

    handler = Leaves()
    events = run(handler, (0, CHAT), (10, END), (20, Close(1000)))
    (note,) = notes(events, "exits")
    assert note.data["what"].startswith(f"{where} raised {type(error).__name__}")
    assert note.data["detail"][0].startswith(f"{__file__}:")
    assert note.data["ended"] is True
    assert handler.log[-1] == where
    assert [(event.by, event.code) for event in events if event.kind == "closed"] == [("app", 1000)]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
def test_an_exit_in_on_close_comes_when_all_is_over(error):
    """So it is a kind of its own; an interrupt is none that an app raises in good order."""

    class Leaves(Logs):
        async def on_close(self):
            raise error

    events = run(Leaves(), (0, CHAT), (20, Close(1000)))
    assert [note.name for note in events if isinstance(note, Note) and note.name.startswith("exits")] == [
        "exits_at_end" if isinstance(error, SystemExit) else "exits"
    ]


def test_what_on_message_raises_goes_to_on_error_and_the_next_message_follows():
    """It is noted with its place, about the event that the handler had."""
    error = ValueError("no")

    class Raises(Logs):
        async def on_message(self, message):
            await super().on_message(message)
            if message.type == "chat_metadata":
                raise error

    handler = Raises()
    events = run(handler, (0, CHAT), (10, END), (20, Close(1000)))
    name = type(error).__name__
    assert handler.log == ["on_open", "set_socket", "chat_metadata", f"on_error {name}", "assistant_end", "on_close"]
    (note,) = notes(events, "raised")
    assert note.data["what"] == f"on_message raised {name}: {error}"
    assert note.data["detail"][0].startswith(f"{__file__}:")
    assert isinstance(events[note.of], Received)


@pytest.mark.parametrize("name", ["on_open", "set_socket", "on_close"])
def test_what_another_callback_raises_is_a_finding_too(name):
    """The run goes on to its end."""
    handler = Logs()

    def raises(*args):
        raise ValueError("no")

    raises.__name__ = name
    setattr(handler, name, raises)
    events = run(handler, (0, CHAT), (20, Close(1000)))
    assert [note.data["what"] for note in notes(events, "raised")] == [f"{name} raised ValueError: no"]
    assert "chat_metadata" in handler.log
    assert "on_error ValueError" in handler.log


def test_an_on_error_that_raises_is_not_called_again():
    """There are two findings and no endless loop."""

    class Worse(Logs):
        async def on_message(self, message):
            raise ValueError("first")

        async def on_error(self, error):
            raise TypeError("second")

    events = run(Worse(), (0, CHAT), (20, Close(1000)))
    assert [note.data["what"] for note in notes(events, "raised")] == [
        "on_message raised ValueError: first",
        "on_error raised TypeError: second",
    ]


def test_an_exception_that_cannot_speak_is_told_by_its_name():
    """Nothing that an exception does when asked for its text ends the run."""

    class Mute(Exception):
        def __str__(self):
            raise ValueError("mute")

    assert told(Mute(), "on_message", str)["what"] == "on_message raised Mute"


def test_entered_and_returned_are_paired_and_name_the_received_event():
    """Each message's two notes stand about its event, in the order of the messages; others are about none."""
    events = run(Logs(), (0, CHAT), (0, ERROR), (0, END), (20, Close(1000)))
    received = [event.seq for event in events if isinstance(event, Received)]
    for name in ("handler_entered", "handler_returned"):
        found = notes(events, name)
        assert [note.of for note in found if note.data["callback"] == "on_message"] == received
        assert [note.data["callback"] for note in found if note.of is None] == ["on_open", "set_socket", "on_close"]


@pytest.mark.parametrize(
    ("message", "fields", "what"),
    [
        ({"type": "audio_output", "data": ""}, ["id", "index"], "field id .*; field index "),
        ("no json", [""], "not JSON"),
        ({"type": "brand_new"}, [""], "type 'brand_new' .*unknown"),
    ],
    ids=["fields", "no JSON", "unknown"],
)
def test_an_unparseable_message_ends_the_reading(message, fields, what):
    """As it does in an app: the note says which message and field, on_error gets it, and no later message comes."""
    handler = Logs()
    events = run(handler, (0, CHAT), (10, message), (10, END), (20, Close(1000)))
    assert handler.log[2] == "chat_metadata"
    assert handler.log[3].startswith("on_error ")
    assert handler.log[4:] == ["on_close"]
    (note,) = notes(events, "unparseable")
    assert note.data["fields"] == fields
    assert re.search(what, note.data["what"])
    assert note.data["ended"] is True
    assert events[note.of].frame.payload == Script.action(message, 0).frame.payload


def test_what_arrived_before_the_close_is_still_handed_on():
    """A handler that is behind gets all messages, and then on_close."""

    class Slow(Logs):
        async def on_message(self, message):
            await asyncio.sleep(5)
            await super().on_message(message)

    handler = Slow()
    run(handler, (0, CHAT), (10, ERROR), (20, END), (30, Close(1000)))
    assert handler.log[2:] == ["chat_metadata", "error", "assistant_end", "on_close"]


def test_a_handler_that_never_returns_is_told_with_its_line():
    """The note comes 30 s after the close, about the event, with the place at which the handler waits."""

    class Waits(Logs):
        async def on_message(self, message):
            await self.something()

        async def something(self):
            await asyncio.Event().wait()

    handler = Waits()
    events = run(handler, (0, CHAT), (1000, Close(1000)))
    (note,) = notes(events, "never_returns")
    assert (note.of, note.at_ns) == (next(event.seq for event in events if isinstance(event, Received)), 31_000 * MS)
    own = [line for line in note.data["detail"] if line.startswith(__file__)]
    assert [line.rpartition(" ")[2] for line in own] == ["something", "on_message"]
    assert handler.log[-1] == "on_close"


async def main(socket):
    """Take each message, and its time."""
    async for _ in socket:
        await asyncio.sleep(0.5)


def test_where_a_callback_waits_is_noted():
    """Of one that takes long, by its message; also where the handler takes the messages by itself."""

    class Waits(Logs):
        async def on_message(self, message):
            await asyncio.sleep(0.5 if message.type == "error" else 0)

    for handler, name in ((Waits(), "on_message"), (main, "main")):
        events = run(handler, (0, ERROR), (2000, Close(1000)))
        (note,) = notes(events, "handler_waits")
        assert (note.of, note.data["callback"]) == (next(event.seq for event in events if isinstance(event, Received)), name)
        (place,) = note.data["detail"]
        assert place.startswith(__file__)


def test_a_function_that_turns_out_to_make_handlers_ends_the_run():
    """It is the developer's error, and no finding."""
    with pytest.raises(NotAHandler):
        run(lambda place: Logs(), (0, CHAT), (30, Close(1000)))


def test_a_cancelled_wait_in_a_handler_ends_the_reading_with_a_finding():
    """It is no exception to Python; without a note nobody would know why the app went silent."""

    class Cancelled(Logs):
        async def on_message(self, message):
            await super().on_message(message)
            waiting = asyncio.ensure_future(asyncio.sleep(10))
            waiting.cancel()
            await waiting

    handler = Cancelled()
    events = run(handler, (0, CHAT), (10, END), (1000, Close(1000)))
    (note,) = notes(events, "raised")
    assert note.data["what"] == "on_message raised CancelledError"
    assert note.data["ended"] is True
    assert handler.log[2:] == ["chat_metadata", "on_close"]


def test_a_send_after_the_close_is_a_normal_end():
    """ConnectionClosed is what the SDK raises there; on_error gets it, and it is no finding."""

    class Late(Logs):
        async def on_message(self, message):
            await asyncio.sleep(1)
            await self.socket._send("late")

    handler = Late()
    events = run(handler, (0, CHAT), (500, Close(1000)))
    assert notes(events, "raised") == []
    assert handler.log[-2].startswith("on_error ConnectionClosed")


def test_a_connection_error_before_the_close_is_a_finding():
    """It is the handler's own then."""

    class Early(Logs):
        async def on_message(self, message):
            raise ConnectionClosed(None, None)

    assert len(notes(run(Early(), (0, CHAT), (500, Close(1000))), "raised")) == 1


def test_what_notes_quote_is_redacted():
    """The text of an exception and of a parser's complaint goes through redact."""

    def raises(message):
        raise ValueError("the key is s3cr3t")

    hide = lambda text: text.replace("s3cr3t", "…")  # noqa: E731
    events = run(raises, (0, CHAT), (10, {"type": "s3cr3t"}), (20, Close(1000)), redact=hide)
    assert "s3cr3t" not in str([event for event in events if isinstance(event, Note)])
    assert len(notes(events, "raised")) == 1
    assert len(notes(events, "unparseable")) == 1


def test_what_the_user_side_decides_is_sent():
    """The service on the client's side speaks for the user while the handler listens."""
    user = Script((100, "first"), (200, "second"), (300, Close(4001, "done")))
    events = run(Logs(), (0, CHAT), user=user)
    assert [(event.at_ns, event.frame.payload) for event in events if event.kind == "sent"] == [(100 * MS, b"first"), (200 * MS, b"second")]
    assert [(event.by, event.code, event.reason) for event in events if event.kind == "closed"] == [("app", 4001, "done")]


def test_a_main_that_takes_a_stream_is_given_it():
    """What it puts there is what is played."""

    async def listen(socket, stream):
        async for message in socket:
            await stream.put(message.type.encode())

    handed = []

    async def main(loop):
        arrivals = Arrivals()
        journal = Journal(loop, arrivals.tell)
        script = Script((0, CHAT), (10, END), (20, Close(1000)))
        server = ChatServer(lambda _: script, clock=loop, chat_paths=EVI.chat_paths, journal_for=lambda _: journal)
        async with VirtualCarrier(loop, server) as carrier:
            app = App(carrier.url, HUME, callbacks_of(listen, "listen"), Script(), journal, loop, arrivals)
            await run_app(app)
            handed.extend(one.samples for one in app.handed.items)

    run_virtual(main)
    assert handed == [b"chat_metadata", b"assistant_end"]


def test_a_main_that_returns_at_once_is_no_handler():
    """It is an error of usage, and no finding."""
    with pytest.raises(NotAHandler, match="returned without reading"):
        run(lambda socket: None, (0, CHAT), (20, Close(1000)))
