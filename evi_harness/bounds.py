"""The numbers and words that a user may give, and the error for any other, in calls and on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Iterable, Optional

from evi_harness.errors import UsageError, value_of

__all__ = ["MOST_RUNS", "RUNS", "SOME_TIME", "TIME", "Bounds", "require_number", "require_word"]


@dataclass(frozen=True)
class Bounds:
    """The bounds of a number.

    Attributes:
        least: The least that is accepted, None for no bound there.
        most: The most that is accepted.
        above: What it must be greater than.
        below: What it must be less than.
    """

    least: Optional[float] = None
    most: Optional[float] = None
    above: Optional[float] = None
    below: Optional[float] = None

    def __str__(self) -> str:
        """The bounds in words, such as ``at least 1``, ``from 0 to 10`` or ``above 0 and below 0.5``."""
        if self.least is not None and self.most is not None:
            return f"from {_plain(self.least)} to {_plain(self.most)}"
        named = (("at least", self.least), ("above", self.above), ("at most", self.most), ("below", self.below))
        return " and ".join(f"{word} {_plain(number)}" for word, number in named if number is not None)

    def hold(self, value: float) -> bool:
        """Whether a number is within them; one without end and nan are not."""
        return not (
            not isfinite(value)
            or (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )

    def refusal(self, value: object) -> str:
        """What is said of a value that is not within them."""
        return f"must be {self}, not {value}"


# More runs than this would take days: the number is mistyped.
MOST_RUNS = 10_000
RUNS = Bounds(least=1, most=MOST_RUNS)
# A length of time that may be none, and one that may not: in whatever unit.
TIME, SOME_TIME = Bounds(least=0), Bounds(above=0)


def require_number(name: str, value: float, bounds: Bounds) -> None:
    """Refuse a number that is out of its bounds.

    Args:
        name: The parameter that it was given for.
        value: The number.
        bounds: Its bounds.

    Raises:
        UsageError: It is not within them, or not a number.
    """
    with value_of(name):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise UsageError(f"{value!r} is not a number")
        if not bounds.hold(value):
            raise UsageError(bounds.refusal(value))


def require_word(name: str, value: object, words: Iterable[str]) -> None:
    """Refuse a value that is not one of several words.

    Args:
        name: The parameter that it was given for.
        value: The value.
        words: What it may be.

    Raises:
        UsageError: It is none of them.
    """
    known = tuple(words)
    with value_of(name):
        if value not in known:
            raise UsageError(f"{value!r} is not one of {', '.join(map(repr, known))}")


def _plain(number: float) -> str:
    return f"{number:.15g}"
