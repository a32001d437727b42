"""``evi-harness serve SESSION`` and ``evi-harness serve --simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Tuple

import click
from click.core import ParameterSource

from evi_harness.cli.failing import ENDS
from evi_harness.cli.options.dialect_option import dialect_option
from evi_harness.cli.options.grouped import COMPARISON, OUTPUT, SERVER, TIME, GroupedCommand, option
from evi_harness.cli.options.incomplete_option import allow_incomplete_option
from evi_harness.cli.options.seconds import Seconds
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("serve", cls=GroupedCommand)
@click.argument("session", required=False, type=click.Path(exists=True, path_type=Path))
@option("--simulate", group=SERVER, is_flag=True, help="Serve a simulator instead of SESSION.")
@dialect_option("With --simulate: the protocol of the simulator.", group=SERVER)
@option(
    "--script",
    group=SERVER,
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    brief="With --simulate: what it says, a TOML file.",
    help="With --simulate: the script that it follows, a TOML file; see docs/how-to/simulator.md.",
)
@option("--parrot", group=SERVER, is_flag=True, otherwise="without --script", help="With --simulate: repeat what the user says.")
@option(
    "--host",
    group=SERVER,
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    brief="The loopback address to listen on.",
    help="The loopback address to listen on; no other is accepted.",
)
@option(
    "--port",
    group=SERVER,
    metavar="N",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 picks a free one.",
)
@option(
    "--max-duration",
    group=TIME,
    metavar="SECONDS",
    type=Seconds(min=0, min_open=True),
    otherwise="the script's, else the service's own",
    brief="With --simulate: end each session after this long.",
    help="With --simulate: end each session after this long, as the service ends one that is too long.",
)
@option("--once", group=SERVER, is_flag=True, help="Exit after the first conversation.")
@option(
    "--require-key",
    group=SERVER,
    is_flag=True,
    help="Refuse clients without a valid API key or token (401): those in HUME_API_KEY or OPENAI_API_KEY, or any if not set.",
    brief="Refuse clients without a valid key or token.",
)
@option(
    "--allow-origin",
    "origins",
    group=SERVER,
    metavar="ORIGIN",
    multiple=True,
    brief="Also answer web pages of this origin.",
    help="Also answer web pages of this origin, such as https://example.com; * for all. Repeatable.",
    otherwise="those of this machine",
)
@option(
    "--known-as",
    "hosts",
    group=SERVER,
    metavar="NAME",
    multiple=True,
    brief="Also answer requests for this host name.",
    help="Also answer requests for this host name, for clients in containers or behind a gateway. Repeatable.",
    otherwise="loopback names",
)
@option(
    "--limit",
    "limits",
    group=SERVER,
    metavar="NAME=VALUE",
    multiple=True,
    brief="Change a limit of the server, such as chats=500.",
    help="Change a limit on what clients may use, such as chats=500; docs/how-to/serve.md lists them. Repeatable.",
)
@option(
    "--patience",
    group=TIME,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    type=Seconds(min=0, min_open=True),
    brief="How long to wait for a late answer of the app.",
    help="How long to wait for a late answer of the app; messages that depend on it are then skipped.",
)
@option(
    "--ignore",
    group=COMPARISON,
    metavar="PATH",
    multiple=True,
    brief="Leave this JSON path out of the comparison.",
    help="Leave this JSON path out of the comparison, as in replay. Repeatable.",
)
@option(
    "--strict",
    group=COMPARISON,
    is_flag=True,
    brief="Also compare values that are new in every run.",
    help="Also compare values that are new in every run, such as IDs.",
)
@allow_incomplete_option("Serve a SESSION that is incomplete or damaged; without it, exit with 1.")
@option(
    "--out",
    group=OUTPUT,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    brief="Keep each conversation as a session in DIR.",
    help="Write each conversation to DIR/<UTC time>-<name>-served/.",
)
def command(
    session: Optional[Path],
    simulate: bool,
    dialect: str,
    script: Optional[Path],
    parrot: bool,
    max_duration: Optional[float],
    host: str,
    port: int,
    allow_incomplete: bool,
    once: bool,
    require_key: bool,
    out: Optional[Path],
    patience: float,
    ignore: Tuple[str, ...],
    origins: Tuple[str, ...],
    hosts: Tuple[str, ...],
    limits: Tuple[str, ...],
    strict: bool,
) -> int:
    """Serve a session, or a simulated service, in real time on a loopback port.

    With SESSION, each client gets what the service sent in the recording, in answer to the same messages. The simulator
    listens to the user through a speech detector and answers from a script, or repeats what it heard.

    Prints "listening on URL" when it is ready. Point your app at that URL with its SDK's base_url: Hume's SDKs do not read
    HUME_BASE_URL; docs/how-to/serve.md shows how in several languages.

    After each conversation it reports how late its own messages were, and how the app's messages differ from SESSION. The app's SDK and
    config_id are not compared.

    Ctrl+C ends it, with exit code 0. With --once the exit code is the verdict: 0 passed, 1 failed, 4 if Ctrl+C came before the end.
    """
    from evi_harness.acts.serve.simulating import SIMULATOR, refuse_script, simulation

    refuse_script(session)
    if (session is None) != simulate:
        raise click.UsageError("give either SESSION or --simulate")
    if (script is not None or parrot) and not simulate:
        raise click.UsageError("--script and --parrot need --simulate")
    given = click.get_current_context().get_parameter_source("dialect") is ParameterSource.COMMANDLINE
    if (given or max_duration is not None) and not simulate:
        raise click.UsageError("--dialect and --max-duration need --simulate: a SESSION says what it speaks, and when it ended")
    if allow_incomplete and simulate:
        raise click.UsageError("--allow-incomplete needs SESSION")
    if (ignore or strict) and simulate:
        raise click.UsageError("--ignore and --strict need SESSION: the simulator has nothing to compare with")
    if script is not None and parrot:
        raise click.UsageError("--script and --parrot cannot be combined")
    from evi_harness.acts.serve.serving import ServeOptions, admission, limited, serve
    from evi_harness.settings.interrupts import Interrupts

    what = simulation(script, dialect, max_duration_s=max_duration) if session is None else session
    service = SIMULATOR if session is None else "player"
    options = ServeOptions(
        host=host,
        port=port,
        once=once,
        require_key=require_key,
        out=out,
        patience_s=patience,
        service=service,
        allow_incomplete=allow_incomplete,
        ignore=ignore,
        strict=strict,
        dialect=dialect,
        limits=limited(limits),
        admission=admission(origins, hosts),
    )
    with Interrupts() as interrupts:
        # Who presses Ctrl+C twice is told all the same what was served.
        interrupts.over(for_good=click.get_current_context().meta.get(ENDS, False))
        # Who waits for the first line reads a pipe as often as a terminal; click.echo flushes both, and so does a writer.
        result = serve(what, options, echo, lambda line: echo(line, err=True))
        echo(result)
    return result.exit_code
