"""How late a carrier sent its messages, by its own record.

Due is the time by a message's own cause, plus what the events before it held it back; the time of the received event is stamped at the
instant before its bytes are handed to the socket. In virtual time both are the same.

Rules of living here: figures of one machine at one time; nobody is judged by them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterable, List, Optional, Sequence

from evi_harness.session.events import Event, Received
from evi_harness.session.figures import milliseconds
from evi_harness.session.notes import DUE

__all__ = ["Lateness", "lateness_ns"]

# Below this many there is no 99th percentile to speak of.
LEAST_FOR_P99 = 100


@dataclass(frozen=True)
class Lateness:
    """Summary of the lateness of many messages, in nanoseconds.

    Attributes:
        n: Messages.
        p50_ns: The median, None without messages.
        p99_ns: The 99th percentile (nearest rank), None with fewer than 100 messages.
        max_ns: The maximum, None without messages.
    """

    n: int
    p50_ns: Optional[int]
    p99_ns: Optional[int]
    max_ns: Optional[int]

    @staticmethod
    def of(values: Iterable[int]) -> Lateness:
        """Summarise the lateness of individual messages."""
        ranked = sorted(values)
        if not ranked:
            return Lateness(0, None, None, None)
        p99_ns = _rank(ranked, 99) if len(ranked) >= LEAST_FOR_P99 else None
        return Lateness(len(ranked), _rank(ranked, 50), p99_ns, ranked[-1])

    def __str__(self) -> str:
        if self.max_ns is None:
            return "nothing sent"
        figures = (("p50", self.p50_ns), ("p99", self.p99_ns), ("max", self.max_ns))
        # Of too few messages a percentile is left out.
        return ", ".join(f"{name} {milliseconds(ns / 1e6)}" for name, ns in figures if ns is not None)


def lateness_ns(events: Sequence[Event]) -> List[int]:
    """How late each message of a session was sent, in the order of sending.

    Args:
        events: The events of a session that a carrier kept. Messages without a ``due`` note are left out.
    """
    sent_ns = {event.seq: event.at_ns for event in events if isinstance(event, Received)}
    noted = [(note.of, due) for note, due in DUE.all_in(events) if note.of is not None]
    return [sent_ns[seq] - due.due_ns - due.held_ns for seq, due in noted if seq in sent_ns]


def _rank(ranked: Sequence[int], percent: int) -> int:
    return ranked[math.ceil(len(ranked) * percent / 100) - 1]
