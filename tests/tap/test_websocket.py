"""Tests of the tap, on real sockets, with each kind of connection that the installed websockets library has."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from aiohttp import WSMsgType, web

from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Note, Opened, Received, Sent
from evi_harness.session.protocols import Close, Send
from evi_harness.tap.websocket import TAKEN, Tap

SECOND = 1_000_000_000
ALL = ["legacy", "asyncio", "sync"]
ASYNC = ["legacy", "asyncio"]
MODULES = {"legacy": "websockets.legacy.client", "asyncio": "websockets.asyncio.client", "sync": "websockets.sync.client"}


def connect_of(kind):
    """The connect of one kind of connection, where the installed library has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return import_module(MODULES[kind]).connect
        except ImportError:
            pytest.skip(f"the installed websockets has no {MODULES[kind]}")


class Server:
    """A WebSocket server in a thread; ``script(ws, request)`` is what it does with a connection, and ``heard`` what it got."""

    def __init__(self, script):
        self.heard = []
        self._script = script
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self):
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return self._runner.addresses[0][1]

    async def _serve(self, request):
        ws = web.WebSocketResponse(compress=False, autoclose=True)
        await ws.prepare(request)
        with contextlib.suppress(ConnectionError):
            await self._script(ws, request)
            async for message in ws:
                self.heard.append((TEXT if message.type is WSMsgType.TEXT else BINARY, message.data))
                if message.data == "bye":
                    await ws.close(code=4000, message=b"as asked")
                elif message.data == "abort":
                    request.transport.abort()
                elif message.data == "echo":
                    await ws.send_str("echoed")
        return ws


class Client:
    """One way to use the three kinds: a call that may be a coroutine is awaited."""

    def __init__(self, kind, connection):
        self.kind = kind
        self.connection = connection

    async def call(self, name, *args):
        result = getattr(self.connection, name)(*args)
        return await result if self.kind != "sync" else result

    async def send(self, message):
        await self.call("send", message)

    async def recv(self):
        return await self.call("recv")

    async def settle(self):
        """Return when all that the server sent before has arrived."""
        pong = await self.call("ping")
        if self.kind == "sync":
            assert pong.wait(60)
        else:
            await pong

    async def iterate(self, n, name="__aiter__"):
        found = []
        source = getattr(self.connection, name if self.kind != "sync" else name.replace("__aiter__", "__iter__"))()
        if self.kind == "sync":
            for message in source:
                found.append(message)
                if len(found) == n:
                    return found
        else:
            async for message in source:
                found.append(message)
                if len(found) == n:
                    return found
        return found


def tap_of(connection, events, **options):
    """A tap on the machine's clock that writes into a list."""
    return Tap(connection, events.append, now_ns=time.monotonic_ns, **options)


def leave(tap):
    """Take a tap off and have all that it heard."""
    tap.detach()
    tap.finish()


def talk(kind, main, script=None):
    """Run main(client, server) on a connection of one kind, to a server with a script."""

    async def nothing(ws, request): ...

    async def run(server):
        connecting = connect_of(kind)(f"ws://127.0.0.1:{server.port}/chat?config_id=c&empty=")
        if kind == "sync":
            with connecting as connection:
                return await main(Client(kind, connection), server)
        async with connecting as connection:
            return await main(Client(kind, connection), server)

    connect_of(kind)
    with Server(script or nothing) as server:
        return asyncio.run(run(server))


def tapped(kind, main, script=None, **options):
    """Like ``talk``, with a tap around main(client, server, events); gives the events and the tap."""
    events = []

    async def run(client, server):
        tap = tap_of(client.connection, events, **options)
        tap.attach()
        try:
            await main(client, server, events)
        finally:
            leave(tap)
        return tap

    return events, talk(kind, run, script)


def of(events, kind):
    """The events of one kind, by seq."""
    return [event for event in events if isinstance(event, kind)]


def attributes(connection):
    """All that a tap may have changed, to be compared; nothing of what changes by itself."""
    assembler = getattr(connection, "recv_messages", None)
    names = ("send", "recv", "read_message", "messages")
    found = {name: vars(connection).get(name) for name in names}
    return {**found, **{f"assembler.{name}": vars(assembler).get(name) for name in ("put", "get", "get_iter", "close") if assembler}}


async def pieces(*items):
    """An asynchronous iterable."""
    for item in items:
        yield item


@pytest.mark.parametrize("kind", ALL)
def test_every_way_of_sending_is_recorded(kind):
    """Text, bytes in any form and messages in pieces, each once, as the server got them, with how long they took."""
    messages = ["tëxt", b"bytes", bytearray(b"array"), memoryview(b"view"), ["in ", "piëces"], [b"in", b"pieces"], iter([b"one"]), []]
    if kind != "sync":
        messages += [pieces("a", "b"), pieces(b"c", b"d"), pieces()]

    async def main(client, server, events):
        for message in messages:
            await client.send(message)
        await client.send("echo")
        await client.recv()

    heard = []

    async def keep(client, server, events):
        await main(client, server, events)
        heard.extend(server.heard)

    events, _ = tapped(kind, keep)
    sent = of(events, Sent)
    as_heard = [(one.frame.opcode, one.frame.payload.decode() if one.frame.is_text else one.frame.payload) for one in sent]
    assert as_heard == heard
    assert [event.seq for event in events] == list(range(len(events)))
    assert all(one.took_ns >= 0 and one.outcome == "sent" for one in sent)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("way", ["recv", "iterate", "stream"])
def test_every_way_of_receiving_is_recorded(kind, way):
    """Whole messages with both times, whichever way the app takes them and however they crossed the wire."""
    if (kind, way) == ("legacy", "stream"):
        pytest.skip("the legacy connection has no recv_streaming")
    said = [(TEXT, b"hello"), (BINARY, b"\0\1"), (TEXT, "in piëces".encode()), (TEXT, b"")]

    async def script(ws, request):
        await ws.receive()
        await ws.send_str("hello")
        await ws.send_bytes(b"\0\1")
        pieces = "in piëces".encode()
        request.transport.write(bytes([0x01, 6]) + pieces[:6] + bytes([0x80, len(pieces) - 6]) + pieces[6:])
        await ws.send_str("")

    async def main(client, server, events):
        await client.send("go")
        if way == "recv":
            for _ in said:
                await client.recv()
        elif way == "iterate":
            assert len(await client.iterate(len(said))) == len(said)
        else:
            for _ in said:
                await client.iterate(0, "recv_streaming")

    events, _ = tapped(kind, main, script)
    received = of(events, Received)
    assert [(one.frame.opcode, one.frame.payload) for one in received] == said
    assert all(0 < one.at_ns <= one.taken_ns for one in received)


@pytest.mark.parametrize("kind", ALL)
def test_the_handshake_opens_the_session(kind):
    """Path, query and headers stand in the first event, at time zero; the endpoint has no query."""

    async def main(client, server, events): ...

    events, tap = tapped(kind, main)
    opened = events[0]
    assert isinstance(opened, Opened)
    assert (opened.seq, opened.at_ns, opened.handshake.path) == (0, 0, "/chat")
    assert opened.handshake.query == (("config_id", "c"), ("empty", ""))
    assert "upgrade" in {name.lower() for name, _ in opened.handshake.headers}
    host = dict(opened.handshake.headers)["Host"]
    assert tap.endpoint == f"ws://{host}/chat"
    assert (tap.reply_header("upgrade"), tap.reply_header("X-None")) == ("websocket", None)


async def says_three(ws, request):
    """Says three things before it is asked anything."""
    for word in ("one", "two", "three"):
        await ws.send_str(word)


@pytest.mark.parametrize("kind", ALL)
def test_what_the_library_holds_already_is_recorded(kind):
    """Frames received before the tap was set have time zero, and a note says how many; those taken before are not in it."""

    async def main(client, server):
        assert await client.recv() == "one"
        if kind != "sync":
            await client.settle()
        events = []
        tap = tap_of(client.connection, events)
        tap.attach()
        assert [await client.recv(), await client.recv()] == ["two", "three"]
        leave(tap)
        return events, tap

    events, _ = talk(kind, main, says_three)
    received = of(events, Received)
    assert [one.frame.payload for one in received] == [b"two", b"three"]
    if kind != "sync":
        assert [one.at_ns for one in received] == [0, 0]
        assert [(note.name, dict(note.data)) for note in of(events, Note)] == [("received_before", {"n_frames": 2})]
    assert all(one.taken_ns > 0 for one in received)


@pytest.mark.parametrize("kind", ASYNC)
def test_a_recv_under_way_is_recorded(kind):
    """What a coroutine was waiting for when the tap was set is recorded, and what comes after has its own times."""

    async def main(client, server):
        waiting = asyncio.ensure_future(client.recv())
        await asyncio.sleep(0)
        events = []
        tap = tap_of(client.connection, events)
        tap.attach()
        await client.send("echo")
        assert await waiting == "echoed"
        await client.send("echo")
        assert await client.recv() == "echoed"
        leave(tap)
        return events

    received = of(talk(kind, main), Received)
    assert [one.frame.payload for one in received] == [b"echoed", b"echoed"]
    assert received[1].taken_ns is not None


def test_a_thread_s_recv_under_way_is_recorded():
    """The same where a thread waits: its message is in the session, and those behind it keep their own times."""

    async def main(client, server):
        got = []
        waiting = threading.Thread(target=lambda: got.append(client.connection.recv()))
        waiting.start()
        while not client.connection.recv_messages.get_in_progress:  # noqa: ASYNC110 - a thread sets it, and tells nobody
            await asyncio.sleep(0)
        events = []
        tap = tap_of(client.connection, events)
        tap.attach()
        client.connection.send("echo")
        waiting.join()
        client.connection.send("echo")
        got.append(client.connection.recv())
        leave(tap)
        assert got == ["echoed", "echoed"]
        return events

    received = of(talk("sync", main), Received)
    assert [one.frame.payload for one in received] == [b"echoed", b"echoed"]
    assert received[1].at_ns <= received[1].taken_ns


@pytest.mark.parametrize("kind", ALL)
def test_what_the_app_never_takes_is_recorded_and_stays_there(kind):
    """On leaving, frames in the library's queue are in the session without a taken time, and the app can still take them."""

    async def main(client, server):
        events = []
        tap = tap_of(client.connection, events)
        tap.attach()
        assert await client.recv() == "one"
        if tap.times != TAKEN:
            await client.settle()
        leave(tap)
        assert [await client.recv(), await client.recv()] == ["two", "three"]
        return events, tap

    events, tap = talk(kind, main, says_three)
    received = of(events, Received)
    assert received[0].taken_ns is not None
    if tap.times != TAKEN:
        assert [(one.frame.payload, one.taken_ns) for one in received[1:]] == [(b"two", None), (b"three", None)]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("how", "expected"),
    [("app", ("app", 4001, "enough")), ("bye", ("service", 4000, "as asked")), ("abort", ("network", None, ""))],
)
def test_the_close_says_by_whom(kind, how, expected):
    """The close is recorded as the connection sees it, without the app telling: by app, service or network, with code and reason."""

    async def main(client, server, events):
        if how == "app":
            await client.call("close", 4001, "enough")
        else:
            await client.send(how)
            with pytest.raises(Exception, match=r"close|4000"):
                await client.recv()

    events, _ = tapped(kind, main)
    closed = of(events, Closed)
    assert [(one.by, one.code, one.reason) for one in closed] == [expected]
    assert closed[0].at_ns >= max(one.at_ns for one in events)


@pytest.mark.parametrize("kind", ALL)
def test_a_close_without_code_has_none(kind):
    """An empty close frame is a close by the service with no code."""

    async def script(ws, request):
        request.transport.write(bytes([0x88, 0]))

    async def main(client, server, events):
        with contextlib.suppress(Exception):
            await client.recv()

    events, _ = tapped(kind, main, script)
    assert [(one.by, one.code) for one in of(events, Closed)] == [("service", None)]


@pytest.mark.parametrize("kind", ALL)
def test_the_end_is_told_once_all_is_taken(kind):
    """``on_over`` is called once, when the connection is closed and the app has taken the last message, not before."""
    if kind != "legacy" and int(version("websockets").split(".")[0]) < 14:
        pytest.skip("before 14 the library forgets what was not taken when the connection is closed")
    over = []

    async def script(ws, request):
        await says_three(ws, request)
        await ws.close(code=4000)

    async def main(client, server, events):
        for word in ("one", "two", "three"):
            assert not over
            assert await client.recv() == word
        with contextlib.suppress(Exception):
            await client.recv()
        with contextlib.suppress(Exception):
            await client.call("wait_closed")
        await asyncio.sleep(0)

    tapped(kind, main, script, on_over=lambda: over.append(True))
    assert over == [True]


@pytest.mark.parametrize("kind", ALL)
def test_the_connection_is_left_as_it_was(kind):
    """After leaving, every attribute is what it was before, and the connection works; a new tap may be set."""

    async def main(client, server):
        before = attributes(client.connection)
        for _ in range(2):
            tap = tap_of(client.connection, [])
            tap.attach()
            assert attributes(client.connection) != before
            await client.send("echo")
            assert await client.recv() == "echoed"
            leave(tap)
            leave(tap)
            after = attributes(client.connection)
            assert {name: id(value) for name, value in after.items()} == {name: id(value) for name, value in before.items()}
        await client.send("echo")
        assert await client.recv() == "echoed"

    talk(kind, main)


@pytest.mark.parametrize("kind", ALL)
def test_two_taps_on_one_connection_are_refused(kind):
    """A second recording of one connection is an error that changes nothing; the first goes on."""

    async def main(client, server, events):
        second = tap_of(client.connection, [])
        with pytest.raises(UsageError, match="already"):
            second.attach()
        second.detach()
        await client.send("echo")
        await client.recv()

    events, _ = tapped(kind, main)
    assert (len(of(events, Sent)), len(of(events, Received))) == (1, 1)


@pytest.mark.parametrize("kind", ALL)
def test_refused_and_failed_sends_raise_what_they_raised(kind):
    """What is no message is refused and leaves no event; a send on a closed connection is recorded as failed; both raise as ever."""

    async def main(client, server, events):
        for nothing in ({"a": 1}, 7):
            with pytest.raises(TypeError):
                await client.send(nothing)
        await client.call("close")
        with pytest.raises(Exception, match="1000") as raised:
            await client.send("too late")
        assert type(raised.value).__name__ == "ConnectionClosedOK"

    events, _ = tapped(kind, main)
    assert [(one.frame.payload, one.outcome) for one in of(events, Sent)] == [(b"too late", "failed")]


@pytest.mark.parametrize("kind", ALL)
def test_a_message_that_breaks_off_is_recorded_as_far_as_it_went(kind):
    """An app's iterable that raises half-way: its own error comes back, and the pieces before are a failed send."""

    def breaks():
        yield b"first"
        raise LookupError("the app's own")

    async def main(client, server, events):
        with pytest.raises(LookupError, match="own"):
            await client.send(breaks())

    events, _ = tapped(kind, main)
    assert [(one.frame.payload, one.outcome) for one in of(events, Sent)] == [(b"first", "failed")]


@pytest.mark.parametrize("kind", ASYNC)
def test_a_cancelled_send_is_recorded_as_such(kind):
    """A send that is cancelled while it waits for its next piece has its pieces so far and the outcome cancelled."""

    async def main(client, server, events):
        begun, never = asyncio.Event(), asyncio.Event()

        async def hangs():
            yield "first"
            begun.set()
            await never.wait()

        sending = asyncio.ensure_future(client.send(hangs()))
        await begun.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    events, _ = tapped(kind, main)
    assert [(one.frame.payload, one.outcome) for one in of(events, Sent)] == [(b"first", "cancelled")]


@pytest.mark.parametrize("kind", ASYNC)
def test_concurrent_sends_are_each_recorded(kind):
    """A send that waits for another is stamped when it began and written when it was over."""

    async def main(client, server, events):
        first_has_begun, second_has_begun = asyncio.Event(), asyncio.Event()

        async def slow():
            yield "sl"
            first_has_begun.set()
            await second_has_begun.wait()
            yield "ow"

        async def second():
            await first_has_begun.wait()
            second_has_begun.set()
            await client.send("second")

        await asyncio.gather(client.send(slow()), second())
        await client.send("echo")
        await client.recv()

    events, _ = tapped(kind, main)
    sent = of(events, Sent)
    assert [one.frame.payload for one in sent] == [b"slow", b"second", b"echo"]
    assert sent[1].at_ns < sent[0].at_ns + sent[0].took_ns


@pytest.mark.parametrize("kind", ALL)
def test_pings_are_left_alone(kind):
    """Pings of both sides are answered and leave no event."""
    ponged = threading.Event()

    async def script(ws, request):
        await ws.receive()
        await ws.ping(b"are you there")
        await ws.send_str("pinged")

    async def main(client, server, events):
        await client.send("go")
        assert await client.recv() == "pinged"
        await client.settle()
        ponged.set()

    events, _ = tapped(kind, main, script)
    assert ponged.is_set()
    assert [event.kind for event in events] == ["opened", "sent", "received"]


@pytest.mark.parametrize("kind", ALL)
def test_a_failure_of_ours_does_not_reach_the_app(kind):
    """A sink that raises ends the log, which tells once; sending, receiving and closing go on."""
    told = []

    def sink(event):
        raise OSError("no room")

    async def main(client, server):
        tap = Tap(client.connection, sink, now_ns=time.monotonic_ns, on_failure=told.append)
        tap.attach()
        for _ in range(2):
            await client.send("echo")
            assert await client.recv() == "echoed"
        await client.call("close")
        leave(tap)

    talk(kind, main)
    assert [str(one) for one in told] == ["no room"]


@pytest.mark.parametrize("kind", ["asyncio", "sync"])
def test_text_that_is_no_utf_8_is_recorded_as_it_came(kind):
    """The library fails the connection when the app takes it; the bytes are in the session."""

    async def script(ws, request):
        await ws.receive()
        request.transport.write(bytes([0x81, 3]) + b"a\xffb")

    async def main(client, server, events):
        await client.send("go")
        with contextlib.suppress(Exception):
            await client.recv()

    events, tap = tapped(kind, main, script)
    if tap.times != TAKEN:
        assert [(one.frame.opcode, one.frame.payload) for one in of(events, Received)] == [(TEXT, b"a\xffb")]


@pytest.mark.parametrize("kind", ["asyncio", "sync"])
def test_the_caller_s_word_on_text_counts(kind):
    """``send(bytes, text=True)`` is a text frame and ``send(str, text=False)`` a binary one."""

    async def main(client, server, events):
        import inspect

        if "text" not in inspect.signature(client.connection.send).parameters:
            pytest.skip("the installed websockets has no such argument")
        for message, text in ((b"bytes", True), ("string", False), ([b"in", b"pieces"], True)):
            result = client.connection.send(message, text=text)
            if kind != "sync":
                await result

    events, _ = tapped(kind, main)
    assert [(one.frame.opcode, one.frame.payload) for one in of(events, Sent)] == [
        (TEXT, b"bytes"),
        (BINARY, b"string"),
        (TEXT, b"inpieces"),
    ]


class Plan:
    """A service that does what its plan says: (when, action)."""

    def __init__(self, *plan):
        self.plan = list(plan)

    def take(self, event, at_ns): ...

    def due(self, at_ns):
        now = [action for due_ns, action in self.plan if due_ns <= at_ns]
        self.plan = self.plan[len(now) :]
        return now

    def next_at_ns(self):
        return self.plan[0][0] if self.plan else None


def in_virtual_time(kind, plan, app, tapped_after_s=0):
    """Run app(connection, loop) with a tap, in virtual time, before a service with a plan; gives the events."""
    connect = connect_of(kind)
    events = []

    async def main(loop):
        server = ChatServer(lambda _: Plan(*plan), clock=loop, chat_paths=EVI.chat_paths)
        async with VirtualCarrier(loop, server) as carrier:
            url = carrier.url.replace("http", "ws") + EVI.chat_paths[0]
            async with connect(url, ping_interval=None) as connection:
                tap = Tap(connection, events.append, now_ns=loop.now_ns)
                await asyncio.sleep(tapped_after_s)
                before = attributes(connection)
                tap.attach()
                await app(connection, loop)
                leave(tap)
                assert attributes(connection) == before

    run_virtual(main)
    return events


@pytest.mark.parametrize("kind", ASYNC)
def test_both_times_of_a_received_frame_are_exact(kind):
    """In virtual time a frame has the nanosecond at which it arrived, and the one at which an app that was busy took it."""
    plan = [(n * SECOND, Send(Frame(TEXT, b"%d" % n), n * SECOND)) for n in (1, 2, 3)]

    async def app(connection, loop):
        await asyncio.sleep(2.5)
        for _ in plan:
            await connection.recv()
            await asyncio.sleep(1)

    received = of(in_virtual_time(kind, plan, app), Received)
    assert [one.at_ns for one in received] == [1 * SECOND, 2 * SECOND, 3 * SECOND]
    assert [one.taken_ns for one in received] == [2.5 * SECOND, 3.5 * SECOND, 4.5 * SECOND]


@pytest.mark.parametrize("kind", ASYNC)
def test_a_full_queue_does_not_bend_the_times_of_what_was_read(kind):
    """Of more messages than the library's queue takes, each is recorded once, in order; the one it had read beyond has its own time."""
    n_messages = 60
    plan = [(n * SECOND, Send(Frame(TEXT, b"%d" % n), n * SECOND)) for n in range(1, n_messages + 1)]

    async def app(connection, loop):
        await asyncio.sleep(100)
        for _ in range(n_messages):
            await connection.recv()

    received = of(in_virtual_time(kind, plan, app), Received)
    assert [one.frame.payload for one in received] == [b"%d" % n for n in range(1, n_messages + 1)]
    n_queued = 33 if kind == "legacy" else 17
    assert [one.at_ns for one in received[:n_queued]] == [n * SECOND for n in range(1, n_queued + 1)]
    assert all(one.taken_ns == 100 * SECOND for one in received)


@pytest.mark.parametrize("kind", ASYNC)
def test_a_queue_that_is_full_already_does_not_bend_the_times_of_what_comes_later(kind):
    """What fills it has time zero; each message is recorded once, in order; once the app has caught up, each has its own time again."""
    n_before = 60
    plan = [(n * SECOND, Send(Frame(TEXT, b"%d" % n), n * SECOND)) for n in range(1, 2 * n_before + 1)]

    async def app(connection, loop):
        for _ in plan:
            await connection.recv()

    received = of(in_virtual_time(kind, plan, app, tapped_after_s=n_before + 0.5), Received)
    assert [one.frame.payload for one in received] == [b"%d" % n for n in range(1, 2 * n_before + 1)]
    assert [one.at_ns for one in received[:n_before]] == [0] * n_before
    assert [one.at_ns for one in received[n_before:]] == [n * SECOND - SECOND // 2 for n in range(1, n_before + 1)]


@pytest.mark.parametrize("kind", ASYNC)
def test_the_close_has_its_own_time(kind):
    """A close that the app notices late is recorded when it happened, behind what came before."""
    plan = [(SECOND, Send(Frame(TEXT, b"last"), SECOND)), (2 * SECOND, Close(1000, "done"))]

    async def app(connection, loop):
        await asyncio.sleep(5)
        # 13 forgets what was not taken when the connection is closed.
        with contextlib.suppress(Exception):
            taken.append(await connection.recv())

    taken = []
    events = in_virtual_time(kind, plan, app)
    assert [(one.by, one.code, one.reason, one.at_ns) for one in of(events, Closed)] == [("service", 1000, "done", 2 * SECOND)]
    assert [(one.at_ns, one.taken_ns) for one in of(events, Received)] == [(SECOND, 5 * SECOND if taken else None)]


@pytest.mark.parametrize("thing", [None, "socket", SimpleNamespace(send=1, recv_messages=None)])
def test_what_is_no_connection_is_refused(thing):
    """Something else than a connection of the websockets library is a usage error that names it."""
    with pytest.raises(UsageError, match=type(thing).__name__):
        tap_of(thing, [])
