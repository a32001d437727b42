"""``evi-harness export SESSION --wav FILE …``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Optional

import click

from evi_harness.cli.options.grouped import OUTPUT, GroupedCommand, option
from evi_harness.cli.printing import echo, progress

__all__ = ["command"]

_file_option = partial(option, group=OUTPUT, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))


@click.command("export", cls=GroupedCommand)
@click.argument("session", metavar="SESSION", type=click.Path(exists=True, path_type=Path))
@_file_option("--wav", help="Audio: 16-bit stereo, the user left and the assistant right.")
@_file_option("--flac", help="The same audio, losslessly compressed.")
@_file_option("--vtt", help="WebVTT captions: who said what, and when.")
@_file_option("--labels", help="Audacity labels for the audio: speech, tools, interruptions.")
@_file_option("--csv", help="All events, one per line, for a spreadsheet.")
@_file_option("--metrics", help="Latency samples, one per line, as CSV.")
@_file_option("--har", help="HAR with the WebSocket's messages, which import har reads.")
@_file_option("--trace", help="Chrome trace events, for Perfetto and speedscope.")
@option("--force", group=OUTPUT, is_flag=True, help="Replace files that exist.")
def command(session: Path, force: bool, **files: Optional[Path]) -> int:
    """Export a session for other programs: audio, captions, tables, HAR, traces.

    Name at least one file. All files share the session's timeline. The audio is reconstructed: the user's as it was sent, the
    assistant's as a speaker would have played it on arrival, silent after an interruption. What a software speaker really played is in
    heard.wav, in a replay written with --out or a recording made with --mic.
    """
    from evi_harness.acts.exports.export_files import export_files

    named = {form: file for form, file in files.items() if file is not None}
    if not named:
        raise click.UsageError("name at least one file to write: " + ", ".join(f"--{form}" for form in files))
    with progress("exporting", len(named)) as advance:
        for line in export_files(session, named, overwrite=force, on_done=advance.done):
            echo(line)
    return 0
