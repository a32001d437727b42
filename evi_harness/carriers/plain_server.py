"""A server for a service that needs only the standard library, for virtual time in an app's own process.

It does what ``server.py`` does on aiohttp, which an app's environment need not have; it has no limits and lets everybody in, since only the
app can reach it. All of it is callbacks: it starts no task that an app could see, wait for or cancel.

Rules of living here: the service decides, this does. What crosses the wire is in the journal before anything answers it; nothing that the
app sends is lost without a note. A handshake is handed on as it came, with its secrets: it is never logged, and nothing here quotes it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
import time
from collections import deque
from http import HTTPStatus
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import parse_qsl, unquote

from evi_harness.carriers import plain_frames
from evi_harness.carriers.access_tokens import MADE_UP, TOKEN_SECONDS, TokenAnswer, no_subprotocol, plain_token_answer, token_paths
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.plain_frames import CLOSE, PING, PONG, ClientMessages, ClientsFault, frame_bytes
from evi_harness.clocks.clock import Clock, Timer
from evi_harness.errors import EviHarnessError
from evi_harness.session.events import BINARY, TEXT, ClosedBy, Event, Frame, Handshake, Opened
from evi_harness.session.header import SERVICE_HEADER
from evi_harness.session.notes import CLOSE_NOT_ANSWERED, DUE, SENT_AFTER_CLOSE, UNDELIVERED, UNSENT
from evi_harness.session.protocols import MAX_REASON_BYTES, NO_STATUS, Abort, Action, Close, History, Refuse, Remark, Send, Service

__all__ = ["PlainServer"]

# As large as the other server takes them.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_HEAD_BYTES = 16 * 1024 * 1024
# How long a peer may take to answer a close frame, on the clock; aiohttp and websockets wait as long.
CLOSE_WAIT_NS = 10_000_000_000
PROTOCOL_ERROR = 1002
# RFC 6455, 7.4.1: codes that no close frame may hold.
_NEVER_SENT = frozenset({NO_STATUS, 1006, 1015})
# RFC 6455, 1.3.
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_JSON = "application/json; charset=utf-8"

_OPCODES = {TEXT: plain_frames.TEXT, BINARY: plain_frames.BINARY}


class PlainServer:
    """Carries a service to any number of connections, one after another or at once.

    Args:
        open_service: Makes the service for one connection, given its handshake.
        clock: The clock that stamps events and runs callbacks.
        chat_paths: Paths on which a client opens the socket; a slash at the end makes no difference.
        token_path: Path on which a client gets an access token, None for no such path.
        journal_for: Makes the journal for an accepted connection. By default a plain one.
        service_name: The kind of service (``player``, ``simulator``), sent in the header ``X-Evi-Harness``.
        history: Answers other requests, about the conversation; None for none.
        on_unknown: Called with the method and path of each request without an answer.
        token_answer: See ``ChatServer``.
        subprotocol: See ``ChatServer``.

    Attributes:
        journals: The journals of the conversations so far, in the order of opening.
        failures: Exceptions of services, each of which aborted its connection.
    """

    def __init__(
        self,
        open_service: Callable[[Handshake], Service],
        *,
        clock: Clock,
        chat_paths: Sequence[str],
        token_path: Optional[str] = None,
        journal_for: Optional[Callable[[Handshake], Journal]] = None,
        service_name: Optional[str] = None,
        history: Optional[History] = None,
        on_unknown: Callable[[str], object] = lambda _: None,
        token_answer: TokenAnswer = plain_token_answer,
        subprotocol: Callable[[Handshake], Optional[str]] = no_subprotocol,
    ) -> None:
        self.journals: List[Journal] = []
        self.failures: List[BaseException] = []
        self.open_service = open_service
        self.clock = clock
        self.journal_for = journal_for or (lambda _: Journal(clock))
        self.service_name = service_name
        self.on_unknown = on_unknown
        self._chat_paths = [path.rstrip("/") for path in chat_paths]
        self.subprotocol = subprotocol
        self._token_paths = token_paths(token_path, chat_paths)
        self._token_answer = token_answer
        self._history = history
        self._running: Dict[_Connection, None] = {}

    def connection(self) -> asyncio.Protocol:
        """The protocol of one connection, for ``loop.connect_accepted_socket``."""
        return _Connection(self)

    async def start(self) -> Callable[[], asyncio.Protocol]:
        """Return the factory of the protocol of one connection, as other servers do."""
        return self.connection

    async def stop(self) -> None:
        """End the running conversations, without a close frame."""
        for connection in list(self._running):
            connection.abort()

    def lose(self, loop: Optional[asyncio.AbstractEventLoop]) -> None:
        """Accept that a loop is gone with everything on it; None for every loop."""
        for connection in list(self._running):
            if loop is None or connection.loop is loop:
                connection.connection_lost(None)

    def began(self, connection: _Connection, journal: Journal) -> None:
        """Register a conversation that has begun."""
        self.journals.append(journal)
        self._running[connection] = None

    def ended(self, connection: _Connection) -> None:
        """Forget a conversation that has ended."""
        self._running.pop(connection, None)

    def is_chat(self, request: _Request) -> bool:
        """Whether a request asks for a chat."""
        return request.method == "GET" and request.path.rstrip("/") in self._chat_paths

    def answer_at_once(self, data: bytes) -> Optional[bytes]:
        """Answer a request without a loop; then the connection is to be closed.

        Args:
            data: What came so far of one connection, from its beginning.

        Returns:
            The answer; None where the request is not all there yet, and nothing for one that no answer alone can do, as of a chat.
        """
        found = _first(data)
        if found is None:
            return b"" if len(data) > MAX_HEAD_BYTES or not _may_be_request(data) else None
        request, stop = found
        return b"" if request is None or self.is_chat(request) else self.plain_answer(request, _body(data[:stop]), closes=True)

    def plain_answer(self, request: _Request, body: bytes, *, closes: bool = False) -> bytes:
        """The answer to a request that opens no chat."""
        if self.is_token(request):
            # The time of day is the app's, which compares it with its own.
            told = self._token_answer(MADE_UP, body, int(time.time()), TOKEN_SECONDS)
            return _answer(HTTPStatus.OK, json.dumps(told).encode(), _JSON, closes=closes)
        known = self._history.answer(request.handshake) if self._history is not None and request.method == "GET" else None
        if known is not None:
            return _answer(HTTPStatus(known.status), json.dumps(known.body).encode(), _JSON, closes=closes)
        self.on_unknown(f"{request.method} {request.path}")
        return _answer(HTTPStatus.NOT_FOUND, b"nothing here\n", closes=closes)

    def is_token(self, request: _Request) -> bool:
        """Whether a request asks for an access token."""
        return request.method == "POST" and request.path in self._token_paths


class _Request(NamedTuple):
    """The head of an HTTP request."""

    method: str
    path: str
    query: Tuple[Tuple[str, str], ...]
    headers: Tuple[Tuple[str, str], ...]

    def header(self, name: str) -> str:
        """Return a header, empty if absent."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def handshake(self) -> Handshake:
        """Return the client's handshake."""
        return Handshake(self.path, self.query, self.headers)


def _request(head: bytes) -> Optional[_Request]:
    """Read the head of a request; None for what is none."""
    first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    path, _, query = parts[1].partition("?")
    pairs = [line.partition(":") for line in lines if line]
    headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    return _Request(parts[0], unquote(path), tuple(parse_qsl(query, keep_blank_values=True)), headers)


def _first(data: bytes) -> Optional[Tuple[Optional[_Request], int]]:
    """The first request, None for what is none, and how long it is; None where it is not all there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    request = _request(bytes(data[:end]))
    if request is None:
        return None, end + 4
    length = request.header("content-length")
    stop = end + 4 + (int(length) if length.isdecimal() else 0)
    return None if len(data) < stop else (request, stop)


def _body(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def _may_be_request(data: bytes) -> bool:
    """Whether what begins so may be one, and not TLS or another protocol."""
    return data[:1].isalpha()


def _answer(status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8", *, closes: bool = False) -> bytes:
    more = "Connection: close\r\n" if closes else ""
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One connection: requests, then perhaps a conversation."""

    def __init__(self, server: PlainServer) -> None:
        self._server = server
        self._transport: Any = None
        self._data = bytearray()
        self._talk: Optional[_Conversation] = None
        self.loop: Optional[asyncio.AbstractEventLoop] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        if self._talk is not None:
            self._talk.received(data)
            return
        self._data += data
        while self._talk is None and not self._transport.is_closing() and self._next_request():
            continue

    def connection_lost(self, error: Optional[Exception]) -> None:  # noqa: ARG002 - the signature is asyncio's
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.lost()
            self._server.ended(self)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._talk is not None:
            self._talk.pause()

    def resume_writing(self) -> None:
        if self._talk is not None:
            self._talk.resume()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def _next_request(self) -> bool:
        """Answer the next request, if it is all there; whether it was."""
        found = _first(bytes(self._data))
        if found is None:
            if b"\r\n\r\n" not in self._data and len(self._data) > MAX_HEAD_BYTES:
                self._answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"")
                self._transport.close()
            return False
        request, stop = found
        if request is None:
            self._answer(HTTPStatus.BAD_REQUEST, b"")
            self._transport.close()
            return False
        body = _body(bytes(self._data[:stop]))
        del self._data[:stop]
        self._answer_to(request, body)
        if self._talk is None and "close" in request.header("connection").lower():
            self._transport.close()
        return True

    def _answer_to(self, request: _Request, body: bytes) -> None:
        server = self._server
        if not server.is_chat(request):
            self._transport.write(server.plain_answer(request, body))
        elif request.header("upgrade").lower() != "websocket" or not request.header("sec-websocket-key"):
            self._answer(HTTPStatus.UPGRADE_REQUIRED, b"this path speaks WebSocket\n")
        else:
            try:
                self._open(request)
            except Exception as failure:  # noqa: BLE001 - a service's own code may raise anything; the carrier raises it again
                server.failures.append(failure)
                self._transport.abort()

    def _open(self, request: _Request) -> None:
        server, handshake = self._server, request.handshake
        service = server.open_service(handshake)
        service.take(Opened(seq=0, at_ns=0, handshake=handshake), 0)
        first = service.due(0)
        refusal = next((action for action in first if isinstance(action, Refuse)), None)
        if refusal is not None:
            self._answer(HTTPStatus(refusal.status), refusal.body.encode())
            return
        key = hashlib.sha1(request.header("sec-websocket-key").encode() + _MAGIC, usedforsecurity=False).digest()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(key).decode()}")
        chosen = server.subprotocol(handshake)
        if chosen is not None:
            lines.append(f"Sec-WebSocket-Protocol: {chosen}")
        if server.service_name is not None:
            lines.append(f"{SERVICE_HEADER}: {server.service_name}")
        self._transport.write("\r\n".join([*lines, "", ""]).encode())
        journal = server.journal_for(handshake)
        journal.opened(handshake)
        server.began(self, journal)
        self._talk = _Conversation(service, journal, server, self._transport)
        self._talk.begin(first)
        rest = bytes(self._data)
        self._data.clear()
        if rest:
            self._talk.received(rest)

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self._transport.write(_answer(status, body))


class _Conversation:
    """One service and one WebSocket that is open; the duties are those of ``conversation.py``."""

    def __init__(self, service: Service, journal: Journal, server: PlainServer, transport: Any) -> None:
        self._service = service
        self._journal = journal
        self._server = server
        self._clock = server.clock
        self._transport = transport
        self._messages = ClientMessages(MAX_MESSAGE_BYTES)
        self._actions: Deque[Action] = deque()
        self._timer: Optional[Timer] = None
        self._armed_ns: Optional[int] = None
        self._close_timer: Optional[Timer] = None
        self._is_paused = self._is_over = self._has_failed = self._is_performing = False

    def begin(self, first: Sequence[Action]) -> None:
        """Do what the service requested at its opening."""
        self._do(first)
        self._arm()

    def received(self, data: bytes) -> None:
        """Take bytes from the app."""
        try:
            for opcode, payload in self._messages.feed(data):
                self._take(opcode, payload)
        except ClientsFault as fault:
            if not self._is_over:
                self._over("service", fault.code, fault.what)
            self._write_close(fault.code, fault.what)
            self._transport.close()

    def lost(self) -> None:
        """The connection is gone."""
        if not self._is_over:
            self._over("network", None, "")
        elif self._close_timer is not None:
            self._journal.note(CLOSE_NOT_ANSWERED)
        self._no_close_timer()
        n_unsent = sum(isinstance(action, Send) for action in self._actions)
        self._actions.clear()
        if n_unsent:
            self._journal.note(UNSENT, n_frames=n_unsent)

    def pause(self) -> None:
        """Sending must wait: the app does not read."""
        self._is_paused = True

    def resume(self) -> None:
        """The app reads again."""
        self._is_paused = False
        self._perform_all()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._transport.write(frame_bytes(PONG, payload))
        elif opcode == CLOSE:
            self._closed_by_app(payload)
        elif opcode != PONG:
            frame = Frame(TEXT if opcode == plain_frames.TEXT else BINARY, payload)
            if self._is_over:
                self._journal.note(SENT_AFTER_CLOSE, opcode=frame.opcode, n_bytes=frame.size)
            else:
                self._hand_over(self._journal.sent(frame))

    def _closed_by_app(self, payload: bytes) -> None:
        if self._is_over:
            self._no_close_timer()
            self._transport.close()
            return
        code = struct.unpack_from("!H", payload)[0] if len(payload) >= 2 else None
        if code in _NEVER_SENT:
            self._over("service", PROTOCOL_ERROR, f"the app closed with {code}, a code that a close frame must not have")
            code = PROTOCOL_ERROR
        else:
            self._over("app", code, payload[2:].decode(errors="replace"))
        self._write_close(NO_STATUS if code is None else code, "")
        self._transport.close()

    def _over(self, by: ClosedBy, code: Optional[int], reason: str) -> None:
        self._is_over = True
        self._disarm()
        self._hand_over(self._journal.closed(by, code, reason))

    def _hand_over(self, event: Event) -> None:
        try:
            if self._service.take(event, event.at_ns) is not False:
                self._turn()
        except Exception as failure:  # noqa: BLE001 - a service's own code may raise anything
            self._fail(failure)

    def _turn(self) -> None:
        """Ask the service what to do now, and when to ask again."""
        at_ns = self._journal.now_ns
        actions = self._service.due(at_ns)
        self._do(actions)
        next_ns = self._arm()
        if not actions and next_ns is not None and next_ns <= at_ns:
            raise EviHarnessError(f"the service says that something is due at {next_ns} ns and has nothing to do at {at_ns} ns")

    def _do(self, actions: Sequence[Action]) -> None:
        if self._is_over:
            # After the close a service can only make remarks.
            self._actions.extend(action for action in actions if not isinstance(action, Remark))
            for action in actions:
                if isinstance(action, Remark):
                    self._journal.note(action.kind, **action.data)
            return
        self._actions.extend(actions)
        self._perform_all()

    def _perform_all(self) -> None:
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._actions and not self._is_over and not self._is_paused:
                self._perform(self._actions.popleft())
        finally:
            self._is_performing = False

    def _perform(self, action: Action) -> None:
        if isinstance(action, Send):
            self._send(action)
        elif isinstance(action, Remark):
            self._journal.note(action.kind, **action.data)
        elif isinstance(action, Close):
            self._close(action)
        elif isinstance(action, Abort):
            self._over("network", None, "")
            self._transport.abort()
        elif isinstance(action, Refuse):
            self._fail(EviHarnessError("the service refuses a handshake after it let the app in"))

    def _send(self, action: Send) -> None:
        received = self._journal.received(action.frame)
        self._journal.note(
            DUE,
            of=received.seq,
            due_ns=action.due_ns,
            cause_ns=action.cause_ns,
            held_ns=action.held_ns,
            recorded_seq=action.recorded_seq,
        )
        if self._transport.is_closing():
            self._journal.note(UNDELIVERED, of=received.seq)
        else:
            self._transport.write(frame_bytes(_OPCODES[action.frame.opcode], action.frame.payload))

    def _close(self, action: Close) -> None:
        self._is_over = True
        self._disarm()
        self._journal.closed("service", None if action.code == NO_STATUS else action.code, action.reason)
        self._close_timer = self._clock.call_at_ns(self._clock.now_ns() + CLOSE_WAIT_NS, self._transport.abort)
        self._write_close(action.code, action.reason)

    def _write_close(self, code: int, reason: str) -> None:
        payload = b""
        if code != NO_STATUS and 0 <= code <= 0xFFFF:
            payload = struct.pack("!H", code) + reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
        self._transport.write(frame_bytes(CLOSE, payload))

    def _arm(self) -> Optional[int]:
        next_ns = self._service.next_at_ns()
        if next_ns is None or self._is_over:
            self._disarm()
            return None
        if next_ns != self._armed_ns:
            self._disarm()
            self._armed_ns = next_ns
            self._timer = self._clock.call_at_ns((self._journal.opened_at_ns or 0) + next_ns, self._rang)
        return next_ns

    def _disarm(self) -> None:
        self._armed_ns = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _no_close_timer(self) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None

    def _rang(self) -> None:
        self._disarm()
        try:
            next_ns = self._service.next_at_ns()
            if next_ns is None or next_ns > self._journal.now_ns:
                # A loop may ring early by less than it can tell apart; a service must never be asked early.
                self._arm()
            else:
                self._turn()
        except Exception as failure:  # noqa: BLE001 - a service's own code may raise anything
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._server.failures.append(failure)
        self._disarm()
        self._transport.abort()
