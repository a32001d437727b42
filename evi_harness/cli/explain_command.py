"""``evi-harness explain REPORT.json``."""

from __future__ import annotations

from pathlib import Path

import click

from evi_harness.cli.options.grouped import OUTPUT, GroupedCommand, option
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("explain", cls=GroupedCommand)
@click.argument("report", metavar="REPORT.json", type=click.Path(exists=True, path_type=Path))
@option(
    "--shorten",
    group=OUTPUT,
    is_flag=True,
    brief="Find a shorter part that fails in the same way.",
    help="Find a shorter part of the session that fails in the same way, by replaying it. The handler that the report names runs: do not "
    "use it with a report that you do not trust.",
)
def command(report: Path, shorten: bool) -> int:
    """Explain the JSON report of a replay, a gate, a check or a repair in less than 2,000 bytes.

    For a CI log or a coding agent: what was run, and the verdict; for up to three causes, what was observed and expected, the place in your
    code, and what to try; the command that runs it again; versions. Further causes are counted.

    Exits with 0, whatever the verdict, with 2 if the file is not there, or with 3 if it cannot be read or is not such a report.
    """
    from evi_harness.acts.afterwards.explaining import explain_report

    for line in explain_report(report, shorten=shorten).splitlines():
        echo(line)
    return 0
