"""Messages that are JSON objects with a type, as most dialects have them, and what is asked of their fields.

Rules of living here: never raises, whatever a frame holds; reads the outline, so that no audio is loaded for it. What is read is shared by
all who ask, and nobody changes it.
"""

from __future__ import annotations

import functools
import json
from contextlib import suppress
from typing import Callable, Mapping

from evi_harness.session.events import Frame
from evi_harness.session.foreign_text import json_value
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Message

__all__ = ["JsonMessages", "in_one_order", "member", "without_members"]

_NOTHING = Message(None)
# Turns, causes, pairing and comparison read each message of a session eight times in all. What is longer costs more to keep.
_KEPT_BYTES = 2048


class JsonMessages:
    """Reads the messages of one dialect.

    Args:
        name_of: The name under which a type is known, for dialects whose types have more than one.
    """

    def __init__(self, name_of: Callable[[str], str] = str) -> None:
        self._name_of = name_of
        # A failure is not kept: how deep a text may be depends on where it is read.
        self._kept = functools.lru_cache(maxsize=1024)(self._message)

    def read(self, frame: Frame) -> Message:
        """Read a frame.

        Args:
            frame: The frame; its outline is enough.

        Returns:
            Its message; with no type and no fields where it holds no JSON object, and then with its text where it is a text frame.
        """
        outline = frame.outline
        try:
            return (self._kept if len(outline) <= _KEPT_BYTES else self._message)(outline)
        except (ValueError, RecursionError):
            return Message(None, text=outline.decode("utf-8", "backslashreplace")) if frame.is_text else _NOTHING

    def _message(self, outline: bytes) -> Message:
        fields = json_value(outline.decode())
        if not isinstance(fields, dict):
            raise ValueError("no JSON object")
        name = fields.get("type")
        return Message(self._name_of(name) if isinstance(name, str) else None, fields)


def member(fields: Mapping[str, Json], *names: str) -> Mapping[str, Json]:
    """An object within objects, by the names on the way; empty where there is none, as where a service sends a text in its place."""
    value: Json = fields
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def without_members(value: Json, is_left_out: Callable[[str], bool]) -> Json:
    """A JSON value without the members of some names, at every depth."""
    if isinstance(value, dict):
        return {name: without_members(inner, is_left_out) for name, inner in value.items() if not is_left_out(name)}
    if isinstance(value, list):
        return [without_members(inner, is_left_out) for inner in value]
    return value


def in_one_order(text: Json) -> Json:
    """A JSON text with its names sorted, so that two that say the same are equal; what is not a JSON text as it is."""
    with suppress(ValueError, TypeError, RecursionError):
        return json.dumps(json_value(text), sort_keys=True, ensure_ascii=False)
    return text
