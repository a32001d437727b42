"""``--dialect``, of commands whose service no session names."""

from __future__ import annotations

from typing import Any, Callable

from evi_harness.cli.options.grouped import LIVE, option

__all__ = ["dialect_option"]


def dialect_option(brief: str, *, group: str = LIVE) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option.

    Args:
        brief: What it says, without the names that there are.
        group: Its group in the help.
    """
    return option(
        "--dialect",
        group=group,
        metavar="NAME",
        default="evi",
        show_default=True,
        brief=brief,
        help=f"{brief[:-1]}: evi, openai-realtime, or a dialect that an installed package provides.",
    )
