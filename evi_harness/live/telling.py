"""Lines for the person who runs a server: what a client can make it say again and again is said once a minute."""

from __future__ import annotations

from typing import Callable, Dict, Tuple

__all__ = ["OnceAMinute"]

MINUTE_NS = 60_000_000_000
# So many kinds are kept apart; what clients make up must not grow without end.
MAX_KINDS = 1000


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
        self._tell(line if told is None or not told[1] else f"{line} ({told[1]} more since it was last said)")
