"""What a frame of the Realtime protocol says: its type, under today's name, and its fields.

Rules of living here: never raises, whatever the frame holds; reads the outline, so that no audio is loaded for it. What is read is shared
by all who ask, and nobody changes it.
"""

from __future__ import annotations

import functools
from typing import Any, List, Mapping, Optional

from evi_harness.openai_realtime.realtime_messages import AUDIO, canonical
from evi_harness.session.events import Frame
from evi_harness.session.foreign_text import json_value
from evi_harness.session.protocols import SENT, Message

__all__ = ["item_of", "member", "ms_ns", "objects", "read", "string"]

_NOTHING = Message(None)
_AUDIO = Message(AUDIO)
# What is longer costs more to keep than to read again.
_KEPT_BYTES = 2048


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
    outline = frame.outline
    try:
        return (_kept if len(outline) <= _KEPT_BYTES else _message)(outline)
    except (ValueError, RecursionError):
        return Message(None, text=outline.decode("utf-8", "backslashreplace"))


def _message(outline: bytes) -> Message:
    fields = json_value(outline.decode())
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    name = fields.get("type")
    return Message(canonical(name) if isinstance(name, str) else None, fields)


# A failure is not kept: how deep a text may be depends on where it is read.
_kept = functools.lru_cache(maxsize=1024)(_message)


def member(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object within objects, by the names on the way; empty where there is none, as where a service sends a string in its place."""
    value: Any = fields
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(fields: Mapping[str, Any], name: str) -> List[Mapping[str, Any]]:
    """The objects in a list; none where there is no list."""
    value = fields.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def string(fields: Mapping[str, Any], name: str) -> Optional[str]:
    """A text in an object, None where there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else None


def ms_ns(value: Any) -> Optional[int]:
    """Milliseconds on the wire as nanoseconds, None where they are no number from 0 on that any session reaches."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return int(value * 1_000_000)


def item_of(message: Message) -> Optional[str]:
    """The id of the item that a message is about, None where it says none."""
    return string(message.fields, "item_id") or string(member(message.fields, "item"), "id")
