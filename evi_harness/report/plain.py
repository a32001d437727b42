"""Text that a terminal may be given: what would move its cursor or change its colours is escaped.

A session may come from a stranger, and so may every word in it.
"""

from __future__ import annotations

__all__ = ["harmless", "printable"]

# What a spreadsheet takes a text for a formula by.
_FORMULA = ("=", "+", "-", "@")


def harmless(value: object) -> object:
    """What a cell of a table may hold: a text in one line, an apostrophe before what a spreadsheet would compute; all else as it is."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def printable(text: str) -> str:
    """The text in one line: control characters escaped, all that people write left alone."""
    return text if text.isprintable() else "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
