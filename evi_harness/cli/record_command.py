"""``evi-harness record`` and ``evi-harness record -- COMMAND``."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Tuple

import click
from click.core import ParameterSource

from evi_harness.cli.failing import ENDS
from evi_harness.cli.options.dialect_option import dialect_option
from evi_harness.cli.options.grouped import HANDLER, LIVE, OUTPUT, SOUND, TIME, GroupedCommand, option
from evi_harness.cli.options.handler_arguments import arguments_option
from evi_harness.cli.options.page_options import html_option, page_progress, require_place
from evi_harness.cli.options.seconds import Seconds
from evi_harness.cli.options.with_a_command import split_words
from evi_harness.cli.printing import echo

__all__ = ["command"]

_OWN_SOUND = "your app has its own microphone and speaker"
# Parameter → why an app that is a command has none of it.
_OF_OUR_OWN_APP: Dict[str, str] = {
    "device": _OWN_SOUND,
    "microphone": _OWN_SOUND,
    "allow_user_interrupt": _OWN_SOUND,
    "config_id": "your app asks for its configuration itself",
    "handler": "your app has its own",
    "arguments": "your app has its own; give them after COMMAND",
    "html": "it may produce several sessions; evi-harness report SESSION -o FILE makes a page of one",
    "audio_format": "it goes with --html",
}


class RecordCommand(GroupedCommand):
    """``record``, which takes a command behind ``--``."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Refuse a ``--`` with nothing behind it: without a command, ``record`` would hold a conversation with the service."""
        is_empty = args[-1:] == ["--"]
        rest = super().parse_args(ctx, args)
        if is_empty and not ctx.params["words"]:
            raise click.UsageError("there is no command after --", ctx)
        return rest


@click.command("record", cls=RecordCommand)
@option(
    "--mic",
    group=SOUND,
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    brief="Play this audio file as the microphone.",
    help="Play this audio file (WAV, FLAC, OGG, MP3) as the microphone, and write the replies to heard.wav; needs no sound system.",
)
@option(
    "--device",
    group=SOUND,
    metavar="DEVICE",
    otherwise="the system's",
    help="The microphone: its index, or part of its name; evi-harness devices lists them.",
    brief="The microphone: its index, or part of its name.",
)
@option(
    "--microphone",
    group=SOUND,
    type=click.Choice(["auto", "sdk", "off"]),
    default="auto",
    show_default=True,
    brief="When to send the microphone's audio.",
    help="When to send the microphone's audio: auto, until your handler sends its own; sdk, always; off, never.",
)
@option(
    "--allow-user-interrupt",
    group=SOUND,
    is_flag=True,
    brief="Keep sending audio while the assistant speaks.",
    help="Keep sending the microphone's audio while the assistant speaks, so that you can interrupt it.",
)
@option(
    "--base-url",
    group=LIVE,
    metavar="URL",
    otherwise="HUME_BASE_URL or OPENAI_BASE_URL, else the service's own",
    help="The service's URL: http, https, ws or wss.",
)
@dialect_option("With COMMAND: the protocol of the service.")
@option("--config-id", group=LIVE, metavar="ID", otherwise="HUME_CONFIG_ID, else EVI's own", help="The EVI configuration to use.")
@option(
    "--duration",
    group=TIME,
    metavar="SECONDS",
    type=Seconds(min=0, min_open=True),
    otherwise="until Ctrl+C",
    help="End the conversation after this long.",
)
@option(
    "--handler",
    group=HANDLER,
    metavar="FILE.py:NAME",
    brief="Your handler; PACKAGE.MODULE:NAME works, too.",
    otherwise="built in, prints the transcript",
    help="Your handler, as FILE.py:NAME or PACKAGE.MODULE:NAME, in any form that replay accepts.",
)
@arguments_option
@option(
    "--out",
    group=OUTPUT,
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the session to DIR/<UTC time>-<name>/.",
)
@option("--name", group=OUTPUT, metavar="NAME", default="session", show_default=True, help="The name of the session.")
@html_option("Write a page of the session, to look at and listen to.")
@option("--simulate", group=LIVE, is_flag=True, help="With COMMAND: a simulator is the service.")
@option(
    "--script",
    group=LIVE,
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    brief="With --simulate: what it says, a TOML file.",
    help="With --simulate: the script that it follows, a TOML file; see docs/how-to/simulator.md.",
)
@option(
    "--drive",
    group=HANDLER,
    metavar="COMMAND",
    brief="With COMMAND: another one, which calls the app.",
    help="With COMMAND: start this second command once the app listens for callers, and interrupt the app when it has ended. {app} in it "
    "stands for the app's address, HOST:PORT.",
)
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def command(
    mic: Optional[Path],
    base_url: Optional[str],
    dialect: str,
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
    simulate: bool,
    script: Optional[Path],
    drive: Optional[str],
    words: Tuple[str, ...],
) -> int:
    """Talk to EVI through the microphone, as in Hume's quickstart, or run your own app, and record the session.

    Keys come from the environment or .env: HUME_API_KEY, HUME_SECRET_KEY for a token, HUME_CONFIG_ID, HUME_BASE_URL. An endpoint on this
    machine needs none. Ctrl+C ends the conversation, with exit code 0; with --mic it ends 3 s after the file and the last reply, and so
    does that of a COMMAND, which is interrupted then.

    With COMMAND, run your own app instead, in any language, and record what it says through a proxy. {url} in COMMAND stands for the
    address to connect to; EVI_HARNESS_URL has it, too, and HUME_BASE_URL, or with --dialect openai-realtime OPENAI_BASE_URL. What a Python
    app reads from its standard input is recorded, for a replay of the app. The exit code is the app's; 3 if that is 0 and nothing was
    recorded. docs/how-to/proxy.md has examples.
    """
    if words:
        return _record_app(words, base_url, dialect, out, name, duration, mic, simulate=simulate, script=script, drive=drive)
    if click.get_current_context().get_parameter_source("dialect") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--dialect needs a COMMAND: without one, evi-harness talks to EVI itself, with its SDK")
    if drive is not None:
        raise click.UsageError("--drive needs a COMMAND")
    if simulate or script is not None:
        raise click.UsageError(
            "--simulate and --script need a COMMAND; without one, start evi-harness serve --simulate and give its --base-url"
        )
    from evi_harness.acts.record_live import LiveOptions, record_live
    from evi_harness.settings.interrupts import Interrupts

    # Not behind a conversation that nobody can hold again.
    require_place(click.get_current_context(), html, is_many=False)
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


def _record_app(
    words: Tuple[str, ...],
    base_url: Optional[str],
    dialect: str,
    out: Path,
    name: str,
    duration: Optional[float],
    mic: Optional[Path],
    *,
    simulate: bool,
    script: Optional[Path],
    drive: Optional[str],
) -> int:
    given = click.get_current_context().get_parameter_source
    for param in click.get_current_context().command.params:
        if param.name in _OF_OUR_OWN_APP and given(param.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{param.opts[0]} cannot be combined with a COMMAND: {_OF_OUR_OWN_APP[param.name]}")
    if simulate and base_url is not None:
        raise click.UsageError("--simulate and --base-url cannot be combined")
    if script is not None and not simulate:
        raise click.UsageError("--script needs --simulate")
    from evi_harness.acts.serve.proxying import ProxyOptions
    from evi_harness.acts.serve.recording_command import CommandOptions, record_command
    from evi_harness.settings.interrupts import Interrupts

    proxy = ProxyOptions(upstream=base_url, out=out, name=name, dialect=dialect)
    caller = () if drive is None else split_words(drive)
    options = CommandOptions(words, proxy, is_simulated=simulate, script=script, mic=mic, duration_s=duration, drive=caller)
    with Interrupts() as interrupts:
        interrupts.over(for_good=click.get_current_context().meta.get(ENDS, False))
        # Standard output is the app's.
        result = record_command(options, lambda line: echo(line, err=True))
        for line in result.lines():
            echo(line, err=True)
    return result.exit_code


def _write_page(folder: Path, html: Path, audio_format: str) -> None:
    from evi_harness.acts.paging.page_making import page_of_session, write_page
    from evi_harness.verdicts.loading import load_session

    with page_progress() as progress:
        page = write_page(page_of_session(load_session(folder), folder), html, audio_format=audio_format, progress=progress)
    for line in page.lines():
        echo(line)
