"""WebSocket frames as a server reads and writes them, with only the standard library: RFC 6455 without extensions.

Rules of living here: no I/O. What a client may not send is an error with the close code for it.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional

__all__ = ["CLOSE", "PING", "PONG", "ClientMessage", "ClientMessages", "ClientsFault", "frame_bytes"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_FIN, _RESERVED, _OPCODE, _CONTROL, _MASKED = 0x80, 0x70, 0x0F, 0x08, 0x80
_KNOWN = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_MAX_CONTROL_BYTES = 125
_MASK_BYTES = 4
# Close codes: the protocol was broken, a text is not UTF-8, a message is too large.
_PROTOCOL_ERROR, _NOT_TEXT, _TOO_LARGE = 1002, 1007, 1009


class ClientMessage(NamedTuple):
    """A complete message, or a control frame.

    Attributes:
        opcode: ``TEXT``, ``BINARY``, ``CLOSE``, ``PING`` or ``PONG``.
        payload: Its bytes, unmasked.
    """

    opcode: int
    payload: bytes


class ClientsFault(Exception):
    """The client broke the protocol.

    Attributes:
        code: The close code.
        what: The reason, for people.
    """

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


def frame_bytes(opcode: int, payload: bytes) -> bytes:
    """Encode a frame from the server: unmasked and unfragmented."""
    size = len(payload)
    if size <= _MAX_CONTROL_BYTES:
        head = bytes([_FIN | opcode, size])
    elif size < 1 << 16:
        head = bytes([_FIN | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([_FIN | opcode, 127]) + size.to_bytes(8, "big")
    return head + payload


class _Head(NamedTuple):
    opcode: int
    is_final: bool
    begins: int
    size: int
    mask: bytes


class ClientMessages:
    """Assembles a client's messages from incoming bytes.

    Args:
        max_bytes: The maximum size of a message.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._data = bytearray()
        self._parts = bytearray()
        self._opcode: Optional[int] = None

    def feed(self, data: bytes) -> Iterator[ClientMessage]:
        """Take the next bytes, and return the messages that they complete, with control frames between the pieces of others.

        Raises:
            ClientsFault: The client broke the protocol; nothing may follow.
        """
        self._data += data
        while True:
            head = self._head()
            if head is None or len(self._data) < head.begins + head.size:
                return
            payload = _unmasked(bytes(self._data[head.begins : head.begins + head.size]), head.mask)
            del self._data[: head.begins + head.size]
            if head.opcode & _CONTROL:
                yield ClientMessage(head.opcode, payload)
                continue
            self._parts += payload
            self._opcode = head.opcode or self._opcode
            if head.is_final:
                assert self._opcode is not None
                message = ClientMessage(self._opcode, bytes(self._parts))
                self._opcode = None
                self._parts.clear()
                yield _checked(message)

    def _head(self) -> Optional[_Head]:
        data = self._data
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        opcode, size, begins = first & _OPCODE, second & ~_MASKED, 2
        self._require_allowed(first, second, opcode, size)
        if size > _MAX_CONTROL_BYTES:
            begins += 2 if size == 126 else 8
            if len(data) < begins:
                return None
            size = int.from_bytes(data[2:begins], "big")
        if not opcode & _CONTROL and len(self._parts) + size > self._max_bytes:
            raise ClientsFault(_TOO_LARGE, f"a message is larger than {self._max_bytes} bytes")
        if len(data) < begins + _MASK_BYTES:
            return None
        return _Head(opcode, bool(first & _FIN), begins + _MASK_BYTES, size, bytes(data[begins : begins + _MASK_BYTES]))

    def _require_allowed(self, first: int, second: int, opcode: int, size: int) -> None:
        """Refuse what RFC 6455 forbids, by the first two bytes: 5.1, 5.2, 5.4 and 5.5."""
        if not second & _MASKED:
            raise ClientsFault(_PROTOCOL_ERROR, "a frame from the client is not masked")
        if first & _RESERVED:
            raise ClientsFault(_PROTOCOL_ERROR, "a frame has reserved bits set")
        if opcode not in _KNOWN:
            raise ClientsFault(_PROTOCOL_ERROR, f"a frame has the unknown opcode {opcode}")
        if opcode & _CONTROL:
            if not first & _FIN or size > _MAX_CONTROL_BYTES:
                raise ClientsFault(_PROTOCOL_ERROR, "a control frame is fragmented or too long")
        elif (opcode == CONTINUATION) is (self._opcode is None):
            fault = "a continuation frame has no message to continue" if self._opcode is None else "a message begins within another"
            raise ClientsFault(_PROTOCOL_ERROR, fault)


def _checked(message: ClientMessage) -> ClientMessage:
    if message.opcode == TEXT:
        try:
            message.payload.decode()
        except UnicodeDecodeError:
            raise ClientsFault(_NOT_TEXT, "a text message is not UTF-8") from None
    return message


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    # As integers: byte by byte, Python takes a hundred times as long.
    size = len(payload)
    repeated = (mask * (size // _MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
