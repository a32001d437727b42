"""The cases of the Autobahn test suite for WebSocket servers, sections 1 to 7, as a table: what a client sends and what has to come back.

The suite itself runs on Python 2. Each row has its number there (https://github.com/crossbario/autobahn-testsuite), the section of RFC
6455 that says what is right, and bytes. Sections 9 (speed), 12 and 13 (compression, which is not offered) are left out; of section 6 each
kind of sequence is there. The service answers each message with itself.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, List, Tuple

import pytest
from raw_client import RawClient, frame, request

from evi_harness.carriers.limits import DEFAULT_LIMITS
from evi_harness.carriers.real_carrier import RealCarrier
from evi_harness.carriers.server import ChatServer
from evi_harness.clocks.clock import RealClock
from evi_harness.session.protocols import Send

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
Frames = List[Tuple[int, bytes]]


class Echo:
    """A service that says what it hears."""

    def __init__(self, handshake: Any) -> None:
        self._waiting: List[Send] = []

    def take(self, event: Any, at_ns: int) -> None:
        if event.kind == "sent":
            self._waiting.append(Send(event.frame, at_ns))

    def due(self, at_ns: int) -> List[Send]:
        now, self._waiting = self._waiting, []
        return now

    def next_at_ns(self) -> None:
        return None


@pytest.fixture(scope="module", name="port")
def _port():
    """A server on a loopback port, on a thread of its own."""
    ready, stop, found = threading.Event(), [], []

    async def serve() -> None:
        end = asyncio.Event()
        stop.append((asyncio.get_running_loop(), end))
        server = ChatServer(Echo, clock=RealClock(), chat_paths=["/chat"], limits=DEFAULT_LIMITS)
        async with RealCarrier(server) as carrier:
            found.append(int(carrier.url.rpartition(":")[2]))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    yield found[0]
    loop, end = stop[0]
    loop.call_soon_threadsafe(end.set)
    thread.join()


def code(number: int) -> bytes:
    """A close code on the wire."""
    return number.to_bytes(2, "big")


def bye(number: int = 1000, reason: bytes = b"") -> bytes:
    """The client's close frame."""
    return frame(CLOSE, code(number) + reason)


def fails(*before: Tuple[int, bytes], with_code: int = 1002) -> Frames:
    """What comes back for a breach of the protocol: what was right before it, then a close."""
    return [*before, (CLOSE, code(with_code))]


def ends(*before: Tuple[int, bytes]) -> Frames:
    """What comes back where all was right and the client closes with 1000."""
    return [*before, (CLOSE, code(1000))]


HI, HALF = b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!", b"fragment"
ONE, TWO = frame(TEXT, b"fragment1", fin=False), frame(CONTINUATION, b"fragment2")
BOTH = (TEXT, b"fragment1fragment2")

# Case, section of the RFC, what the client sends, what comes back.
CASES: List[Tuple[str, str, bytes, Frames]] = [
    # Framing: every size at which the head changes.
    *((f"1.1 {n} bytes", "5.6", frame(TEXT, b"*" * n) + bye(), ends((TEXT, b"*" * n))) for n in (0, 125, 126, 127, 128, 65535, 65536)),
    *(
        (f"1.2 {n} bytes", "5.6", frame(BINARY, b"\xfe" * n) + bye(), ends((BINARY, b"\xfe" * n)))
        for n in (0, 125, 126, 127, 128, 65535, 65536)
    ),
    # Pings and pongs.
    ("2.1", "5.5.2", frame(PING) + bye(), ends((PONG, b""))),
    ("2.2", "5.5.2", frame(PING, b"Hello, world!") + bye(), ends((PONG, b"Hello, world!"))),
    ("2.3", "5.5.2", frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff") + bye(), ends((PONG, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))),
    ("2.4", "5.5", frame(PING, b"\xfe" * 125) + bye(), ends((PONG, b"\xfe" * 125))),
    ("2.5", "5.5", frame(PING, b"\xfe" * 126) + bye(), fails()),
    ("2.7", "5.5.3", frame(PONG) + bye(), ends()),
    ("2.8", "5.5.3", frame(PONG, b"unsolicited") + bye(), ends()),
    ("2.9", "5.5.3", frame(PONG, b"unsolicited") + frame(PING, b"ping") + bye(), ends((PONG, b"ping"))),
    ("2.10", "5.5.3", b"".join(frame(PING, b"%d" % n) for n in range(10)) + bye(), ends(*((PONG, b"%d" % n) for n in range(10)))),
    # Reserved bits.
    ("3.1", "5.2", frame(TEXT, b"x", reserved=1), fails()),
    ("3.2", "5.2", frame(TEXT, b"good") + frame(TEXT, b"x", reserved=2) + frame(PING), fails((TEXT, b"good"))),
    ("3.3", "5.2", frame(TEXT, b"good") + frame(TEXT, b"x", reserved=3) + frame(PING), fails((TEXT, b"good"))),
    ("3.4", "5.2", frame(TEXT, b"good") + frame(TEXT, b"x", reserved=4) + frame(PING), fails((TEXT, b"good"))),
    ("3.5", "5.2", frame(BINARY, b"\x00\xff", reserved=5), fails()),
    ("3.6", "5.2", frame(PING, b"x", reserved=6), fails()),
    ("3.7", "5.2", frame(CLOSE, reserved=7), fails()),
    # Opcodes that mean nothing.
    *((f"4.1 opcode {n}", "5.2", frame(n, b"x"), fails()) for n in range(3, 8)),
    *(
        (f"4.1 opcode {n} behind a message", "5.2", frame(TEXT, b"good") + frame(n) + frame(PING), fails((TEXT, b"good")))
        for n in range(3, 8)
    ),
    *((f"4.2 opcode {n}", "5.2", frame(n, b"x"), fails()) for n in range(11, 16)),
    *(
        (f"4.2 opcode {n} behind a message", "5.2", frame(TEXT, b"good") + frame(n) + frame(PING), fails((TEXT, b"good")))
        for n in range(11, 16)
    ),
    # Fragments.
    ("5.1", "5.5", frame(PING, b"fragment1", fin=False) + TWO, fails()),
    ("5.2", "5.5", frame(PONG, b"fragment1", fin=False) + TWO, fails()),
    ("5.3", "5.4", ONE + TWO + bye(), ends(BOTH)),
    ("5.6", "5.4", ONE + frame(PING, b"ping") + TWO + bye(), ends((PONG, b"ping"), BOTH)),
    ("5.9", "5.4", frame(CONTINUATION, b"non-continuation", fin=True) + frame(TEXT, b"x"), fails()),
    ("5.12", "5.4", frame(CONTINUATION, b"non-continuation", fin=False) + frame(TEXT, b"x"), fails()),
    ("5.15", "5.4", ONE + TWO + frame(CONTINUATION, b"x", fin=False) + frame(TEXT, b"y"), fails(BOTH)),
    ("5.16", "5.4", (frame(CONTINUATION, b"x", fin=False) + frame(TEXT, b"y", fin=False) + frame(CONTINUATION, b"z")) * 2, fails()),
    ("5.17", "5.4", (frame(CONTINUATION, b"x") + frame(TEXT, b"y", fin=False) + frame(CONTINUATION, b"z")) * 2, fails()),
    ("5.18", "5.4", ONE + frame(TEXT, b"fragment2"), fails()),
    ("5.18 behind an empty fragment", "5.4", frame(TEXT, fin=False) + frame(TEXT, b"x"), fails()),
    ("5.18 binary within text", "5.4", frame(TEXT, fin=False) + frame(BINARY, b"x"), fails()),
    (
        "5.19",
        "5.4",
        ONE
        + frame(CONTINUATION, b"2", fin=False)
        + frame(PING, b"ping1")
        + frame(CONTINUATION, b"3", fin=False)
        + frame(CONTINUATION, b"4", fin=False)
        + frame(PING, b"ping2")
        + frame(CONTINUATION, b"5")
        + bye(),
        ends((PONG, b"ping1"), (PONG, b"ping2"), (TEXT, b"fragment12345")),
    ),
    # Text is UTF-8.
    ("6.1.1", "8.1", frame(TEXT) + bye(), ends((TEXT, b""))),
    ("6.1.2", "8.1", frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION) + bye(), ends((TEXT, b""))),
    (
        "6.1.3",
        "8.1",
        frame(TEXT, fin=False) + frame(CONTINUATION, b"middle", fin=False) + frame(CONTINUATION) + bye(),
        ends((TEXT, b"middle")),
    ),
    ("6.2.1", "8.1", frame(TEXT, HI) + bye(), ends((TEXT, HI))),
    ("6.2.2", "8.1", frame(TEXT, HI[:12], fin=False) + frame(CONTINUATION, HI[12:]) + bye(), ends((TEXT, HI))),
    (
        "6.2.3",
        "8.1",
        frame(TEXT, HI[:1], fin=False)
        + b"".join(frame(CONTINUATION, HI[n : n + 1], fin=n == len(HI) - 1) for n in range(1, len(HI)))
        + bye(),
        ends((TEXT, HI)),
    ),
    *(
        (f"6 valid: {text.hex()}", "8.1", frame(TEXT, text) + bye(), ends((TEXT, text)))
        for text in (
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
            b"\x00",
            b"\xc2\x80",
            b"\xe0\xa0\x80",
            b"\xf0\x90\x80\x80",
            b"\x7f",
            b"\xdf\xbf",
            b"\xef\xbf\xbf",
            b"\xf4\x8f\xbf\xbf",
            b"\xed\x9f\xbf",
            b"\xee\x80\x80",
            b"\xef\xbf\xbd",
            b"\xef\xbf\xbe",
            b"\xf0\x9f\xbf\xbe",
            b"\xef\xb7\x90",
        )
    ),
    *(
        (f"6 invalid: {text.hex()}", "8.1", frame(TEXT, text) + frame(PING), fails(with_code=1007))
        for text in (
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce",
            b"\xf8\x88\x80\x80\x80",
            b"\xfc\x84\x80\x80\x80\x80",
            b"\xf7\xbf\xbf\xbf",
            b"\xfb\xbf\xbf\xbf\xbf",
            b"\xfd\xbf\xbf\xbf\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\x80",
            b"\xbf",
            b"\x80\xbf\x80",
            b"\xc0 \xc1 \xc2 ",
            b"\xe0 \xe1 ",
            b"\xf0 \xf1 ",
            b"\xc3",
            b"\xe2\x82",
            b"\xf0\x9f\x98",
            b"\xfe",
            b"\xff",
            b"\xfe\xfe\xff\xff",
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xed\xbf\xbf",
            b"\xed\xa0\xbd\xed\xb8\x80",
        )
    ),
    ("6.4.1", "8.1", frame(TEXT, b"\xce\xba\xe1\xbd\xb9", fin=False) + frame(CONTINUATION, b"\xf4\x90\x80\x80"), fails(with_code=1007)),
    ("6.4.2", "8.1", frame(TEXT, b"\xce\xba\xf4", fin=False) + frame(CONTINUATION, b"\x90\x80"), fails(with_code=1007)),
    ("6 binary is no text", "5.6", frame(BINARY, b"\xff\xfe\xc0") + bye(), ends((BINARY, b"\xff\xfe\xc0"))),
    # Closing.
    ("7.1.1", "5.5.1", frame(TEXT, b"Hello") + bye(), ends((TEXT, b"Hello"))),
    ("7.1.2", "5.5.1", bye() + bye(), ends()),
    ("7.1.3", "5.5.1", bye() + frame(PING), ends()),
    ("7.1.4", "5.5.1", bye() + frame(TEXT, b"late"), ends()),
    ("7.1.5", "5.5.1", ONE + bye() + TWO, ends()),
    ("7.1.6", "5.5.1", frame(TEXT, b"x" * 262_144) + frame(TEXT, b"y") + bye(), ends((TEXT, b"x" * 262_144), (TEXT, b"y"))),
    ("7.3.1", "5.5.1", frame(CLOSE), [(CLOSE, b"")]),
    ("7.3.2", "5.5.1", frame(CLOSE, b"a"), fails()),
    ("7.3.3", "5.5.1", bye(), ends()),
    ("7.3.4", "5.5.1", bye(1000, b"Hello World!"), ends()),
    ("7.3.5", "5.5.1", bye(1000, b"*" * 123), ends()),
    ("7.3.6", "5.5", bye(1000, b"*" * 124), fails()),
    ("7.5.1", "8.1", bye(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"), fails(with_code=1007)),
    *(
        (f"7.7 code {n}", "7.4", bye(n), [(CLOSE, code(n))])
        for n in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
    ),
    *((f"7.9 code {n}", "7.4.1", bye(n), fails()) for n in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)),
    # What the suite has no case for, since it is a client.
    ("a frame without a mask", "5.1", frame(TEXT, b"x", masked=False), fails()),
    ("a ping that is not masked", "5.1", frame(TEXT, b"good") + frame(PING, masked=False), fails((TEXT, b"good"))),
    ("a message of 16 MiB and a byte", "7.4.1", frame(BINARY, size=16 * 1024 * 1024 + 1), fails(with_code=1009)),
    ("a message of 2^63 bytes", "5.2", frame(BINARY, size=1 << 63), fails(with_code=1009)),
]


# What is answered before what follows it is sent, where that ends the connection.
ANSWERED = (frame(TEXT, b"good"), ONE + TWO)


def stages(sent: bytes, expected: Frames) -> List[bytes]:
    """What is sent, and, once all but the close has come back, the rest: a client waits for the answer before it closes."""
    if len(expected) == 1:
        return [sent]
    if sent.endswith(bye()):
        return [sent[: -len(bye())], bye()]
    first = next(one for one in ANSWERED if sent.startswith(one))
    return [first, sent[len(first) :]]


def told(port: int, sent: bytes, expected: Frames, step: int) -> Tuple[Frames, bytes]:
    """The frames that come back for what is sent in pieces, to the close, and what comes behind it."""
    found: Frames = []
    with RawClient(port) as client:
        client.send(request(port))
        assert client.answer()[0] == 101
        for stage in stages(sent, expected):
            for at in range(0, len(stage), step):
                client.send(stage[at : at + step])
            while len(found) < len(expected) - 1 and client.has_frame():
                found.append(client.frame())
        found += client.frames(until=CLOSE)
        if found and found[-1][0] == CLOSE:
            # A reason may stand behind the code.
            found[-1] = (CLOSE, found[-1][1][:2])
        return found, client.rest()


@pytest.mark.parametrize(("case", "section", "sent", "expected"), CASES, ids=[case[0] for case in CASES])
def test_the_case(case: str, section: str, sent: bytes, expected: Frames, port: int) -> None:
    """What comes back, frame by frame, to the close; behind it the server ends the connection, whatever else was sent."""
    assert told(port, sent, expected, len(sent)) == (expected, b""), f"RFC 6455, {section}"


CHOPPED = [one for one in CASES if len(one[2]) < 1000 or one[0].startswith("1.1 65536")]


@pytest.mark.parametrize(("case", "section", "sent", "expected"), CHOPPED, ids=[case[0] for case in CHOPPED])
def test_the_case_in_pieces(case: str, section: str, sent: bytes, expected: Frames, port: int) -> None:
    """The same, octet by octet (997 at a time where there are many), as cases 1.1.8, 2.6, 2.11, 3.4, 5.4 and others have it."""
    assert told(port, sent, expected, 1 if len(sent) < 1000 else 997) == (expected, b""), f"RFC 6455, {section}"


def test_a_ping_within_a_message_is_answered_before_it_ends(port: int) -> None:
    """5.6 to 5.8 and 5.19, 5.20: the client waits for the pong, and sends the rest only then."""
    with RawClient(port) as client:
        client.send(request(port))
        client.answer()
        client.send(ONE + frame(PING, b"ping"))
        assert client.frame() == (PONG, b"ping")
        client.send(TWO)
        assert client.frame() == BOTH
        client.send(bye())
        assert client.frames() == ends()
