"""Hold several recorded conversations again with a service of another dialect, one after the other, and put them into a table.

Rules of living here: one session that cannot be carried over, or read, stops no other; what it is refused for is its row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Optional, Sequence

from evi_harness.acts.replay_live import LiveReplayOptions, Reached, replay_live
from evi_harness.errors import EviHarnessError
from evi_harness.report.migration_table import MigrationTable, MovedSession
from evi_harness.verdicts.invoking import Command
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = ["migrate_sessions"]


def migrate_sessions(
    folders: Sequence[Path],
    options: LiveReplayOptions,
    agree: Callable[[str], bool] = lambda _: False,
    write: Callable[[str], object] = print,
    on_part: Optional[Callable[[int, Reached], object]] = None,
    command: Optional[Command] = None,
) -> MigrationTable:
    """Hold recorded conversations again.

    Args:
        folders: The session folders.
        options: See there; the same for all.
        agree: Asked before each, unless the service is on this machine; see ``replay_live``.
        write: See ``replay_live``.
        on_part: Called with which session is under way, from 0, and how far it has got; None for nothing.
        command: What asked for it.

    Returns:
        The table.

    Raises:
        KeyboardInterrupt: A signal came; what was recorded until then is complete.
    """
    rows: List[MovedSession] = []
    for number, folder in enumerate(folders):
        told = None if on_part is None else (lambda reached, number=number: on_part(number, reached))
        try:
            report = replay_live(folder, options, agree, write, told, command)
        except EviHarnessError as error:
            rows.append(MovedSession(folder.name, str(folder), refused=redactor_for().string(str(error).splitlines()[0])))
        else:
            rows.append(MovedSession(report.recorded.name or folder.name, str(folder), report))
    return MigrationTable(tuple(rows))
