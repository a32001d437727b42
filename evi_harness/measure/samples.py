"""A sample: one metric's value at one place of one session, or why it is missing.

Rules of living here: a value that could not be had is None, never 0, and ``why`` says why; a value that is there has no ``why``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """One value of one metric.

    Attributes:
        metric: Id of the metric.
        value: The value in the metric's unit (milliseconds for times), None if unavailable.
        session: Name of the session that it belongs to.
        turn: Number of the turn that it belongs to, from 1; None if it belongs to no turn.
        of: Seq of the event that it concerns, None if there is none.
        why: Why there is no value; empty if there is one.
        at_ns: When that event was; None if there is none, or for a sample from a baseline. Two samples are compared without it.
        message: The type of that event's message, likewise; empty if it is not a received message.
    """

    metric: str
    value: Optional[float]
    session: str
    turn: Optional[int] = None
    of: Optional[int] = None
    why: str = ""
    at_ns: Optional[int] = field(default=None, compare=False)
    message: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.why):
            raise ValueError(f"a sample of {self.metric} has either a value or a reason why not: {self.value!r}, {self.why!r}")
