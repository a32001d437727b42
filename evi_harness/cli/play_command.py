"""``evi-harness play SESSION``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from evi_harness.cli.options.grouped import SOUND, TIME, GroupedCommand, option
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("play", cls=GroupedCommand)
@click.argument("session", metavar="SESSION", type=click.Path(exists=True, path_type=Path))
@option("--turn", group=TIME, metavar="N", type=click.IntRange(min=1), otherwise="all of it", help="Play only turn N; the first is 1.")
@option(
    "--side",
    group=SOUND,
    type=click.Choice(["user", "heard", "both"]),
    default="both",
    show_default=True,
    help="Play the user's audio, what was heard of the assistant's, or both: the user left, the assistant right.",
)
@option("--speaker", group=SOUND, metavar="DEVICE", otherwise="the system's", help="The speaker: its index, or part of its name.")
def command(session: Path, turn: Optional[int], side: str, speaker: Optional[str]) -> int:
    """Play a session, or one turn of it, on this machine's speaker.

    The audio is the session's heard.wav, which replay --out and record --mic write; without one, it is reconstructed from the
    times at which the audio arrived. Ctrl+C ends it. Exits with 3 if there is no speaker or no audio.
    """
    from evi_harness.acts.afterwards.playing_aloud import play_session

    play_session(session, turn=turn, side=side, speaker=speaker, write=echo)
    return 0
