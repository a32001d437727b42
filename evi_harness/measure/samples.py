"""A sample: one metric's value at one place of one session, or why there is none.

Rules of living here: a value that could not be had is None, never 0, and ``why`` says why; a value that is there has no ``why``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """One value of one metric.

    Attributes:
        metric: Id of the metric, a row of the table.
        value: The value in the metric's unit (milliseconds for times), None where it is unavailable.
        session: Name of the session that it was read off.
        turn: Number of the turn that it belongs to, from 1; None where it belongs to no turn.
        of: Seq of the event that it is about, None where it is about none.
        why: Why there is no value; empty where there is one.
    """

    metric: str
    value: Optional[float]
    session: str
    turn: Optional[int] = None
    of: Optional[int] = None
    why: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.why):
            raise ValueError(f"a sample of {self.metric} has either a value or a reason why not: {self.value!r}, {self.why!r}")
