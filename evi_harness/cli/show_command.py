"""``evi-harness show SESSION…``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Optional, Tuple

import click
from click.core import ParameterSource

from evi_harness.cli.printing import can_write, echo, progress, width
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, write_json

__all__ = ["command"]


@click.command("show")
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--events", is_flag=True, help="List the events, one a line; frames of audio that follow one another are one line.")
@click.option("--audio", is_flag=True, help="List each frame of audio by itself, among the events.")
@click.option(
    "--type",
    "types",
    metavar="NAME",
    multiple=True,
    help="List events of this type of message, kind ('sent', 'received', 'note' …) or note, or 'audio'. May be given again.",
)
@click.option("--grep", metavar="REGEX", help="List events in whose line or text this regular expression is found.")
@click.option("--turn", metavar="N", type=click.IntRange(min=1), help="Show this turn alone.")
@click.option("--from", "first", metavar="PLACE", help="Begin here: a time as in 12.5 or 1m3s, an event as in '#123', a turn as in t3.")
@click.option("--until", "last", metavar="PLACE", help="End here, likewise; the place is shown.")
@json_option("what is shown", "show.schema.json")
@click.pass_context
def command(ctx: click.Context, /, sessions: Tuple[Path, ...], json_file: Optional[str], **_: object) -> int:
    """Print the header and the timeline of a session, or list several.

    A SESSION is a session folder, or a folder of them. Of one session the timeline has for each turn who spoke when, what was said, the
    tools, interruptions and latency; --events, --audio, --type and --grep list its events instead. Several, or a folder of them, are a
    line each: when it was made, how long it is, how many turns and events it has, what made it, whether it is complete and what is
    missing. Exits with 3 if one cannot be read.
    """
    from evi_harness.acts.sessions import named_session, show_sessions
    from evi_harness.verdicts.loading import find_sessions

    folder = named_session(sessions)
    if folder is None:
        given = [param for param in ctx.command.params if ctx.get_parameter_source(param.name or "") == ParameterSource.COMMANDLINE]
        for param in given:
            if isinstance(param, click.Option):
                raise click.UsageError(f"{param.opts[0]} needs one session, and not a folder of them.", ctx)
        with progress("reading", len(find_sessions(sessions, damaged=True))) as advance:
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
