"""``evi-harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click

from evi_harness.cli.options.page_options import audio_format_option, open_option, open_page, page_progress
from evi_harness.cli.printing import echo
from evi_harness.cli.report_files import absolute

__all__ = ["command"]


@click.command("report")
@click.argument("places", metavar="REPORT.json|SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path),
    callback=absolute,
    help="The page; of several sessions a folder, which gets a page for each and index.html. Nothing is replaced but pages.",
)
@audio_format_option
@open_option
def command(places: Tuple[Path, ...], out: Path, audio_format: str, is_opened: bool) -> int:
    """Make a page of a report or a SESSION: one HTML file to look at and listen to, which loads nothing from anywhere.

    REPORT.json is what replay --json, or pytest --evi-report, has written: its page shows the recording above its replay, where replay
    --out kept that, with what is wrong, the lines of source and the command that shows it again. A SESSION is a session folder, or a
    folder of them.

    Exits with 0, or with 3 if what is given cannot be read.
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
