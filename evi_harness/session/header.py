"""The header of a session: everything about it that is not an event.

Rules of living here: what is not known is None or "unknown", never a guess; a header holds no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Mapping, Optional, Tuple

from evi_harness.session.events import NOTHING
from evi_harness.session.json_value import Json

__all__ = [
    "BY_DEFAULT",
    "BY_NAME",
    "FORMAT_MINOR",
    "FORMAT_VERSION",
    "HEARD",
    "MINOR_OF_HEADER_DIGEST",
    "MINOR_OF_HEARD",
    "MINOR_OF_LINE_DIGESTS",
    "SERVICE_HEADER",
    "Anchor",
    "Header",
    "Recorded",
    "Times",
    "TrackFile",
]

# Names the service in the answer to a handshake; who records reads it, and writes it into the header.
SERVICE_HEADER = "X-Evi-Harness"

# How a replay came to run the built-in handler, under "built_in" of its source: no handler was given, or that one was.
BY_DEFAULT, BY_NAME = "default", "name"

# History of the session folder. A reader opens every version up to its own, and every minor of them: a minor only adds.
#   1.0 (2026-11): the first.
#   1.1 (2026-11): a track "heard", in heard.wav: both sides as they sounded, on the session's axis. No line refers to it.
#   1.2 (2026-11): "header_digest", the digest of session.json itself, in every complete session.
#   1.3 (2026-11): "digest" in each line, of it, its audio and all the lines before it; "header_digest" from the start; "repaired".
# A folder says the lowest minor that has all that is in it: what an older evi-harness reads whole is of its own version.
FORMAT_VERSION = 1
FORMAT_MINOR = 3
# The minors that brought what not every folder has.
MINOR_OF_HEARD = 1
MINOR_OF_HEADER_DIGEST = 2
MINOR_OF_LINE_DIGESTS = 3

# The track that is not of the wire: what was heard. The others are named by the dialect's places of audio.
HEARD = "heard"

Times = Literal["measured", "synthesised", "taken"]

MEASURED: Times = "measured"
SYNTHESISED: Times = "synthesised"
TAKEN: Times = "taken"


@dataclass(frozen=True)
class Recorded:
    """What the session knows and what it does not.

    Attributes:
        sent: Whether what the app sent was recorded.
        closed: Whether the end of the connection was seen.
        times: ``measured``; ``synthesised`` where the source had none, and then never reported as measured; ``taken`` where a library
            reads a message only when the app takes it, so that nobody could see it arrive.
    """

    sent: bool = True
    closed: bool = True
    times: Times = MEASURED


@dataclass(frozen=True)
class Anchor:
    """One instant on both clocks.

    Attributes:
        at_ns: Session time.
        wall: The same instant as UTC, ISO 8601 with microseconds and ``Z``.
    """

    at_ns: int
    wall: str


@dataclass(frozen=True)
class TrackFile:
    """One audio file of the folder.

    Attributes:
        track: ``user`` or ``assistant``, or ``heard`` for the file that has both as they sounded.
        file: Name in the folder, with ``/`` between its parts.
        n_bytes: Bytes of audio in it, without the file's own header.
        rate: Frames a second, or None where the format is not linear PCM.
        channels: Channels, or None likewise.
        width: Bytes a sample, or None likewise.
    """

    track: str
    file: str
    n_bytes: int
    rate: Optional[int] = None
    channels: Optional[int] = None
    width: Optional[int] = None


@dataclass(frozen=True)
class Header:
    """The content of session.json.

    Attributes:
        id: A UUID of this session.
        made_by: ``record``, ``replay``, ``import`` or ``script``: how it was made.
        created: UTC, ISO 8601 with ``Z``.
        dialect: Name of the dialect of the messages.
        endpoint: URL of the service, secrets replaced, or None.
        service: The other end of the connection: ``hume``, ``player``, ``simulator`` or ``unknown``.
        software: Versions by name (evi_harness, hume, websockets, python, platform).
        app: Facts about the app (``git_commit``, ``git_dirty``); may be empty.
        ids: Ids that the service assigned, by name.
        recorded: What was recorded.
        user_interrupt: ``allowed``, ``dropped`` (microphone frames are not sent while the assistant plays) or ``unknown``.
        start: The opening on both clocks, None if the source had no clock.
        end: The last event on both clocks, None if the source had no clock or the session is not complete.
        tracks: Audio files.
        counts: Number of events by kind, and of dropped ones.
        digests: SHA-256 in hex of each file, by name; empty until complete.
        complete: Whether the session was written to its end.
        abandoned: Why the writer stopped before the session ended, None if it did not or the reason is unknown.
        source: The origin of an imported or replayed session.
        related: Ids of other sessions in the same conversation, by relation.
        repaired: Losses and changes in the folder that this session was recovered from, in sentences; None if it was not repaired.
        version: Version of the folder's format.
        minor: Minor version: the lowest one that covers everything in the folder.
        extra: Unknown fields of the stored header.
    """

    id: str
    made_by: str
    created: str
    dialect: str
    endpoint: Optional[str] = None
    service: str = "unknown"
    software: Mapping[str, str] = field(default=NOTHING)
    app: Mapping[str, Json] = field(default=NOTHING)
    ids: Mapping[str, str] = field(default=NOTHING)
    recorded: Recorded = Recorded()
    user_interrupt: str = "unknown"
    start: Optional[Anchor] = None
    end: Optional[Anchor] = None
    tracks: Tuple[TrackFile, ...] = ()
    counts: Mapping[str, int] = field(default=NOTHING)
    digests: Mapping[str, str] = field(default=NOTHING)
    complete: bool = False
    abandoned: Optional[str] = None
    source: Mapping[str, Json] = field(default=NOTHING)
    related: Mapping[str, str] = field(default=NOTHING)
    repaired: Optional[Tuple[str, ...]] = None
    version: int = FORMAT_VERSION
    minor: int = FORMAT_MINOR
    extra: Mapping[str, Json] = field(default=NOTHING, compare=False)

    @property
    def built_in(self) -> Optional[str]:
        """How a replay came to run the built-in handler, ``BY_DEFAULT`` or ``BY_NAME``; None if it ran another one, or is not a replay."""
        found = self.source.get("built_in")
        return found if isinstance(found, str) else None

    @property
    def is_sealed(self) -> bool:
        """Whether its counts, tracks and digests are final: it is complete, or was repaired."""
        return self.complete or self.repaired is not None
