"""Guard a port in front of the HTTP library: only complete, timely, well-formed and admitted requests get in.

Until then a connection costs a buffer and a timer. After the request it checks that the client's frames are masked, closes sockets on which
nothing happens, and counts what a client leaves unfinished.

Rules of living here: a request is never quoted, in an answer or in a line, because it contains keys. One request per connection.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Tuple

from evi_harness.carriers.admission import FOREIGN_ORIGIN, Admission
from evi_harness.carriers.client_frames import ClientFrames
from evi_harness.carriers.holdings import Holdings
from evi_harness.carriers.limits import ServerLimits
from evi_harness.clocks.clock import Clock, Timer

__all__ = ["Door", "Hall"]

# A handshake's query can hold a whole prompt.
MAX_HEAD_BYTES = 4 * 1024 * 1024
MAX_HEADERS = 128
# The form of a request for a token; nothing else has a body.
MAX_BODY_BYTES = 1024 * 1024
# RFC 6455, 7.4.1.
PROTOCOL_ERROR, MESSAGE_TOO_BIG = 1002, 1009
# So much is read of what a client sends before its handshake is answered; the rest waits with it.
_EARLY_BYTES = 64 * 1024
# Of a host or an origin that is told; what is longer is no name.
MAX_NAMED = 100
# A message that is smaller is not counted while it is unfinished: nearly all come whole.
_COUNTED_FROM = 64 * 1024

_END = b"\r\n\r\n"
# Empty lines, a method, and what it asks for, as far as they have come. TLS and noise are told from it by their first byte.
_BEGINNING = re.compile(rb"[\r\n]{0,8}[A-Za-z]{0,20}(?:\Z|(?<=[A-Za-z]) )")
_REQUEST = re.compile(rb"[A-Za-z]{1,20} [^\x00-\x20\x7f]+ HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_REASONS = {
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
}

Headers = Dict[str, List[str]]


class Hall:
    """What the doors of one server share.

    Args:
        inside: Makes what takes the connection over: the library's protocol.
        clock: The carrier's clock.
        limits: What is allowed.
        admission: Who is.
        warn: Called with a kind and a line for each that is turned away.

    Attributes:
        waiting: Connections whose request is not answered yet, the oldest first.
    """

    def __init__(
        self,
        inside: Callable[[], asyncio.Protocol],
        *,
        clock: Clock,
        limits: ServerLimits,
        admission: Admission,
        warn: Callable[[str, str], object],
    ) -> None:
        self.inside = inside
        self.clock = clock
        self.limits = limits
        self.admission = admission
        self.warn = warn
        self.holdings = Holdings(limits.memory_bytes)
        self.waiting: Dict[Door, None] = {}
        # Those whose request is whole, and whether one has gone in already in this turn of the loop.
        self._entering: Deque[Door] = deque()
        self._has_let_in = False

    def enter(self, door: Door) -> None:
        """Let a connection in whose request is whole: one in each turn of the loop.

        To answer a handshake takes about a millisecond. Where hundreds come at once, those that are open are served in between.
        """
        if self._has_let_in:
            self._entering.append(door)
        else:
            self._has_let_in = True
            asyncio.get_running_loop().call_soon(self._next_turn)
            door.enter()

    def _next_turn(self) -> None:
        self._has_let_in = bool(self._entering)
        if self._entering:
            asyncio.get_running_loop().call_soon(self._next_turn)
            self._entering.popleft().enter()

    def __call__(self) -> Door:
        """Make the door for one connection."""
        return Door(self)


class Door(asyncio.Protocol):
    """One connection.

    Args:
        hall: What all of them share.

    Attributes:
        holding: What is kept for it.
        fault: The code and the reason with which it was closed for what the client sent, None where it was not.
        why_cut_off: Why it was ended with no close frame, None where it was not.
        on_binary: As of ``Shortcut``.
    """

    def __init__(self, hall: Hall) -> None:
        self.holding = hall.holdings.open(self._hold_too_much)
        self.fault: Optional[Tuple[int, str]] = None
        self.why_cut_off: Optional[str] = None
        self.on_binary: Optional[Callable[[bytes], bool]] = None
        self._hall = hall
        self._transport: Optional[asyncio.Transport] = None
        self._timer: Optional[Timer] = None
        self._head = bytearray()
        self._inside: Optional[asyncio.Protocol] = None
        # The request as the library gets it, once its head is there, and how long its body is.
        self._request = b""
        self._n_body = 0
        # Whether it waits to be let in with a whole request.
        self._is_entering = False
        self._frames: Optional[ClientFrames] = None
        self._n_unfinished = 0
        self._is_open = False
        self._is_over = False
        self._active_ns = 0
        self._on_idle: Callable[[], object] = lambda: None

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        assert isinstance(transport, asyncio.Transport)
        hall, self._transport = self._hall, transport
        hall.waiting[self] = None
        if len(hall.waiting) > hall.limits.waiting:
            # Whoever means it has asked by now.
            oldest = next(iter(hall.waiting))
            hall.warn("waiting", f"more than {hall.limits.waiting} connections without a request; the oldest was closed")
            oldest.cut_off("too many connections are waiting")
        self._timer = hall.clock.call_at_ns(hall.clock.now_ns() + round(hall.limits.handshake_s * 1e9), self._too_late)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client's."""
        if self._is_over:
            return
        if self._inside is not None or self._is_entering:
            self._pass_on(data)
        elif self._request:
            self._take_body(data)
        else:
            self._take_head(data)

    def eof_received(self) -> Optional[bool]:
        """The client sends no more."""
        return None if self._inside is None else self._inside.eof_received()

    def pause_writing(self) -> None:
        """The client does not read."""
        if self._inside is not None:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        if self._inside is not None:
            self._inside.resume_writing()

    def connection_lost(self, error: Optional[Exception]) -> None:
        """The connection is gone."""
        self._is_over = True
        self._stop_waiting()
        self._disarm()
        # What these call would refer to it, and it would stay with all that it holds until Python looks for such circles.
        self._on_idle = lambda: None
        self.holding.close()
        self._transport = None
        self._keep_nothing()
        if self._inside is not None:
            self._inside.connection_lost(error)

    # What the server calls.

    def opened(self, on_idle: Callable[[], object]) -> None:
        """The socket is open.

        Args:
            on_idle: Called, once, when nothing has crossed it for too long.
        """
        self._stop_waiting()
        self._on_idle = on_idle
        self._active_ns = self._hall.clock.now_ns()
        self._watch_idle()
        early, self._head = bytes(self._head), bytearray()
        self.holding.change(-len(early))
        self._is_open = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if early:
            self._pass_on(early)

    def active(self) -> None:
        """Something crosses the socket."""
        self._active_ns = self._hall.clock.now_ns()

    def cut_off(self, why: str) -> None:
        """End the connection, with no close frame."""
        if self.why_cut_off is None:
            self.why_cut_off = why
        self._is_over = True
        self._stop_waiting()
        self._keep_nothing()
        if self._transport is not None:
            self._transport.abort()

    # The request.

    def _take_head(self, data: bytes) -> None:
        searched = max(0, len(self._head) - len(_END) + 1)
        self._head += data
        self.holding.change(len(data))
        if self._is_over:
            return
        ends = self._head.find(_END, searched)
        if ends < 0:
            if _BEGINNING.match(self._head) is None:
                self._answer(400, "this is not an HTTP/1.1 request")
            elif len(self._head) > MAX_HEAD_BYTES:
                self._answer(431, "the request is too large")
            return
        head, rest = bytes(self._head[:ends]), bytes(self._head[ends + len(_END) :])
        self.holding.change(-len(self._head))
        self._head.clear()
        # Empty lines before a request are to be passed over (RFC 9112, 2.2).
        lines = head.lstrip(b"\r\n").split(b"\r\n")
        headers = _headers(lines)
        if headers is None:
            self._answer(400, "this is not an HTTP/1.1 request")
        elif len(lines) - 1 > MAX_HEADERS:
            self._answer(431, f"the request has more than {MAX_HEADERS} headers")
        else:
            self._admit(lines, headers, rest)

    def _admit(self, lines: List[bytes], headers: Headers, rest: bytes) -> None:
        hall = self._hall
        method, target, _ = lines[0].decode("latin-1").split(" ")
        refusal = hall.admission.refusal(target, headers)
        if refusal is not None:
            if refusal.status == 403:
                hall.warn(refusal.body, _turned_away(headers, is_origin=refusal is FOREIGN_ORIGIN))
            self._answer(refusal.status, refusal.body)
            return
        preflight = hall.admission.preflight(headers) if method == "OPTIONS" else None
        if preflight is not None:
            self._answer(204, "", preflight)
            return
        is_socket = "websocket" in [value.lower() for value in headers.get("upgrade", [])]
        lengths = headers.get("content-length", ["0"])
        if "transfer-encoding" in headers:
            # RFC 9112, 6.3: a server may ask for a length.
            self._answer(411, "give the request a Content-Length")
        elif len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            self._answer(400, "the request's Content-Length is not a number")
        elif len(lengths[0]) > len(str(MAX_BODY_BYTES)) or int(lengths[0]) > (0 if is_socket else MAX_BODY_BYTES):
            self._answer(413, "the request's body is too large")
        else:
            self._frames = ClientFrames() if is_socket else None
            self._request = b"\r\n".join(_with_one_user_agent(lines)) + _END
            self._n_body = int(lengths[0])
            self._take_body(rest)

    def _take_body(self, data: bytes) -> None:
        self.holding.change(len(data))
        if self._is_over:
            return
        self._head += data
        if len(self._head) < self._n_body:
            return
        body, rest = bytes(self._head[: self._n_body]), bytes(self._head[self._n_body :])
        self.holding.change(-len(self._head))
        self._head.clear()
        self._request += body
        self._is_entering = True
        self.holding.change(len(self._request))
        self._hall.enter(self)
        # What comes behind any other request is nothing.
        if rest and self._frames is not None:
            self._pass_on(rest)

    def enter(self) -> None:
        """Give the request to the library."""
        self._is_entering = False
        self.holding.change(-len(self._request))
        if self._is_over:
            return
        self._inside = self._hall.inside()
        assert self._transport is not None
        self._inside.connection_made(self._transport)
        self._inside.data_received(self._request)

    def _answer(self, status: int, text: str, headers: Optional[Dict[str, str]] = None) -> None:
        """Answer in the library's place, and close."""
        self._is_over = True
        self._disarm()
        self._keep_nothing()
        if text and not text.startswith("evi-harness: "):
            text = f"evi-harness: {text}\n"
        fields = {
            **(headers or {}),
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(text.encode())),
            "Connection": "close",
        }
        if status == 204:
            # RFC 9110, 8.6: such an answer has no length.
            del fields["Content-Type"], fields["Content-Length"]
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in fields.items())]
        assert self._transport is not None
        self._transport.write("\r\n".join(lines).encode("latin-1", "replace") + _END + text.encode())
        self._transport.close()

    def _too_late(self) -> None:
        self._timer = None
        self._hall.warn("late", f"a connection whose request was not complete within {self._hall.limits.handshake_s:g} s was closed")
        if self._inside is None and not self._is_entering:
            self._answer(408, "the request was not complete in time")
        else:
            self.cut_off("the request was not answered in time")

    # Behind it.

    def _pass_on(self, data: bytes) -> None:
        if self._frames is None:
            return
        if not self._is_open:
            # Nothing may be said to the client before its handshake is answered.
            self._head += data
            self.holding.change(len(data))
            if len(self._head) > _EARLY_BYTES and self._transport is not None:
                self._transport.pause_reading()
            return
        self.active()
        frames, limit = self._frames, self._hall.limits.message_bytes
        if self.on_binary is not None:
            data = frames.hand_on(data, self._take, limit)
            if not data or self._is_over:
                return
        passed, fault = frames.feed(data)
        # Versions of aiohttp before 3.14 see how large a message is when it has come.
        if frames.n_announced > limit:
            self._close(MESSAGE_TOO_BIG, f"a message with {frames.n_announced} bytes exceeds the limit of {limit} bytes")
            return
        assert self._inside is not None
        if passed:
            self._inside.data_received(passed)
        if fault is not None:
            self._close(PROTOCOL_ERROR, fault)
            return
        n_unfinished = self._frames.n_unfinished
        if n_unfinished > _COUNTED_FROM or self._n_unfinished:
            before, self._n_unfinished = self._n_unfinished, n_unfinished
            self.holding.change(n_unfinished - before)

    def _take(self, payload: bytes) -> bool:
        return self.on_binary is not None and not self._is_over and self.on_binary(payload)

    @property
    def n_passed_on(self) -> int:
        """How many messages were left to the library so far, close frames with them."""
        return 0 if self._frames is None else self._frames.n_begun

    def _close(self, code: int, reason: str) -> None:
        """Close the socket in the library's place: what the client sends from now on is nothing."""
        self.fault = code, reason
        self._is_over = True
        self.holding.change(-self._n_unfinished)
        payload = code.to_bytes(2, "big") + reason.encode()
        assert self._transport is not None
        self._transport.write(bytes([0x88, len(payload)]) + payload)
        self._transport.close()

    def _watch_idle(self) -> None:
        ends_ns = self._active_ns + round(self._hall.limits.idle_s * 1e9)
        if self._hall.clock.now_ns() >= ends_ns:
            self._timer = None
            self._on_idle()
        else:
            self._timer = self._hall.clock.call_at_ns(ends_ns, self._watch_idle)

    def _stop_waiting(self) -> None:
        if self in self._hall.waiting:
            del self._hall.waiting[self]
            self._disarm()

    def _keep_nothing(self) -> None:
        """Drop what the client sent: the connection ends, and hundreds of such can end before their memory is asked for again."""
        self.holding.change(-len(self._head))
        self._head = bytearray()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hold_too_much(self) -> None:
        why = f"more than {self._hall.limits.memory_mib:g} MiB were kept for all clients, and most for this one"
        self._hall.warn("memory", f"a connection was closed: {why}")
        self.cut_off(why)


def _headers(lines: List[bytes]) -> Optional[Headers]:
    """The headers of a request by name in lower case; None where it is not well-formed."""
    if _REQUEST.fullmatch(lines[0]) is None:
        return None
    found: Headers = {}
    for line in lines[1:]:
        match = _HEADER.fullmatch(line)
        if match is None:
            return None
        found.setdefault(match[1].decode().lower(), []).append(match[2].decode("latin-1").strip(" \t"))
    return found


def _with_one_user_agent(lines: List[bytes]) -> List[bytes]:
    """A request whose several User-Agent headers have become one: hume 0.14 on websockets 12 sends its own and the library's.

    aiohttp refuses two. A user agent is products in a row (RFC 9110, 10.1.5), so one behind the other is one.
    """
    places = [place for place, line in enumerate(lines) if place and line[:11].lower() == b"user-agent:"]
    if len(places) < 2:
        return lines
    agents = b" ".join(lines[place].partition(b":")[2].strip(b" \t") for place in places)
    return [b"User-Agent: " + agents if place == places[0] else line for place, line in enumerate(lines) if place not in places[1:]]


def _turned_away(headers: Headers, *, is_origin: bool) -> str:
    named = "Origin" if is_origin else "Host"
    value = headers[named.lower()][0]
    # Whole or not at all: of a key that somebody has put there, a part would not be known for one.
    shown = value if len(value) <= MAX_NAMED and value.isprintable() else f"of {len(value)} characters"
    return f"refused a request with {named} {shown}: give {'--allow-origin' if is_origin else '--known-as'} to answer such"
