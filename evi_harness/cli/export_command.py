"""``evi-harness export SESSION --wav FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("export")
@click.argument("session", metavar="SESSION", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--wav",
    "file",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file: 16-bit stereo, the user left and the assistant right.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(session: Path, file: Path, force: bool) -> int:
    """Write both sides of a SESSION into one stereo WAV file, on the session's timeline.

    The file is computed, not heard: the user's audio from when it was sent, the assistant's from when it arrived, as a speaker would play
    it, one chunk after another and silent from an interruption on. What a software speaker played is in the heard.wav of a replay
    written with --out, or of a recording made with --mic.
    """
    from evi_harness.acts.exporting import export_wav

    for line in export_wav(session, file, overwrite=force).lines():
        echo(line)
    return 0
