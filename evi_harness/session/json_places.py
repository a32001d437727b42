"""The byte positions of values in a JSON text.

Frames are kept byte for byte, so a value is cut out of a frame, or replaced in it, by its place and never by decoding and encoding.

Rules of living here: strict JSON only (RFC 8259 in UTF-8: no NaN, no trailing comma, no byte order mark, nothing behind the value);
one pass, linear in the length of the text whatever it holds; no recursion, so that nesting costs memory and not the stack. An escaped
lone surrogate is strict JSON; so are repeated names, and each of them is a member.
"""

from __future__ import annotations

import json
import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

__all__ = ["Member", "members", "nesting", "string_value", "top_level_strings"]

_ESCAPE = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_PLAIN = rb'[^"\\\x00-\x1f]*'
# The repetition is bounded because the regular expression engine keeps a record of each round.
_STRING_PART = re.compile(_PLAIN + rb"(?:" + _ESCAPE + _PLAIN + rb"){0,500}")
_VALUE = re.compile(
    rb"[ \t\n\r]*(?:(?P<open>[{\[])|(?P<string>\")|(?P<scalar>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null))"
)
_NAME = re.compile(rb'[ \t\n\r]*"')
_COLON = re.compile(rb"[ \t\n\r]*:")
_AFTER = re.compile(rb"[ \t\n\r]*([,}\]])")
_EMPTY = {b"{": re.compile(rb"[ \t\n\r]*}"), b"[": re.compile(rb"[ \t\n\r]*\]")}
_CLOSER = {b"{": b"}", b"[": b"]"}
_END = re.compile(rb"[ \t\n\r]*\Z")


class Member(NamedTuple):
    """One member of one object.

    Attributes:
        depth: Objects and arrays around it: 1 for a member of the outermost object.
        name: Its name, decoded.
        start: Offset of the first byte of its value, a string's opening quote included.
        stop: Offset behind the last byte of its value.
    """

    depth: int
    name: str
    start: int
    stop: int


class _Open(NamedTuple):
    """An object or array whose end has not come yet: how it closes, and the member that it is the value of."""

    closer: bytes
    name: Optional[bytes]
    start: int


def members(text: bytes) -> Iterator[Member]:
    """Find the members of all objects at every depth, each as its value ends: inner ones before the member that holds them.

    Args:
        text: A JSON text.

    Raises:
        ValueError: The text is not strict JSON; told when the place is reached, so that members may have been given before. Use
            ``list(members(text))`` where that matters.
    """
    for depth, name, start, stop in _scan(text):
        yield Member(depth, _decoded(name), start, stop)


def top_level_strings(text: bytes) -> Iterator[Tuple[str, int, int]]:
    """Find the members of the outermost object whose values are strings.

    Args:
        text: Any bytes.

    Yields:
        The decoded name, the offset behind the opening quote of the value and the offset of its closing quote; nothing at all where
        the text is not strict JSON or no object.
    """
    try:
        found = [place for place in _scan(text) if place[0] == 1 and text[place[2]] == 0x22]
    except ValueError:
        return
    for _, name, start, stop in found:
        yield _decoded(name), start + 1, stop - 1


def nesting(text: bytes) -> int:
    """Tell how deeply objects and arrays are nested in a strict JSON text: 0 for a scalar; too many for brackets in strings.

    Args:
        text: Strict JSON. The answer is an upper bound: brackets inside strings count.
    """
    depth = deepest = 0
    for bracket in _BRACKETS.findall(text):
        if bracket in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth = max(depth - 1, 0)
    return deepest


def string_value(text: bytes, start: int, stop: int) -> str:
    """Decode the string literal that stands at a place, its quotes included.

    Raises:
        ValueError: There is a string is expected.
    """
    value = json.loads(text[start:stop].decode())
    if not isinstance(value, str):
        raise ValueError("a string is expected")
    return value


_BRACKETS = re.compile(rb"[{}\[\]]")


def _scan(text: bytes) -> Iterator[Tuple[int, bytes, int, int]]:
    """Yield depth, raw name, start and stop of each member."""
    if not text.isascii():
        text.decode()
    around: List[_Open] = []
    name: Optional[bytes] = None
    at = 0
    while True:
        start, stop, opened = _value(text, at)
        if opened:
            empty = _EMPTY[opened].match(text, stop)
            if empty is None:
                around.append(_Open(_CLOSER[opened], name, start))
                name, at = _name(text, stop) if opened == b"{" else (None, stop)
                continue
            stop = empty.end()
        while True:
            if name is not None:
                yield len(around), name, start, stop
            if not around:
                if not _END.match(text, stop):
                    raise ValueError(f"more text follows the value, at byte {stop}")
                return
            after = _AFTER.match(text, stop)
            if after is None:
                raise ValueError(f"a comma or a closing bracket is missing at byte {stop}")
            if after[1] == b",":
                break
            closer, name, start = around.pop()
            if after[1] != closer:
                raise ValueError(f"the wrong bracket at byte {after.start(1)}")
            stop = after.end()
        name, at = _name(text, after.end()) if around[-1].closer == b"}" else (None, after.end())


def _value(text: bytes, at: int) -> Tuple[int, int, bytes]:
    """The value that begins at a place: start, stop, and the bracket if it is one that opens (stop is then behind the bracket)."""
    found = _VALUE.match(text, at)
    if found is None:
        raise ValueError(f"a value is missing at byte {at}")
    kind = found.lastgroup
    assert kind is not None
    start = found.start(kind)
    if kind == "string":
        return start, _string_stop(text, start + 1), b""
    return start, found.end(), found[kind] if kind == "open" else b""


def _name(text: bytes, at: int) -> Tuple[bytes, int]:
    """The raw name that begins at a place, and the offset behind its colon."""
    quote = _NAME.match(text, at)
    if quote is None:
        raise ValueError(f"a name is missing at byte {at}")
    stop = _string_stop(text, quote.end())
    colon = _COLON.match(text, stop)
    if colon is None:
        raise ValueError(f"a colon is missing at byte {stop}")
    return text[quote.end() : stop - 1], colon.end()


def _string_stop(text: bytes, at: int) -> int:
    """The offset behind the closing quote of the string whose first character is at a place."""
    while True:
        part = _STRING_PART.match(text, at)
        stop = part.end() if part is not None else at
        if text[stop : stop + 1] == b'"':
            return stop + 1
        if stop == at:
            raise ValueError(f"a string does not end, or is not strict JSON, at byte {at}")
        at = stop


def _decoded(name: bytes) -> str:
    if b"\\" not in name:
        return name.decode()
    decoded = json.loads(b'"' + name + b'"')
    assert isinstance(decoded, str)
    return decoded
