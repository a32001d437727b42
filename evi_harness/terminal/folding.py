"""Lay lines out to a width: broken only between words, with continuations below their own column.

Rules of living here: how wide a character is, the caller knows; no word is ever cut, so one that is wider than the terminal stays as it
is, and so does a command in a sentence. A column ends where two spaces or more follow; what follows in brackets is a remark on what is
before it, and no column.
"""

from __future__ import annotations

import re
from typing import Callable, List

__all__ = ["folded", "hanging"]

_COLUMN = re.compile(r"\S+(?: \S+)*? {2,}(?=[^\s\[])")
_INDENT = 2
# What is typed as one command: its program, and as much behind it as is surely no sentence: flags, what is in capitals or quotes, paths.
_COMMAND = (
    r"(?:(?:sudo )?(?:apt-get|brew|pip) install [^ ]+|(?:[^ ]*/)?evi-harness [a-z]+(?: (?:capture|chat-history|har)\b)?)"
    r"(?: (?:--?[a-zA-Z][^ ]*|[A-Z]{2,}\b[^ ]*|'[^' ]*'[^ ]*|[^ ]*/[^ ]*))*"
)
# What a line is not broken in.
_PIECE = re.compile(rf" *(?:[\"'`(]*{_COMMAND}[^ ]*|[^ ]+)")


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
    for piece in _PIECE.findall(line[start:]):
        word = piece.lstrip(" ")
        if taken.strip(" ") and wide(taken) + wide(piece) > room:
            lines.append(taken)
            # What is too wide for the column, and not for the terminal, begins further to the left.
            free = width - wide(word)
            taken = " " * (indent if free >= indent or free < start else free) + word
        else:
            taken += piece
    return [*lines, taken]
