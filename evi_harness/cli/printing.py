"""How a command prints its lines: laid out and coloured on a terminal, plain everywhere else.

Rules of living here: through a pipe a line is what the report says, byte for byte, and nothing of what terminals need is loaded.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterable, Iterator, List, Optional, TextIO

import click

if TYPE_CHECKING:
    from evi_harness.terminal.progress import Progress
    from evi_harness.terminal.writing import Writer

__all__ = ["Advance", "can_write", "echo", "echo_report", "progress", "width"]

# One for each stream that has been written to, as long as it stays the stream.
_WRITERS: List[Writer] = []


def echo(line: object = "", err: bool = False, style: str = "") -> None:
    """Print a line.

    Args:
        line: The line, without an end.
        err: To standard error.
        style: How a terminal shows it, where that is not as any other line.
    """
    from evi_harness.settings.program import text_as_started

    writer, text = _writer(err), text_as_started(str(line))
    if writer is None:
        click.echo(text, err=err)
    else:
        writer.write(text, style)


def echo_report(lines: Iterable[str], exit_code: int, err: bool = False) -> None:
    """Print a report, whose last line says how it ended.

    Args:
        lines: The lines.
        exit_code: What the command exits with, of which a terminal shows the last line in the colour.
        err: To standard error.
    """
    *body, last = list(lines) or [""]
    for line in body:
        echo(line, err=err)
    echo(last, err=err, style=_ending(exit_code) if _writer(err) is not None else "")


def width(err: bool = False) -> Optional[int]:
    """How many cells a line of the terminal has; None where there is no terminal.

    Args:
        err: Of standard error's.
    """
    writer = _writer(err)
    return None if writer is None else writer.width


def can_write(text: str, err: bool = False) -> bool:
    """Whether a text can be written as it is, in the encoding that an output has.

    Args:
        text: The text.
        err: To standard error.
    """
    try:
        text.encode((sys.stderr if err else sys.stdout).encoding or "utf-8")
    except (AttributeError, LookupError, UnicodeEncodeError):
        return False
    return True


class Advance:
    """What tells how far something has got.

    Args:
        shown: Where that is drawn, None for nowhere.
    """

    def __init__(self, shown: Optional[Progress]) -> None:
        self._shown = shown

    def done(self, _: object = None) -> None:
        """Count one more thing as done, whatever it is."""
        if self._shown is not None:
            self._shown.done()

    def part(self, share: float, where: str = "") -> None:
        """Count so much of the next thing as done, 0 to 1, and say where that is."""
        if self._shown is not None:
            self._shown.part(share, where)


@contextmanager
def progress(label: str, n_all: int) -> Iterator[Advance]:
    """Show on a terminal's standard error how far something has got, once it takes longer than a second; in a CI server's log nothing.

    Args:
        label: What is being done.
        n_all: How many things it is.
    """
    from evi_harness.settings.redrawing import can_redraw

    if not _is_terminal(sys.stderr) or not can_redraw():
        yield Advance(None)
        return
    from evi_harness.terminal.progress import Progress

    with Progress(label, n_all, sys.stderr) as shown:
        yield Advance(shown)


def _ending(exit_code: int) -> str:
    from evi_harness.terminal.writing import BAD, GOOD, UNDECIDED

    return {0: GOOD, 4: UNDECIDED}.get(exit_code, BAD)


def _writer(err: bool) -> Optional[Writer]:
    stream = sys.stderr if err else sys.stdout
    if not _is_terminal(stream):
        return None
    for one in _WRITERS:
        if one.stream is stream:
            return one
    from evi_harness.terminal.writing import Writer

    # Whoever stood in for a stream before is gone.
    del _WRITERS[1:]
    _WRITERS.insert(0, Writer(stream))
    return _WRITERS[0]


def _is_terminal(stream: TextIO) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
