"""Session folders as acts: load, check, show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List, Union

from evi_harness.errors import SessionUnreadable
from evi_harness.evi.dialect import EVI
from evi_harness.harness.discretion import Discreet, discreet_session, redactor_for
from evi_harness.report.plain import printable
from evi_harness.report.timeline import as_lines
from evi_harness.session.session import Session
from evi_harness.storage.check import Problem, check_folder
from evi_harness.storage.layout import HEADER_FILE
from evi_harness.storage.reader import read_session

__all__ = ["Problem", "check_session", "load_session", "show_session"]


def load_session(folder: Union[str, Path]) -> Session:
    """Read a session folder.

    Args:
        folder: The folder, or a file in it (``sessions/weather/session.json``).

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
    return session


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
        Problems with file and line, in the order of the folder; empty where nothing is wrong. Never raises on a damaged folder.
    """
    redactor = redactor_for()
    return [replace(one, what=printable(redactor.string(one.what))) for one in check_folder(Path(folder), EVI)]


def show_session(folder: Union[str, Path]) -> List[str]:
    """The header and timeline of a session, as lines.

    Raises:
        SessionUnreadable: See ``load_session``.
    """
    session = load_session(folder)
    redactor = redactor_for(session)
    return [redactor.string(line) for line in as_lines(discreet_session(session, redactor), Discreet(redactor))]
