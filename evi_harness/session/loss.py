"""The kinds of loss in a damaged recording.

Rules of living here: programs read kinds, so a kind keeps its name and its meaning; docs/how-to/check.md lists them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

__all__ = ["LOSSES", "Loss"]

LOSSES = (
    *("header", "events_unreadable", "line_cut", "line_damaged", "unknown_event", "number_twice", "impossible_time"),
    *("events_missing", "audio_missing", "changed", "expectation", "heard"),
)


@dataclass(frozen=True)
class Loss:
    """One thing that is not in a repaired session, or not as it was recorded.

    Attributes:
        kind: One of ``LOSSES``.
        file: The file of the damaged folder, by its name there.
        line: The line of it, from 1, None where it is not about one.
        what: What was lost, a sentence without the place. It quotes nothing of the folder.
        n_events: How many events are not there any more, 0 where they are there, though not as they were.
        n_bytes: How many bytes of the file were given up, 0 where they are kept or were gone before.
        audio_ns: How long the audio is that was lost, 0 where it is none, or where nobody can say.
    """

    kind: str
    file: str
    line: Optional[int]
    what: str
    n_events: int = 0
    n_bytes: int = 0
    audio_ns: int = 0

    @property
    def place(self) -> str:
        """Where it was, for people."""
        return self.file if self.line is None else f"{self.file}, line {self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"
