"""``evi-harness show SESSION``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("show")
@click.argument("session", type=click.Path(exists=True, path_type=Path))
def command(session: Path) -> int:
    """Print the header and the timeline of SESSION. Audio frames that follow one another are one line."""
    from evi_harness.harness.sessions import show_session

    for line in show_session(session):
        click.echo(line)
    return 0
