"""Options that name a file to write, and the writing: ``--json FILE`` and its like.

Rules of living here: what cannot be written is refused before a command does its work, not after it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, TypeVar

import click

from evi_harness.cli.options.grouped import OUTPUT, option
from evi_harness.session.json_value import Json

__all__ = ["STANDARD_OUTPUT", "absolute", "in_a_folder", "json_option", "report_option", "write_json", "write_text"]

# With a report there, people read standard error.
STANDARD_OUTPUT = "-"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def in_a_folder(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse, as a callback of an option, a file whose folder is not there."""
    if value is not None and str(value) != STANDARD_OUTPUT and not Path(value).parent.is_dir():
        raise click.BadParameter(f"{str(Path(value).parent)!r} is not a folder", ctx, param)
    return absolute(ctx, param, value)


def absolute(ctx: click.Context, param: click.Parameter, value: Any) -> Any:  # noqa: ARG001 - the signature is click's
    """Make a path absolute, as a callback of an option: an app may change the working directory before anything is written there."""
    if value is None or str(value) == STANDARD_OUTPUT:
        return value
    return type(value)(os.path.abspath(value))  # noqa: PTH100 - resolve() would follow links


def report_option(flag: str, parameter: str, told: str) -> Callable[[_Command], _Command]:
    """Give a command an option that names a file, or ``-`` for standard output.

    Args:
        flag: What people write.
        parameter: The parameter's name.
        told: The help.
    """
    kind = click.Path(dir_okay=False, writable=True, allow_dash=True)
    return option(flag, parameter, group=OUTPUT, usual=True, metavar="FILE", type=kind, callback=in_a_folder, help=told)


def json_option(what: str, schema: str) -> Callable[[_Command], _Command]:
    """Give a command ``--json``, as its parameter ``json_file``.

    Args:
        what: What is written, for the help.
        schema: The name of its schema in docs/reference/.
    """
    told = f"Write {what} as JSON; {STANDARD_OUTPUT} for standard output. Schema: {schema} in docs/reference."
    return report_option("--json", "json_file", told)


def write_json(name: Optional[str], told: Callable[[], Mapping[str, Json]]) -> None:
    """Write a report, where one is asked for.

    Args:
        name: What the option was given, None for nothing.
        told: Makes the report.

    Raises:
        EviHarnessError: The file cannot be written.
    """
    if name is not None:
        from evi_harness.settings.sink import redacted_data

        write_text(name, json.dumps(redacted_data(told()), indent=2, allow_nan=False) + "\n")


def write_text(name: str, text: str) -> None:
    """Write a text.

    Args:
        name: What the option was given.
        text: The text, with an end of its last line.

    Raises:
        EviHarnessError: The file cannot be written.
    """
    if name == STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    from evi_harness.settings.new_folder import near
    from evi_harness.settings.sink import write_file

    write_file(Path(name), text, where=near(name))
