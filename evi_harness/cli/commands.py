"""The ``evi-harness`` command and its subcommands, loaded when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Dict, List, Optional, Tuple

import click

from evi_harness.cli.help_pages import HelpContext
from evi_harness.cli.options.grouped import CommandGroup
from evi_harness.quiet_loading import loading
from evi_harness.version import __version__

__all__ = ["evi_harness"]

# Command → its module and the line that --help shows, so that --help loads none of them.
_COMMANDS: Dict[str, str] = {
    "demo": "Record and replay a spoken conversation, in half a minute.",
    "record": "Record a session: talk to EVI yourself, or run your app.",
    "replay": "Replay sessions to your app and report what changed.",
    "report": "Make an HTML page of a report or a session, with its audio.",
    "show": "Print a session's header and timeline, or list sessions.",
    "play": "Play a session, or one turn of it, on the speaker.",
    "compare": "Compare two sessions, or two folders of them, turn by turn.",
    "explain": "Explain the JSON report of a replay in a few lines of plain text.",
    "latency": "Measure latency, per turn and overall.",
    "ab": "Run two versions alternately and compare their latency.",
    "check": "List everything that is wrong with session folders.",
    "repair": "Recover what is left of a damaged session.",
    "export": "Export a session for other programs.",
    "import": "Import sessions from another format.",
    "serve": "Serve a session, or a simulator, on a loopback port.",
    "proxy": "Record apps in any language, through a local port.",
    "devices": "List sound devices.",
    "doctor": "Check what a live conversation needs, and say how to fix it.",
}


class _Lazy(CommandGroup):
    """A group that knows its commands' names and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> List[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        with loading():
            module = import_module(f"evi_harness.cli.{cmd_name}_command")
        command: click.Command = module.command
        command.context_class = HelpContext
        return command

    def resolve_command(self, ctx: click.Context, args: List[str]) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        """The command that is meant; an unknown one is refused with those that are spelled like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0] in _COMMANDS:
                raise
            raise click.UsageError(f"unknown command {args[0]!r}{_suggestion(args[0])}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _suggestion(word: str) -> str:
    from difflib import get_close_matches

    meant = get_close_matches(word.lower(), _COMMANDS)
    return f"\nDid you mean {' or '.join(map(repr, meant))}?" if meant else ""


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="evi-harness", help="Show the version.")
def evi_harness() -> None:
    """Test a voice app built on Hume's EVI or on OpenAI's Realtime API: replay recorded sessions to it, offline and in virtual time.

    Exit codes: 0 passed, 1 ran and failed, 2 wrong usage, 3 could not run, 4 inconclusive, 130 interrupted.
    """
