"""A plain WebSocket client for trying carriers: it shows every message, close and refusal as it came, and stamps it.

Rules of living here: it goes through ``loop.create_connection`` and nothing else, so that it reaches every kind of carrier. The protocol
is that of the websockets library without its I/O, the same in versions 12 to 17: no environment, proxy or timer of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union
from urllib.parse import quote_plus, urlsplit

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from evi_harness.session.events import BINARY, TEXT, Frame

__all__ = ["Arrived", "ConnectionEnded", "HandshakeRefused", "Pong", "Probe", "connect", "request"]

Pairs = Sequence[Tuple[str, str]]


@dataclass(frozen=True)
class Arrived:
    """A message, whole, and when it was."""

    frame: Frame
    at_ns: int


@dataclass(frozen=True)
class Pong:
    """The answer to a ping."""

    payload: bytes


@dataclass(frozen=True)
class ConnectionEnded:
    """The end of the connection; code None where no close frame came."""

    code: Optional[int]
    reason: str


@dataclass(frozen=True)
class HandshakeRefused:
    """The handshake was answered with another status than 101."""

    status: int
    body: str


Item = Union[Arrived, Pong, ConnectionEnded, HandshakeRefused]


class Probe(asyncio.Protocol):
    """One connection.

    Args:
        url: Of the WebSocket, with its query.
        headers: Headers to send besides those of the protocol.
        now_ns: What stamps the messages.
    """

    def __init__(self, url: str, headers: Pairs, now_ns: Callable[[], int]) -> None:
        self._websocket = ClientProtocol(parse_uri(url), max_size=None)
        self._headers = headers
        self._now_ns = now_ns
        self._transport: Any = None
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self._parts: List[bytes] = []
        self._opcode = TEXT
        self.is_open = asyncio.get_running_loop().create_future()

    async def next(self) -> Item:
        """The next thing that came; ``ConnectionEnded`` or ``HandshakeRefused`` is the last."""
        return await self._items.get()

    def send(self, *frames: Frame) -> None:
        """Send messages, in one write; nothing where the connection is not open."""
        for frame in frames if self._is_open() else ():
            if frame.is_text:
                self._websocket.send_text(frame.payload)
            else:
                self._websocket.send_binary(frame.payload)
        self._write()

    def ping(self, payload: bytes) -> None:
        """Send a ping; nothing where the connection is not open."""
        if self._is_open():
            self._websocket.send_ping(payload)
            self._write()

    def close(self, code: Optional[int] = None, reason: str = "") -> None:
        """Send a close frame, with no code if None; nothing where the connection is not open."""
        if self._is_open():
            self._websocket.send_close(code, reason)
            self._write()

    def abort(self) -> None:
        """Vanish: end the connection with no close frame."""
        self._transport.abort()

    def pause(self) -> None:
        """Stop reading from the socket."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def connection_made(self, transport: Any) -> None:
        """Send the handshake. Called by the loop."""
        self._transport = transport
        opening = self._websocket.connect()
        opening.headers.update(Headers(self._headers))
        self._websocket.send_request(opening)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Take bytes. Called by the loop."""
        self._websocket.receive_data(data)
        self._read()

    def eof_received(self) -> None:
        """Take the end of the bytes. Called by the loop."""
        self._websocket.receive_eof()
        self._read()

    def connection_lost(self, error: Optional[Exception]) -> None:
        """Tell the end. Called by the loop."""
        close = self._websocket.close_rcvd
        self._items.put_nowait(ConnectionEnded(close.code if close else None, close.reason if close else ""))
        self._opened()

    def _is_open(self) -> bool:
        return self._websocket.state is State.OPEN

    def _opened(self) -> None:
        if not self.is_open.done():
            self.is_open.set_result(None)

    def _read(self) -> None:
        for event in self._websocket.events_received():
            if hasattr(event, "status_code"):
                self._take_response(event)
            else:
                self._take_frame(event)
        self._write()

    def _take_response(self, response: Any) -> None:
        if response.status_code != 101:
            self._items.put_nowait(HandshakeRefused(response.status_code, (response.body or b"").decode()))
        self._opened()

    def _take_frame(self, frame: Any) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.opcode is not Opcode.CONT:
                self._opcode = TEXT if frame.opcode is Opcode.TEXT else BINARY
            self._parts.append(bytes(frame.data))
            if frame.fin:
                whole = Frame(self._opcode, b"".join(self._parts))
                self._parts.clear()
                self._items.put_nowait(Arrived(whole, self._now_ns()))
        elif frame.opcode is Opcode.PONG:
            self._items.put_nowait(Pong(bytes(frame.data)))

    def _write(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                # The empty string is the library's sign for the end of what it sends.
                self._transport.close()


async def connect(url: str, path: str, now_ns: Callable[[], int], *, query: Pairs = (), headers: Pairs = ()) -> Probe:
    """Open a WebSocket; a refusal is the first thing that the probe gets.

    Args:
        url: The carrier's.
        path: The path of the chat.
        now_ns: What stamps the messages.
        query: Names and values, not encoded.
        headers: Headers to send besides.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    encoded = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in query)
    target = f"{scheme}://{parts.netloc}{path}" + (f"?{encoded}" if encoded else "")
    loop = asyncio.get_running_loop()
    _, probe = await loop.create_connection(lambda: Probe(target, headers, now_ns), parts.hostname or "", parts.port or 80)
    await probe.is_open
    return probe


async def request(url: str, method: str, path: str) -> Tuple[int, str]:
    """Make a plain HTTP request with an empty body.

    Args:
        url: The carrier's.
        method: ``GET`` or ``POST``.
        path: The path.

    Returns:
        Status and body.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head.split(b" ", 2)[1]), body.decode()
