"""Which version of the Python SDK parses which message, and which fields an old message lacks for a newer version.

The rules are the SDK's models, read off the wheels of hume 0.7.13 to 0.14.1, with pydantic 2: an unknown type is refused, an unknown
field is kept, an open enumeration takes anything. An object with no ``type`` is taken for an assistant_end by every version: it parses.

Rules of living here: the SDK is not imported; the installed one has the last word (the sdk room). A frame is upgraded by what is
inserted before its last brace, so every other byte stays.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import UsageError
from evi_harness.evi.messages import MESSAGES, OBJECTS, Field
from evi_harness.evi.reading import parse, read
from evi_harness.session.events import Frame
from evi_harness.session.protocols import RECEIVED

__all__ = ["ADDITIONS", "ParseProblem", "knows", "parse_version", "problems", "problems_of_sent", "upgrade"]

# What to add where a newer model insists on a field: (type, field, JSON text). Each value is what its absence meant before.
ADDITIONS: Sequence[Tuple[str, str, str]] = (
    ("assistant_message", "is_quick_response", "false"),
    ("tool_call", "tool_type", '"function"'),
)

# Later than none: what an app sends is the same in every version.
_ANY_VERSION = (0,)

_NUMBER = re.compile(r"\s*[+-]?(\d+(_\d+)*\.?\d*|\.\d+)([eE][+-]?\d+)?\s*\Z")
_WHOLE = re.compile(r"\s*[+-]?\d+(_\d+)*(\.0*)?\s*\Z")
_TRUTH = frozenset({"0", "off", "f", "false", "n", "no", "1", "on", "t", "true", "y", "yes"})


@dataclass(frozen=True)
class ParseProblem:
    """Why an SDK version does not parse a message.

    Attributes:
        type: The message's type, None where it has none.
        field: The field, with dots between names; empty where the whole message is meant.
        what: What is wrong with it, as half a sentence.
        can_upgrade: Whether ``upgrade`` mends it.
    """

    type: Optional[str]
    field: str
    what: str
    can_upgrade: bool = False

    def __str__(self) -> str:
        subject = self.type or "message"
        return f"{subject}: {self.field} {self.what}" if self.field else f"{subject}: {self.what}"


def parse_version(version: str) -> Tuple[int, ...]:
    """Take a version apart: the numbers that it begins with; what follows them (rc1, .post2) does not count.

    Raises:
        UsageError: It does not begin with a number.
    """
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    if found is None:
        raise UsageError(f"{version!r} is not a version of the SDK", hint="Give one like 0.14.1.")
    return tuple(int(part) for part in found[1].split("."))


def knows(sdk_version: str, name: str) -> bool:
    """Whether an SDK version parses received messages of a type at all.

    Args:
        sdk_version: Such as ``0.14.1``.
        name: The type.

    Raises:
        UsageError: ``sdk_version`` is not a version.
    """
    row = MESSAGES.get(name)
    return row is not None and row.received and parse_version(sdk_version) >= parse_version(row.known_since)


def problems(frame: Frame, sdk_version: str) -> List[ParseProblem]:
    """Tell why an SDK version would not parse a received frame.

    Args:
        frame: The frame; its outline is enough.
        sdk_version: Such as ``0.14.1``.

    Returns:
        All problems; empty where the version parses it.

    Raises:
        UsageError: ``sdk_version`` is not a version.
    """
    version = parse_version(sdk_version)
    fields = parse(frame.outline)
    if not isinstance(fields, dict):
        return [ParseProblem(None, "", "is not a JSON object")]
    if "type" not in fields:
        return []
    name = fields["type"]
    row = MESSAGES.get(name) if isinstance(name, str) else None
    if row is None or not row.received:
        return [ParseProblem(name if isinstance(name, str) else None, "", f"type {name!r:.60} is unknown to hume {sdk_version}")]
    if version < parse_version(row.known_since):
        return [ParseProblem(row.name, "", f"is unknown to hume {sdk_version}; known from {row.known_since} on")]
    addable = {field for owner, field, _ in ADDITIONS if owner == row.name}
    wrong = _wrong_fields(_with_session_id(row.fields), fields, version)
    return [ParseProblem(row.name, path, what, can_upgrade=path in addable and path not in fields) for path, what in wrong]


def problems_of_sent(fields: Any) -> List[ParseProblem]:
    """Tell why a service would not take a message of the app's.

    Args:
        fields: The JSON value that the app sent.

    Returns:
        All problems; empty where it fits its type. A field too many is none.
    """
    name = fields.get("type") if isinstance(fields, dict) else None
    if not isinstance(name, str):
        return [ParseProblem(None, "", "is not an object with a type")]
    row = MESSAGES.get(name)
    if row is None or not row.sent:
        return [ParseProblem(name, "", f"type {name!r:.60} is not a message that an app sends")]
    return [ParseProblem(name, path, what) for path, what in _wrong_fields(_with_session_id(row.fields), fields, _ANY_VERSION)]


def upgrade(frame: Frame, sdk_version: str) -> Optional[Tuple[Frame, List[str]]]:
    """Add to a received frame what an SDK version insists on and the recorded service did not send.

    Args:
        frame: The frame.
        sdk_version: Such as ``0.14.1``.

    Returns:
        The new frame and what was added, as ``name: value``; None where nothing has to be added. A field that is there, even as null,
        is left alone.

    Raises:
        UsageError: ``sdk_version`` is not a version.
    """
    version = parse_version(sdk_version)
    message = read(RECEIVED, frame)
    missing = [
        (name, value)
        for owner, name, value in ADDITIONS
        if owner == message.type and name not in message.fields and _insists(MESSAGES[owner].fields, name, version)
    ]
    if not missing:
        return None
    payload = frame.payload
    brace = payload.rindex(b"}")
    added = "".join(f',"{name}":{value}' for name, value in missing).encode()
    return Frame(frame.opcode, payload[:brace] + added + payload[brace:]), [f"{name}: {value}" for name, value in missing]


def _insists(fields: Sequence[Field], name: str, version: Tuple[int, ...]) -> bool:
    return any(field.name == name and _is_required(field, version) for field in fields)


def _is_required(field: Field, version: Tuple[int, ...]) -> bool:
    return field.required is not None and version >= parse_version(field.required)


def _with_session_id(fields: Tuple[Field, ...]) -> Tuple[Field, ...]:
    return (*fields, Field("custom_session_id", "str", None))


def _wrong_fields(fields: Sequence[Field], value: Any, version: Tuple[int, ...]) -> Iterator[Tuple[str, str]]:
    """Paths of what is wrong in an object, and what; the empty path is the object itself."""
    if not isinstance(value, dict):
        yield "", f"is {_name(value)}, not an object"
        return
    for field in fields:
        if field.name not in value:
            if _is_required(field, version):
                since = "" if field.required == "0" else f" (required from hume {field.required} on)"
                yield field.name, f"is missing{since}"
            continue
        inner = value[field.name]
        if inner is None and field.nullable and not _is_required(field, version):
            continue
        for path, what in _wrong(field.shape, inner, version):
            yield f"{field.name}.{path}" if path else field.name, what


def _wrong(shape: str, value: Any, version: Tuple[int, ...]) -> Iterator[Tuple[str, str]]:
    kind, _, name = shape.partition(":")
    if kind == "object":
        yield from _wrong_fields(_fields(name), value, version)
    elif kind == "either":
        found = [list(_wrong_fields(_fields(one), value, version)) for one in name.split(",")]
        if all(found):
            yield from min(found, key=len)
    elif kind == "list":
        yield from _wrong_items(name, value, version)
    elif kind == "map":
        yield from _wrong_values(name, value, version)
    elif kind == "literal":
        if value != name:
            yield "", f"is {_name(value)}, not {name!r}"
    elif not _PLAIN[kind](value):
        yield "", f"is {_name(value)}, not {_ARTICLES[kind]}"


def _wrong_items(name: str, value: Any, version: Tuple[int, ...]) -> Iterator[Tuple[str, str]]:
    if not isinstance(value, list):
        yield "", f"is {_name(value)}, not a list"
        return
    for index, item in enumerate(value):
        for path, what in _wrong_fields(_fields(name), item, version):
            yield f"{index}.{path}" if path else str(index), what


def _wrong_values(shape: str, value: Any, version: Tuple[int, ...]) -> Iterator[Tuple[str, str]]:
    if not isinstance(value, dict):
        yield "", f"is {_name(value)}, not an object"
        return
    for name, item in value.items():
        for path, what in _wrong(shape, item, version):
            yield f"{name}.{path}" if path else name, what


def _fields(name: str) -> Tuple[Field, ...]:
    if name in OBJECTS:
        return OBJECTS[name]
    # A message in a message: its type may be left out, but where it stands it must be the right one.
    return (*_with_session_id(MESSAGES[name].fields), Field("type", f"literal:{name}", required=None, nullable=False))


def _name(value: Any) -> str:
    """What a JSON value is, for people; short, and without what strings say."""
    if value is None or isinstance(value, (bool, int, float)):
        return f"{json.dumps(value):.40}"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _is_anything(_: Any) -> bool:
    return True


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return _WHOLE.match(value) is not None
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return _NUMBER.match(value) is not None
    return isinstance(value, (int, float))


def _is_truth(value: Any) -> bool:
    return value in (0, 1) if isinstance(value, (int, float)) else isinstance(value, str) and value.lower() in _TRUTH


# Pydantic's lax mode: a number in a string is a number, a whole float is an int.
_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "any": _is_anything,
    "str": lambda value: isinstance(value, str),
    "int": _is_whole,
    "number": _is_number,
    "bool": _is_truth,
    "scalar": lambda value: isinstance(value, (str, int, float)),
}
_ARTICLES: Mapping[str, str] = {
    "str": "a string",
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "scalar": "a string, a number, true or false",
}
