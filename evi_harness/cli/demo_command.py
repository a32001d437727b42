"""``evi-harness demo``."""

from __future__ import annotations

from pathlib import Path

import click

from evi_harness.cli.options.dialect_option import dialect_option
from evi_harness.cli.options.grouped import OUTPUT, SERVER, GroupedCommand, option
from evi_harness.cli.options.page_options import open_option, open_page
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("demo", cls=GroupedCommand)
@dialect_option("The protocol of the conversation.", group=SERVER)
@option(
    "--out",
    group=OUTPUT,
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the session to DIR/<UTC time>-demo/.",
)
@open_option
def command(dialect: str, out: Path, is_opened: bool) -> int:
    """Record and replay a spoken conversation, in half a minute.

    Needs no key, no sound card and no network: a bundled conversation goes through a software microphone and the SDK to a built-in
    simulator, on a port of this machine. With --dialect openai-realtime, the replay is repeated for the same app with a mistake. The last
    line is the path of a page that shows and plays the conversation. Exits with 0 if the replay passes, with 1 if not.
    """
    from evi_harness.acts.demos.demonstrating import demo

    done = demo(out, echo, dialect=dialect)
    if is_opened:
        open_page(done.page)
    return done.exit_code
