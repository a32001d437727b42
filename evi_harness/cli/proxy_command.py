"""``evi-harness proxy``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Tuple

import click

from evi_harness.cli.failing import ENDS
from evi_harness.cli.options.dialect_option import dialect_option
from evi_harness.cli.options.grouped import LIVE, OUTPUT, SERVER, GroupedCommand, option
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("proxy", cls=GroupedCommand)
@option(
    "--upstream",
    group=LIVE,
    metavar="URL",
    otherwise="HUME_BASE_URL or OPENAI_BASE_URL, else the service's own",
    help="The service to forward to: http, https, ws or wss.",
)
@dialect_option("The protocol of the service.")
@option(
    "--ca",
    group=LIVE,
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    otherwise="the system's",
    help="A PEM file of certificate authorities to trust.",
)
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
@option("--once", group=SERVER, is_flag=True, help="Exit after the first session.")
@option(
    "--allow-origin",
    "origins",
    group=SERVER,
    metavar="ORIGIN",
    multiple=True,
    brief="Also forward requests of this origin's pages.",
    help="Also forward requests of web pages of this origin, such as https://example.com; * for all. Repeatable.",
    otherwise="those of this machine",
)
@option(
    "--known-as",
    "hosts",
    group=SERVER,
    metavar="NAME",
    multiple=True,
    brief="Also forward requests for this host name.",
    help="Also forward requests for this host name, for clients in containers. Repeatable.",
    otherwise="loopback names",
)
@option(
    "--limit",
    "limits",
    group=SERVER,
    metavar="NAME=VALUE",
    multiple=True,
    brief="Change a limit, such as chats=500.",
    help="Change a limit on what clients may use, such as chats=500; docs/how-to/proxy.md lists them. Repeatable.",
)
@option(
    "--out",
    group=OUTPUT,
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each session to DIR/<UTC time>-<name>/.",
)
@option("--name", group=OUTPUT, metavar="NAME", default="session", show_default=True, help="The name of the sessions.")
def command(
    upstream: Optional[str],
    dialect: str,
    ca: Optional[Path],
    host: str,
    port: int,
    once: bool,
    origins: Tuple[str, ...],
    hosts: Tuple[str, ...],
    limits: Tuple[str, ...],
    out: Path,
    name: str,
) -> int:
    """Record what apps in any language say to a voice service, through a proxy on a loopback port.

    Prints "listening on URL" when it is ready. Point your app at that URL instead of the service's; docs/how-to/proxy.md shows how in
    several languages. Every byte is forwarded unchanged, except for the Host header. Each WebSocket becomes a session folder that
    replay, check and every other command reads. Other requests are forwarded and not recorded.

    Ctrl+C ends it, with exit code 0. With --once it exits with 0 after the first session, 3 if that is incomplete, 4 if there was none.
    """
    from evi_harness.acts.serve.proxying import ProxyOptions, proxy, proxy_limits
    from evi_harness.acts.serve.serving import admission
    from evi_harness.settings.interrupts import Interrupts

    options = ProxyOptions(
        upstream=upstream,
        ca=ca,
        out=out,
        name=name,
        host=host,
        port=port,
        once=once,
        limits=proxy_limits(limits),
        admission=admission(origins, hosts),
        dialect=dialect,
    )
    with Interrupts() as interrupts:
        # Who presses Ctrl+C twice is told all the same what was recorded.
        interrupts.over(for_good=click.get_current_context().meta.get(ENDS, False))
        result = proxy(options, echo, lambda line: echo(line, err=True))
        echo(result)
    return result.exit_code
