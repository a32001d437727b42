"""``--arg KEY=VALUE``: further arguments of a handler, for every command with ``--handler``."""

from __future__ import annotations

from typing import Dict, Tuple

import click

from evi_harness.cli.options.grouped import HANDLER, option

__all__ = ["arguments_option", "by_key"]


def by_key(ctx: click.Context, param: click.Parameter, value: Tuple[str, ...]) -> Dict[str, str]:
    """Read ``NAME=VALUE``, given any number of times, each name once."""
    arguments: Dict[str, str] = {}
    for one in value:
        key, equals, text = one.partition("=")
        if not equals or not key.isidentifier() or key in arguments:
            told = "is given twice" if key in arguments else "is not NAME=VALUE"
            raise click.BadParameter(f"{one!r} {told}", ctx, param)
        arguments[key] = text
    return arguments


arguments_option = option(
    "--arg",
    "arguments",
    group=HANDLER,
    usual=True,
    metavar="KEY=VALUE",
    multiple=True,
    callback=by_key,
    brief="An argument for your handler, as text.",
    help="An argument for your handler's class or function, as text. Repeatable.",
)
