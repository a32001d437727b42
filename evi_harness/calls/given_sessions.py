"""One path or several, as a call takes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, List, Sequence, Union

from evi_harness.errors import UsageError
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.verdicts.loading import find_sessions

__all__ = ["paths_of", "sessions_of"]


def paths_of(places: Union[AnyPath, Iterable[AnyPath]]) -> List[Path]:
    """One path or several, as paths.

    Raises:
        UsageError: There is none.
    """
    given = [places] if isinstance(places, (str, os.PathLike)) else places
    found = [Path(one) for one in given]
    if not found:
        raise UsageError("no session was given", hint="Give a session folder, or a folder of them.")
    return found


def sessions_of(places: Union[AnyPath, Session, Iterable[Union[AnyPath, Session]]]) -> Sequence[Union[Path, Session]]:
    """The sessions that are meant: those in memory, and the folders of the others.

    Raises:
        UsageError: There is none.
    """
    given = [places] if isinstance(places, (str, os.PathLike, Session)) else places
    found: List[Union[Path, Session]] = []
    for one in given:
        found += [one] if isinstance(one, Session) else find_sessions([Path(one)], damaged=True)
    if not found:
        raise UsageError("no session was given", hint="Give a session, its folder, or a folder of them.")
    return found
