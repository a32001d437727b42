"""Accounting of the bytes kept for each client, so that slow or unfinished clients cannot fill the memory.

Rules of living here: bytes are counted where they are kept; the client that holds most is cut off first.
"""

from __future__ import annotations

from typing import Callable, Set

__all__ = ["Holding", "Holdings"]


class Holdings:
    """What is kept for all connections of a server.

    Args:
        limit_bytes: How much that may be. When it is more, the client that holds most is cut off.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.n_bytes = 0
        self._limit_bytes = limit_bytes
        self._open: Set[Holding] = set()

    def open(self, cut_off: Callable[[], object]) -> Holding:
        """Begin to count for one connection.

        Args:
            cut_off: Called, at most once, where the connection has to go. What it held no longer counts then.
        """
        holding = Holding(self, cut_off)
        self._open.add(holding)
        return holding

    def change(self, holding: Holding, by: int) -> None:
        """Count a change, and cut off who holds most where all together hold too much."""
        self.n_bytes += by
        while by > 0 and self.n_bytes > self._limit_bytes and self._open:
            largest = max(self._open, key=lambda one: one.n_bytes)
            cut_off = largest.cut_off
            self.close(largest)
            cut_off()
            if largest is holding:
                return

    def close(self, holding: Holding) -> None:
        """Count no more for a connection. Idempotent."""
        if holding in self._open:
            self._open.remove(holding)
            self.n_bytes -= holding.n_bytes
            holding.is_open = False
            # It would refer to what refers to the holding, and both would stay until Python looks for such circles.
            holding.cut_off = _nobody


def _nobody() -> None:
    """What is closed is not cut off."""


class Holding:
    """What is kept for one connection.

    Attributes:
        n_bytes: How much.
        is_open: Whether it is still counted.
    """

    def __init__(self, holdings: Holdings, cut_off: Callable[[], object]) -> None:
        self.n_bytes = 0
        self.is_open = True
        self.cut_off = cut_off
        self._holdings = holdings

    def change(self, by: int) -> None:
        """Count so many bytes more, or fewer."""
        if by and self.is_open:
            self.n_bytes += by
            self._holdings.change(self, by)

    def close(self) -> None:
        """Count no more. Idempotent."""
        self._holdings.close(self)
