"""``evi-harness export SESSION --wav FILE …``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from evi_harness.cli.printing import echo, progress

__all__ = ["command"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("export")
@click.argument("session", metavar="SESSION", type=click.Path(exists=True, path_type=Path))
@click.option("--wav", metavar="FILE", type=_FILE, help="Both sides as audio: 16-bit stereo, the user left and the assistant right.")
@click.option("--flac", metavar="FILE", type=_FILE, help="The same, losslessly compressed.")
@click.option("--vtt", metavar="FILE", type=_FILE, help="WebVTT captions: who said what, and when.")
@click.option("--labels", metavar="FILE", type=_FILE, help="An Audacity label track for the audio: speech, tools, interruptions.")
@click.option("--csv", metavar="FILE", type=_FILE, help="Every event, one a line, for a spreadsheet.")
@click.option("--metrics", metavar="FILE", type=_FILE, help="Latency samples, one a line, as CSV.")
@click.option("--har", metavar="FILE", type=_FILE, help="HAR with the WebSocket's messages, which `import har` reads.")
@click.option("--trace", metavar="FILE", type=_FILE, help="Chrome trace events, for Perfetto and speedscope.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(session: Path, force: bool, **files: Optional[Path]) -> int:
    """Write a SESSION in forms that other programs open: audio, captions, tables, HAR, traces.

    Name at least one file. Times in all of them are on the session's timeline. The audio is computed, not heard: the user's audio from when
    it was sent, the assistant's from when it arrived, as a speaker would play it, one chunk after another and silent from an interruption
    on. What a software speaker played is in the heard.wav of a replay written with --out, or of a recording made with --mic.
    """
    from evi_harness.acts.exports.export_files import export_files

    named = {form: file for form, file in files.items() if file is not None}
    if not named:
        raise click.UsageError("name at least one file to write: " + ", ".join(f"--{form}" for form in files) + ".")
    with progress("exporting", len(named)) as advance:
        for line in export_files(session, named, overwrite=force, on_done=advance.done):
            echo(line)
    return 0
