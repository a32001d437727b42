"""Parse a frame into its type and fields.

Rules of living here: never raises, whatever the frame holds; reads the outline, so that no audio is loaded for it. What is read is
shared by all who ask, and nobody changes it.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from evi_harness.evi.messages import AUDIO
from evi_harness.json_dialects.json_messages import JsonMessages, member
from evi_harness.session.events import Frame
from evi_harness.session.foreign_text import json_value
from evi_harness.session.protocols import SENT, Message

__all__ = ["milliseconds_ns", "parse", "read", "text_of"]

_AUDIO = Message(AUDIO)
_MESSAGES = JsonMessages()


def read(kind: str, frame: Frame) -> Message:
    """Read a frame.

    A binary frame of the app's is audio, whatever it holds. A binary frame of the service's is read as JSON, as the SDK does.

    Args:
        kind: ``sent`` or ``received``.
        frame: The frame; its outline is enough.

    Returns:
        Its message; with no type and no fields where it holds no JSON object, and then with its text where it is a text frame.
    """
    return _AUDIO if kind == SENT and not frame.is_text else _MESSAGES.read(frame)


def parse(text: bytes) -> Any:
    """The JSON value of a text, None where it is not JSON that Python reads (too deep and numbers too long included)."""
    try:
        return json_value(text.decode())
    except (ValueError, RecursionError):
        return None


def text_of(fields: Mapping[str, Any]) -> str:
    """What was said, by ``message.content``; empty where nothing is."""
    content = member(fields, "message").get("content")
    return content if isinstance(content, str) else ""


def milliseconds_ns(value: Any) -> Optional[int]:
    """Milliseconds on the wire as nanoseconds, None where it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return int(value * 1_000_000)
    except (ValueError, OverflowError):
        return None
