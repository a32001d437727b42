"""The classes that the installed SDK has for the service's messages, and what its parser hides.

The parser never refuses: a message of a type that it does not know becomes an object of the first class of its union, and a field that is
missing is an attribute that is None, or that the object does not have. So each message is held against the SDK's own class for its type.

Rules of living here: the SDK's types are the table; nothing of the protocol is written down a second time.
"""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from evi_harness.errors import SdkError

__all__ = ["MessageProblem", "known_types", "misread", "unreadable"]


@dataclass(frozen=True)
class MessageProblem:
    """What is wrong with a message for the SDK.

    Attributes:
        field: The field, empty for the message as a whole.
        what: What is wrong, as half a sentence.
    """

    field: str
    what: str

    def __str__(self) -> str:
        return self.what


def known_types() -> FrozenSet[str]:
    """The types of messages that the installed SDK has a class for.

    Raises:
        SdkError: The SDK cannot be imported, or has no Realtime.
    """
    return frozenset(_classes())


def unreadable(payload: bytes) -> List[MessageProblem]:
    """Why the SDK cannot read a message at all; empty where it can. Only what is no JSON ends its reading.

    Args:
        payload: The bytes of the frame.
    """
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return [MessageProblem("", f"it is not JSON that Python can read: {first}")]
    return []


def misread(message: Any) -> Optional[str]:
    """What the SDK's parser hides of a message: its object's class, or the fields that it was not given. None where it hides nothing.

    Only fields of the message itself are looked at: what is inside of them is of many forms, of which the SDK takes whichever fits.

    Args:
        message: What the parser made of it.

    Raises:
        SdkError: The SDK cannot be imported, or has no Realtime.
    """
    kind, made = getattr(message, "type", None), type(message)
    known = _classes().get(kind) if isinstance(kind, str) else None
    if known is None or known[0] is not made:
        return f"a message of the type {kind!r} became a {made.__name__}"
    missing = known[1] - message.model_fields_set
    return f"a message of the type {kind!r} came without {', '.join(sorted(missing))}" if missing else None


@lru_cache(maxsize=1)
def _classes() -> Dict[str, Tuple[type, FrozenSet[str]]]:
    """By type: its class, and the fields that it has to have."""
    try:
        from openai.types.realtime import RealtimeServerEvent
    except ImportError as error:
        raise SdkError(f"the installed openai package has no Realtime: {error}", hint="pip install 'openai[realtime]>=1.103'") from None
    found: Dict[str, Tuple[type, FrozenSet[str]]] = {}
    for member in _members(RealtimeServerEvent):
        fields = member.model_fields
        required = frozenset(name for name, field in fields.items() if field.is_required())
        found.update(dict.fromkeys(typing.get_args(fields["type"].annotation), (member, required)))
    return found


def _members(union: Any) -> List[Any]:
    """The classes in a union, in their order; some are unions in it, and all may be annotated."""
    found: List[Any] = []
    for one in typing.get_args(union):
        if hasattr(one, "model_fields"):
            found.append(one)
        elif typing.get_args(one):
            found += _members(one)
    return found
