"""How a command prints its lines: laid out and coloured on a terminal, plain everywhere else.

Rules of living here: through a pipe a line is what the report says, byte for byte, and nothing of what terminals need is loaded.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Iterable, List, Optional

import click

if TYPE_CHECKING:
    from evi_harness.terminal.writing import Writer

__all__ = ["echo", "echo_report", "width"]

# One for each stream that has been written to, as long as it stays the stream.
_WRITERS: List[Writer] = []


def echo(line: object = "", err: bool = False, style: str = "") -> None:
    """Print a line.

    Args:
        line: The line, without an end.
        err: To standard error.
        style: How a terminal shows it, where that is not as any other line.
    """
    writer = _writer(err)
    if writer is None:
        click.echo(str(line), err=err)
    else:
        writer.write(str(line), style)


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


def _ending(exit_code: int) -> str:
    from evi_harness.terminal.writing import BAD, GOOD, UNDECIDED

    return {0: GOOD, 4: UNDECIDED}.get(exit_code, BAD)


def _writer(err: bool) -> Optional[Writer]:
    stream = sys.stderr if err else sys.stdout
    try:
        is_terminal = stream.isatty()
    except (AttributeError, ValueError):
        is_terminal = False
    if not is_terminal:
        return None
    for one in _WRITERS:
        if one.stream is stream:
            return one
    from evi_harness.terminal.writing import Writer

    # Whoever stood in for a stream before is gone.
    del _WRITERS[1:]
    _WRITERS.insert(0, Writer(stream))
    return _WRITERS[0]
