"""Find session folders, and load the session in one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Set, Tuple, Union

from evi_harness.dialects import dialect_of, known_dialects
from evi_harness.errors import EviHarnessError, Parameter, SessionUnreadable, UsageError, Words
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import is_being_made
from evi_harness.storage.layout import EVENTS_FILE, EXPECTED_FILE, HEADER_FILE, HEARD_FILE, track_name
from evi_harness.storage.reader import read_session
from evi_harness.storage.verifying import changed_since

__all__ = ["find_sessions", "load_session", "may_be_session", "require_sessions", "sessions_inside"]

# What only a session folder has: where one of these is, and no header, there was a session.
_LEFT_OVER = frozenset({EXPECTED_FILE, HEARD_FILE, track_name("user", 1), track_name("assistant", 1)})


def find_sessions(places: Iterable[Union[str, Path]], *, damaged: bool = False) -> List[Path]:
    """The session folders that are meant by folders, or by folders of sessions.

    Args:
        places: Session folders, files in them, and folders with session folders anywhere below. Symbolic links are followed, and what
            several lead to is found once.
        damaged: Find also what may be one: a folder whose header is gone, one of which only audio or other parts are left, one that may
            not be read, and a link that leads nowhere.

    Returns:
        Session folders: in the order given, sorted by path within a folder of sessions, each once. A place with no session in it stands
        for itself, so that what is done with it says what is wrong with it.
    """
    marks = {HEADER_FILE, EVENTS_FILE} if damaged else {HEADER_FILE}
    found: Dict[Path, None] = {}
    for place in map(Path, places):
        is_one = place.is_file() or any((place / mark).is_file() for mark in marks)
        found.update(dict.fromkeys([place] if is_one else _Walk(marks, damaged).below(place) or [place]))
    return list(found)


def sessions_inside(found: Iterable[Path]) -> List[Path]:
    """The session folders that are inside session folders, and so are not among those that were found.

    Args:
        found: What ``find_sessions`` found.

    Returns:
        The inner ones, sorted, but for those that were found as well.
    """
    known = {path.absolute() for path in found}
    inner: Dict[Path, None] = {}
    for session in known:
        below = [Path(one.path) for one in _entries(session) if one.is_dir(follow_symlinks=False) and not is_being_made(one.name)]
        for folder in below:
            inner.update(dict.fromkeys(_Walk({HEADER_FILE, EVENTS_FILE}, damaged=False).below(folder)))
    return sorted(one for one in inner if one not in known)


def _entries(folder: Path) -> List[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        # A file of a session, or a folder that may not be read: that is said by whoever reads it.
        return []


def may_be_session(place: Path) -> bool:
    """Whether a place is a session folder, a file in one, or what is left of one; so is a link that leads nowhere."""
    if place.is_dir():
        return any((place / name).is_file() for name in (HEADER_FILE, EVENTS_FILE, *_LEFT_OVER))
    return place.is_file() or place.is_symlink()


def require_sessions(found: Sequence[Path], least: int) -> None:
    """Refuse to go on with fewer sessions than there should be.

    Args:
        found: What ``find_sessions`` found.
        least: How many there should be.

    Raises:
        EviHarnessError: There are fewer.
    """
    n = sum(map(may_be_session, found))
    if n < least:
        what = Words(f"{n} session{' was' if n == 1 else 's were'} found, and ", Parameter("min_sessions", least), " asks for more")
        raise EviHarnessError(what, hint="Is a folder of recordings missing, or was it not checked out?")


class _Walk:
    """A search for sessions below a folder: where links go round in circles, each folder is looked at once."""

    def __init__(self, marks: Set[str], damaged: bool) -> None:
        self._marks = marks
        self._damaged = damaged
        self._seen: Set[Tuple[int, int]] = set()
        self._sessions: List[Path] = []
        self._left_over: List[Path] = []
        self._links: List[Path] = []

    def below(self, place: Path) -> List[Path]:
        """The session folders below a folder, sorted."""
        # A link that leads above it would bring in what nobody named.
        self._seen = {_identity(above) for above in place.absolute().parents}
        self._walk(place)
        # Behind all folders that are reached without: a session keeps the path that is its own.
        while self._links:
            self._walk(self._links.pop(0))
        left = [one for one in self._left_over if not any(one in session.parents for session in self._sessions)]
        return sorted([*self._sessions, *left])

    def _walk(self, top: Path) -> None:
        for name, below, files in os.walk(top, onerror=self._refused):
            folder, identity = Path(name), _identity(Path(name))
            if identity in self._seen:
                below.clear()
                continue
            self._seen.add(identity)
            if not self._marks.isdisjoint(files):
                self._sessions.append(folder)
                # A session folder holds no sessions.
                below.clear()
                continue
            if self._damaged:
                self._left_over += [folder] if not _LEFT_OVER.isdisjoint(files) else []
                self._sessions += [folder / one for one in files if not is_being_made(one) and _leads_nowhere(folder / one)]
            # What was left unfinished under a hidden name is none.
            below[:] = sorted(one for one in below if not is_being_made(one))
            self._links += [folder / one for one in below if (folder / one).is_symlink()]

    def _refused(self, error: OSError) -> None:
        if self._damaged:
            self._sessions.append(Path(error.filename))


def _identity(folder: Path) -> Tuple[int, int]:
    told = folder.stat()
    return told.st_dev, told.st_ino


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


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
            f"its protocol, or dialect, is {session.header.dialect!r}, and this version knows {', '.join(map(repr, known_dialects()))}",
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
    if file.name not in (HEADER_FILE, EVENTS_FILE):
        raise SessionUnreadable("this is a file of a session, and not the session", where=str(file), hint=f"Name the folder: {file.parent}")
    return file.parent
