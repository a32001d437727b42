"""Read the source around a line of the developer's code while the process that runs it still exists.

Rules of living here: a file is read only because code of it has run: its name comes from a code object and never from a session. Secrets
are taken out of a file as a whole, before a line of it is shown. What cannot be had, such as ``python -c``, a zipped module or a file that
is gone, has no source, which is not an error.
"""

from __future__ import annotations

import inspect
import linecache
import stat
from pathlib import Path
from typing import Callable, Dict, List, Tuple

from evi_harness.redacting.source_redaction import redacted_source
from evi_harness.session.places import SourceLine

__all__ = ["AROUND", "source_around", "source_of_function"]

# Lines before the one that is asked for, and lines behind it.
AROUND = 2
# So many lines of one function are kept.
_MOST_OF_FUNCTION = 30
# Nobody writes such a file or such a line by hand.
_MAX_BYTES = 4 << 20
_MAX_LENGTH = 200

# File → its lines as Python read them, and without secrets: a file is redacted once, until it has changed.
_FILES: Dict[str, Tuple[List[str], List[str]]] = {}


def source_around(file: str, line: int, redact: Callable[[str], str] = str) -> Tuple[SourceLine, ...]:
    """The line and up to two on either side; empty where the source cannot be had.

    Args:
        file: The file of a code object that has run in this process.
        line: The line, from 1.
        redact: Takes out of a text what is known to be secret by its value.
    """
    lines = _lines_of(file)
    if not 1 <= line <= len(lines):
        return ()
    first, last = max(1, line - AROUND), min(len(lines), line + AROUND)
    return tuple(SourceLine(number, _cut(redact(lines[number - 1]))) for number in range(first, last + 1))


def source_of_function(file: str, line: int, redact: Callable[[str], str] = str) -> Tuple[SourceLine, ...]:
    """A function from its first line on, decorators included; its beginning where it is long, empty where the source cannot be had.

    Args:
        file: The file of its code object.
        line: The first line of its code object, from 1.
        redact: Takes out of a text what is known to be secret by its value.
    """
    lines = _lines_of(file)
    if not 1 <= line <= len(lines):
        return ()
    try:
        # What is redacted may no longer be Python.
        n_lines = len(inspect.getblock(_FILES[file][0][line - 1 :]))
    except Exception:  # noqa: BLE001 - what Python compiled may have been generated, or changed since
        n_lines = AROUND + 1
    shown = lines[line - 1 : line - 1 + min(n_lines, _MOST_OF_FUNCTION)]
    return tuple(SourceLine(number, _cut(redact(text))) for number, text in enumerate(shown, line))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"


def _lines_of(file: str) -> List[str]:
    """The lines of a file, without what its names say to be secret."""
    # A name that says nothing of where the file is may mean another file by now; Python itself gives whole ones.
    if not Path(file).is_absolute():
        return []
    read = _read(file)
    known = _FILES.get(file)
    # As long as the file is what it was, Python gives the very same list.
    if known is None or known[0] is not read:
        known = _FILES[file] = read, redacted_source("".join(read)).rstrip("\n").split("\n") if read else []
    return known[1]


def _read(file: str) -> List[str]:
    try:
        found = Path(file).stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
            return []
        linecache.checkcache(file)
        return linecache.getlines(file)
    except Exception:  # noqa: BLE001 - a file that is no text, or what the app under test has put in the place of open and stat
        return []
