"""``evi-harness replay SESSION``."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Optional

import click

from evi_harness.errors import EviHarnessError

__all__ = ["command"]


def _in_a_folder(ctx: click.Context, param: click.Parameter, value: Optional[str]) -> Optional[str]:
    """Refuse a file that cannot be written before the replay runs, not after it."""
    if value not in (None, "-") and not Path(value or "").parent.is_dir():
        raise click.BadParameter(f"{str(Path(value or '').parent)!r} is no folder.", ctx, param)
    return value


@click.command("replay")
@click.argument("session", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--handler",
    metavar="SPEC",
    help="FILE.py:NAME or PACKAGE.MODULE:NAME of your handler, or 'recorded' for the null test.  [default: built in]",
)
@click.option(
    "--clock",
    type=click.Choice(["virtual", "real"]),
    default="virtual",
    show_default=True,
    help="Time that jumps, or the machine's, over a real socket to a server in a process of its own.",
)
@click.option("--upgrade", is_flag=True, help="Add to old messages what the installed SDK requires; the report says what.")
@click.option("--twice", is_flag=True, help="Replay twice and compare both runs byte for byte; in virtual time only.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the replay's own session to DIR/<UTC time>-<name>-replay/.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    callback=_in_a_folder,
    help="Write the report as JSON to this file; - for standard output.",
)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    help="After so long in real time without progress, a replay is stuck.",
)
@click.option(
    "--thread-wait",
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="How long, in real time, the virtual clock stands still for a job on another thread.",
)
def command(
    session: Path,
    handler: Optional[str],
    clock: str,
    upgrade: bool,
    twice: bool,
    out: Optional[Path],
    json_file: Optional[str],
    timeout: float,
    thread_wait: float,
) -> int:
    """Replay SESSION to a handler, through the installed SDK.

    The handler is a function on_message(message), or an object or class with on_message and any of set_socket, on_open, on_close and
    on_error, as in Hume's quickstart. Without one, the built-in handler prints the transcript with the strongest emotions.

    Exits with 0 if the replay is as recorded and nothing is wrong, with 1 if not.
    """
    from evi_harness.harness.replay import replay_session

    # With the report on standard output, people read standard error.
    aside = json_file == "-"
    # So does what the handler itself prints.
    with redirect_stdout(sys.stderr) if aside else nullcontext():
        result = replay_session(
            session,
            handler=handler,
            clock=clock,
            upgrade=upgrade,
            twice=twice,
            out=out,
            timeout_s=timeout,
            thread_wait_s=thread_wait,
            write=lambda line: click.echo(line, err=aside),
        )
    for line in result.lines():
        click.echo(line, err=aside)
    if json_file is not None:
        _write(json_file, json.dumps(result.json(), indent=2, allow_nan=False) + "\n")
    return result.exit_code


def _write(name: str, text: str) -> None:
    if name == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EviHarnessError(f"the report cannot be written: {error.strerror}", where=name) from None
