"""Session folders as acts: find, load, check, show."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Sequence, Set, Union

from evi_harness.errors import EviHarnessError, SessionError, SessionUnreadable
from evi_harness.evi.dialect import EVI
from evi_harness.report import listing
from evi_harness.report.check_report import Checked, CheckReport
from evi_harness.report.plain import printable
from evi_harness.report.timeline import as_lines
from evi_harness.session.problem import Problem
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import is_being_made
from evi_harness.storage.check import check_folder
from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_header, read_session
from evi_harness.storage.verifying import changed_since
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for

__all__ = ["check_session", "check_sessions", "find_sessions", "load_session", "show_session", "show_sessions"]


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


def load_session(folder: Union[str, Path], *, verify: bool = False) -> Session:
    """Read a session folder.

    Args:
        folder: The folder, or a file in it (``sessions/weather/session.json``).
        verify: Read all files, and compare them with the digests that were made when the session was complete. What was changed since
            is then in ``missing`` as well.

    Returns:
        The session; ``missing`` says what an incomplete one lacks.

    Raises:
        SessionUnreadable: It is no session folder, or it cannot be understood.
    """
    path = Path(folder)
    if path.is_file():
        path = _folder_of(path)
    session = read_session(path)
    if session.header.dialect != EVI.name:
        raise SessionUnreadable(
            f"its dialect is {session.header.dialect!r}, and this version knows {EVI.name!r}",
            where=str(path / HEADER_FILE),
            hint="Was it written by a newer evi-harness?",
        )
    return replace(session, missing=(*session.missing, *changed_since(session, path))) if verify else session


def _folder_of(file: Path) -> Path:
    if not (file.parent / HEADER_FILE).is_file():
        raise SessionUnreadable(
            f"this is a file, and a session is a folder with {HEADER_FILE} in it",
            where=str(file),
            hint="evi-harness import capture FILE makes a session of a wire capture.",
        )
    return file.parent


def check_session(folder: Union[str, Path]) -> List[Problem]:
    """Everything that is wrong with a session folder.

    Args:
        folder: The folder.

    Returns:
        Problems with file and line, causes first, then in the order of the folder; empty where nothing is wrong. Never raises on a
        damaged folder.
    """
    redactor = redactor_for()
    return [replace(one, what=printable(redactor.string(one.what))) for one in check_folder(Path(folder), EVI)]


def check_sessions(places: Sequence[Union[str, Path]], *, write: Callable[[str], object]) -> CheckReport:
    """Check session folders one by one, and tell of each at once.

    Args:
        places: Session folders, and folders of them.
        write: Takes each line for people: of one session its problems, of several a section each and a sum.

    Returns:
        The report, with the sessions in the order of ``find_sessions``.
    """
    folders = find_sessions(places, damaged=True)
    is_one = _is_one(places, folders)
    checked = []
    for folder in folders:
        one = Checked(str(folder), tuple(check_session(folder)), _n_lost(folder))
        for line in one.lines() if is_one else one.section():
            write(line)
        checked.append(one)
    report = CheckReport(tuple(checked))
    if not is_one:
        write("")
        write(report.sum())
    return report


def _n_lost(folder: Path) -> int:
    """How many things the header of a session lists as lost in a repair."""
    try:
        return len(read_header(Folder(folder))[0].repaired or ())
    except SessionError:
        return 0


def show_session(folder: Union[str, Path]) -> List[str]:
    """The header and timeline of a session, as lines.

    Raises:
        SessionUnreadable: See ``load_session``.
    """
    session = load_session(folder)
    redactor = redactor_for(session)
    return [redactor.string(line) for line in as_lines(discreet_session(session, redactor), Discreet(redactor))]


def show_sessions(places: Sequence[Union[str, Path]], *, write: Callable[[str], object]) -> int:
    """Show one session, or list several.

    Args:
        places: Session folders, and folders of them.
        write: Takes each line: of one session those of ``show_session``; of several a heading, a line each, and a sum.

    Returns:
        0, or of several the exit code of what could not run where one cannot be read.

    Raises:
        SessionUnreadable: There is but one, see ``load_session``.
        AudioMissing: There is but one, and audio that its timeline needs is not in the folder.
    """
    folders = find_sessions(places, damaged=True)
    if _is_one(places, folders):
        for line in show_session(folders[0]):
            write(line)
        return 0
    width = listing.width_of(map(str, folders))
    write(listing.heading(width))
    rows = []
    for folder in folders:
        rows.append(_listed(folder))
        write(listing.line(rows[-1], width))
    write("")
    write(listing.summed(rows))
    return SessionUnreadable.exit_code if any(row.refused is not None for row in rows) else 0


def _is_one(places: Sequence[Union[str, Path]], folders: Sequence[Path]) -> bool:
    """Whether one session was named, rather than a folder of sessions, however few are in it."""
    return len(folders) == 1 and folders[0] == Path(places[0])


def _listed(folder: Path) -> listing.Listed:
    try:
        session = load_session(folder)
        redactor = redactor_for(session)
        one = listing.listed(str(folder), discreet_session(session, redactor), EVI)
    except EviHarnessError as error:
        return listing.Listed(str(folder), refused=redactor_for().string(error.what))
    return replace(one, missing=tuple(map(redactor.string, one.missing)))
