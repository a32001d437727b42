"""``evi-harness record``."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional

import click

from evi_harness.cli.failing import ENDS
from evi_harness.cli.options.handler_arguments import arguments_option
from evi_harness.cli.options.page_options import html_option, page_progress
from evi_harness.cli.options.seconds import Seconds
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("record")
@click.option(
    "--mic",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play this audio file (WAV, FLAC, OGG, MP3) as the microphone, and the replies into heard.wav; needs no sound system.",
)
@click.option("--base-url", metavar="URL", help="Where EVI is; http, https, ws or wss.  [default: HUME_BASE_URL, else Hume's own]")
@click.option(
    "--out",
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the session to DIR/<UTC time>-<name>/.",
)
@click.option("--name", metavar="NAME", default="session", show_default=True, help="What to call the session.")
@click.option("--duration", metavar="SECONDS", type=Seconds(min=0, min_open=True), help="End the conversation after so long.")
@click.option(
    "--device",
    metavar="DEVICE",
    help="The microphone: its index, or a part of its name; see evi-harness devices.  [default: the system's]",
)
@click.option("--config-id", metavar="ID", help="EVI's configuration.  [default: HUME_CONFIG_ID, else EVI's own]")
@click.option("--allow-user-interrupt", is_flag=True, help="Send the microphone while the assistant speaks, too.")
@click.option(
    "--microphone",
    type=click.Choice(["auto", "sdk", "off"]),
    default="auto",
    show_default=True,
    help="The microphone: until your handler sends its own audio, always, or not at all.",
)
@click.option(
    "--handler",
    metavar="SPEC",
    help="FILE.py:NAME or PACKAGE.MODULE:NAME of your handler, in any form that replay takes.  [default: built in, prints the transcript]",
)
@arguments_option
@html_option("Write a page of the session, to look at and listen to.")
def command(
    mic: Optional[Path],
    base_url: Optional[str],
    out: Path,
    name: str,
    duration: Optional[float],
    device: Optional[str],
    config_id: Optional[str],
    allow_user_interrupt: bool,
    microphone: str,
    handler: Optional[str],
    arguments: Dict[str, str],
    html: Optional[Path],
    audio_format: str,
) -> int:
    """Talk to EVI through the microphone, as in Hume's quickstart, and record the session.

    Keys come from the environment or .env: HUME_API_KEY, HUME_SECRET_KEY for a token, HUME_CONFIG_ID, HUME_BASE_URL. An endpoint on this
    machine needs none. Ctrl+C ends the conversation, with 0; with --mic it ends 3 s after the file and the last reply are over.
    """
    from evi_harness.acts.record_live import LiveOptions, record_live
    from evi_harness.settings.interrupts import Interrupts

    options = LiveOptions(
        base_url=base_url,
        mic=mic,
        out=out,
        name=name,
        duration_s=duration,
        device=device,
        config_id=config_id,
        allow_user_interrupt=allow_user_interrupt,
        handler=handler,
        arguments=arguments,
        microphone=microphone,
    )
    with Interrupts() as interrupts:
        # Who presses Ctrl+C once more behind the conversation is told all the same where the session is.
        interrupts.over(for_good=click.get_current_context().meta.get(ENDS, False))
        result = record_live(options, echo)
        for line in result.lines():
            echo(line)
        try:
            if html is not None:
                _write_page(result.folder, html, audio_format)
        finally:
            # What went wrong on the way counts more than a page that cannot be written.
            if result.problem is not None:
                raise result.problem
    return 0


def _write_page(folder: Path, html: Path, audio_format: str) -> None:
    from evi_harness.acts.paging.page_making import page_of_session, write_page
    from evi_harness.verdicts.loading import load_session

    with page_progress() as progress:
        page = write_page(page_of_session(load_session(folder), folder), html, audio_format=audio_format, progress=progress)
    for line in page.lines():
        echo(line)
