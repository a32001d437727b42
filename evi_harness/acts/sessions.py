"""Session folders as acts: check, show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Union

from evi_harness.dialects import default_dialect, dialect_named, dialect_of
from evi_harness.errors import EviHarnessError, SessionError, SessionUnreadable
from evi_harness.report import listing
from evi_harness.report.check_report import Checked, CheckReport
from evi_harness.report.plain import printable
from evi_harness.report.timeline import as_lines
from evi_harness.session.problem import Problem
from evi_harness.session.protocols import Dialect
from evi_harness.settings.new_folder import near
from evi_harness.storage.check import check_folder
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_header
from evi_harness.verdicts.loading import find_sessions, load_session, sessions_inside
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for

__all__ = ["check_session", "check_sessions", "named_session", "show_session", "show_sessions"]


def check_session(folder: Union[str, Path]) -> List[Problem]:
    """Everything that is wrong with a session folder.

    Args:
        folder: The folder.

    Returns:
        Problems with file and line, causes first, then in the order of the folder; empty where nothing is wrong. Never raises on a
        damaged folder.
    """
    redactor = redactor_for()
    return [replace(one, what=printable(redactor.string(one.what))) for one in check_folder(Path(folder), _dialect_in(Path(folder)))]


def _dialect_in(folder: Path) -> Dialect:
    """The dialect that a folder's header names; the default one where that cannot be read, or is not known."""
    try:
        return dialect_named(read_header(Folder(folder))[0].dialect)
    except EviHarnessError:
        return default_dialect()


def check_sessions(
    places: Sequence[Union[str, Path]], *, write: Callable[[str], object], on_done: Callable[[Path], object] = id
) -> CheckReport:
    """Check session folders one by one, and tell of each at once.

    Args:
        places: Session folders, and folders of them.
        write: Takes each line for people: of one session its problems, of several a section each and a sum.
        on_done: Called with each session folder once it is checked.

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
        on_done(folder)
    report = CheckReport(tuple(checked), tuple(near(one) for one in sessions_inside(folders)))
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


def named_session(places: Sequence[Union[str, Path]]) -> Optional[Path]:
    """The session folder that is meant where one session is named; None where a folder of sessions is, or several."""
    folders = find_sessions(places, damaged=True)
    return folders[0] if _is_one(places, folders) else None


def show_session(folder: Union[str, Path]) -> List[str]:
    """The header and the events of a session, as lines.

    Raises:
        SessionUnreadable: See ``load_session``.
    """
    session = load_session(folder)
    redactor = redactor_for(session)
    return [redactor.string(line) for line in as_lines(discreet_session(session, redactor), Discreet(dialect_of(session), redactor))]


def show_sessions(
    places: Sequence[Union[str, Path]],
    *,
    write: Callable[[str], object],
    on_done: Callable[[Path], object] = id,
    columns: Optional[int] = None,
) -> int:
    """Show one session, or list several.

    Args:
        places: Session folders, and folders of them.
        write: Takes each line: of one session those of ``show_session``; of several a heading, a line each, and a sum.
        on_done: Called with each of several once it is read.
        columns: How many cells a line of the terminal has, None where there is none.

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
    narrow = listing.is_narrow(width, columns)
    write(listing.heading(width, narrow=narrow))
    rows = []
    for folder in folders:
        rows.append(_listed(folder))
        write(listing.line(rows[-1], width, narrow=narrow))
        on_done(folder)
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
        one = listing.listed(str(folder), discreet_session(session, redactor), dialect_of(session))
    except EviHarnessError as error:
        return listing.Listed(str(folder), refused=redactor_for().string(error.what))
    return replace(one, missing=tuple(map(redactor.string, one.missing)))
