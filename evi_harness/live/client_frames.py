"""Where the frames of a WebSocket client begin, as far as a server must look before its library does.

aiohttp takes frames that are not masked; a server has to close then (RFC 6455, 5.1). And it tells nobody how much of a message it holds
that is not complete.

Rules of living here: bytes are passed on as they came; only the first bytes of a frame wait until there are all of them.
"""

from __future__ import annotations

from typing import Tuple

__all__ = ["ClientFrames"]

# RFC 6455, 5.2: the second byte's first bit, the lengths that say how many bytes of length follow, and the mask.
_MASKED = 0x80
_LONGER = {126: 2, 127: 8}
_MASK_BYTES = 4
_FIN, _CONTROL = 0x80, 0x08


class ClientFrames:
    """Follows the frames in a stream of bytes.

    Attributes:
        n_unfinished: Bytes so far of the message that is not complete; 0 between messages.
        n_announced: Bytes that it will have at least, by what its frames say.
    """

    def __init__(self) -> None:
        self.n_unfinished = 0
        self.n_announced = 0
        self._head = b""
        self._left = 0
        self._ends_message = True
        self._is_control = False

    def feed(self, data: bytes) -> Tuple[bytes, bool]:
        """Take the next bytes.

        Returns:
            What can be passed on, and whether all of it is masked. Where a frame is not, what stands before it; nothing may follow.
        """
        if self._head:
            data, self._head = self._head + data, b""
        at, size = 0, len(data)
        while at < size:
            if not self._left:
                begins = at
                at = self._begin(data, at)
                if at < 0:
                    return data[:begins], False
                if at == begins:
                    self._head = data[begins:]
                    return data[:begins], True
            step = min(self._left, size - at)
            at += step
            self._left -= step
            if not self._is_control:
                self.n_unfinished += step
                if self._ends_message and not self._left:
                    self.n_unfinished = self.n_announced = 0
        return data, True

    def _begin(self, data: bytes, at: int) -> int:
        """Read the head of a frame; gives where its payload begins, the same place where there is more to come, -1 if it is not masked."""
        if len(data) - at < 2:
            return at
        first, second = data[at], data[at + 1]
        if not second & _MASKED:
            return -1
        length = second & ~_MASKED
        n_longer = _LONGER.get(length, 0)
        payload = at + 2 + n_longer + _MASK_BYTES
        if len(data) < payload:
            return at
        self._left = int.from_bytes(data[at + 2 : at + 2 + n_longer], "big") if n_longer else length
        self._is_control = bool(first & _CONTROL)
        if not self._is_control:
            self._ends_message = bool(first & _FIN)
            self.n_announced = self.n_unfinished + self._left
            if not self._left and self._ends_message:
                self.n_unfinished = self.n_announced = 0
        return payload
