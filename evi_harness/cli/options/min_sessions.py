"""``--min-sessions``, the same for every command that looks for sessions in folders and judges them."""

from __future__ import annotations

from typing import Callable, TypeVar

import click

from evi_harness.cli.options.grouped import MANY, option

__all__ = ["min_sessions_option"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def min_sessions_option() -> Callable[[_Command], _Command]:
    """Give a command the option, as its parameter ``min_sessions``."""
    return option(
        "--min-sessions",
        group=MANY,
        metavar="N",
        default=0,
        type=click.IntRange(min=0),
        brief="Exit with 3 if fewer sessions are found.",
        help="Exit with 3, before anything runs, if fewer than N sessions are found.",
    )
