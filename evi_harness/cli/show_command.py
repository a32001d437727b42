"""``evi-harness show SESSION…``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Optional, Tuple

import click
from click.core import ParameterSource

from evi_harness.cli.options.found_sessions import found_sessions
from evi_harness.cli.options.grouped import OUTPUT, TIME, GroupedCommand, option
from evi_harness.cli.printing import can_write, echo, progress, width
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, write_json

__all__ = ["command"]


@click.command("show", cls=GroupedCommand)
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@option("--turn", group=TIME, metavar="N", type=click.IntRange(min=1), help="Show only turn N.")
@option(
    "--from",
    "first",
    group=TIME,
    metavar="PLACE",
    brief="Start here: 12.5 or 1m3s, event '#123', turn t3.",
    help="Start here: a time such as 12.5 or 1m3s, an event such as '#123', or a turn such as t3.",
)
@option(
    "--until", "last", group=TIME, metavar="PLACE", brief="End after this place.", help="End after this place, in the same form as --from."
)
@option(
    "--events",
    group=OUTPUT,
    is_flag=True,
    brief="List events, one per line.",
    help="List events, one per line; consecutive audio frames share a line.",
)
@option("--audio", group=OUTPUT, is_flag=True, help="List events with every audio frame on a separate line.")
@option(
    "--type",
    "types",
    group=OUTPUT,
    metavar="NAME",
    multiple=True,
    brief="List events of this type of message or kind.",
    help="List events of this type of message, kind ('sent', 'received', 'note', ...) or note, or 'audio'. Repeatable.",
)
@option(
    "--grep",
    group=OUTPUT,
    metavar="REGEX",
    brief="List events that match this regular expression.",
    help="List events whose line or text matches this regular expression.",
)
@json_option("what is shown", "show.schema.json")
@click.pass_context
def command(ctx: click.Context, /, sessions: Tuple[Path, ...], json_file: Optional[str], **_: object) -> int:
    """Print the header and timeline of a session, or list several sessions.

    A SESSION is a session folder, or a folder of session folders. The timeline of one session shows, for each turn, who spoke when, what
    was said, tools, interruptions and latency; --events, --audio, --type and --grep list its events instead. Several sessions are listed
    one per line: date, length, turns, events, origin, and whether it is complete. Exits with 3 if one cannot be read.
    """
    from evi_harness.acts.sessions import named_session, show_sessions

    folder = named_session(sessions)
    if folder is None:
        given = [param for param in ctx.command.params if ctx.get_parameter_source(param.name or "") == ParameterSource.COMMANDLINE]
        for param in given:
            if isinstance(param, click.Option):
                raise click.UsageError(f"{param.opts[0]} needs a single session, not a folder of sessions", ctx)
        with progress("reading", len(found_sessions(sessions))) as advance:
            return show_sessions(sessions, write=echo, on_done=advance.done, columns=width())
    from evi_harness.acts.looking.showing import ShowOptions, show_one

    aside = json_file == STANDARD_OUTPUT
    # Each option bears the name of a field.
    with progress("listening", 1) as advance:
        shown = show_one(folder, ShowOptions(**{one.name: ctx.params[one.name] for one in fields(ShowOptions)}), advance.part)
    for line in shown.lines(width(err=aside), lambda signs: can_write(signs, err=aside)):
        echo(line, err=aside)
    write_json(json_file, shown.json)
    return 0
