"""What a session folder holds and how large it may be.

Rules of living here: a name in a folder is one part, or ``payloads/`` and one part, of letters, digits, dots, dashes and underscores;
so no name can leave the folder. docs/reference/session-format.md says what each file is for and must change with this module.
"""

from __future__ import annotations

import re

from evi_harness.session.header import HEARD

__all__ = [
    "EVENTS_FILE",
    "EXPECTED_FILE",
    "HEADER_FILE",
    "HEARD_FILE",
    "MAX_EXPECTED_BYTES",
    "MAX_FILE_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_INLINE_BYTES",
    "MAX_LINE_BYTES",
    "MAX_NESTING",
    "MAX_TRACK_BYTES",
    "PAYLOADS",
    "is_inside",
    "payload_name",
    "track_name",
]

HEADER_FILE = "session.json"
EVENTS_FILE = "events.jsonl"
EXPECTED_FILE = "expected.jsonl"
HEARD_FILE = f"{HEARD}.wav"
PAYLOADS = "payloads"

# Of a session whose every message brings a file of its own it holds six hours.
MAX_HEADER_BYTES = 64 << 20
MAX_EXPECTED_BYTES = 64 << 20
MAX_LINE_BYTES = 64 << 20
# A body above this goes to a file of its own: base64 and escapes can make it several times longer, and a line must stay below its bound.
MAX_INLINE_BYTES = 8 << 20
MAX_NESTING = 64
# Of one message, decoded: four times what services take. It is read whole, so one line must not ask for a whole file.
MAX_FRAME_BYTES = 64 << 20
# Of any file of a folder: what a WAV file can hold, and days of events.
MAX_FILE_BYTES = 4 << 30
# Many programs read the 32-bit lengths of a WAV header as signed.
MAX_TRACK_BYTES = (2 << 30) - 1024

_NAME = re.compile(r"(?:payloads/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


def is_inside(name: str) -> bool:
    """Whether a name can only mean a file of the folder."""
    return _NAME.fullmatch(name) is not None


def track_name(track: str, number: int) -> str:
    """The name of a track's WAV file: ``user.wav``, then ``user.2.wav``."""
    return f"{track}.wav" if number == 1 else f"{track}.{number}.wav"


def payload_name(stem: str, number: int, extension: str) -> str:
    """The name of a file kept verbatim: ``payloads/user.1.webm``."""
    return f"{PAYLOADS}/{stem}.{number}.{extension}"
