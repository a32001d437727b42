"""``--allow-incomplete``, the same for every command whose verdict depends on a recording."""

from __future__ import annotations

from typing import Any, Callable, Optional

from evi_harness.cli.options.grouped import COMPARISON, option

__all__ = ["ALLOW_INCOMPLETE", "allow_incomplete_option"]

# What `evi-harness ab` tells the commands that it runs.
ALLOW_INCOMPLETE = "EVI_HARNESS_ALLOW_INCOMPLETE"


def allow_incomplete_option(what: str, envvar: Optional[str] = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the option.

    Args:
        what: Its help.
        envvar: The variable that sets it as well, None for none.
    """
    brief = "Accept incomplete or damaged recordings."
    return option("--allow-incomplete", group=COMPARISON, is_flag=True, envvar=envvar, brief=brief, help=what)
