"""``evi-harness repair SESSION -o OUT``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from evi_harness.cli.options.grouped import OUTPUT, GroupedCommand, option
from evi_harness.cli.printing import echo, progress
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, write_json

__all__ = ["command"]


@click.command("repair", cls=GroupedCommand)
@click.argument("session", metavar="SESSION", type=click.Path(exists=True, path_type=Path))
@option(
    "-o",
    "--out",
    group=OUTPUT,
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path),
    help="Write to this folder, which must not exist.",
)
@json_option("every loss", "repair-report.schema.json")
def command(session: Path, out: Path, json_file: Optional[str]) -> int:
    """Recover what is left of a damaged session into a new folder, and list what was lost.

    SESSION is only read. Exits with 0 if nothing was lost, with 1 if something was, with 3 if nothing can be recovered.
    """
    from evi_harness.acts.repairing import repair_session

    with progress("repairing", 1):
        report = repair_session(session, out)
    for line in report.lines():
        echo(line, err=json_file == STANDARD_OUTPUT)
    write_json(json_file, report.json)
    return report.exit_code
