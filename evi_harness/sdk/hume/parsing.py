"""Parse a message with the installed SDK, or say which field fails.

Rules of living here: the SDK decides; nothing is parsed here that it does not parse. A union's error names every member's fields, so the
member is found by its ``type`` and asked alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, List, Tuple, get_args

from evi_harness.errors import SdkError
from evi_harness.sdk.hume.installed_sdk import import_sdk

__all__ = ["FieldProblem", "parse", "problems"]


@dataclass(frozen=True)
class FieldProblem:
    """One field that the SDK's model refuses.

    Attributes:
        field: Path of the field, such as ``models.prosody.scores``; empty for the message as a whole.
        what: What is wrong with it, in the model's words.
        missing: Whether it is required and absent.
    """

    field: str
    what: str
    missing: bool

    def __str__(self) -> str:
        if self.missing:
            return f"field {self.field} is missing"
        return f"field {self.field}: {self.what}" if self.field else self.what


def parse(payload: bytes) -> Any:
    """Parse a received message as the SDK does.

    Args:
        payload: The text of the frame.

    Raises:
        Exception: Whatever the SDK raises; see ``problems``.
    """
    parse_obj_as, union, _ = _models()
    return parse_obj_as(union, json.loads(payload))


def problems(payload: bytes) -> List[FieldProblem]:
    """Why the installed SDK cannot parse a received message; empty where it can.

    Args:
        payload: The text of the frame.

    Raises:
        SdkError: The SDK is not installed or not as known.
    """
    try:
        parse(payload)
    except SdkError:
        raise
    except Exception as error:  # noqa: BLE001 - its type is the SDK's and pydantic's affair
        return _explain(payload, error)
    return []


@lru_cache(maxsize=1)
def _models() -> Tuple[Any, Any, Dict[str, Any]]:
    """The SDK's parser, the union of received messages, and its members by type."""
    import_sdk()
    try:
        from hume.core.pydantic_utilities import parse_obj_as

        union = _union()
    except ImportError as error:
        raise SdkError(f"the installed hume package is not as known: {error}", hint="pip install 'hume[microphone]>=0.8.6'") from None
    members = {}
    for member in get_args(union):
        names = get_args(member.__annotations__.get("type")) or get_args(member.model_fields["type"].annotation)
        members.update(dict.fromkeys(names, member))
    return parse_obj_as, union, members


def _union() -> Any:
    # It moved in 0.13.2.
    try:
        from hume.empathic_voice.types.subscribe_event import SubscribeEvent
    except ImportError:
        from hume.empathic_voice.chat.types.subscribe_event import SubscribeEvent  # type: ignore[import-not-found,no-redef,unused-ignore]
    return SubscribeEvent


def _explain(payload: bytes, error: Exception) -> List[FieldProblem]:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError) as bad:
        return [FieldProblem("", f"it is not JSON that Python can read: {_first_line(bad)}", missing=False)]
    parse_obj_as, _, members = _models()
    kind = fields.get("type") if isinstance(fields, dict) else None
    if not isinstance(kind, str) or kind not in members:
        return [FieldProblem("", f"the type {kind!r} is unknown to it", missing=False)]
    try:
        parse_obj_as(members[kind], fields)
    except Exception as alone:  # noqa: BLE001 - likewise
        return _of_validation(alone)
    return [FieldProblem("", _first_line(error), missing=False)]


def _of_validation(error: Exception) -> List[FieldProblem]:
    listed = getattr(error, "errors", None)
    if not callable(listed):
        return [FieldProblem("", _first_line(error), missing=False)]
    found = []
    for one in listed():
        path = ".".join(str(part) for part in one.get("loc", ()))
        found.append(FieldProblem(path, str(one.get("msg", "")), missing="missing" in str(one.get("type", ""))))
    return found


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
