"""The ranges of options in words: click shows them as formulas, ``x>=1``."""

from __future__ import annotations

import re
from typing import Optional

import click

from evi_harness.bounds import Bounds

__all__ = ["bounds_of", "in_words"]

# As click has them in the brackets at the end of an option's help.
_FORMULA = re.compile(r"(?:[-+.\w]+<=?)?x(?:[<>]=?[-+.\w]+)?")


def bounds_of(kind: object) -> Optional[Bounds]:
    """The bounds of a type of option; None for a type without any."""
    if not isinstance(kind, (click.IntRange, click.FloatRange)) or (kind.min is None and kind.max is None):
        return None
    return Bounds(
        least=None if kind.min_open else kind.min,
        above=kind.min if kind.min_open else None,
        most=None if kind.max_open else kind.max,
        below=kind.max if kind.max_open else None,
    )


def in_words(extra: str, kind: object) -> str:
    """What stands in the brackets at the end of an option's help, with its range in words.

    Args:
        extra: What click has there, such as ``default: 1; x>=1``.
        kind: The option's type.
    """
    bounds = bounds_of(kind)
    return "; ".join(str(bounds) if bounds is not None and _FORMULA.fullmatch(part) else part for part in extra.split("; "))
