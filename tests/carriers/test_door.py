from __future__ import annotations

import asyncio
import gc
import re
import weakref
from contextlib import suppress
from itertools import product

import pytest
from carrier_duties import ScriptedService
from probe import Arrived, ConnectionEnded, HandshakeRefused, connect
from raw_client import frame, request

from evi_harness.carriers.admission import Admission
from evi_harness.carriers.door import Hall
from evi_harness.carriers.limits import DEFAULT_LIMITS, ServerLimits
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Note
from evi_harness.session.protocols import Send

SECOND = 1_000_000_000
MIB = 1024 * 1024
HOST = "evi.invalid"
NAMED = Admission(hosts=frozenset({HOST}))
HELLO = Frame(TEXT, b"hello")


class Talkative:
    """Answers each message with one of a MiB."""

    def __init__(self, handshake=None):
        self.waiting = []

    def take(self, event, at_ns):
        if event.kind == "sent":
            self.waiting.append(Send(Frame(BINARY, bytes(MIB)), at_ns))

    def due(self, at_ns):
        now, self.waiting = self.waiting, []
        return now

    def next_at_ns(self):
        return self.waiting[0].due_ns if self.waiting else None


def serve(main, open_service=None, *, has_door=True, **limits):
    """Run main(server, loop) in virtual time, beside a server with these limits or none; gives what it gives, and what was told."""
    told = []

    async def run(loop):
        server = ChatServer(
            open_service or ScriptedService(),
            clock=loop,
            chat_paths=["/chat"],
            token_path="/token",
            limits=ServerLimits(**limits) if has_door else None,
            admission=NAMED,
            on_unknown=told.append,
        )
        async with VirtualCarrier(loop, server):
            return await main(server, loop)

    return run_virtual(run), told


async def ask(data, *, ends=False):
    """All that comes back for these bytes, to the end of the connection."""
    reader, writer = await asyncio.open_connection(HOST, 80)
    writer.write(data)
    if ends:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def asking(data):
    """The same as a main for ``serve``; with the virtual time that it took."""

    async def main(server, loop):
        return await ask(data), loop.now_ns()

    return main


POST = b"POST /token HTTP/1.1\r\nHost: evi.invalid\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /chat HTTP/1.1\r\nHost: evi.invalid\r\n",
        b"GET /chat HTT",
        POST + b"Content-Length: 100\r\n\r\nhalf",
    ],
)
def test_a_request_that_is_not_complete_in_time_is_dropped(data):
    """To the nanosecond, with 408."""
    (answer, at_ns), told = serve(asking(data), handshake_s=7)
    assert at_ns == 7 * SECOND
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert [re.search(r"\bnot complete within 7 s .*closed", line) is not None for line in told] == [True]


def test_one_that_trickles_in_has_no_longer():
    """Each byte does not begin the time anew."""

    async def main(server, loop):
        reader, writer = await asyncio.open_connection(HOST, 80)
        answer = asyncio.ensure_future(reader.read())
        for byte in b"GET":
            writer.write(bytes([byte]))
            await asyncio.sleep(1)
        await answer
        writer.close()
        return loop.now_ns()

    assert serve(main, handshake_s=3.5)[0] == 3_500_000_000


def test_an_open_socket_has_no_such_time():
    """The time is for the request."""

    async def main(server, loop):
        probe = await connect(f"http://{HOST}", "/chat", loop.now_ns)
        await asyncio.sleep(100)
        probe.close(1000)
        return await probe.next()

    assert serve(main, handshake_s=1)[0] == ConnectionEnded(1000, "")


BAD = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /chat",
    b"GET  /chat HTTP/1.1\r\nHost: evi.invalid",
    b"GET /chat HTTP/2.0\r\nHost: evi.invalid",
    b"GET /cha\x00t?api_key=SECRET HTTP/1.1\r\nHost: evi.invalid",
    b"G@T /chat?api_key=SECRET HTTP/1.1\r\nHost: evi.invalid",
    b"GET /chat?api_key=SECRET HTTP/1.1\r\nHost: evi.invalid\r\nno colon",
    b"GET /chat?api_key=SECRET HTTP/1.1\r\nHost: evi.invalid\r\nX-Hume-Api-Key : SECRET",
    b"GET /chat?api_key=SECRET HTTP/1.1\r\nHost: evi.invalid\r\nX: a\r\n folded SECRET",
    b"GET /chat HTTP/1.1\r\nHost: evi.invalid\r\nX-Hume-Api-Key: SEC\x00RET",
    b"GET /chat HTTP/1.1\r\nHost: evi.invalid\r\nX-Hume-Api-Key: SEC\nRET",
    b"GET /chat HTTP/1.1\r\nHost: evi.invalid\r\nHost: evi.invalid",
    b"GET /chat HTTP/1.1\r\nX: no host",
]


@pytest.mark.parametrize("data", BAD)
def test_what_is_no_request_is_refused_and_never_quoted(data):
    """Keys stand in it: neither the answer nor what is told has any of it."""
    (answer, at_ns), told = serve(asking(data + b"\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"SECRET" not in answer
    assert at_ns == 0
    assert told == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\nSECRET\r\n", 411),
        (b"Transfer-Encoding: SECRET\r\n", 411),
        (b"Content-Length: SECRET\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 4\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 411),
        (b"Content-Length: 1048577\r\n", 413),
        (b"Content-Length: %s\r\n" % (b"9" * 5000), 413),
        (b"Content-Length: 4\r\nUpgrade: websocket\r\n", 413),
    ],
)
def test_a_body_has_a_length_and_no_more(fields, status, capfd, caplog):
    """And no library writes a word of what it cannot read."""
    (answer, _), _ = serve(asking(POST + fields + b"\r\n"))
    assert int(answer.split()[1]) == status
    assert b"SECRET" not in answer
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_a_body_may_come_in_pieces():
    """What comes behind it is not looked at."""

    async def main(server, loop):
        reader, writer = await asyncio.open_connection(HOST, 80)
        for data in (POST + b"Content-Length: 8\r\n\r\n", b"abc", b"defghGET /chat HTTP/1.1\r\n\r\n"):
            writer.write(data)
            await asyncio.sleep(1)
        answer = await reader.read()
        writer.close()
        return answer

    answer, _ = serve(main)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_request_may_have_so_many_headers_and_so_much_in_them():
    """More is refused, and what never ends is too, before it fills the memory."""
    many = b"".join(b"X-%d: x\r\n" % n for n in range(200))
    assert serve(asking(POST + many + b"\r\n"))[0][0].startswith(b"HTTP/1.1 431 ")
    endless = (POST + b"X: ").ljust(4 * MIB + 1, b"x")
    assert serve(asking(endless))[0][0].startswith(b"HTTP/1.1 431 ")


def test_several_user_agents_become_one():
    """As hume 0.14 sends them on websockets 12; nothing of them is lost."""

    async def main(server, loop):
        agents = [("User-Agent", "hume/0.14.1"), ("user-agent", "Python/3.9 websockets/12.0")]
        probe = await connect(f"http://{HOST}", "/chat", loop.now_ns, headers=agents)
        probe.close(1000)
        return await probe.next(), [value for name, value in server.journals[0].events[0].handshake.headers if name == "User-Agent"]

    assert serve(main)[0] == (ConnectionEnded(1000, ""), ["hume/0.14.1 Python/3.9 websockets/12.0"])


def test_one_request_is_answered_on_a_connection():
    """What comes behind it is not."""
    (answer, _), _ = serve(asking((POST + b"Content-Length: 0\r\n\r\n") * 3))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    ("method", "path", "origin", "status", "is_shared"),
    [
        ("POST", "/token", "http://localhost:5173", 200, True),
        ("POST", "/token", None, 200, False),
        ("POST", "/token", "https://evil.example", 403, False),
        ("GET", "/nowhere", "http://localhost:5173", 404, True),
        ("GET", "/nowhere", "https://evil.example", 403, False),
        ("OPTIONS", "/token", "https://evil.example", 403, False),
        ("OPTIONS", "/token", "http://localhost:5173", 204, True),
    ],
)
def test_web_pages_are_answered_by_their_origin(method, path, origin, status, is_shared):
    """On each path; a page that is answered may read the answer, and one that is not gets nothing to read."""
    headers = f"{method} {path} HTTP/1.1\r\nHost: evi.invalid\r\nContent-Length: 0\r\nAccess-Control-Request-Method: POST\r\n"
    headers += "" if origin is None else f"Origin: {origin}\r\n"
    (answer, _), told = serve(asking(headers.encode() + b"\r\n"))
    assert int(answer.split()[1]) == status
    assert (f"Access-Control-Allow-Origin: {origin}".encode() in answer) is is_shared
    assert b"access_token" not in answer or status == 200
    told_of = re.compile(r"refused .* Origin https://evil\.example: .*--allow-origin\b.*")
    assert ([bool(told_of.fullmatch(line)) for line in told] == [True]) is (status == 403)


@pytest.mark.parametrize(
    ("name", "value", "option"), [("Origin", "https://evil.example", "--allow-origin"), ("Host", "evil.example", "--known-as")]
)
def test_no_foreign_page_opens_a_socket(name, value, option):
    """Neither by its own name nor by another name for this machine."""
    asked = request(80, host=value if name == "Host" else HOST, headers=f"Origin: {value}\r\n".encode() if name == "Origin" else b"")
    (answer, _), told = serve(asking(asked))
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert [re.match(rf"refused .* {name} {re.escape(value)}: .*{option}\b", line) is not None for line in told] == [True]


def test_a_frame_that_is_not_masked_ends_the_session_with_1002():
    """RFC 6455, 5.1. What came before it was heard; what comes behind it is not."""

    async def main(server, loop):
        frames = frame(1, b"good") + frame(1, b"bad", masked=False) + frame(1, b"late")
        answer = await ask(request(80, host=HOST) + frames)
        return answer.partition(b"\r\n\r\n")[2], server.journals[0].events

    (sent, events), _ = serve(main)
    assert (sent[0], sent[2:]) == (0x88, b"\x03\xeaa frame from the client is not masked")
    assert [event.frame.payload for event in events if event.kind == "sent"] == [b"good"]
    closed = next(event for event in events if isinstance(event, Closed))
    assert (closed.by, closed.code) == ("service", 1002)
    assert "not masked" in closed.reason


@pytest.mark.parametrize(("n_bytes", "code"), [(MIB, 1000), (MIB + 1, 1009), (50 * MIB, 1009)])
def test_a_message_has_at_most_so_many_bytes(n_bytes, code):
    """One more is closed with 1009, before it has come."""

    async def main(server, loop):
        data = frame(2, bytes(n_bytes)) if n_bytes <= MIB else frame(2, bytes(100), size=n_bytes)
        reader, writer = await asyncio.open_connection(HOST, 80)
        writer.write(request(80, host=HOST) + data + frame(8, b"\x03\xe8"))
        await reader.readuntil(b"\r\n\r\n")
        closed = await reader.readexactly(4)
        writer.close()
        return int.from_bytes(closed[2:], "big")

    assert serve(main, message_mib=1)[0] == code


def test_so_many_chats_are_open_at_a_time():
    """One more is told so, and why; there is room again when one ends."""

    async def main(server, loop):
        probes = [await connect(f"http://{HOST}", "/chat", loop.now_ns) for _ in range(3)]
        refused = await probes[2].next()
        probes[0].close(1000)
        await probes[0].next()
        await asyncio.sleep(1)
        again = await connect(f"http://{HOST}", "/chat", loop.now_ns)
        again.close(1000)
        probes[1].close(1000)
        return refused, await again.next()

    (refused, again), told = serve(main, chats=2)
    assert refused.status == 503
    (line,) = told
    assert re.match(r"refused .*\bchat: 2 .*\bopen\b", line)
    assert refused.body == f"evi-harness: {line}\n"
    assert again == ConnectionEnded(1000, "")


def test_so_many_connections_wait_at_a_time():
    """One more closes the oldest, which nobody means any more: whoever comes with a request is answered, however many have none."""

    async def main(server, loop):
        waiting = [await asyncio.open_connection(HOST, 80) for _ in range(3)]
        answers = [await waiting[0][0].read()]
        for reader, writer in waiting[1:]:
            writer.write(POST + b"Content-Length: 0\r\n\r\n")
            answers.append((await reader.read()).split()[1])
        for _, writer in waiting:
            writer.close()
        return answers, loop.now_ns()

    found, told = serve(main, waiting=2)
    assert found == ([b"", b"200", b"200"], 0)
    assert [re.search(r"\b2 connections .*; .*\boldest .*closed", line) is not None for line in told] == [True]


def test_a_socket_on_which_nothing_happens_is_closed():
    """With 1001, that long after the last thing that crossed it: a message either way, or a ping."""

    async def main(server, loop):
        probe = await connect(f"http://{HOST}", "/chat", loop.now_ns)
        assert isinstance(await probe.next(), Arrived)
        await asyncio.sleep(4)
        probe.ping(b"x")
        await probe.next()
        end = await probe.next()
        return end.code, loop.now_ns(), server.journals[0].events[-1]

    service = ScriptedService(opening=[(3 * SECOND, Send(HELLO, 3 * SECOND))])
    (code, at_ns, closed), _ = serve(main, service, idle_s=5)
    assert (code, at_ns) == (1001, 12 * SECOND)
    assert (closed.by, closed.code) == ("service", 1001)
    assert closed.reason.endswith("for 5 s")


async def never_read(loop, n_messages):
    """A client that has sent messages and reads no answer."""
    probe = await connect(f"http://{HOST}", "/chat", loop.now_ns)
    probe.pause()
    for _ in range(n_messages):
        probe.send(HELLO)
        await asyncio.sleep(1)
    return probe


def test_who_does_not_read_is_cut_off():
    """When more than the limit waits for it: no close frame could reach it. Its session says why."""

    async def main(server, loop):
        probe = await never_read(loop, 10)
        probe.resume()
        items = await until_end(probe)
        await asyncio.sleep(1)
        return items[-1], server.journals[0].events

    (end, events), _ = serve(main, Talkative, unsent_mib=4)
    closed = next(event for event in events if isinstance(event, Closed))
    assert end.code is None
    assert (closed.by, closed.code) == ("service", None)
    assert re.match(r"the app .*not read: .*\b4 MiB\b", closed.reason)
    assert any(isinstance(event, Note) and event.name in ("unsent", "undelivered") for event in events)
    assert sum(event.kind == "sent" for event in events) < 10


async def until_end(probe):
    """All that comes to the end."""
    items = []
    while not items or not isinstance(items[-1], (ConnectionEnded, HandshakeRefused)):
        items.append(await probe.next())
    return items


def test_many_that_do_not_read_have_no_more_together():
    """Each of them is within its own limit; whoever has most goes first, and who reads stays."""

    async def main(server, loop):
        probes = [await never_read(loop, 5) for _ in range(4)]
        good = await connect(f"http://{HOST}", "/chat", loop.now_ns)
        good.send(HELLO)
        arrived = await good.next()
        n_open = len(server._running)
        for probe in [*probes, good]:
            probe.abort()
        return arrived.frame.size, n_open

    (size, n_open), told = serve(main, Talkative, memory_mib=12, unsent_mib=10)
    assert size == MIB
    assert n_open < 5
    assert re.search(r"connection was closed: .*\b12 MiB\b", told[0])


def test_what_is_half_sent_is_counted():
    """Messages that many clients leave unfinished do not add up without end."""

    async def main(server, loop):
        ends = []
        for _ in range(6):
            probe = await connect(f"http://{HOST}", "/chat", loop.now_ns)
            probe._transport.write(frame(2, bytes(3 * MIB), size=16 * MIB))
            ends.append(probe)
            await asyncio.sleep(1)
        return len(server._running)

    n_open, told = serve(main, memory_mib=8)
    assert n_open == 2
    assert len(told) == 1


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00", b"\0", b"\x81\x85", b"{", b" GET", b"1", b"A" * 21, b"\r\n" * 5])
def test_what_can_become_no_request_is_not_waited_for(data):
    """TLS, frames without a handshake and noise are refused at once."""
    (answer, at_ns), _ = serve(asking(data))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert at_ns == 0


def test_what_comes_before_the_handshake_is_answered_waits_with_the_client():
    """It is heard then, all of it and in order; meanwhile hardly any of it is kept."""

    async def main(server, loop):
        reader, writer = await asyncio.open_connection(HOST, 80)
        sizes = [MIB, 1, 2 * MIB, 7]
        writer.write(request(80, host=HOST) + b"".join(frame(2, bytes(size)) for size in sizes) + frame(8, b"\x03\xe8"))
        answer = await reader.read()
        writer.close()
        heard = [event.frame.size for event in server.journals[0].events if event.kind == "sent"]
        return answer[-4:], heard == sizes

    assert serve(main)[0] == (b"\x88\x02\x03\xe8", True)


def test_a_client_that_pings_and_is_gone_is_no_failure():
    """The answer to its ping cannot be sent; the session ends by the network."""

    async def main(server, loop):
        probe = await connect(f"http://{HOST}", "/chat", loop.now_ns)
        probe.ping(b"x")
        probe.ping(b"y")
        probe.abort()
        await asyncio.sleep(1)
        closed = [event for event in server.journals[0].events if isinstance(event, Closed)]
        return server.failures, [(one.by, one.code) for one in closed]

    assert serve(main)[0] == ([], [("network", None)])


def test_a_client_that_is_gone_is_no_failure():
    """Whether before its handshake is answered or in the middle of that: the server goes on, and has no session of it."""

    class Gone(ScriptedService):
        def __call__(self, handshake):
            for probe in gone:
                probe.close()
            return super().__call__(handshake)

    gone = []

    async def main(server, loop):
        for _ in range(3):
            _, writer = await asyncio.open_connection(HOST, 80)
            gone.append(writer.transport)
            writer.write(request(80, host=HOST))
            await asyncio.sleep(1)
        return server.failures, len(server._running)

    assert serve(main, Gone())[0] == ([], 0)


def test_the_limits_are_those_of_the_page():
    """EVI's own message size; the bar of 200 chats is below the limit."""
    assert DEFAULT_LIMITS.message_mib == 16
    assert DEFAULT_LIMITS.chats >= 200


KINDS = {"text": frame(1, b"t"), "binary": frame(2, b"b"), "ping": frame(9, b"p"), "parts": frame(2, b"b", fin=False) + frame(0, b"b")}
TOLD = {"text": [b"t"], "binary": [b"b"], "ping": [], "parts": [b"bb"]}


@pytest.mark.parametrize("has_door", [True, False], ids=["door", "no door"])
@pytest.mark.parametrize("cut", [1, 7, 1_000])
@pytest.mark.parametrize("kinds", list(product(KINDS, repeat=3)), ids="-".join)
def test_messages_are_heard_in_the_order_in_which_they_came(kinds, cut, has_door):
    """Though some go past the library, whatever comes together in one read."""
    stream = b"".join(KINDS[kind] for kind in (*kinds, "binary"))

    async def main(server, loop):
        reader, writer = await asyncio.open_connection(HOST, 80)
        writer.write(request(80, host=HOST))
        await reader.readuntil(b"\r\n\r\n")
        for at in range(0, len(stream), cut):
            writer.write(stream[at : at + cut])
            await asyncio.sleep(0)
        writer.write(frame(8, b"\x03\xe8"))
        await reader.read()
        writer.close()
        return [event.frame.payload for event in server.journals[0].events if event.kind == "sent"]

    assert serve(main, has_door=has_door)[0] == [payload for kind in (*kinds, "binary") for payload in TOLD[kind]]


def sent_behind(*pieces, has_door=False):
    """The payloads that a server hears of a client that writes these pieces, one in each turn of the loop."""

    async def main(server, loop):
        reader, writer = await asyncio.open_connection(HOST, 80)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.001)
        writer.write(frame(8, b"\x03\xe8"))
        await reader.read()
        writer.close()
        return [event.frame.payload for event in server.journals[0].events if event.kind == "sent"]

    return serve(main, has_door=has_door)[0]


@pytest.mark.parametrize("has_door", [True, False], ids=["door", "no door"])
@pytest.mark.parametrize("early", [b"", b"early", b"\r\n\r\n", b"x" * 300])
def test_what_comes_with_the_request_is_heard_first(early, has_door):
    """Whole or in part: nobody knows then where the next frame begins, so nothing may go past the library."""
    whole = request(80, host=HOST) + (frame(2, early) if early else b"") + frame(2, b"b")
    payloads = [*([early] if early else []), b"b", b"c"]
    assert sent_behind(whole, frame(2, b"c"), has_door=has_door) == payloads
    if not has_door:
        assert sent_behind(whole[:-2], whole[-2:], frame(2, b"c")) == payloads


def test_a_frame_that_no_client_may_send_is_the_librarys_where_there_is_no_door():
    """With all that follows, as if nothing stood before it: aiohttp takes what is not masked."""
    pieces = [frame(2, b"a"), frame(2, b"b", masked=False) + frame(2, b"c"), frame(2, b"d"), frame(1, b"e")]
    assert sent_behind(request(80, host=HOST), *pieces) == [b"a", b"b", b"c", b"d", b"e"]
    cut = b"".join(pieces)
    for at in range(1, len(cut)):
        assert sent_behind(request(80, host=HOST), cut[:at], cut[at:]) == [b"a", b"b", b"c", b"d", b"e"]


class Slow(Talkative):
    """Is behind from each message on, for a second, and answers none."""

    is_behind = False

    def wake_by(self, wake):
        self.wake = wake

    def take(self, event, at_ns):
        if event.kind == "sent":
            self.is_behind = True
            asyncio.get_running_loop().call_later(1, self._go_on)

    def _go_on(self):
        self.is_behind = False
        self.wake()


@pytest.mark.parametrize("has_door", [True, False], ids=["door", "no door"])
def test_a_service_that_is_behind_is_handed_nothing(has_door):
    """Binary messages wait as all others do."""

    async def main(server, loop):
        probe = await connect("http://evi.invalid", "/chat", loop.now_ns)
        probe.send(*(Frame(BINARY, bytes([place])) for place in range(4)))
        await asyncio.sleep(10)
        probe.abort()
        return [(event.at_ns // SECOND, event.frame.payload[0]) for event in server.journals[0].events if event.kind == "sent"]

    assert serve(main, Slow, has_door=has_door)[0] == [(place, place) for place in range(4)]


def test_requests_that_come_together_go_in_one_a_turn():
    """Those that are open are served in between. All are answered."""

    async def main(server, loop):
        answers = await asyncio.gather(*(ask(POST + b"Content-Length: 0\r\n\r\n") for _ in range(5)))
        return [answer.split(b"\r\n")[0] for answer in answers]

    assert serve(main)[0] == [b"HTTP/1.1 200 OK"] * 5

    class Caller:
        def __init__(self):
            self.has_entered = False

        def enter(self):
            self.has_entered = True

    async def turns(loop):
        hall = Hall(lambda: None, clock=loop, limits=DEFAULT_LIMITS, admission=NAMED, warn=lambda *_: None)
        callers, found = [Caller() for _ in range(3)], []
        for caller in callers:
            hall.enter(caller)
        for _ in range(4):
            found.append(sum(caller.has_entered for caller in callers))
            await asyncio.sleep(0)
        return found

    assert run_virtual(turns) == [1, 2, 3, 3]


@pytest.mark.parametrize(
    "data",
    [
        bytes(MIB),
        b"\x16\x03\x01" + bytes(MIB),
        b"GET /" + b"x" * (5 * MIB),
        b"GET / HTTP/1.1\r\nX: " + b"x" * MIB,
        b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
        b"POST /token HTTP/1.1\r\nHost: %b\r\nContent-Length: 1000000\r\n\r\n" % HOST.encode() + bytes(MIB // 2),
    ],
    ids=["noise", "TLS", "a long path", "half a request", "many headers", "half a body"],
)
def test_nothing_is_kept_of_who_is_turned_away(monkeypatch, data):
    """Not until Python next looks for circles either: hundreds a second can be turned away until then."""
    doors, opened = [], Hall.__call__

    def open_(hall):
        door = opened(hall)
        doors.append(weakref.ref(door))
        return door

    monkeypatch.setattr(Hall, "__call__", open_)

    async def main(server, loop):
        # A client that still sends does not always see the answer.
        with suppress(ConnectionError):
            assert (await ask(data)).startswith(b"HTTP/1.1 4")

    gc.collect()
    gc.disable()
    try:
        serve(main, handshake_s=2)
    finally:
        gc.enable()
    assert [door() for door in doors] == [None]
