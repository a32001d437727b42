"""``evi-harness compare A B``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click
from click.core import ParameterSource

from evi_harness.cli.options.grouped import COMPARISON, GroupedCommand, option
from evi_harness.cli.options.page_options import html_option, page_progress
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, write_json

__all__ = ["command"]


@click.command("compare", cls=GroupedCommand)
@click.argument("first", metavar="A", type=click.Path(exists=True, path_type=Path))
@click.argument("second", metavar="B", type=click.Path(exists=True, path_type=Path))
@option(
    "--tolerance",
    "tolerance_ms",
    group=COMPARISON,
    metavar="MS",
    type=click.FloatRange(min=0),
    default=100.0,
    show_default=True,
    brief="Accept times that differ by this much.",
    help="Accept times that differ by up to this many milliseconds.",
)
@option("--no-times", group=COMPARISON, is_flag=True, help="Do not compare times.")
@html_option("Write an HTML page of both, with timelines and audio; for folders a folder, with a page for each pair and index.html.")
@json_option("the report", "comparison-report.schema.json")
def command(
    first: Path, second: Path, tolerance_ms: float, no_times: bool, html: Optional[Path], audio_format: str, json_file: Optional[str]
) -> int:
    """Compare two sessions turn by turn: what was said, called and sent, and how long it took.

    A and B are session folders, such as a recording and its replay, or two folders of them, matched by name. Turns are matched by what
    was said in them, so that a missing turn does not shift the others. IDs and dates do not count as differences; audio is not compared.

    Exits with 0 if they are the same, with 1 if they differ, and with 3 if one cannot be read.
    """
    from evi_harness.acts.afterwards.comparing_sessions import compare
    from evi_harness.cli.printing import echo_report, progress

    context = click.get_current_context()
    if no_times and context.get_parameter_source("tolerance_ms") == ParameterSource.COMMANDLINE:
        raise click.UsageError("--tolerance has no meaning with --no-times: no times are compared", context)
    with progress("comparing", 1) as advance:
        report = compare(first, second, tolerance_ms=None if no_times else tolerance_ms, on_part=advance.part)
    lines = report.lines()
    if html is not None:
        from evi_harness.acts.afterwards.comparison_pages import write_comparison_pages

        with page_progress() as heard:
            pages = write_comparison_pages(report, html, audio_format=audio_format, progress=heard)
        lines[-1:-1] = pages
    echo_report(lines, report.exit_code, err=json_file == STANDARD_OUTPUT)
    write_json(json_file, report.json)
    return report.exit_code
