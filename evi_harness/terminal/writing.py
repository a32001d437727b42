"""Write lines on a terminal, laid out to its width and coloured.

Rules of living here: secrets are out of a line before it is broken or coloured, for nobody would find the two halves of one. Nothing in a
line is markup: text from a stranger's session is shown unchanged. Rich is imported here and nowhere else, and only for a terminal.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any, Mapping, Optional, Pattern

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from evi_harness.settings.sink import redacted
from evi_harness.terminal.folding import folded

__all__ = ["BAD", "GOOD", "UNDECIDED", "Writer", "below_here"]

# How a line that says how it ended is shown.
GOOD, BAD, UNDECIDED = "bold green", "bold red", "bold yellow"

# Where a terminal does not say how wide it is.
_COLUMNS = 80
_WEIGHTS: Mapping[str, str] = {
    "FINDING": BAD,
    "DEVIATION": BAD,
    "FAULT": BAD,
    "error:": BAD,
    "missing": BAD,
    "WARNING": UNDECIDED,
    "not seen": UNDECIDED,
    "next": "bold cyan",
}
# What ends with a command, which somebody pastes into a shell: it may stand behind a cd to another folder.
_PROGRAM = r"(?:(?:[^ ]*/)?evi-harness|[^ ]*python[0-9.]* -m evi_harness) "
_COMMAND = re.compile(rf" *(?:again|shorter) {{2,}}(?:cd |pytest |{_PROGRAM})|(?:.*; replay it|next): {_PROGRAM}|  {_PROGRAM}")
# What stands in the first column of a report.
_LABEL = re.compile(r"(?P<label>[A-Za-z]+:?(?: [a-z0-9]+)?) {2,}\S|(?P<weight>error:) ")


class Writer:
    """Writes lines to a terminal.

    Args:
        stream: The stream that leads to it.
        width: How many cells a line has; None to ask each time, for windows change.
        options: What the console is made with besides; for tests.
    """

    def __init__(self, stream: Any, width: Optional[int] = None, **options: Any) -> None:
        self.stream = stream
        self._width = width
        self._console = Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    @property
    def width(self) -> int:
        """How many cells a line has, now: as ``COLUMNS`` says, else as the terminal does, else 80."""
        if self._width is not None:
            return self._width
        said = os.environ.get("COLUMNS", "")
        if said.isdecimal() and int(said):
            return int(said)
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or _COLUMNS
        except (AttributeError, OSError, ValueError):
            return _COLUMNS

    def write(self, line: str, style: str = "") -> None:
        """Write a line, or several.

        Args:
            line: The text, without an end.
            style: How all of it is shown, where it is not shown like any other.
        """
        for one in redacted(line).split("\n"):
            self._console.print(self._laid_out(one if _COMMAND.match(one) else below_here(one), style))

    def _laid_out(self, line: str, style: str) -> Text:
        # The terminal itself breaks a command that is wider: what is copied from there has no line breaks in it.
        lines = [line] if _COMMAND.match(line) else folded(line, self.width, cell_len)
        text = Text("\n".join(lines), style=style)
        label = _LABEL.match(line)
        if label is not None and not style:
            name = label["label"] or label["weight"]
            text.stylize(_WEIGHTS.get(name, "bold"), 0, len(name))
        return text


def below_here(line: str) -> str:
    """A line in which what is below the current directory is named from there."""
    try:
        here = os.getcwd()  # noqa: PTH109 - as text, and not resolved
    except OSError:
        return line
    return line if here == os.sep else _folder(here).sub("", line)


@lru_cache(maxsize=4)
def _folder(folder: str) -> Pattern[str]:
    return re.compile(rf"(?<![\w.~/-]){re.escape(folder + os.sep)}(?=[^\s/])")
