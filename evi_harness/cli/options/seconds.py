"""A number of seconds on the command line."""

from __future__ import annotations

import math
from typing import Optional

import click

__all__ = ["Seconds"]

# Thirty years: what waits for longer than an operating system can count is mistyped.
_MOST = 1e9


class Seconds(click.FloatRange):
    """A number of seconds within a range; other text and infinity are refused."""

    name = "number of seconds"

    def convert(self, value: float, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> float:
        """The number; see ``click.ParamType.convert``."""
        seconds: float = super().convert(value, param, ctx)
        # Python reads "nan" and "inf" as numbers, and nan is in every range.
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if seconds > _MOST:
            self.fail(f"{value!r} is more than {_MOST:.0f} seconds", param, ctx)
        return seconds
