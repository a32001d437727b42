"""Recover a header from a damaged session.json, member by member; missing members are unknown.

Rules of living here: no files. Nothing is guessed; the user of a recovered header reports what was lost.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, Dict, List, Sequence, Tuple

import msgspec

from evi_harness.session.foreign_text import has_more_values
from evi_harness.session.header import FORMAT_VERSION, Header
from evi_harness.storage import header_file
from evi_harness.storage.codec import is_too_deep
from evi_harness.storage.header_file import FORMAT_NAME, MAX_VALUES, HeaderFields

__all__ = ["is_newer", "salvaged_header", "was_changed"]

UNKNOWN = "unknown"
# A member of the outermost object, as it is written: indented by two, its value up to the next one or the end.
_MEMBER = re.compile(rb'^  "([a-z_]+)": (.*?),?$(?=\n  "|\n}|\Z)', re.MULTILINE | re.DOTALL)
# What is about the bytes of the file, or is known without it.
_ANCHORS = ("start", "end")
_NOT_LOST = ("format", "version", "minor", "header_digest")


def salvaged_header(text: bytes, dialect: str, known_dialects: Sequence[str] = ()) -> Tuple[Header, Tuple[str, ...]]:
    """Make a header of what can be read.

    Args:
        text: The text of session.json; nothing where there is none.
        dialect: The name of its dialect, where it does not say one that is known.
        known_dialects: The names of all that are, besides this one.

    Returns:
        The header, never complete, and the names of the members that could not be recovered.
    """
    members, lost = _members(text)
    known: Dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "made_by": UNKNOWN,
        "created": UNKNOWN,
        "dialect": dialect,
        "recorded": {"sent": True, "closed": False, "times": "measured"},
    }
    for field in msgspec.structs.fields(HeaderFields):
        name = field.encode_name
        if name not in members:
            lost += [name] if field.required else []
            continue
        try:
            known[name] = msgspec.to_builtins(msgspec.convert(members[name], field.type))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            lost.append(name)
    if known["dialect"] not in (dialect, *known_dialects):
        lost.append("dialect")
        known["dialect"] = dialect
    known.update(format=FORMAT_NAME, version=FORMAT_VERSION, complete=False)
    known.setdefault("minor", 0)
    try:
        header, _ = header_file.decode(msgspec.json.encode(known))
    except ValueError:
        # Each can be read, and together they cannot be: when it began and when it ended.
        lost += [name for name in _ANCHORS if known.pop(name, None) is not None]
        header, _ = header_file.decode(msgspec.json.encode(known))
    # A name that is none of ours is whatever somebody wrote there.
    return header, tuple(name for name in dict.fromkeys(lost) if name in HeaderFields.__struct_fields__ and name not in _NOT_LOST)


def is_newer(text: bytes) -> bool:
    """Whether a header says that it is of a version of the format that this one does not know."""
    members, _ = _members(text)
    version = members.get("version")
    return members.get("format") == FORMAT_NAME and isinstance(version, int) and version > FORMAT_VERSION


def was_changed(text: bytes) -> bool:
    """Whether what a header says is not what was written, by its own digest; False where it has none."""
    try:
        return header_file.digest_problem(text) is not None
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return True


def _bounded(text: bytes, beside: Sequence[bytes] = ()) -> Any:
    """A JSON value; with more values than a header may have it would cost a hundred times its bytes, and is refused before it is read.

    Args:
        text: The value as text.
        beside: What else the header has.
    """
    if has_more_values(b",".join((*beside, text)).decode(), MAX_VALUES):
        raise ValueError(f"it has more than {MAX_VALUES} values")
    return msgspec.json.decode(text)


def _members(text: bytes) -> Tuple[Dict[str, Any], List[str]]:
    """The members that can be read, and the names of those that are there and cannot."""
    try:
        members = _bounded(text)
        if isinstance(members, dict) and not is_too_deep(members):
            return members, []
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    found: Dict[str, Any] = {}
    lost: List[str] = []
    kept: List[bytes] = []
    for name, value in _MEMBER.findall(text):
        try:
            inner = _bounded(value, kept)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            lost.append(name.decode())
            continue
        if not is_too_deep(inner):
            found[name.decode()] = inner
            kept.append(value)
    return found, lost
