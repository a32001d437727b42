"""``evi-harness import capture FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.group("import")
def command() -> None:
    """Make a session of a file from elsewhere."""


@command.command("capture", short_help="Make a session of the messages of an EVI server.")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the session to DIR/<UTC time>-<name of the file>/.",
)
def capture(file: Path, out: Path) -> int:
    """Make a session of a wire capture: the messages of an EVI server, one JSON text a line.

    The capture holds no times and nothing that was sent. Times are made up from what the messages say; the session says so. A file in
    which no line is such a message is refused.
    """
    from evi_harness.acts.import_capture import import_capture

    folder = import_capture(file, out=out)
    echo(f"{folder}")
    echo(f"next: evi-harness replay {folder}")
    return 0
