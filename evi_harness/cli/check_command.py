"""``evi-harness check SESSION…``."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

__all__ = ["command"]


@click.command("check")
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def command(sessions: Tuple[Path, ...]) -> int:
    """List everything that is wrong with session folders, with file and line. Exits with 1 if anything is."""
    from evi_harness.harness.sessions import check_session

    n_problems = 0
    for session in sessions:
        problems = check_session(session)
        n_problems += len(problems)
        for problem in problems:
            click.echo(f"{session}: {problem}")
        if not problems:
            click.echo(f"{session}: nothing wrong")
    return 1 if n_problems else 0
