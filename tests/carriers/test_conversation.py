from __future__ import annotations

import asyncio
import struct

import pytest
from probe import ConnectionEnded, connect

from evi_harness.carriers import server as server_module
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import EviHarnessError
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Note, Received, Sent
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import NoFacts
from evi_harness.session.protocols import Abort, Close, Refuse, Remark, Send

MS = 1_000_000
SECOND = 1_000_000_000


class Service:
    """Answers each message of the app's, and its close, as its table says: (after how long, action)."""

    def __init__(self, answers=(), at_close=()) -> None:
        self.answers = dict(answers)
        self.at_close = list(at_close)
        self.plan = []
        self.asked = []

    def take(self, event, at_ns):
        if isinstance(event, Sent):
            self.plan += [(at_ns + after_ns, action) for after_ns, action in self.answers.get(event.frame.payload, ())]
        elif isinstance(event, Closed):
            self.plan += [(at_ns, action) for action in self.at_close]

    def due(self, at_ns):
        self.asked.append(at_ns)
        now = [action for due_ns, action in self.plan if due_ns <= at_ns]
        self.plan = [step for step in self.plan if step[0] > at_ns]
        return now

    def next_at_ns(self):
        return min((due_ns for due_ns, _ in self.plan), default=None)


def text(words):
    """A text frame."""
    return Frame(TEXT, words.encode())


def converse(service, client, **options):
    """Run client(probe, loop) against a service in virtual time; gives its result and the session."""

    async def run(loop):
        server = ChatServer(lambda handshake: service, clock=loop, chat_paths=["/chat"])
        async with VirtualCarrier(loop, server) as carrier:
            probe = await connect(carrier.url, "/chat", loop.now_ns)
            result = await client(probe, loop)
            probe.abort()
        return result, server.journals[0].events

    return run_virtual(run)


def kind(name):
    """A kind of note of a test's own."""
    return NoteKind(name, NoFacts)


def notes(events, name):
    """The notes of one name."""
    return [event for event in events if isinstance(event, Note) and event.name == name]


def test_the_service_is_asked_exactly_when_it_wants_to_be():
    """At each take and at each next_at_ns, never early, and not between."""
    service = Service({b"a": [(5 * MS, Remark(kind("one"))), (5 * MS + 1, Remark(kind("two")))]})

    async def client(probe, loop):
        await asyncio.sleep(1)
        probe.send(text("a"))
        await asyncio.sleep(1)

    _, events = converse(service, client)
    assert service.asked[:4] == [0, SECOND, SECOND + 5 * MS, SECOND + 5 * MS + 1]
    assert [(note.name, note.at_ns) for note in events if isinstance(note, Note)] == [
        ("one", SECOND + 5 * MS),
        ("two", SECOND + 5 * MS + 1),
    ]


def test_a_service_is_not_asked_behind_what_changes_nothing():
    """It says so itself; what was due before is due at its time."""

    class Unmoved(Service):
        def take(self, event, at_ns):
            super().take(event, at_ns)
            return False if isinstance(event, Sent) and event.frame.payload == b"audio" else None

    service = Unmoved({b"a": [(5 * MS, Remark(kind("one")))]})

    async def client(probe, loop):
        await asyncio.sleep(1)
        probe.send(text("a"))
        await asyncio.sleep(0.001)
        for _ in range(3):
            probe.send(text("audio"))
        await asyncio.sleep(1)

    _, events = converse(service, client)
    assert service.asked[:3] == [0, SECOND, SECOND + 5 * MS]
    assert len([event for event in events if isinstance(event, Sent)]) == 4
    assert [note.at_ns for note in notes(events, "one")] == [SECOND + 5 * MS]


def test_receiving_goes_on_while_a_send_waits():
    """A client that does not read is still heard; what it did not read arrives later, stamped when it was handed to the socket."""
    big = Frame(BINARY, bytes(2_000_000))
    service = Service({b"go": [(0, Send(big, 0))] * 3, b"still here": [(0, Remark(kind("heard")))]})

    async def client(probe, loop):
        probe.pause()
        probe.send(text("go"))
        await asyncio.sleep(1)
        probe.send(text("still here"))
        await asyncio.sleep(1)
        probe.resume()
        return [(await probe.next()).frame == big for _ in range(3)]

    arrived, events = converse(service, client)
    assert arrived == [True] * 3
    assert [event.at_ns for event in events if isinstance(event, Sent)] == [0, SECOND]
    received = [event.at_ns for event in events if isinstance(event, Received)]
    assert received[0] == 0
    assert received[-1] == 2 * SECOND
    # A remark keeps its place among the sends.
    assert notes(events, "heard")[0].at_ns == 2 * SECOND


def test_what_is_sent_after_the_services_close_is_noted():
    """It is no sent event, since nobody took it, and not lost."""
    service = Service({b"end": [(0, Close(4000, "end"))]})

    async def client(probe, loop):
        probe.pause()
        probe.send(text("end"))
        await asyncio.sleep(0.1)
        probe.send(text("late"), Frame(BINARY, b"123"))
        probe.resume()
        return await probe.next()

    end, events = converse(service, client)
    assert end == ConnectionEnded(4000, "end")
    assert sum(isinstance(event, Sent) for event in events) == 1
    assert [dict(note.data) for note in notes(events, "sent_after_close")] == [
        {"opcode": "text", "n_bytes": 4},
        {"opcode": "binary", "n_bytes": 3},
    ]


def test_a_close_that_is_not_answered_ends_after_ten_seconds():
    """The connection does not stay for ever when the app ignores the close frame."""
    service = Service({b"end": [(0, Close(1000, ""))]})

    async def client(probe, loop):
        probe.send(text("end"))
        await asyncio.sleep(0)
        probe.pause()
        await asyncio.sleep(20)

    _, events = converse(service, client)
    (note,) = notes(events, "close_not_answered")
    assert note.at_ns == 10 * SECOND
    assert [(event.by, event.at_ns) for event in events if isinstance(event, Closed)] == [("service", 0)]


def test_what_the_app_did_not_wait_for_is_told():
    """Frames that were still waiting when the app closed are counted in a note."""
    big = Frame(BINARY, bytes(2_000_000))
    service = Service({b"go": [(0, Send(big, 0))] * 5})

    async def client(probe, loop):
        probe.pause()
        probe.send(text("go"))
        await asyncio.sleep(1)
        probe.close(1000)
        await asyncio.sleep(1)

    _, events = converse(service, client)
    n_received = sum(isinstance(event, Received) for event in events)
    assert n_received < 5
    assert notes(events, "unsent")[0].data == {"n_frames": 5 - n_received}


def test_a_service_may_remark_on_the_close():
    """After the app's close only remarks are performed."""
    service = Service(at_close=[Remark(kind("over"), {"n": 1}), Send(text("too late"), 0)])

    async def client(probe, loop):
        probe.close(1000)
        return await probe.next()

    end, events = converse(service, client)
    assert end == ConnectionEnded(1000, "")
    assert [event.kind for event in events[-3:]] == ["closed", "note", "note"]
    assert [event.name for event in events[-2:]] == ["over", "unsent"]


def test_an_abort_after_messages_hands_them_over_first():
    """Actions are performed in order; the abort sends no close frame."""
    service = Service({b"x": [(0, Send(text("first"), 0)), (0, Abort())]})

    async def client(probe, loop):
        probe.send(text("x"))
        return (await probe.next()).frame, await probe.next()

    got, events = converse(service, client)
    assert got == (text("first"), ConnectionEnded(None, ""))
    assert (events[-1].by, events[-1].code) == ("network", None)


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"\x81\x82" + bytes(4) + b"\xff\xff", 1007), (b"\x82\xff" + struct.pack("!Q", 2000) + bytes(4 + 2000), 1009)],
    ids=["not UTF-8", "too large"],
)
def test_an_app_that_breaks_the_protocol_is_closed_by_the_service(raw, code, monkeypatch):
    """The code that the app was given stands in the session."""
    monkeypatch.setattr(server_module, "MAX_MESSAGE_BYTES", 1000)

    async def client(probe, loop):
        probe._transport.write(raw)
        return (await probe.next()).code

    received, events = converse(Service(), client)
    assert received == code
    assert (events[-1].by, events[-1].code) == ("service", code)


def test_a_close_frame_without_a_code_is_answered_in_kind():
    """No code is None in the session, and the answer has none either."""

    async def client(probe, loop):
        probe.close()
        return await probe.next()

    end, events = converse(Service(), client)
    assert end == ConnectionEnded(1005, "")
    assert (events[-1].by, events[-1].code) == ("app", None)


@pytest.mark.parametrize(
    "service",
    [
        Service({b"x": [(0, Refuse(403))]}),
        type("Restless", (Service,), {"next_at_ns": lambda self: 0})({}),
    ],
    ids=["refuses too late", "says something is due and has nothing"],
)
def test_a_service_that_cannot_be_carried_ends_the_conversation(service):
    """The connection is aborted and the error comes out of the carrier, instead of a loop that spins for ever."""

    async def client(probe, loop):
        probe.send(text("x"))
        return await probe.next()

    with pytest.raises(EviHarnessError):
        converse(service, client)
