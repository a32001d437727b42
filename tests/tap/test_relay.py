"""Tests of evi_harness.tap.relay: what two ends see of one another is the same with the relay between them as without it."""

from __future__ import annotations

import re
import socket
import threading
import zlib

import pytest
from raw_client import HANGS_S, RawClient, frame, request
from raw_ends import End, Kept, relaying, serving_script

from evi_harness.carriers.limits import ServerLimits
from evi_harness.session.events import Closed, Received, Sent
from evi_harness.tap.relay import Upstream
from evi_harness.tap.wire_log import WireLog

MIB = 1 << 20
HEAD = b"\r\n\r\n"
OPEN = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
BIG = 16 * MIB


def told(opcode, payload=b"", **options):
    """A frame of the service's."""
    return frame(opcode, payload, masked=False, **options)


def deflated(text):
    """A message as permessage-deflate has it."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


# A case is what the app does, given its end and the head of its request, and what the service does; each knows what to wait for.


def asks(*then, headers=b""):
    """An app that asks for a WebSocket, and then does this: bytes are sent, text is awaited, or what an end can do is called."""

    def app(end, port):
        end.send(request(port, path="/v0/evi/chat?api_key=k", headers=headers))
        _do(end, then)

    return app


def does(*steps):
    """A service, or an app that asks for no WebSocket."""
    return lambda end, *_: _do(end, steps)


def _do(end, steps):
    for step in steps:
        if isinstance(step, bytes):
            end.send(step)
        elif isinstance(step, str):
            end.expect(step.encode("latin-1"))
        else:
            step(end)


REST, RESET, HALF = End.rest, End.reset, End.end
ENDS_HEAD = "\r\n\r\n"
BYE = told(8, b"\x03\xe8bye")
# The app's own close frame as it is without its mask is nothing that stands in a stream: the service waits for the last byte of it.
DONE = frame(9, b"\0done")
SAID_DONE = DONE[-4:].decode("latin-1")
PING = told(9, b"done")

# Name → what the app does, what the service does, and what a recording says: messages sent and received, who closed with which code, and
# how many breaches of the protocol; None where there is no session.
CASES = {
    "refused": (
        asks(REST),
        does(ENDS_HEAD, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"),
        None,
    ),
    "refused, and the body ends with the connection": (asks(REST), does(ENDS_HEAD, b"HTTP/1.1 503 Busy\r\n\r\nlater" * 9), None),
    "redirected": (asks(REST), does(ENDS_HEAD, b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), None),
    "an answer that is none": (asks(REST), does(ENDS_HEAD, b"SSH-2.0-x\r\n"), None),
    "no answer": (asks(REST), does(ENDS_HEAD), None),
    "closed by the app": (
        asks(ENDS_HEAD, frame(1, b"hi"), frame(8, b"\x03\xe8"), REST),
        does(ENDS_HEAD, OPEN + b"\r\n", frame(8, b"\x03\xe8")[-2:].decode("latin-1"), told(8, b"\x03\xe8")),
        (1, 0, "app", 1000, 0),
    ),
    "closed without a code": (
        asks(ENDS_HEAD, frame(8), REST),
        does(ENDS_HEAD, OPEN + b"\r\n", frame(8)[-4:].decode("latin-1"), told(8)),
        (0, 0, "app", None, 0),
    ),
    "closed by the service with a long reason": (
        asks(ENDS_HEAD, frame(9, b"\0done"), "why" * 41, frame(8, b"\x0f\xa0"), REST),
        does(ENDS_HEAD, OPEN + b"\r\n", SAID_DONE, told(8, b"\x0f\xa0" + b"why" * 41), frame(8, b"\x0f\xa0")[-2:].decode("latin-1")),
        (0, 0, "service", 4000, 0),
    ),
    "ended by the service without a close": (
        asks(ENDS_HEAD, DONE, REST),
        does(ENDS_HEAD, OPEN + b"\r\n", SAID_DONE, told(1, b"hi")),
        (0, 1, "network", None, 0),
    ),
    "reset by the service": (
        asks(ENDS_HEAD, DONE, "hi", DONE, REST),
        does(ENDS_HEAD, OPEN + b"\r\n", SAID_DONE, told(1, b"hi"), SAID_DONE, RESET),
        (0, 1, "network", None, 0),
    ),
    "reset by the app": (
        asks(ENDS_HEAD, frame(1, b"hi"), "done", RESET),
        does(ENDS_HEAD, OPEN + b"\r\n", frame(1, b"hi")[-2:].decode("latin-1"), PING, REST),
        (1, 0, "network", None, 0),
    ),
    "the app ends its sending, and the service goes on": (
        asks(ENDS_HEAD, frame(1, b"hi"), HALF, REST),
        does(ENDS_HEAD, OPEN + b"\r\n", REST, told(2, b"x" * 200_000), told(1, b"still here")),
        (1, 2, "network", None, 0),
    ),
    "pings and pongs": (
        asks(ENDS_HEAD, frame(10, b"unasked"), frame(9, b"a" * 125), "b" * 125, DONE, REST),
        does(ENDS_HEAD, OPEN + b"\r\n", told(10, b"b" * 125), SAID_DONE, BYE),
        (0, 0, "service", 1000, 0),
    ),
    "fragments": (
        asks(ENDS_HEAD, frame(1, b"a", fin=False), frame(9), frame(0, b"b", fin=False), frame(0), DONE, REST),
        does(ENDS_HEAD, OPEN + b"\r\n", SAID_DONE, told(2, b"", fin=False), told(10), told(0, b"c"), BYE),
        (1, 1, "service", 1000, 0),
    ),
    "compression": (
        asks(
            ENDS_HEAD, frame(1, deflated(b"said" * 99), reserved=4), DONE, REST, headers=b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
        ),
        does(
            ENDS_HEAD,
            OPEN + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            SAID_DONE,
            told(1, deflated(b"heard" * 99), reserved=4),
            BYE,
        ),
        (1, 1, "service", 1000, 0),
    ),
    "a subprotocol": (
        asks(ENDS_HEAD, frame(1, b"hi"), DONE, REST, headers=b"Sec-WebSocket-Protocol: evi, other\r\n"),
        does(ENDS_HEAD, OPEN + b"Sec-WebSocket-Protocol: evi\r\n\r\n", SAID_DONE, BYE),
        (1, 0, "service", 1000, 0),
    ),
    "16 MiB in one frame, both ways": (
        asks(ENDS_HEAD, frame(2, bytes(BIG)), lambda end: end.count(BIG + 10), frame(1, b"got it"), REST),
        does(
            ENDS_HEAD,
            OPEN + b"\r\n",
            lambda end: end.count(BIG + 14),
            told(1, b"x" * BIG),
            frame(1, b"got it")[-6:].decode("latin-1"),
            BYE,
        ),
        (2, 1, "service", 1000, 0),
    ),
    "frames that no client may send": (
        asks(
            ENDS_HEAD, told(1, b"bare"), frame(1, b"x", reserved=2), frame(3, b"y"), frame(0, b"z"), frame(9, b"w", fin=False), DONE, REST
        ),
        does(ENDS_HEAD, OPEN + b"\r\n", SAID_DONE, told(8, b"\x03\xea")),
        (1, 0, "service", 1002, 5),
    ),
    "frames that no server may send": (
        asks(ENDS_HEAD, DONE, "cut", frame(8, b"\x03\xea"), REST),
        does(
            ENDS_HEAD,
            OPEN + b"\r\n",
            SAID_DONE,
            frame(1, b"masked"),
            told(1, b"\xff"),
            told(8, b"x" * 126),
            told(1, b"cut", size=9),
            frame(8, b"\x03\xea")[-2:].decode("latin-1"),
        ),
        (0, 2, "app", 1002, 4),
    ),
    "all at once": (
        # The first frames come with the request, and those of the service with its answer.
        asks(REST),
        does(ENDS_HEAD, OPEN + b"\r\n" + told(1, b"hi") + told(1, b"") + BYE),
        (0, 2, "service", 1000, 0),
    ),
    "sent before the answer": (
        lambda end, port: _do(end, [request(port) + frame(1, b"early") + DONE, REST]),
        does(ENDS_HEAD, SAID_DONE, OPEN + b"\r\n" + BYE),
        (1, 0, "service", 1000, 0),
    ),
    "a token, an answer in chunks, then a chat, on one connection": (
        lambda end, port: _do(
            end,
            [
                f"POST /oauth2-cc/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
                b"6\r\na=b&c=\r\n0\r\n\r\n",
                "0\r\n\r\n",
                request(port),
                ENDS_HEAD,
                DONE,
                REST,
            ],
        ),
        does(
            "0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n",
            ENDS_HEAD,
            OPEN + b"\r\n",
            SAID_DONE,
            BYE,
        ),
        (0, 0, "service", 1000, 0),
    ),
}


class Read(Kept):
    """A recording that reads the bytes."""

    def __init__(self, answer):
        super().__init__(answer)
        self.events = []
        extensions = ",".join(answer.get("sec-websocket-extensions", []))
        self.log = WireLog(self.events.append, print, extensions=extensions, max_bytes=32 * MIB)
        self.from_app, self.from_service = self.log.from_app, self.log.from_service

    def over(self, now_ns, *, is_seen):
        self.log.over(now_ns, is_seen=is_seen)
        super().over(now_ns, is_seen=is_seen)

    def says(self):
        """What it says of the session."""
        (closed,) = [event for event in self.events if isinstance(event, Closed)]
        counts = [sum(isinstance(event, kind) for event in self.events) for kind in (Sent, Received)]
        return (*counts, closed.by, closed.code, self.log.n_unread)


def seen_by_both(app, port, ends):
    """What the app and the service have seen; which port was asked for is left out."""
    with socket.create_connection(("127.0.0.1", port), HANGS_S) as connection:
        end = End(connection)
        app(end, port)
    for one in ends:
        assert one.is_done.wait(HANGS_S)
    return [
        [re.sub(rb"127[.]0[.]0[.]1:\d+", b"HOST", one) if isinstance(one, bytes) else one for one in each.seen] for each in (end, *ends)
    ]


@pytest.mark.parametrize("name", CASES)
def test_both_ends_see_the_same(name):
    """Bytes, and how the connection ended; and what is recorded is what crossed."""
    app, service, said = CASES[name]
    with serving_script(service) as (port, ends):
        direct = seen_by_both(app, port, ends)
    with serving_script(service) as (port, ends), relaying(port, recording=Read) as (through, recordings, _):
        relayed = seen_by_both(app, through, ends)
        for one in recordings:
            assert one.is_over.wait(HANGS_S)
    assert direct == relayed
    assert [one.says() for one in recordings] == ([] if said is None else [said])


def test_who_does_not_read_is_not_read_for_and_holds_nobody_up():
    """64 MiB for an app that reads nothing: as much as the system itself keeps is read of it. Another conversation goes on meanwhile."""
    size = 64 * MIB

    def service(end):
        end.expect(HEAD)
        end.send(OPEN + HEAD[2:])
        end.send(told(2, bytes(size)) if b"slow" in end.seen[0] else BYE)

    with (
        serving_script(service) as (port, _),
        relaying(port) as (through, recordings, _),
        socket.create_connection(("127.0.0.1", through)) as connection,
    ):
        slow = End(connection)
        slow.send(request(through, path="/slow"))
        slow.expect(HEAD)
        with RawClient(through) as quick:
            quick.send(request(through))
            assert quick.answer()[0] == 101
            assert quick.frames() == [(8, b"\x03\xe8bye")]
        assert len(recordings[0].service) < size // 2
        slow.count(size + 10)
        assert slow.seen[-1] == size + 10


def test_a_service_that_does_not_read_stops_the_app():
    """The other way round: what the app sends waits with it, and all of it comes."""
    size = 32 * MIB
    reads = threading.Event()

    def service(end):
        end.expect(HEAD)
        end.send(OPEN + HEAD[2:])
        assert reads.wait(HANGS_S)
        end.count(size)

    with serving_script(service) as (port, ends), relaying(port) as (through, recordings, _):
        with RawClient(through) as app:
            app.send(request(through))
            assert app.answer()[0] == 101
            sending = threading.Thread(target=app.send, args=(bytes(size),))
            sending.start()
            with RawClient(through) as other:
                other.send(request(through))
                assert other.answer()[0] == 101
            reads.set()
            sending.join()
            assert ends[0].is_done.wait(HANGS_S)
            assert ends[0].seen[-1] == size
        assert recordings[0].is_over.wait(HANGS_S)
        assert len(recordings[0].app) == size


def answered(port, data):
    """The status, and all that came, where these bytes are sent."""
    with RawClient(port) as app:
        app.send(data)
        app.end()
        whole = app.rest()
    return (int(whole.split(b" ")[1]) if whole else 0), whole


FOREIGN = b"GET /?api_key=SECRET HTTP/1.1\r\nHost: page.example\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status", "warned"),
    [
        (FOREIGN, 403, "--known-as"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://page.example\r\n\r\n", 403, "--allow-origin"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:5173\r\n\r\n", 200, ""),
        (b"GET /?api_key=SECRET HTTP/1.1\r\n\r\n", 400, ""),
        (b"SECRET\r\n\r\n", 400, ""),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: SECRET\r\n\r\n", 400, ""),
    ],
)
def test_who_is_let_through(data, status, warned):
    """As serve has it; nothing that is turned away reaches the service, or is quoted."""
    with serving_script(does(ENDS_HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", REST)) as (port, ends):
        with relaying(port) as (through, _, told_of):
            found, whole = answered(through, data)
        assert (found, len(ends)) == (status, int(status == 200))
    assert b"SECRET" not in whole
    assert [warned in line and "SECRET" not in line for line in told_of] == [True] * bool(warned)


def test_a_request_behind_another_is_looked_at_too():
    """On a connection that is open: it ends, since nobody may speak in the service's place there."""
    first = b"GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    service = does(ENDS_HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", REST)
    with serving_script(service) as (port, ends), relaying(port) as (through, _, _), RawClient(through) as app:
        app.send(first)
        assert app.answer()[0] == 200
        app.send(FOREIGN)
        assert app.rest() == b""
        assert ends[0].is_done.wait(HANGS_S)
    assert b"SECRET" not in b"".join(one for one in ends[0].seen if isinstance(one, bytes))


def test_a_service_that_is_not_there():
    """502, with why; and the next app is answered too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with relaying(port) as (through, recordings, warned):
        for _ in range(2):
            status, whole = answered(through, request(through))
            assert (status, b"unreachable: ConnectionRefusedError" in whole) == (502, True)
    assert recordings == []
    assert warned == ["unreachable: ConnectionRefusedError"] * 2


def test_one_connection_more_than_there_may_be():
    """503 for it, and none for the one behind it, once the first is over."""
    service = does(ENDS_HEAD, OPEN + HEAD[2:], REST)
    with serving_script(service) as (port, _), relaying(port, limits=ServerLimits(chats=1)) as (through, recordings, _):
        with RawClient(through) as app:
            app.send(request(through))
            assert app.answer()[0] == 101
            assert answered(through, request(through))[0] == 503
        assert recordings[0].is_over.wait(HANGS_S)
        with RawClient(through) as app:
            app.send(request(through))
            assert app.answer()[0] == 101


def test_who_asks_for_nothing_is_answered_late_or_makes_room():
    """408 in time, and the oldest is closed where there are too many."""
    with relaying(1, limits=ServerLimits(handshake_s=0.05)) as (through, _, _), RawClient(through) as app:
        app.send(b"GET / HT")
        assert app.answer()[0] == 408
    with relaying(1, limits=ServerLimits(waiting=1)) as (through, _, _), RawClient(through) as first:
        first.send(b"GET / HT")
        with RawClient(through):
            assert first.rest() == b""


def test_a_recording_that_holds_too_much_is_given_up_and_nothing_else():
    """The conversation goes on to its end."""

    class Holding(Kept):
        def from_app(self, data, now_ns):
            self.n_held += len(data)

    service = does(ENDS_HEAD, OPEN + HEAD[2:], lambda end: end.count(3 * MIB), BYE)
    limits = ServerLimits(memory_mib=1)
    with (
        serving_script(service) as (port, _),
        relaying(port, limits=limits, recording=Holding) as (through, recordings, warned),
        RawClient(through) as app,
    ):
        app.send(request(through))
        assert app.answer()[0] == 101
        app.send(bytes(3 * MIB))
        assert app.frames() == [(8, b"\x03\xe8bye")]
    assert "more than 1 MiB" in recordings[0].given_up
    assert len(warned) == 1


def test_a_relay_that_is_stopped_ends_both_sides_and_nobody_saw_how():
    """The recording is told so."""
    service = does(ENDS_HEAD, OPEN + HEAD[2:], REST)
    with serving_script(service) as (port, ends):
        with relaying(port) as (through, recordings, _):
            app = RawClient(through)
            app.send(request(through))
            assert app.answer()[0] == 101
        with app:
            assert app.rest() == b""
        assert ends[0].is_done.wait(HANGS_S)
    assert recordings[0].ended is False


@pytest.mark.parametrize(
    ("upstream", "authority"),
    [
        (Upstream("evi.example", 80), "evi.example"),
        (Upstream("evi.example", 8080), "evi.example:8080"),
        (Upstream("::1", 80), "[::1]"),
        (Upstream("::1", 81), "[::1]:81"),
    ],
)
def test_the_host_that_the_service_is_called(upstream, authority):
    """Without the port that goes without saying."""
    assert upstream.authority == authority
