"""Read one direction of a WebSocket: messages, the close frame, and violations of the protocol.

A relay of bytes has no library that reads them. This reads beside the relay (RFC 6455, and RFC 7692 for compression), and never
stops: a frame that breaks a rule is reported with its bytes, and the frames behind it are read on, since each says how long it is.

Rules of living here: bytes in, things out; no socket, no clock, no exception for anything that a peer can send. What is held is bounded.
"""

from __future__ import annotations

import zlib
from typing import List, NamedTuple, Optional, Union

from evi_harness.session.events import BINARY, TEXT, Frame

__all__ = ["CloseFrame", "Inflater", "TooLarge", "Unread", "WireItem", "WireMessages", "inflater_of"]

# RFC 6455, 5.2.
_FIN, _COMPRESSED, _RESERVED, _OPCODE, _CONTROL, _MASKED = 0x80, 0x40, 0x70, 0x0F, 0x08, 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0, 1, 2, 8
_KNOWN = frozenset({0, 1, 2, 8, 9, 10})
_LONGER = {126: 2, 127: 8}
_MAX_CONTROL_BYTES = 125
# RFC 7692, 7.2.1: what the sender has cut off each message.
_CUT_OFF = b"\0\0\xff\xff"
# No sender needs two in a message, and each costs a new window.
_MAX_ENDS = 16
# As much is kept of bytes that are reported.
KEPT_BYTES = 4096
_DEFLATE = "permessage-deflate"


class CloseFrame(NamedTuple):
    """A close frame.

    Attributes:
        code: The code, None where it holds none.
        reason: The reason.
    """

    code: Optional[int]
    reason: str


class Unread(NamedTuple):
    """Bytes that are not a message that a receiver should accept.

    Attributes:
        what: What is wrong with them.
        n_bytes: Their number.
        begins: The first of them, unmasked.
    """

    what: str
    n_bytes: int
    begins: bytes


class TooLarge(NamedTuple):
    """A message that is too large to keep.

    Attributes:
        opcode: Text or binary, as in a frame.
        n_bytes: How many bytes it had on the wire.
    """

    opcode: int
    n_bytes: int


WireItem = Union[Frame, CloseFrame, Unread, TooLarge]


class Inflater:
    """Decompresses permessage-deflate in one direction.

    Args:
        takes_over: Whether a message may refer to those before it (context takeover).
    """

    def __init__(self, *, takes_over: bool = True) -> None:
        self._takes_over = takes_over
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._is_broken = False

    def inflate(self, data: bytes, max_bytes: int) -> Optional[bytes]:
        """Inflate a message.

        Args:
            data: Its whole payload, as it crossed the wire.
            max_bytes: How many bytes it may have.

        Returns:
            The message; None if it is larger. Then, and after an error, messages that refer to it cannot be decompressed either.

        Raises:
            ValueError: It cannot be decompressed.
        """
        if not self._takes_over:
            self._stream, self._is_broken = zlib.decompressobj(-zlib.MAX_WBITS), False
        if self._is_broken:
            raise ValueError("a compressed message refers to one that could not be read")
        data += _CUT_OFF
        pieces, left, n_ends = [], max_bytes + 1, 0
        try:
            while data and left > 0 and n_ends < _MAX_ENDS:
                pieces.append(self._stream.decompress(data, left))
                left -= len(pieces[-1])
                data = self._stream.unconsumed_tail
                if self._stream.eof:
                    # RFC 7692, 7.2.3.4: a block may call itself the last one; what follows begins anew.
                    data, self._stream, n_ends = self._stream.unused_data, zlib.decompressobj(-zlib.MAX_WBITS), n_ends + 1
        except zlib.error:
            self._is_broken = True
            raise ValueError("a message that is marked as compressed cannot be inflated") from None
        if left <= 0 or data:
            self._is_broken = True
            return None
        return b"".join(pieces)


def inflater_of(extensions: str, *, of_client: bool) -> Optional[Inflater]:
    """Return the decompressor for the compression that a server accepted, None without compression.

    Args:
        extensions: The values of Sec-WebSocket-Extensions in its answer, joined by commas.
        of_client: Whether it is for the client's messages.
    """
    for extension in extensions.lower().split(","):
        name, *parameters = (part.partition("=")[0].strip() for part in extension.split(";"))
        if name == _DEFLATE:
            # A window that is smaller than the largest is read with the largest as well.
            return Inflater(takes_over=f"{'client' if of_client else 'server'}_no_context_takeover" not in parameters)
    return None


class WireMessages:
    """Reads one direction of an open connection.

    Args:
        of_client: Whether the client sends it: then every frame must be masked, otherwise none may be.
        inflater: The decompressor, None without compression.
        max_bytes: The size of the largest message to keep, compressed or decompressed.

    Attributes:
        has_closed: Whether a close frame has come.
    """

    def __init__(self, *, of_client: bool, inflater: Optional[Inflater] = None, max_bytes: int) -> None:
        self.has_closed = False
        self._of_client = of_client
        self._inflater = inflater
        self._max_bytes = max_bytes
        # The beginning of a frame whose head is not complete.
        self._head = b""
        # The frame that is being read.
        self._first = 0
        self._mask: Optional[bytes] = None
        self._n_left = -1
        self._n_payload = 0
        self._pieces: List[bytes] = []
        self._n_kept = 0
        # Whether not all of the message is kept, or of a frame that is none of it.
        self._is_cut = False
        # The message whose last frame is still to come.
        self._opcode = 0
        self._is_compressed = False
        self._message: List[bytes] = []
        self._n_message = 0
        self._n_wire = 0

    @property
    def n_held(self) -> int:
        """How many bytes of incomplete messages are held."""
        return len(self._head) + self._n_kept + self._n_message

    def feed(self, data: bytes) -> List[WireItem]:
        """Take the next bytes.

        Args:
            data: They may end anywhere.

        Returns:
            The messages that they complete, in order.
        """
        found: List[WireItem] = []
        if self._head:
            data, self._head = self._head + data, b""
        at, size = 0, len(data)
        while at < size:
            if self._n_left < 0:
                begins = self._begin(data, at)
                if not begins:
                    self._head = data[at:]
                    break
                at = begins
            ends = min(size, at + self._n_left)
            if ends > at:
                self._keep(data[at:ends])
                self._n_left -= ends - at
                at = ends
            if not self._n_left:
                self._complete(found)
        return found

    def end(self) -> List[WireItem]:
        """Accept that no more bytes come.

        Returns:
            The rest: bytes of an incomplete frame or message.
        """
        found: List[WireItem] = []
        if self._n_left >= 0:
            payload = self._payload()
            self._unread(found, "the connection ended within a frame", payload, self._n_payload - self._n_left)
        elif self._head:
            self._unread(found, "the connection ended within a frame", self._head, len(self._head))
        if self._opcode:
            self._unread(found, "the connection ended within a message", b"".join(self._message), self._n_wire)
        self._head, self._n_left = b"", -1
        self._forget_message()
        return found

    def _begin(self, data: bytes, at: int) -> int:
        """Read the head of a frame; gives where its payload begins, 0 where there is more of it to come."""
        if len(data) - at < 2:
            return 0
        second = data[at + 1]
        length = second & ~_MASKED
        begins = at + 2
        n_longer = _LONGER.get(length, 0)
        n_mask = 4 if second & _MASKED else 0
        if len(data) < begins + n_longer + n_mask:
            return 0
        if n_longer:
            length = int.from_bytes(data[begins : begins + n_longer], "big")
            begins += n_longer
        self._mask = data[begins : begins + 4] if n_mask else None
        self._first = data[at]
        self._n_left = self._n_payload = length
        return begins + n_mask

    def _keep(self, piece: bytes) -> None:
        is_control = self._first & _CONTROL and self._n_payload <= _MAX_CONTROL_BYTES
        if is_control or (not self._is_cut and self._n_message + self._n_kept + len(piece) <= self._max_bytes):
            self._pieces.append(piece)
            self._n_kept += len(piece)
        elif not self._is_cut:
            # Of what is too large, the beginning is kept, and nothing of the frames behind this one.
            self._is_cut = True
            if not self._pieces:
                self._pieces.append(piece[:KEPT_BYTES])
                self._n_kept += len(self._pieces[-1])

    def _payload(self) -> bytes:
        """What is kept of the frame's payload, without its mask; it is no longer kept then."""
        payload = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._n_kept = 0
        return payload if self._mask is None else _unmasked(payload, self._mask)

    def _complete(self, found: List[WireItem]) -> None:
        """Take a frame that is there."""
        payload, first, n_bytes = self._payload(), self._first, self._n_payload
        self._n_left = -1
        opcode = first & _OPCODE
        fault = self._fault(first, opcode, n_bytes)
        if fault is not None:
            self._unread(found, fault, payload, n_bytes)
            # What was not kept of it is no part of a message that comes.
            self._is_cut = self._is_cut and bool(self._opcode)
            return
        if (self._mask is not None) is not self._of_client:
            # A lenient receiver takes it for what it says.
            what = "a frame from the client is not masked" if self._of_client else "a frame from the server is masked"
            self._unread(found, what, payload, n_bytes)
        if opcode == _CLOSE:
            self._close(found, payload)
        elif opcode < _CONTROL:
            if opcode != _CONTINUATION:
                self._opcode, self._is_compressed = opcode, bool(first & _COMPRESSED)
            if payload:
                self._message.append(payload)
                self._n_message += len(payload)
            self._n_wire += n_bytes
            if first & _FIN:
                self._finish(found)

    def _fault(self, first: int, opcode: int, n_bytes: int) -> Optional[str]:
        """Why a frame is nothing that can be read, RFC 6455, 5.2, 5.4 and 5.5; None where it can be."""
        starts = opcode in (_TEXT, _BINARY)
        if first & _RESERVED and not (first & _RESERVED == _COMPRESSED and starts and self._inflater is not None):
            return "a frame has reserved bits set that were not negotiated"
        if opcode not in _KNOWN:
            return f"a frame has the unknown opcode {opcode}"
        if opcode >= _CONTROL:
            if not first & _FIN:
                return "a control frame is fragmented"
            return "a control frame is too long" if n_bytes > _MAX_CONTROL_BYTES else None
        if self.has_closed:
            return "a frame follows the close frame"
        if starts and self._opcode:
            return "a message begins within another"
        return "a continuation frame has no message to continue" if not starts and not self._opcode else None

    def _finish(self, found: List[WireItem]) -> None:
        """Take a message that is there."""
        opcode, n_wire = self._opcode, self._n_wire
        payload = self._message[0] if len(self._message) == 1 else b"".join(self._message)
        is_compressed, message = self._is_compressed, None if self._is_cut or self._n_message > self._max_bytes else payload
        self._forget_message()
        if is_compressed and self._inflater is not None:
            try:
                # Where the message is not kept, this breaks what would refer to it.
                message = self._inflater.inflate(payload, self._max_bytes if message is not None else -1)
            except ValueError as error:
                self._unread(found, str(error), payload, n_wire)
                return
        if message is None:
            found.append(TooLarge(opcode, n_wire))
            return
        found.append(Frame(TEXT if opcode == _TEXT else BINARY, message))
        if opcode == _TEXT and not _is_utf8(message):
            self._unread(found, "a text message is not UTF-8", message, len(message))

    def _forget_message(self) -> None:
        self._opcode = self._n_message = self._n_wire = 0
        self._message, self._is_cut = [], False

    def _close(self, found: List[WireItem], payload: bytes) -> None:
        if self.has_closed:
            self._unread(found, "a frame follows the close frame", payload, len(payload))
            return
        self.has_closed = True
        reason = payload[2:].decode("utf-8", "backslashreplace")
        found.append(CloseFrame(int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None, reason))
        if len(payload) == 1 or not _is_utf8(payload[2:]):
            self._unread(found, "a close frame has no code or reason that can be read", payload, len(payload))

    def _unread(self, found: List[WireItem], what: str, data: bytes, n_bytes: int) -> None:
        found.append(Unread(what, n_bytes, data[:KEPT_BYTES]))


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """A payload without its mask. One operation on whole numbers: as fast as a loop in C, and Python has no other."""
    size = len(payload)
    repeated = mask * (size // 4) + mask[: size % 4]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
