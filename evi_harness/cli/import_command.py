"""``evi-harness import capture|har|chat-history FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from evi_harness.cli.printing import echo, progress

__all__ = ["command"]

# What every import takes.
_FILE = click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_OUT = click.option(
    "--out",
    metavar="DIR",
    default="sessions",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the session to DIR/<UTC time>-<name of the file>/.",
)


@click.group("import")
def command() -> None:
    """Make a session of a file from elsewhere."""


@command.command("capture", short_help="Make a session of the messages of an EVI server.")
@_FILE
@_OUT
def capture(file: Path, out: Path) -> int:
    """Make a session of a wire capture: the messages of an EVI server, one JSON text a line.

    The capture holds no times and nothing that was sent. Times are made up from what the messages say; the session says so. A file in
    which no line is such a message is refused.
    """
    from evi_harness.acts.import_capture import import_capture

    with progress("importing", 1):
        folder = import_capture(file, out=out)
    echo(f"{folder}")
    echo(f"next: evi-harness replay {folder}")
    return 0


@command.command("har", short_help="Make sessions of the WebSockets in a browser's or proxy's HAR file.")
@_FILE
@_OUT
def har(file: Path, out: Path) -> int:
    """Make a session of each conversation in a HAR file, both directions with their times.

    Reads what Chrome's developer tools, Playwright (recordHar) and mitmproxy (save.har) write. Other WebSockets in the file are left out,
    and keys in the URL and the headers are redacted. A HAR file does not say how a connection was closed; the session says so.
    """
    from evi_harness.acts.imports.import_har import import_har

    with progress("importing", 1):
        imported = import_har(file, out=out)
    for line in imported.lines():
        echo(line)
    return 0


@command.command("chat-history", short_help="Make sessions of the events that Hume's API has of chats.")
@_FILE
@_OUT
def chat_history(file: Path, out: Path) -> int:
    """Make a session of each chat in Hume's chat history: the JSON of /v0/evi/chats/ID or /v0/evi/chat_groups/ID/events.

    A history has what was said turn by turn, and neither the messages nor the audio that crossed the wire. Messages are made of its events
    again, a note of each names what is assumed in it, and its times count as synthesised: none is measured.
    """
    from evi_harness.acts.imports.import_chat_history import import_chat_history

    with progress("importing", 1):
        imported = import_chat_history(file, out=out)
    for line in imported.lines():
        echo(line)
    return 0
