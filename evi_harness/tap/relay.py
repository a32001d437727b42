"""Relay bytes between the apps on a port and one service, while reading along on their WebSockets.

What an app sends reaches the service as it came, but for the name of the host in each request's head; what the service sends reaches the
app as it came. So refusals, compression, fragments, pings, closes without a code and broken frames are those of the two ends, and not of a
library between them. An end that stops reading is not read for; one that ends its sending, or is reset, does so at the other end too.

Rules of living here: bytes are written before anybody reads them for a recording, and nothing that goes wrong with that reaches the
connection. No request is quoted. What waits for an end is bounded: where it does not read, the other is not read either.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Set

from typing_extensions import Protocol

from evi_harness.carriers.admission import FOREIGN_ORIGIN, Admission
from evi_harness.carriers.holdings import Holdings
from evi_harness.carriers.limits import ServerLimits
from evi_harness.clocks.clock import Clock, Timer
from evi_harness.session.events import Handshake
from evi_harness.tap.http_heads import BadRequest, ReplyHead, Request, RequestStream, SocketAnswer
from evi_harness.tap.wire_log import asked_for

__all__ = ["Relay", "RelayRecording", "Upstream"]

# Written as one, so that a reset is one: RFC 9293, 3.10.7.4, and what Linux and macOS take for "now".
_NO_LINGER = struct.pack("ii", 1, 0)
_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
# As much is read of an app's before the service is reached.
_PENDING_BYTES = 64 * 1024
# Of a host or an origin that is shown; what is longer is no name.
_MAX_NAMED = 100


class RelayRecording(Protocol):
    """The recording of one WebSocket. It raises nothing."""

    @property
    def n_held(self) -> int:
        """How many bytes it holds in memory."""

    def from_app(self, data: bytes, now_ns: int) -> object:
        """The app has sent bytes."""

    def from_service(self, data: bytes, now_ns: int) -> object:
        """The service has sent bytes."""

    def give_up(self, why: str) -> object:
        """Stop recording."""

    def over(self, now_ns: int, *, is_seen: bool) -> object:
        """The connection is over; ``is_seen`` if one of its ends has ended it."""


# Begins a recording: what was asked for, the headers of the answer, when it came, and when the request did.
OpenRecording = Callable[[Handshake, Mapping[str, List[str]], int, int], RelayRecording]


@dataclass(frozen=True)
class Upstream:
    """The service behind the relay.

    Attributes:
        host: Name or address.
        port: Port.
        prefix: What to put before each path, without a slash at the end.
        tls: The TLS context, None for no TLS.
    """

    host: str
    port: int
    prefix: str = ""
    tls: Optional[ssl.SSLContext] = None

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (80 if self.tls is None else 443) else f"{host}:{self.port}"


class Relay:
    """The shared state of a relay's connections; calling it makes the protocol of one.

    Args:
        upstream: The service.
        clock: The clock for all times, a ``RealClock``.
        limits: What clients may take: ``chats`` is for all connections that are relayed, ``waiting`` and ``handshake_s`` for those that
            have not asked for anything yet, ``memory_mib`` for what recordings hold.
        admission: Which requests are relayed, by their origin.
        open_recording: See there.
        warn: Called with a kind and a line for each refused request, and for each that the service does not answer.
        unreachable: Returns a line that says why the service cannot be reached.
        overhear: Called with each request that asks for no WebSocket.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        clock: Clock,
        limits: ServerLimits,
        admission: Admission,
        open_recording: OpenRecording,
        warn: Callable[[str, str], object],
        unreachable: Callable[[BaseException], str],
        overhear: Callable[[Handshake], object] = lambda _: None,
    ) -> None:
        self.upstream = upstream
        self.clock = clock
        self.limits = limits
        self.admission = admission
        self.open_recording = open_recording
        self.warn = warn
        self.unreachable = unreachable
        self.overhear = overhear
        self.holdings = Holdings(limits.memory_bytes)
        # All that are there; those of them that have asked for nothing yet, the oldest first; and those that have.
        self.connections: Set[AppEnd] = set()
        self.waiting: Dict[AppEnd, None] = {}
        self.n_relayed = 0
        self._gone: Optional[asyncio.Event] = None

    def __call__(self) -> AppEnd:
        """Make what takes a connection of an app's."""
        return AppEnd(self)

    async def drained(self) -> None:
        """Wait until no connection is left."""
        # Made here: on Python 3.9 it belongs to the loop that runs when it is made.
        self._gone = asyncio.Event()
        if self.connections:
            await self._gone.wait()

    async def stop(self) -> None:
        """End all connections. Their recordings say that their real ends are unknown."""
        for one in list(self.connections):
            one.cut_off()
        await self.drained()

    def gone(self, connection: AppEnd) -> None:
        """A connection is over."""
        self.connections.discard(connection)
        if self._gone is not None and not self.connections:
            self._gone.set()


class _End(asyncio.Protocol):
    """One end of a relayed connection; what is the same for both."""

    def __init__(self) -> None:
        self.transport: Optional[asyncio.Transport] = None
        self.peer: Optional[_End] = None
        # Whether it sends no more, and whether nothing more is to be sent to it.
        self.has_ended = False
        self.is_lost = False
        # Whether what waits for it is as much as may wait.
        self.is_full = False
        self._resets_when_drained = False

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.is_lost:
            self.transport.write(data)

    def pause_writing(self) -> None:
        """It does not read, so reading from the other end stops too."""
        self.is_full = True
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self.is_full = False
        if self._resets_when_drained:
            self._reset_now()
        elif self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def eof_received(self) -> Optional[bool]:
        """It sends no more. The other end is told so, and can still send."""
        self.has_ended = True
        if self.peer is not None:
            self.peer.end_writing()
            if self.peer.has_ended:
                self.close()
                self.peer.close()
        # Over TLS nobody can end one direction alone; what is returned counts for nothing there.
        return None if self.transport is not None and self.transport.get_extra_info("ssl_object") is not None else True

    def end_writing(self) -> None:
        """Send it only what is already waiting."""
        if self.transport is None or self.is_lost:
            return
        if self.transport.can_write_eof():
            with suppress(OSError, RuntimeError):
                self.transport.write_eof()
        else:
            self.transport.close()

    def close(self) -> None:
        """Send what is waiting, and end the connection."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Send what is waiting, and reset the connection as the other one was reset."""
        if self.transport is None or self.is_lost:
            return
        if not self.transport.get_write_buffer_size():
            self._reset_now()
            return
        self._resets_when_drained = True
        # So that it is told when nothing waits any more.
        self.transport.set_write_buffer_limits(high=0)

    def _reset_now(self) -> None:
        assert self.transport is not None
        below = self.transport.get_extra_info("socket")
        if below is not None:
            with suppress(OSError):
                below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def connection_lost(self, error: Optional[Exception]) -> None:
        """The connection with it is gone; end that with the other end in the same way."""
        self.is_lost = True
        # Over TLS, Python 3.9 and 3.10 take one for left open that the other side has ended.
        self.close()
        if self.peer is not None and not self.peer.is_lost:
            if error is None:
                self.peer.close()
            else:
                self.peer.reset()


class AppEnd(_End):
    """The app's end of a connection; its request decides whether the service's end is opened.

    Args:
        relay: The state that all connections share.
    """

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self.recording: Optional[RelayRecording] = None
        self._relay = relay
        self._requests = RequestStream(relay.upstream.authority, relay.upstream.prefix)
        self._timer: Optional[Timer] = None
        self._connecting: Optional[asyncio.Task[None]] = None
        # What is to be sent to the service once it is there.
        self._pending: List[bytes] = []
        self._n_pending = 0
        self._is_relayed = False
        self._is_over = False
        # When the first byte of the request came that is under way.
        self._asked_ns: Optional[int] = None
        # The request for a WebSocket whose answer is awaited, when its first byte came, and what came behind it.
        self._asked: Optional[Request] = None
        self._opens_ns = 0
        self._reply = ReplyHead()
        self._early: List[bytes] = []
        self._is_cut_off = False
        self._holding = relay.holdings.open(self._hold_too_much)
        self._n_held = 0

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for a request."""
        assert isinstance(transport, asyncio.Transport)
        relay, self.transport = self._relay, transport
        relay.connections.add(self)
        relay.waiting[self] = None
        if len(relay.waiting) > relay.limits.waiting:
            # Whoever means it has asked by now.
            relay.warn("waiting", f"more than {relay.limits.waiting} connections without a request; the oldest was closed")
            next(iter(relay.waiting)).cut_off()
        at_ns = relay.clock.now_ns() + round(relay.limits.handshake_s * 1e9)
        self._timer = relay.clock.call_at_ns(at_ns, self._too_late)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the app."""
        if self._is_over:
            return
        now_ns = self._relay.clock.now_ns()
        if self._requests.is_open:
            self._send_on(data)
            self._tell_app(data, now_ns)
            return
        if self._asked_ns is None:
            self._asked_ns = now_ns
        for one in self._requests.feed(data):
            if isinstance(one, Request):
                self._take_request(one, self._asked_ns)
            elif isinstance(one, BadRequest):
                self._refuse(one.status, f"evi-harness: {one.text}\n")
            else:
                self._send_on(one)
                self._tell_app(one, now_ns)
        if self._requests.is_between:
            self._asked_ns = None

    def connection_lost(self, error: Optional[Exception]) -> None:
        """The app is gone."""
        self._is_over = True
        self._leave_waiting()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._is_relayed:
            self._relay.n_relayed -= 1
            self._is_relayed = False
        super().connection_lost(error)
        self._end_recording()
        self._holding.close()
        self._relay.gone(self)

    def eof_received(self) -> Optional[bool]:
        """It sends no more: a client that has sent no request is gone."""
        if not self._is_relayed:
            return None
        if self.peer is None:
            self.has_ended = True
            return True
        return super().eof_received()

    # What the other end calls.

    def read_at_ns(self) -> int:
        """The time, asked before bytes are forwarded: what the app does about them comes later."""
        return self._relay.clock.now_ns()

    def take_reply(self, data: bytes, now_ns: int) -> None:
        """The service's bytes were forwarded; read them for the recording."""
        if self.recording is not None:
            self.recording.from_service(data, now_ns)
            self._count_held()
        elif self._asked is not None:
            reply = self._reply.feed(data)
            if reply is not None:
                self._take_answer(self._asked, reply, now_ns)

    def service_is_gone(self) -> None:
        """The service has ended the connection."""
        self._end_recording()

    def cut_off(self) -> None:
        """End the connection at both ends."""
        self._is_cut_off = self._is_over = True
        self._leave_waiting()
        for one in (self.transport, None if self.peer is None else self.peer.transport):
            if one is not None:
                one.abort()

    # Requests.

    def _take_request(self, request: Request, asked_ns: int) -> None:
        relay = self._relay
        refusal = relay.admission.refusal(request.target, request.headers)
        if refusal is not None:
            if refusal.status == 403:
                relay.warn(refusal.body, _turned_away(request, is_origin=refusal is FOREIGN_ORIGIN))
            self._refuse(refusal.status, refusal.body)
            return
        if not self._is_relayed:
            if relay.n_relayed >= relay.limits.chats:
                relay.warn("chats", f"more than {relay.limits.chats} connections at a time; one was answered with 503")
                self._refuse(503, f"evi-harness: {relay.limits.chats} connections are open, and no more are taken\n")
                return
            self._is_relayed = True
            relay.n_relayed += 1
            self._leave_waiting()
        if request.is_socket:
            self._asked, self._opens_ns, self._reply, self._early = request, asked_ns, ReplyHead(), []
        else:
            relay.overhear(asked_for(request.target, request.pairs))
        self._send_on(request.data)
        if self.peer is None and self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _send_on(self, data: bytes) -> None:
        if self._is_over:
            return
        if self.peer is None:
            self._pending.append(data)
            self._n_pending += len(data)
            if self._n_pending > _PENDING_BYTES and self.transport is not None:
                # The rest waits with the app.
                self.transport.pause_reading()
        else:
            self.peer.write(data)

    async def _connect(self) -> None:
        upstream, loop = self._relay.upstream, asyncio.get_running_loop()
        end = _ServiceEnd(self)
        try:
            await loop.create_connection(
                lambda: end,
                upstream.host,
                upstream.port,
                ssl=upstream.tls,
                server_hostname=None if upstream.tls is None else upstream.host,
            )
        except asyncio.CancelledError:
            if end.transport is not None:
                end.transport.abort()
            raise
        except (OSError, asyncio.TimeoutError, UnicodeError) as error:
            line = self._relay.unreachable(error)
            self._relay.warn(f"unreachable {type(error).__name__}", line)
            self._refuse(502, f"evi-harness: {line}\n")
            return
        if self._is_over:
            assert end.transport is not None
            end.transport.abort()
            return
        self.peer = end
        for data in self._pending:
            end.write(data)
        self._pending.clear()
        if self.has_ended:
            end.end_writing()
        if not end.is_full:
            assert self.transport is not None
            self.transport.resume_reading()

    def _refuse(self, status: int, text: str) -> None:
        """Answer in the service's place, and close; behind what the service has answered already, only close."""
        if self._is_over:
            return
        self._is_over = True
        self._leave_waiting()
        if self.peer is not None:
            self.close()
            return
        body = text.encode()
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.write(head.encode() + body)
        self.close()

    def _too_late(self) -> None:
        self._timer = None
        self._relay.warn("late", f"a connection whose request was not complete within {self._relay.limits.handshake_s:g} s was closed")
        self._refuse(408, "evi-harness: the request was not complete in time\n")

    def _leave_waiting(self) -> None:
        self._relay.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The recording.

    def _take_answer(self, asked: Request, reply: SocketAnswer, now_ns: int) -> None:
        self._asked = None
        if not reply.is_open:
            # Another request may follow on this connection.
            self._requests.is_open = False
            status = f"with {reply.status}" if reply.status else "in a way that is not HTTP"
            self._relay.warn(f"refused {reply.status}", f"the service answered a handshake {status}; there is no session of it")
            return
        handshake = asked_for(asked.target, asked.pairs)
        self.recording = self._relay.open_recording(handshake, reply.headers, now_ns, self._opens_ns)
        early, self._early = self._early, []
        for data in early:
            self.recording.from_app(data, now_ns)
        if reply.rest:
            self.recording.from_service(reply.rest, now_ns)
        self._count_held()

    def _tell_app(self, data: bytes, now_ns: int) -> None:
        if self.recording is not None:
            self.recording.from_app(data, now_ns)
            self._count_held()
        elif self._asked is not None:
            self._early.append(data)
            self._count_held(len(data))

    def _count_held(self, n_more: int = 0) -> None:
        n_held = n_more + (self._n_held if self.recording is None else self.recording.n_held)
        by, self._n_held = n_held - self._n_held, n_held
        if by:
            self._holding.change(by)

    def _hold_too_much(self) -> None:
        why = f"recordings held more than {self._relay.limits.memory_mib:g} MiB of memory, and this one most"
        self._relay.warn("memory", f"a recording was ended, and its conversation continues: {why}")
        self._asked, self._early = None, []
        if self.recording is not None:
            self.recording.give_up(why)

    def _end_recording(self) -> None:
        recording, self.recording, self._asked = self.recording, None, None
        if recording is not None:
            is_ended = self.has_ended or (self.peer is not None and self.peer.has_ended)
            recording.over(self._relay.clock.now_ns(), is_seen=is_ended or not self._is_cut_off)


class _ServiceEnd(_End):
    """The end of the service."""

    def __init__(self, app: AppEnd) -> None:
        super().__init__()
        self._app = app
        self.peer = app

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Forward its bytes, then read them."""
        now_ns = self._app.read_at_ns()
        self._app.write(data)
        self._app.take_reply(data, now_ns)

    def connection_lost(self, error: Optional[Exception]) -> None:
        """The service is gone."""
        super().connection_lost(error)
        self._app.service_is_gone()


def _turned_away(request: Request, *, is_origin: bool) -> str:
    named = "Origin" if is_origin else "Host"
    value = request.headers[named.lower()][0]
    # Whole or not at all: of a key that somebody has put there, a part would not be known for one.
    shown = value if len(value) <= _MAX_NAMED and value.isprintable() else f"of {len(value)} characters"
    return f"refused a request with {named} {shown}: give {'--allow-origin' if is_origin else '--known-as'} to answer such"
