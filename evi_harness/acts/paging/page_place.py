"""Where a page may be written.

Rules of living here: nothing is written into a session folder, and nothing is replaced but a page of ours or an empty file: a name that
was mistyped costs nobody a recording, a report or a program.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Iterator

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.settings.new_folder import near
from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE

__all__ = ["page_place", "pages_place"]

# How every page and every index begins: see assets/page/page.html and pages.index_file, which a test compares with this.
_BEGINNING = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8">'
    b'<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;; style-src &#x27;sha256-'
)
_HEAD_BYTES = 4096
_HINT = "Name another file: a page only replaces a page."


def page_place(file: Path) -> Path:
    """Refuse a file that may not be written as a page.

    Args:
        file: The file. Its folder may be missing: that shows when it is written.

    Returns:
        The file.

    Raises:
        UsageError: It is in a session folder, or what is there under its name is not a page of evi-harness.
        EviHarnessError: It cannot be looked at.
    """
    pages_place(file.parent)
    try:
        if not os.path.lexists(file):
            return file
        if not stat.S_ISREG(file.lstat().st_mode):
            raise UsageError(f"{near(file)} already exists, and is not a regular file", hint=_HINT)
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise EviHarnessError(f"the page cannot be written: {error.strerror or error}", where=str(file)) from None
    if head and not _plain(head).startswith(_plain(_BEGINNING)):
        raise UsageError(f"{near(file)} already exists, and is not a page of evi-harness", hint=_HINT)
    return file


def pages_place(folder: Path) -> Path:
    """Refuse a folder into which no page may be written.

    Args:
        folder: The folder. It may be missing.

    Returns:
        The folder.

    Raises:
        UsageError: It is a session folder, or in one.
    """
    for session in _sessions_around(folder):
        hint = "Name a place outside it: a page is not part of a session."
        raise UsageError(f"the page would be in the session folder {near(session)}", hint=hint)
    return folder


def _sessions_around(folder: Path) -> Iterator[Path]:
    whole = Path(os.path.realpath(folder))
    if _is_file(whole / HEADER_FILE):
        yield whole
    # Further up a file of that name may be anybody's.
    yield from (one for one in whole.parents if all(_is_file(one / name) for name in (HEADER_FILE, EVENTS_FILE)))


def _is_file(path: Path) -> bool:
    # Unlike the method it says no also of what may not be looked at.
    return os.path.isfile(path)  # noqa: PTH113


def _plain(head: bytes) -> bytes:
    """Without what may differ between versions of the template: white space, and large letters."""
    return b"".join(head.lower().split())
