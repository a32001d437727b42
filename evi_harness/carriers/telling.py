"""Print lines for the person who runs a server, without blocking anyone and at most once a minute for repeated ones.

A pipe that nothing reads holds 64 KiB; the next write blocks until something reads it, and with an event loop that blocks every client.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Callable, Dict, Optional, Tuple, Type

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Aside", "OnceAMinute"]

MINUTE_NS = 60_000_000_000
# So many kinds are kept apart; what clients make up must not grow without end.
MAX_KINDS = 1000


# So many lines wait for a reader; then some are lost, and it is said how many.
MAX_WAITING = 10_000


class Aside:
    """Hands on lines on a thread of its own, in order. A context manager; at its end all are handed on.

    Args:
        tell: Takes a line; it may wait.

    Raises:
        Exception: What ``tell`` raised, at the next line or at the end.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._lines: SimpleQueue[Optional[str]] = SimpleQueue()
        self._n_lost = 0
        self._failure: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._tell_all, name="evi-harness telling", daemon=True)

    def __call__(self, line: str) -> None:
        """Hand on a line; returns at once."""
        if self._failure is not None:
            raise self._failure
        if self._lines.qsize() >= MAX_WAITING:
            self._n_lost += 1
            return
        if self._n_lost:
            line, self._n_lost = f"({self._n_lost} lines were dropped here, because nothing read this output)\n{line}", 0
        self._lines.put(line)

    def __enter__(self) -> Aside:
        self._thread.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._lines.put(None)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _tell_all(self) -> None:
        while True:
            line = self._lines.get()
            if line is None:
                return
            if self._failure is None:
                try:
                    self._tell(line)
                except BaseException as failure:  # noqa: BLE001 - raised again by whoever tells
                    self._failure = failure


class OnceAMinute:
    """Hands on lines, each kind once a minute, and says then how many were left out.

    Args:
        tell: Takes a line.
        now_ns: The time.
    """

    def __init__(self, tell: Callable[[str], object], now_ns: Callable[[], int]) -> None:
        self._tell = tell
        self._now_ns = now_ns
        # When a kind was told last, and how often it was left out since.
        self._told: Dict[str, Tuple[int, int]] = {}

    def __call__(self, kind: str, line: str) -> None:
        """Tell a line, unless one of the same kind was told less than a minute ago.

        Args:
            kind: What lines of it have in common.
            line: The line.
        """
        now_ns = self._now_ns()
        told = self._told.get(kind)
        if told is not None and now_ns - told[0] < MINUTE_NS:
            self._told[kind] = (told[0], told[1] + 1)
            return
        if told is None and len(self._told) >= MAX_KINDS:
            return
        self._told[kind] = (now_ns, 0)
        self._tell(line if told is None or not told[1] else f"{line} ({told[1]} more like this since)")
