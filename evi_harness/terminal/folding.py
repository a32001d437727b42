"""Lines laid out to a width: broken between words only, and what is broken goes on below its own column.

Rules of living here: how wide a character is, the caller knows; no word is ever cut, so one that is wider than the terminal stays as it
is. A column ends where two spaces or more follow.
"""

from __future__ import annotations

import re
from typing import Callable, List

__all__ = ["folded", "hanging"]

_COLUMN = re.compile(r"\S+(?: \S+)*? {2,}(?=\S)")
_INDENT = 2


def hanging(line: str, width: int) -> int:
    """How far in the second line of a line that is too long begins.

    Args:
        line: The line.
        width: How wide the terminal is.

    Returns:
        Where its last column begins, as long as that is in the first half of the terminal; of a line without columns, two places
        further in than it begins.
    """
    start = at = len(line) - len(line.lstrip(" "))
    while True:
        column = _COLUMN.match(line, at)
        if column is None or column.end() > width // 2:
            break
        at = column.end()
    return at if at > start else min(start + _INDENT, width // 2)


def folded(line: str, width: int, wide: Callable[[str], int] = len) -> List[str]:
    """A line as lines that fit.

    Args:
        line: The line, without an end.
        width: How many cells fit; at least 1.
        wide: How many cells a text takes.

    Returns:
        At least one line. Only spaces at which the line is broken are missing in them.
    """
    line = line.rstrip(" ")
    if wide(line) <= width:
        return [line]
    indent = hanging(line, width)
    start = len(line) - len(line.lstrip(" "))
    lines: List[str] = []
    taken, room = line[:start], width
    for piece in re.findall(r" *[^ ]+", line[start:]):
        word = piece.lstrip(" ")
        if taken.strip(" ") and wide(taken) + wide(piece) > room:
            lines.append(taken)
            taken = " " * indent + word
        else:
            taken += piece
    return [*lines, taken]
