"""``evi-harness show SESSION…``."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("show")
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def command(sessions: Tuple[Path, ...]) -> int:
    """Print the header and the timeline of a session, or list several.

    A SESSION is a session folder, or a folder of them. Of one session, audio frames that follow one another are one line. Several, or a
    folder of them, are a line each: when it was made, how long it is, how many turns and events it has, what made it, whether it is
    complete and what is missing. Exits with 3 if one cannot be read.
    """
    from evi_harness.acts.sessions import show_sessions

    return show_sessions(sessions, write=echo)
