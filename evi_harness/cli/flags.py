"""Names of parameters on the command line: flags for error messages.

Rules of living here: the names come from the command's own options, each of which bears the name of the parameter that it is handed on as.
"""

from __future__ import annotations

from typing import Callable, Mapping, Optional

import click

from evi_harness.errors import Parameter, Words

__all__ = ["in_flags"]


def in_flags(text: str, command: Optional[click.Command] = None) -> str:
    """A sentence as the users of a command read it.

    Args:
        text: The sentence; one without parameters is left as it is.
        command: The command, None for the one that runs.
    """
    if not isinstance(text, Words):
        return text
    return text.called(_names_of(click.get_current_context().command if command is None else command))


def _names_of(command: click.Command) -> Callable[[Parameter], str]:
    flags = {param.name: max(param.opts, key=len) for param in command.params if isinstance(param, click.Option)}

    def called(parameter: Parameter) -> str:
        # Another command's: it bears the parameter's name.
        flag = flags.get(parameter.name) or f"--{parameter.name.replace('_', '-')}"
        value = parameter.value
        if isinstance(value, Mapping):
            return " ".join(f"{flag} {name}={one}" for name, one in value.items())
        return flag if value is None or value is True else f"{flag} {value}"

    return called
