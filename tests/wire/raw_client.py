"""A WebSocket client of bytes, for trying servers: whatever a client could put on the wire, right or wrong, and what came back.

Rules of living here: no library stands between, since what is tried is what libraries let nobody do. It blocks: nothing but tests uses it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import List, Optional, Tuple

__all__ = ["RawClient", "frame", "request"]

MASK = b"\x37\xfa\x21\x3d"
# Nothing takes this long but what hangs.
HANGS_S = 60

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True, size: Optional[int] = None
) -> bytes:
    """A frame as a client sends it (RFC 6455, 5.2).

    Args:
        opcode: 0 to 15.
        payload: What it holds.
        fin: Whether it ends its message.
        reserved: The three reserved bits, 0 to 7.
        masked: Whether it is masked, as a client's has to be.
        size: The length that it says it has, if not that of the payload.
    """
    size = len(payload) if size is None else size
    first = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    mark = 0x80 if masked else 0
    if size < 126:
        length = bytes([mark | size])
    elif size < 1 << 16:
        length = bytes([mark | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([mark | 127]) + size.to_bytes(8, "big")
    if not masked:
        return first + length + payload
    # As one number: a frame of 16 MiB is made in no time.
    key = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    return first + length + MASK + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


def request(port: int, *, path: str = "/chat", host: Optional[str] = None, headers: bytes = b"", method: str = "GET") -> bytes:
    """A request for a socket.

    Args:
        port: The port that it is sent to.
        path: What is asked for.
        host: What the Host header says, by default where it is sent to.
        headers: More headers, each with its line's end.
        method: The method.
    """
    named = host or f"127.0.0.1:{port}"
    return f"{method} {path} HTTP/1.1\r\nHost: {named}\r\n".encode() + UPGRADE + headers + b"\r\n"


class RawClient:
    """A connection to a loopback port. A context manager.

    Args:
        port: The port.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), HANGS_S)
        self._read = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has gone meanwhile is seen when its answer is read."""
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def end(self) -> None:
        """Send nothing more."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Tuple[int, bytes]:
        """The status and the head of the answer to a request."""
        while b"\r\n\r\n" not in self._read and self._more():
            pass
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return (int(head.split(b" ")[1]) if head else 0), head

    def frames(self, until: int = 8) -> List[Tuple[int, bytes]]:
        """Opcode and payload of the frames that come, to the first with an opcode or the connection's end."""
        found: List[Tuple[int, bytes]] = []
        while (not found or found[-1][0] != until) and self.has_frame():
            found.append(self.frame())
        return found

    def has_frame(self) -> bool:
        """Wait for a whole frame; False where the connection ends first."""
        while self._first() is None:
            if not self._more():
                return False
        return True

    def frame(self) -> Tuple[int, bytes]:
        """Opcode and payload of the next frame.

        Raises:
            EOFError: The connection has ended.
        """
        if not self.has_frame():
            raise EOFError("the connection has ended")
        found = self._first()
        assert found is not None
        opcode, payload, size = found
        self._read = self._read[size:]
        return opcode, payload

    def rest(self) -> bytes:
        """All that comes to the connection's end."""
        while self._more():
            pass
        return self._read

    def _first(self) -> Optional[Tuple[int, bytes, int]]:
        """The first frame of what has come, and its size; None where it is not whole."""
        data = self._read
        n_length = {126: 2, 127: 8}.get(data[1], 0) if len(data) >= 2 else 0
        start = 2 + n_length
        if len(data) < start:
            return None
        size = int.from_bytes(data[2:start], "big") if n_length else data[1]
        return (data[0] & 0x0F, data[start : start + size], start + size) if len(data) >= start + size else None

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:
            return False
        self._read += data
        return bool(data)
