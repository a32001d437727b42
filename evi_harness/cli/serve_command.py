"""``evi-harness serve SESSION`` and ``evi-harness serve --simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Tuple

import click

from evi_harness.cli.failing import ENDS
from evi_harness.cli.options.incomplete_option import allow_incomplete_option
from evi_harness.cli.options.seconds import Seconds
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("serve")
@click.argument("session", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--simulate", is_flag=True, help="Serve an EVI that needs no recording, in the place of SESSION.")
@click.option(
    "--script",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --simulate: what it says; a TOML file, see docs/how-to/simulator.md.",
)
@click.option("--parrot", is_flag=True, help="With --simulate: say back what it hears (the default).")
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="The loopback address to listen on; no other is ever bound."
)
@click.option(
    "--port", metavar="N", default=0, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 picks one that is free."
)
@allow_incomplete_option("Serve a SESSION that is incomplete or damaged as it is; else exit with 1 before listening.")
@click.option("--once", is_flag=True, help="End after the first conversation.")
@click.option(
    "--require-key",
    is_flag=True,
    help="Refuse with 401 who gives no API key or token, or a wrong one: HUME_API_KEY and HUME_SECRET_KEY are right, or any if not set.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each conversation to DIR/<UTC time>-<name>-served/.",
)
@click.option(
    "--patience",
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    type=Seconds(min=0, min_open=True),
    help="How long an answer of the app's may be late before what hangs on it is given up.",
)
@click.option("--ignore", metavar="PATH", multiple=True, help="Leave this out of the comparison, as in replay. May be given again.")
@click.option(
    "--allow-origin",
    "origins",
    metavar="ORIGIN",
    multiple=True,
    help="Answer web pages of this origin too, such as https://example.com; those of this machine are. * for all. May be given again.",
)
@click.option(
    "--known-as",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="Answer requests for this host name too, as a container or a gateway makes them; loopback names are. May be given again.",
)
@click.option(
    "--limit",
    "limits",
    metavar="NAME=VALUE",
    multiple=True,
    help="Change what clients may take of the server, such as chats=500; docs/how-to/serve.md has all. May be given again.",
)
@click.option("--strict", is_flag=True, help="Compare also what is given anew in each run.")
def command(
    session: Optional[Path],
    simulate: bool,
    script: Optional[Path],
    parrot: bool,
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
    """Serve SESSION, or a simulated EVI, in real time on a loopback port.

    To each client that connects, SESSION behaves as it did in the recording. The simulator hears what the user says through a speech
    detector and answers from a script, or says back what it heard.

    A SESSION that is incomplete or damaged is not served unless --allow-incomplete is given.

    Prints "listening on URL" when it listens; point an app at it by its SDK's base_url. No SDK reads HUME_BASE_URL; docs/how-to/serve.md
    shows how in several languages. For each conversation it reports how late its own messages were, and how what the app sent differs from
    SESSION. Which SDK the app uses is not compared, nor its config_id.

    Ctrl+C ends it, with 0. With --once the exit code is the verdict: 0 passed, 1 failed, 4 if Ctrl+C came before the end.
    """
    if (session is None) != simulate:
        raise click.UsageError("Give either SESSION or --simulate.")
    if (script is not None or parrot) and not simulate:
        raise click.UsageError("--script and --parrot go with --simulate.")
    if allow_incomplete and simulate:
        raise click.UsageError("--allow-incomplete needs SESSION.")
    if (ignore or strict) and simulate:
        raise click.UsageError("--ignore and --strict need SESSION: with the simulator nothing is compared.")
    if script is not None and parrot:
        raise click.UsageError("Give either --script or --parrot.")
    from evi_harness.acts.serve.serving import ServeOptions, admission, limited, serve
    from evi_harness.acts.serve.simulating import SIMULATOR, simulation
    from evi_harness.settings.interrupts import Interrupts

    what = simulation(script) if session is None else session
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
