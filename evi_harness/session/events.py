"""The five events of a session and the frames they carry.

Rules of living here: an event is frozen and complete; ``sent`` and ``received`` are always the app's view; a frame's payload is the
bytes that crossed the wire, never a re-encoding of them; ``at_ns`` is integer nanoseconds since the socket opened, on one monotonic
clock. Readers order events by ``(at_ns, seq)``: a ``sent`` line is written when its send ended but is stamped when it began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Callable, ClassVar, Iterator, Literal, Mapping, Optional, Tuple, Union

from evi_harness.session.json_value import Json

__all__ = [
    "BINARY",
    "TEXT",
    "Closed",
    "Event",
    "Frame",
    "Handshake",
    "Note",
    "Opened",
    "Received",
    "Sent",
    "Unknown",
    "order",
]

Opcode = Literal["text", "binary"]
Outcome = Literal["sent", "failed", "cancelled"]
ClosedBy = Literal["app", "service", "network"]

TEXT: Opcode = "text"
BINARY: Opcode = "binary"


class Nothing(Mapping[str, Json]):
    """A mapping with nothing in it that nobody can put anything into.

    Not a ``MappingProxyType``: that one has no hash on Python 3.11, and a dataclass refuses a default without one.
    """

    __slots__ = ()

    def __getitem__(self, name: str) -> Json:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return hash(())

    def __repr__(self) -> str:
        return "{}"


NOTHING: Mapping[str, Json] = Nothing()


class Frame:
    """One WebSocket message: its opcode and its payload, exactly as it crossed the wire.

    A text frame's payload is its UTF-8 bytes. Storage subclasses this to load the payload from the folder only on demand.

    Args:
        opcode: ``TEXT`` or ``BINARY``.
        payload: The bytes of the message.
    """

    __slots__ = ("_payload", "opcode")

    def __init__(self, opcode: Opcode, payload: bytes) -> None:
        self.opcode: Opcode = opcode
        self._payload = payload

    @property
    def payload(self) -> bytes:
        """The bytes of the message."""
        return self._payload

    @property
    def size(self) -> int:
        """Length of the payload in bytes; needs no payload to be loaded."""
        return len(self._payload)

    @property
    def outline(self) -> bytes:
        """A text frame's content without its audio.

        The payload, or the payload with its audio cut out where that is cheaper to have: the audio field is then an empty string.
        """
        return self._payload

    @property
    def audio(self) -> Optional[bytes]:
        """The decoded audio of the frame, if that is cheaper to get than the payload; else None, also without audio."""
        return None

    @property
    def head(self) -> bytes:
        """The first bytes of a binary frame, long enough for any header.

        The payload, or all before the samples where that is cheaper to have: nothing where the samples have no header.
        """
        return self._payload

    @property
    def fingerprint(self) -> int:
        """Equal for equal payloads, within one process; available even if the payload is not kept."""
        return hash(self.payload)

    @property
    def is_blank(self) -> bool:
        """Whether the payload consists of zeros; available even if the payload is not kept."""
        return not self.payload.strip(b"\0")

    @property
    def is_text(self) -> bool:
        """Whether this is a text frame."""
        return self.opcode == TEXT

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return self.opcode == other.opcode and self.payload == other.payload

    def __hash__(self) -> int:
        return hash((self.opcode, self.payload))

    def __repr__(self) -> str:
        return f"<Frame {self.opcode} {self.size} bytes>"


@dataclass(frozen=True)
class Handshake:
    """What the client asked for when it opened the socket.

    Attributes:
        path: The path of the request target, without the query.
        query: Names and values in order, decoded; secrets replaced.
        headers: Names and values in order; secrets replaced.
    """

    path: str
    query: Tuple[Tuple[str, str], ...] = ()
    headers: Tuple[Tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Event:
    """What all events have.

    Attributes:
        seq: Position in the order of writing, from 0.
        at_ns: Nanoseconds since the socket opened.
        extra: Unknown fields of the stored line; they survive a copy.
    """

    kind: ClassVar[str] = ""

    seq: int
    at_ns: int


@dataclass(frozen=True)
class Opened(Event):
    """The socket is open: the end of the handshake, time zero."""

    kind: ClassVar[str] = "opened"

    handshake: Handshake = Handshake("/")
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)


@dataclass(frozen=True)
class Sent(Event):
    """A frame that the app sent.

    Attributes:
        frame: The frame.
        took_ns: How long the send took, None if unknown.
        outcome: ``sent``, ``failed`` or ``cancelled``.
    """

    kind: ClassVar[str] = "sent"

    frame: Frame = Frame(TEXT, b"")
    took_ns: Optional[int] = None
    outcome: Outcome = "sent"
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)


@dataclass(frozen=True)
class Received(Event):
    """A frame that reached the app.

    Attributes:
        frame: The frame. ``at_ns`` is when the WebSocket library had received all of it.
        taken_ns: When the app took it, None if unknown.
    """

    kind: ClassVar[str] = "received"

    frame: Frame = Frame(TEXT, b"")
    taken_ns: Optional[int] = None
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)


@dataclass(frozen=True)
class Closed(Event):
    """The socket is closed.

    Attributes:
        by: ``app``, ``service`` or ``network`` (no close frame came).
        code: The close code, or None.
        reason: The close reason.
    """

    kind: ClassVar[str] = "closed"

    by: ClosedBy = "app"
    code: Optional[int] = None
    reason: str = ""
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)


@dataclass(frozen=True)
class Note(Event):
    """An observation that did not cross the wire. ``session.notes`` has the kinds; a session from elsewhere may have others.

    Attributes:
        name: Kind of the observation.
        of: Seq of the event that it concerns, if any.
        data: Facts: JSON values by name.
    """

    kind: ClassVar[str] = "note"

    name: str = ""
    of: Optional[int] = None
    data: Mapping[str, Json] = field(default=NOTHING)
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)


@dataclass(frozen=True)
class Unknown(Event):
    """An event of a kind that this version does not know; it is kept so that a copy loses nothing, and used for nothing.

    Attributes:
        name: The kind as the stored line has it.
        extra: The line's other fields.
    """

    kind: ClassVar[str] = "unknown"

    name: str = ""
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)


FrameEvent = Union[Sent, Received]


# The sort key of events in time. Asked for each event of a session.
order: Callable[[Event], Tuple[int, int]] = attrgetter("at_ns", "seq")
