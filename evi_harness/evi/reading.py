"""Parse a frame into its type and fields.

Rules of living here: never raises, whatever the frame holds; reads the outline, so that no audio is loaded for it. What is read is
shared by all who ask, and nobody changes it.
"""

from __future__ import annotations

import functools
from typing import Any, Mapping, Optional

from evi_harness.evi.messages import AUDIO
from evi_harness.session.events import Frame
from evi_harness.session.foreign_text import json_value
from evi_harness.session.protocols import SENT, Message

__all__ = ["member", "milliseconds_ns", "parse", "read", "text_of"]

_NOTHING = Message(None)
_AUDIO = Message(AUDIO)
# Turns, causes, pairing and comparison read each message of a session eight times in all. What is longer costs more to keep.
_KEPT_BYTES = 2048


def read(kind: str, frame: Frame) -> Message:
    """Read a frame.

    A binary frame of the app's is audio, whatever it holds. A binary frame of the service's is read as JSON, as the SDK does.

    Args:
        kind: ``sent`` or ``received``.
        frame: The frame; its outline is enough.

    Returns:
        Its message; with no type and no fields where it holds no JSON object, and then with its text where it is a text frame.
    """
    if kind == SENT and not frame.is_text:
        return _AUDIO
    outline = frame.outline
    try:
        return (_kept if len(outline) <= _KEPT_BYTES else _message)(outline)
    except (ValueError, RecursionError):
        return Message(None, text=outline.decode("utf-8", "backslashreplace")) if frame.is_text else _NOTHING


def parse(text: bytes) -> Any:
    """The JSON value of a text, None where it is no JSON that Python reads (too deep and numbers too long included)."""
    try:
        return json_value(text.decode())
    except (ValueError, RecursionError):
        return None


def _message(outline: bytes) -> Message:
    fields = json_value(outline.decode())
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    name = fields.get("type")
    return Message(name if isinstance(name, str) else None, fields)


# A failure is not kept: how deep a text may be depends on where it is read.
_kept = functools.lru_cache(maxsize=1024)(_message)


def member(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an object, empty where there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def text_of(fields: Mapping[str, Any]) -> str:
    """What was said, by ``message.content``; empty where nothing is."""
    content = member(fields, "message").get("content")
    return content if isinstance(content, str) else ""


def milliseconds_ns(value: Any) -> Optional[int]:
    """Milliseconds on the wire as nanoseconds, None where it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return int(value * 1_000_000)
    except (ValueError, OverflowError):
        return None
