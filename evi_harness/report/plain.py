"""Text that is safe for a terminal: characters that would move its cursor or change its colours are escaped.

A session may come from a stranger, and so may every word in it.
"""

from __future__ import annotations

import re

__all__ = ["harmless", "printable"]

# What a spreadsheet takes a text for a formula by, in East Asian width too. One that was told another delimiter begins a cell
# behind it, whatever quotes stand around the text; a comma stands within them, and a tab is escaped.
_FORMULA = re.compile(r"""((?:^|[;|])[ "]*)(?=[=+\-@＝＋－＠])""")


def harmless(value: object) -> object:
    """What a quoted cell of a table may hold: a text in one line, an apostrophe before what a spreadsheet would compute; all else as it is.

    Args:
        value: What the cell is to hold.
    """
    return _FORMULA.sub(r"\1'", printable(value)) if isinstance(value, str) else value


def printable(text: str) -> str:
    """The text in one line: control characters escaped, all that people write left alone."""
    return text if text.isprintable() else "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
