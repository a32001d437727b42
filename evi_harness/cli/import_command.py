"""``evi-harness import capture|har|chat-history|events FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from evi_harness.cli.options.grouped import OUTPUT, CommandGroup, GroupedCommand, option
from evi_harness.cli.printing import echo, progress

__all__ = ["command"]

# What every import takes.
_FILE = click.argument("file", metavar="FILE", type=click.Path(exists=True, path_type=Path))
_OUT = option(
    "--out",
    group=OUTPUT,
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the session to DIR/<UTC time>-<name of the file>/.",
)


@click.group("import", cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Import sessions from another format."""


@command.command("capture", cls=GroupedCommand, short_help="Import a wire capture of an EVI server's messages.")
@_FILE
@_OUT
def capture(file: Path, out: Path) -> int:
    """Import a session from a wire capture: the messages of an EVI server, one JSON text per line.

    A capture has no times, and nothing that was sent. Times are estimated from the messages, and the session says so. A file without such
    a message is refused.
    """
    from evi_harness.acts.import_capture import import_capture
    from evi_harness.settings.program import program

    with progress("importing", 1):
        folder = import_capture(file, out=out)
    echo(f"{folder}")
    echo(f"next: {program()} replay {folder}")
    return 0


@command.command("har", cls=GroupedCommand, short_help="Import the WebSockets of a browser's or proxy's HAR file.")
@_FILE
@_OUT
def har(file: Path, out: Path) -> int:
    """Import a session from each conversation in a HAR file, both directions with their times.

    Reads what Chrome's developer tools, Playwright (recordHar) and mitmproxy (save.har) write. Other WebSockets in the file are skipped,
    and keys in the URL and the headers are redacted. A HAR file does not say how a connection was closed, and the session says so.
    """
    from evi_harness.acts.imports.import_har import import_har

    with progress("importing", 1):
        imported = import_har(file, out=out)
    for line in imported.lines():
        echo(line)
    return 0


@command.command("chat-history", cls=GroupedCommand, short_help="Import chats from Hume's API.")
@_FILE
@_OUT
def chat_history(file: Path, out: Path) -> int:
    """Import a session from each chat in Hume's chat history.

    Reads the JSON of /v0/evi/chats/ID or /v0/evi/chat_groups/ID/events. A history has what was said turn by turn, but neither the messages
    nor the audio that crossed the wire. The messages are rebuilt from its events, a note on each names what is assumed, and times count
    as synthesised: none is measured.
    """
    from evi_harness.acts.imports.import_chat_history import import_chat_history

    with progress("importing", 1):
        imported = import_chat_history(file, out=out)
    for line in imported.lines():
        echo(line)
    return 0


@command.command("events", cls=GroupedCommand, short_help="Import a log of events of OpenAI's Realtime protocol.")
@_FILE
@_OUT
def events(file: Path, out: Path) -> int:
    """Import a session from a log of events of OpenAI's Realtime protocol, as apps and test suites write them.

    Reads JSON lines, a JSON list or YAML, both directions in order. A row is the event itself, or has it in data, event or message. Times
    are read where each row has one; otherwise they are made up, and count as synthesised: none is measured. A log does not have the
    handshake, and the session says so.
    """
    from evi_harness.acts.imports.import_events import import_events

    with progress("importing", 1):
        imported = import_events(file, out=out)
    for line in imported.lines():
        echo(line)
    return 0
