"""Samples while they are collected, for one session.

Rules of living here: nanoseconds in, the metric's unit out; a value that is None needs its reason, and gets it here in one form.
"""

from __future__ import annotations

from typing import List, Mapping, Optional

from evi_harness.measure.samples import Sample

__all__ = ["Samples"]

_NS_PER_MS = 1_000_000


class Samples:
    """Collects the samples of one session.

    Args:
        session: Its name.
        at_ns: When each of its events was, by seq; None if unknown.
        types: The type of each received message, by seq; None likewise.

    Attributes:
        found: The samples so far.
    """

    def __init__(self, session: str, at_ns: Optional[Mapping[int, int]] = None, types: Optional[Mapping[int, str]] = None) -> None:
        self.found: List[Sample] = []
        self._session = session
        self._at_ns = at_ns or {}
        self._types = types or {}

    def took(self, metric: str, value_ns: int, turn: Optional[int] = None, of: Optional[int] = None) -> None:
        """Add a time, in nanoseconds."""
        self._add(metric, value_ns / _NS_PER_MS, turn, of)

    def happened(self, metric: str, did: bool, turn: Optional[int] = None, of: Optional[int] = None) -> None:
        """Add whether something happened."""
        self._add(metric, float(did), turn, of)

    def unavailable(self, metric: str, why: str, turn: Optional[int] = None, of: Optional[int] = None) -> None:
        """Add that there is no value, and why."""
        self._add(metric, None, turn, of, why)

    def _add(self, metric: str, value: Optional[float], turn: Optional[int], of: Optional[int], why: str = "") -> None:
        at_ns, message = (None, "") if of is None else (self._at_ns.get(of), self._types.get(of, ""))
        self.found.append(Sample(metric, value, self._session, turn, of, why, at_ns, message))
