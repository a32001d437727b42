"""``evi-harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evi_harness.cli.options.grouped import OUTPUT, GroupedCommand, option
from evi_harness.cli.options.page_options import audio_format_option, open_option, open_page, page_progress
from evi_harness.cli.printing import echo
from evi_harness.cli.report_files import in_a_folder

__all__ = ["command"]


@click.command("report", cls=GroupedCommand)
@click.argument("places", metavar="REPORT.json|SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@option(
    "-o",
    "--out",
    group=OUTPUT,
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path),
    callback=in_a_folder,
    brief="Write to this file, or folder of pages.",
    help="Write to this file; for several sessions to this folder, a page for each and index.html. Only pages are replaced.",
)
@audio_format_option
@open_option
def command(places: Tuple[Path, ...], out: Path, audio_format: str, is_opened: bool) -> int:
    """Make an HTML page of a report or a session, with a timeline and the audio, in one file that works offline.

    REPORT.json is a file that replay --json or pytest --evi-report wrote. Its page shows the recording above its replay, if replay --out
    kept it, with the problems, their source lines and the command to run it again. A SESSION is a session folder, or a folder of them.

    Exits with 0, or with 3 if an input cannot be read.
    """
    from evi_harness.acts.paging.page_reports import write_named_pages

    with page_progress() as progress:
        written = write_named_pages(places, out, audio_format=audio_format, progress=progress)
    for line in written.lines():
        echo(line)
    for line in written.refused:
        echo(line, err=True)
    if is_opened:
        open_page(written.first)
    return 3 if written.refused else 0
