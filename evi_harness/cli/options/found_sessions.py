"""The sessions that a command's arguments mean, and what is left out of them."""

from __future__ import annotations

from pathlib import Path
from typing import List, Sequence

from evi_harness.cli.printing import echo

__all__ = ["found_sessions"]


def found_sessions(places: Sequence[Path], least: int = 0) -> List[Path]:
    """Find the session folders that are meant; what is inside one of them is left out, and named on standard error.

    Args:
        places: Session folders, and folders of them.
        least: How many there should be.

    Raises:
        EviHarnessError: There are fewer.
    """
    from evi_harness.settings.new_folder import near
    from evi_harness.verdicts.loading import find_sessions, require_sessions, sessions_inside

    folders = find_sessions(places, damaged=True)
    require_sessions(folders, least)
    for inner in sessions_inside(folders):
        echo(f"left out: {near(inner)} is a session inside another session's folder; move it out, or name it", err=True)
    return folders
