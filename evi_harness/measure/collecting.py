"""Samples while they are collected, for one session.

Rules of living here: nanoseconds in, the metric's unit out; a value that is None needs its reason, and gets it here in one form.
"""

from __future__ import annotations

from typing import List, Optional

from evi_harness.measure.samples import Sample

__all__ = ["Samples"]

_NS_PER_MS = 1_000_000


class Samples:
    """Collects the samples of one session.

    Args:
        session: Its name.

    Attributes:
        found: The samples so far.
    """

    def __init__(self, session: str) -> None:
        self.found: List[Sample] = []
        self._session = session

    def took(self, metric: str, value_ns: int, turn: Optional[int] = None, of: Optional[int] = None) -> None:
        """Add a time, in nanoseconds."""
        self.found.append(Sample(metric, value_ns / _NS_PER_MS, self._session, turn, of))

    def happened(self, metric: str, did: bool, turn: Optional[int] = None, of: Optional[int] = None) -> None:
        """Add whether something happened."""
        self.found.append(Sample(metric, float(did), self._session, turn, of))

    def unavailable(self, metric: str, why: str, turn: Optional[int] = None, of: Optional[int] = None) -> None:
        """Add that there is no value, and why."""
        self.found.append(Sample(metric, None, self._session, turn, of, why))
