"""Session folders: which are meant, and the session that is in one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterable, List, Set, Union

from evi_harness.dialects import dialect_of, known_dialects
from evi_harness.errors import SessionUnreadable, UsageError
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import is_being_made
from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE
from evi_harness.storage.reader import read_session
from evi_harness.storage.verifying import changed_since

__all__ = ["find_sessions", "load_session"]


def find_sessions(places: Iterable[Union[str, Path]], *, damaged: bool = False) -> List[Path]:
    """The session folders that are meant by folders, or by folders of sessions.

    Args:
        places: Session folders, files in them, and folders with session folders anywhere below.
        damaged: Find also what may be one: a folder whose header is gone, and one that may not be read.

    Returns:
        Session folders: in the order given, sorted by path within a folder of sessions, each once. A place with no session in it stands
        for itself, so that what is done with it says what is wrong with it.
    """
    marks = {HEADER_FILE, EVENTS_FILE} if damaged else {HEADER_FILE}
    found: Dict[Path, None] = {}
    for place in map(Path, places):
        is_one = place.is_file() or any((place / mark).is_file() for mark in marks)
        found.update(dict.fromkeys([place] if is_one else _below(place, marks, damaged) or [place]))
    return list(found)


def _below(place: Path, marks: Set[str], damaged: bool) -> List[Path]:
    folders: List[Path] = []
    refused: List[Path] = []
    for folder, below, files in os.walk(place, onerror=lambda error: refused.append(Path(error.filename))):
        if not marks.isdisjoint(files):
            folders.append(Path(folder))
            # A session folder holds no sessions.
            below.clear()
        # What was left unfinished under a hidden name is none.
        below[:] = [name for name in below if not is_being_made(name)]
    return sorted([*folders, *refused] if damaged else folders)


def load_session(folder: AnyPath, *, verify: bool = False) -> Session:
    """Read a session folder.

    Args:
        folder: The folder, or a file in it (``sessions/weather/session.json``).
        verify: Read all files and compare them with the digests from when the session was completed. Changes since then are added to
            ``missing``.

    Returns:
        The session; ``missing`` says what an incomplete one lacks.

    Raises:
        SessionUnreadable: It is not a session folder, it cannot be understood, or its dialect is unknown here.
        EviHarnessError: The package that provides its dialect cannot be imported.

    Example:
        >>> session = evi_harness.load_session("sessions/weather")
        >>> len(session.sent), round(session.duration_ns / 1e9, 1)
        (370, 12.2)
    """
    path = Path(folder)
    if path.is_file():
        path = _folder_of(path)
    session = read_session(path)
    try:
        dialect_of(session)
    except UsageError:
        raise SessionUnreadable(
            f"its dialect is {session.header.dialect!r}, and this version knows {', '.join(map(repr, known_dialects()))}",
            where=str(path / HEADER_FILE),
            hint="Was it written by a newer evi-harness, or with a package that brings this dialect?",
        ) from None
    return replace(session, missing=(*session.missing, *changed_since(session, path))) if verify else session


def _folder_of(file: Path) -> Path:
    if not (file.parent / HEADER_FILE).is_file():
        raise SessionUnreadable(
            f"this is a file, and a session is a folder with {HEADER_FILE} in it",
            where=str(file),
            hint="evi-harness import capture FILE makes a session of a wire capture.",
        )
    return file.parent
