"""The pages that ``--help`` prints: click's layout, but no word is broken, at any width."""

from __future__ import annotations

from typing import Iterable, List, Optional, Tuple

import click

__all__ = ["HelpContext"]

# click breaks words at hyphens, flags as well. At this one, which looks alike and is as wide, it does not.
_UNBROKEN = "\N{NON-BREAKING HYPHEN}"


class _Pages(click.HelpFormatter):
    """Lays out the page of one command."""

    def write(self, string: str) -> None:
        super().write(string.replace(_UNBROKEN, "-"))

    def write_usage(self, prog: str, args: str = "", prefix: Optional[str] = None) -> None:
        super().write_usage(prog, args.replace("-", _UNBROKEN), prefix)

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _UNBROKEN))

    def write_dl(self, rows: Iterable[Tuple[str, str]], col_max: int = 26, col_spacing: int = 2) -> None:
        unbroken: List[Tuple[str, str]] = [(name, told.replace("-", _UNBROKEN)) for name, told in rows]
        longest = max((len(word) for _, told in unbroken for word in told.split()), default=0)
        # Where a terminal is narrow, flags leave room for the longest word behind them, and for two cells that click keeps free.
        room = min(col_max, self.width - longest - col_spacing - 2)
        super().write_dl(unbroken, max(1, room if self.width >= 78 else min(room, self.width // 3)), col_spacing)


class HelpContext(click.Context):
    """The context of a command whose page is laid out so."""

    formatter_class = _Pages
