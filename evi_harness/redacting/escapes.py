r"""Bytes with their escapes undone, and where each of them stood before.

A secret can be written ``ab%2Fc`` in a URL, ``ab\/c`` or ``\u0061b/c`` in JSON, and with twice as many backslashes in JSON within JSON.

Rules of living here: pure; one pass for each level of escapes, linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Iterator, List, NamedTuple, Optional, Tuple

__all__ = ["Unescaped", "levels"]

_ESCAPE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[\"\\/bfnrt]|%[0-9a-fA-F]{2}")
_SHORT = {b'\\"': b'"', b"\\\\": b"\\", b"\\/": b"/", b"\\b": b"\b", b"\\f": b"\f", b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t"}
# JSON in JSON in a URL is as deep as is met; each level costs a pass.
_MAX_LEVELS = 4


class _Escape(NamedTuple):
    """One escape: its place in the text before, and that of its outcome in the text after."""

    start: int
    stop: int
    new_start: int
    new_stop: int


class Unescaped:
    """A text with one level of escapes undone.

    Args:
        text: The text without escapes.
        escapes: What was undone, in order.
        outer: The level before, None where that is the original.
    """

    def __init__(self, text: bytes, escapes: List[_Escape], outer: Optional[Unescaped]) -> None:
        self.text = text
        self._escapes = escapes
        self._starts = [escape.new_start for escape in escapes]
        self._outer = outer

    def origin(self, start: int, stop: int) -> Tuple[int, int]:
        """Where in the original a span of this text stood, its escapes whole.

        Args:
            start: Offset of the first byte.
            stop: Offset behind the last; the span holds a byte at least.
        """
        first, last = self._place(start)[0], self._place(stop - 1)[1]
        return self._outer.origin(first, last) if self._outer else (first, last)

    def _place(self, at: int) -> Tuple[int, int]:
        """Start and stop, in the text before, of what the byte at a place came from."""
        index = bisect_right(self._starts, at) - 1
        if index < 0:
            return at, at + 1
        escape = self._escapes[index]
        if at < escape.new_stop:
            return escape.start, escape.stop
        before = escape.stop + at - escape.new_stop
        return before, before + 1


def levels(text: bytes) -> Iterator[Unescaped]:
    """Undo escapes level by level, until there are none, or a bound is reached.

    Args:
        text: Any bytes.

    Yields:
        Each level that differs from the one before; nothing for a text without escapes.
    """
    outer: Optional[Unescaped] = None
    for _ in range(_MAX_LEVELS):
        if b"\\" not in text and b"%" not in text:
            return
        level = _undo(text, outer)
        if level is None:
            return
        yield level
        text, outer = level.text, level


def _undo(text: bytes, outer: Optional[Unescaped]) -> Optional[Unescaped]:
    pieces: List[bytes] = []
    escapes: List[_Escape] = []
    at = length = 0
    for found in _ESCAPE.finditer(text):
        start, stop = found.span()
        outcome = _outcome(found[0])
        pieces += [text[at:start], outcome]
        length += start - at
        escapes.append(_Escape(start, stop, length, length + len(outcome)))
        length += len(outcome)
        at = stop
    return Unescaped(b"".join([*pieces, text[at:]]), escapes, outer) if escapes else None


def _outcome(escape: bytes) -> bytes:
    if escape.startswith(b"%"):
        return bytes([int(escape[1:], 16)])
    if not escape.startswith(b"\\u"):
        return _SHORT[escape]
    units = b"".join(int(digits, 16).to_bytes(2, "big") for digits in escape.split(b"\\u")[1:])
    return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
