"""``evi-harness play SESSION``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("play")
@click.argument("session", metavar="SESSION", type=click.Path(exists=True, path_type=Path))
@click.option("--turn", metavar="N", type=click.IntRange(min=1), help="Play this turn alone; the first is 1.  [default: all of it]")
@click.option(
    "--side",
    type=click.Choice(["user", "heard", "both"]),
    default="both",
    show_default=True,
    help="The user, what was heard, or both: the user left, what was heard right.",
)
@click.option("--speaker", metavar="DEVICE", help="The index of a device, its name or a part of it.  [default: the system's]")
def command(session: Path, turn: Optional[int], side: str, speaker: Optional[str]) -> int:
    """Play a SESSION, or a turn of it, on this machine's speaker.

    What was heard is the session's heard.wav, as replay --out and record --mic write it; where it has none, what a speaker would have
    played, computed from when the audio came. Ctrl+C ends it. Exits with 3 where there is no speaker or no audio.
    """
    from evi_harness.acts.afterwards.playing_aloud import play_session

    play_session(session, turn=turn, side=side, speaker=speaker, write=echo)
    return 0
