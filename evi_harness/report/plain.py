"""Text that a terminal may be given: what would move its cursor or change its colours is escaped.

A session may come from a stranger, and so may every word in it.
"""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """The text in one line: control characters escaped, all that people write left alone."""
    return text if text.isprintable() else "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
