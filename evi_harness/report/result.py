"""The result of an act: one protocol for everything that shows it, keeps it or exits with it.

Rules of living here: what is to be known of a result is a value of it; nobody reads it off the lines that are printed.
"""

from __future__ import annotations

from typing import Dict, List, Protocol

from evi_harness.session.json_value import Json

__all__ = ["ReplayedResult", "Result", "verdict_line"]

_WIDE = 11


class Result(Protocol):
    """What an act found."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong, so that ``exit_code`` is 0."""

    @property
    def exit_code(self) -> int:
        """What a command exits with: 0 passed, 1 failed, 3 something could not run, 4 inconclusive."""

    @property
    def verdict_text(self) -> str:
        """The verdict in a few words, which agree with the exit code."""

    def lines(self) -> List[str]:
        """The report for people."""

    def json(self) -> Dict[str, Json]:
        """The report for programs."""


class ReplayedResult(Result, Protocol):
    """What was replayed: one session, one several times, many, or one with a live service."""

    def body(self) -> List[str]:
        """The report for people up to its last line, which is the verdict."""


def verdict_line(text: str) -> str:
    """The last line of a report for people.

    Args:
        text: The verdict in a few words.
    """
    return f"{'verdict':<{_WIDE}}{text}"
