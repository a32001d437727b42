"""Options of ``replay`` that have nothing to act on where a command is replayed: each is refused by name, with the reason."""

from __future__ import annotations

import shlex
from typing import Mapping, Tuple

import click
from click.core import ParameterSource

__all__ = ["NOT_WITH_A_COMMAND", "refuse_with_a_command", "split_words"]

_NO_HANDLER = "the command takes the place of a handler"
_NOT_LIVE = "the app reaches the recording, not a live service"
# Parameter → why a command cannot be replayed with it.
NOT_WITH_A_COMMAND: Mapping[str, str] = {
    "handler": _NO_HANDLER,
    "arguments": f"{_NO_HANDLER}; write the app's arguments after the command",
    "child": "a command's app always has its own process",
    "microphone": "the app opens its microphone itself",
    "executor": "a command needs this folder and environment, which other machines do not have",
    "live": _NOT_LIVE,
    "dialect": _NOT_LIVE,
    "setup": _NOT_LIVE,
    "config_id": _NOT_LIVE,
    "cadence": _NOT_LIVE,
    "max_duration_s": _NOT_LIVE,
    "patience_s": _NOT_LIVE,
    "ca": _NOT_LIVE,
}


def split_words(drive: str) -> Tuple[str, ...]:
    """The words of the command that calls the app, as a shell has them.

    Raises:
        UsageError: It is empty, or a quotation mark is not closed.
    """
    try:
        words = tuple(shlex.split(drive))
    except ValueError as error:
        raise click.UsageError(f"--drive is not a command: {str(error).lower()}") from None
    if not words or not words[0]:
        raise click.UsageError("--drive is empty: give the command that calls the app")
    return words


def refuse_with_a_command(ctx: click.Context) -> None:
    """Refuse what a command cannot be replayed with.

    Raises:
        UsageError: Such an option is given.
    """
    for param in ctx.command.params:
        why = NOT_WITH_A_COMMAND.get(param.name or "")
        if why is not None and ctx.get_parameter_source(param.name or "") == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{max(param.opts, key=len)} cannot be used with a command: {why}", ctx)
