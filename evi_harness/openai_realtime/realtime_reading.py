"""What a frame of the Realtime protocol says: its type, under today's name, and its fields.

Rules of living here: never raises, whatever the frame holds; reads the outline, so that no audio is loaded for it. What is read is shared
by all who ask, and nobody changes it.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from evi_harness.json_dialects.json_messages import JsonMessages, member
from evi_harness.openai_realtime.realtime_messages import AUDIO, canonical
from evi_harness.session.events import Frame
from evi_harness.session.protocols import SENT, Message

__all__ = ["item_of", "ms_ns", "objects", "read", "string"]

_NOTHING = Message(None)
_AUDIO = Message(AUDIO)
_MESSAGES = JsonMessages(canonical)


def read(kind: str, frame: Frame) -> Message:
    """Read a frame. A binary frame of the app's is audio, as a precaution: none has been seen.

    Args:
        kind: ``sent`` or ``received``.
        frame: The frame; its outline is enough.

    Returns:
        Its message. The beta's types have today's names; the fields are as they came.
    """
    if not frame.is_text:
        return _AUDIO if kind == SENT else _NOTHING
    return _MESSAGES.read(frame)


def objects(fields: Mapping[str, Any], name: str) -> List[Mapping[str, Any]]:
    """The objects in a list; none where there is no list."""
    value = fields.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def string(fields: Mapping[str, Any], name: str) -> Optional[str]:
    """A text in an object, None where there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else None


def ms_ns(value: Any) -> Optional[int]:
    """Milliseconds on the wire as nanoseconds, None where they are not a number from 0 on that a session can reach."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return int(value * 1_000_000)


def item_of(message: Message) -> Optional[str]:
    """The id of the item that a message is about, None where it says none."""
    return string(message.fields, "item_id") or string(member(message.fields, "item"), "id")
