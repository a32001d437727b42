"""``evi-harness check SESSION…``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

import click

from evi_harness.cli.options.found_sessions import found_sessions
from evi_harness.cli.options.gate_options import ci_options
from evi_harness.cli.options.grouped import GroupedCommand
from evi_harness.cli.options.min_sessions import min_sessions_option
from evi_harness.cli.printing import echo, progress
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, write_json

if TYPE_CHECKING:
    from evi_harness.acts.ci_outputs import CiOptions

__all__ = ["command"]


@click.command("check", cls=GroupedCommand)
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@min_sessions_option()
@ci_options
@json_option("every problem", "check-report.schema.json")
def command(sessions: Tuple[Path, ...], min_sessions: int, json_file: Optional[str], ci: CiOptions) -> int:
    """List everything that is wrong with session folders, by file and line.

    A SESSION is a session folder, or a folder of session folders. Each gets its own section. More than ten problems with the same cause
    are summed up in one line. Exits with 1 if anything is wrong.
    """
    from evi_harness.acts.sessions import check_sessions

    aside = json_file == STANDARD_OUTPUT
    folders = found_sessions(sessions, min_sessions)
    with progress("checking", len(folders)) as advance:
        report = check_sessions(sessions, write=lambda line: echo(line, err=aside), on_done=advance.done)
    write_json(json_file, report.json)
    if ci.is_needed:
        from evi_harness.acts.ci_outputs import cases_of_check, tell_ci

        tell_ci(ci, cases_of_check(report), write=lambda line: echo(line, err=aside))
    return report.exit_code
