"""Check the headers of a client's WebSocket frames before the server's library sees them.

aiohttp takes frames that are not masked, though a server has to close then (RFC 6455, 5.1), and a message that begins within another one
whose first frame is empty. And it tells nobody how much of a message it holds that is not complete.

Rules of living here: bytes are passed on as they came; only the first bytes of a frame wait until there are all of them.
"""

from __future__ import annotations

from typing import Callable, Optional, Protocol, Tuple

try:
    from websockets.speedups import apply_mask
except ImportError:
    # Where the library has no wheel.
    from websockets.utils import apply_mask

__all__ = ["ClientFrames", "Shortcut"]

# RFC 6455, 5.2: the second byte's first bit, the lengths that say how many bytes of length follow, and the mask.
_MASKED = 0x80
_LONGER = {126: 2, 127: 8}
_MASK_BYTES = 4
_FIN, _RESERVED, _OPCODE, _CONTROL = 0x80, 0x70, 0x0F, 0x08
_CONTINUATION, _CLOSE = 0, 8
_WHOLE_BINARY = 0x82
_KNOWN = frozenset({0, 1, 2, 8, 9, 10})
_MAX_CONTROL_BYTES = 125


class Shortcut(Protocol):
    """What stands before the library and can hand on a message past it, which would take longer for it than all else that is done with it.

    Attributes:
        on_binary: Called with each binary message that comes whole while the socket is open. False leaves it and what comes behind it to
            the library. None for never.
    """

    on_binary: Optional[Callable[[bytes], bool]]

    @property
    def n_passed_on(self) -> int:
        """How many messages were left to the library so far, close frames with them."""


class ClientFrames:
    """Follows the frames in a stream of bytes.

    Attributes:
        n_unfinished: Bytes so far of the message that is not complete; 0 between messages.
        n_announced: Bytes that it will have at least, by what its frames say.
        n_begun: Messages that have begun, close frames with them; those not counted that ``whole_binary`` gave.
    """

    def __init__(self) -> None:
        self.n_unfinished = 0
        self.n_announced = 0
        self.n_begun = 0
        self._head = b""
        self._left = 0
        self._is_within = False
        self._ends_message = True
        self._is_control = False

    def whole_binary(self, data: bytes, at: int) -> Tuple[bytes, int]:
        """Take a binary message that is one frame and all there, as nearly all audio is.

        Args:
            data: The next bytes.
            at: Where among them it may begin: all before it is taken.

        Returns:
            Its payload, unmasked, and where it ends; nothing and the same place where there is no such message there. The bytes from there
            on are to be given to ``whole_binary`` again or to ``feed``.
        """
        if len(data) - at < 2 or data[at] != _WHOLE_BINARY or self._left or self._is_within or self._head or not data[at + 1] & _MASKED:
            return b"", at
        length = data[at + 1] & ~_MASKED
        begins = at + 2
        if length in _LONGER:
            begins += _LONGER[length]
            length = int.from_bytes(data[at + 2 : begins], "big")
        payload = begins + _MASK_BYTES
        ends = payload + length
        if len(data) < ends:
            return b"", at
        return apply_mask(data[payload:ends], data[begins:payload]), ends

    def hand_on(self, data: bytes, take: Callable[[bytes], bool], max_bytes: int) -> bytes:
        """Hand on the binary messages that are one frame each and all there, as far as they are taken.

        Args:
            data: The next bytes.
            take: Called with each payload; says whether it takes it. What it does not take, and what follows, is left.
            max_bytes: A longer payload is left too.

        Returns:
            What is left: for ``feed``.
        """
        at, size = 0, len(data)
        while at < size:
            payload, ends = self.whole_binary(data, at)
            if ends == at or len(payload) > max_bytes or not take(payload):
                return data[at:]
            at = ends
        return b""

    @property
    def held(self) -> bytes:
        """The first bytes of a frame whose head is not all there: they are passed on with the rest of it."""
        return self._head

    def feed(self, data: bytes) -> Tuple[bytes, Optional[str]]:
        """Take the next bytes.

        Returns:
            What can be passed on, and what is wrong with a frame, None while nothing is. Then what can be passed on is what stands before
            that frame; nothing may follow.
        """
        if self._head:
            data, self._head = self._head + data, b""
        at, size = 0, len(data)
        while at < size:
            if not self._left:
                begins = at
                fault = self._fault(data, at) if size - at >= 2 else None
                if fault is not None:
                    return data[:begins], fault
                at = self._begin(data, at)
                if at == begins:
                    self._head = data[begins:]
                    return data[:begins], None
            step = min(self._left, size - at)
            at += step
            self._left -= step
            if not self._is_control:
                self.n_unfinished += step
                if self._ends_message and not self._left:
                    self.n_unfinished = self.n_announced = 0
        return data, None

    def _fault(self, data: bytes, at: int) -> Optional[str]:
        """What is wrong with a frame, by its first two bytes; RFC 6455, 5.1, 5.2, 5.4 and 5.5."""
        first, second = data[at], data[at + 1]
        opcode = first & _OPCODE
        if not second & _MASKED:
            return "a frame from the client is not masked"
        if first & _RESERVED:
            return "a frame has reserved bits set"
        if opcode not in _KNOWN:
            return f"a frame has the unknown opcode {opcode}"
        if opcode & _CONTROL:
            if not first & _FIN:
                return "a control frame is fragmented"
            return "a control frame is too long" if second & ~_MASKED > _MAX_CONTROL_BYTES else None
        if (opcode == _CONTINUATION) is not self._is_within:
            return "a message begins within another" if self._is_within else "a continuation frame has no message to continue"
        return None

    def _begin(self, data: bytes, at: int) -> int:
        """Read the head of a frame; gives where its payload begins, the same place where there is more to come."""
        if len(data) - at < 2:
            return at
        first, second = data[at], data[at + 1]
        length = second & ~_MASKED
        n_longer = _LONGER.get(length, 0)
        payload = at + 2 + n_longer + _MASK_BYTES
        if len(data) < payload:
            return at
        self._left = int.from_bytes(data[at + 2 : at + 2 + n_longer], "big") if n_longer else length
        self._is_control = bool(first & _CONTROL)
        if first & _OPCODE == _CLOSE:
            self.n_begun += 1
        if not self._is_control:
            self.n_begun += first & _OPCODE != _CONTINUATION
            self._ends_message = bool(first & _FIN)
            self._is_within = not self._ends_message
            self.n_announced = self.n_unfinished + self._left
            if not self._left and self._ends_message:
                self.n_unfinished = self.n_announced = 0
        return payload
