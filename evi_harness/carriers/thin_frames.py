"""Frames of which only the size, the beginning of their audio and a fingerprint are kept."""

from __future__ import annotations

from evi_harness.errors import AudioMissing
from evi_harness.session.encoded_audio import STARTS
from evi_harness.session.events import Frame

__all__ = ["ThinFrame"]

# As far as a header of audio may go; most have 44 bytes.
HEAD_BYTES = 256


class ThinFrame(Frame):
    """A frame whose payload is not kept.

    Args:
        frame: The frame as it crossed the wire.
    """

    __slots__ = ("_fingerprint", "_is_blank", "_size")

    def __init__(self, frame: Frame) -> None:
        # Samples that begin like a header are rare; the next larger thing that is kept is nothing at all.
        head = frame.payload[:HEAD_BYTES]
        super().__init__(frame.opcode, head if head[:1] in _FIRST else head[:0])
        self._size = frame.size
        self._fingerprint = frame.fingerprint
        self._is_blank = frame.is_blank

    @property
    def payload(self) -> bytes:
        """Not to be had.

        Raises:
            AudioMissing: Always.
        """
        raise AudioMissing("sent payloads are not kept in memory", hint="serve --out DIR keeps it in a session folder.")

    @property
    def size(self) -> int:
        """Length of the payload in bytes."""
        return self._size

    @property
    def fingerprint(self) -> int:
        """That of the payload."""
        return self._fingerprint

    @property
    def is_blank(self) -> bool:
        """Whether the payload was nothing but zeros."""
        return self._is_blank

    @property
    def head(self) -> bytes:
        """The beginning of the payload where a header may be there, else nothing."""
        return self._payload

    @property
    def outline(self) -> bytes:
        """Nothing."""
        return b""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


_FIRST = frozenset(start[:1] for start in STARTS)
