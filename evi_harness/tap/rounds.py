"""One thread for the work of many recordings: every 20 ms it asks each of them to do what waits.

A thread for each would be woken as often, and each wake costs more than reading and writing a message: with 50 of them, most of the
processor's time went to that, and a loop that relays bytes waited for all of them in turn whenever it wanted the interpreter.

Rules of living here: a member does not raise, and does not wait for anybody; what may wait for the disk, such as completing a folder, is
for a thread of the member's.
"""

from __future__ import annotations

import threading
from typing import Callable, Optional, Tuple

__all__ = ["LOOK_EVERY_S", "Rounds"]

# How often the threads of a tap look for work: to be woken for each event would cost whoever puts it a system call.
LOOK_EVERY_S = 0.02

Member = Callable[[], object]


class Rounds:
    """Calls its members in turn, again and again, on a thread that runs while there are any."""

    def __init__(self) -> None:
        self._members: Tuple[Member, ...] = ()
        self._changing = threading.Lock()
        self._no_more: Optional[threading.Event] = None
        self._thread: Optional[threading.Thread] = None

    def join(self, member: Member) -> None:
        """Have something called in each round from now on.

        Args:
            member: What to call. It must not raise.
        """
        with self._changing:
            self._members = (*self._members, member)
            if self._no_more is None:
                self._no_more = threading.Event()
                self._thread = threading.Thread(target=self._work, args=(self._no_more,), name="evi-harness rounds", daemon=True)
                self._thread.start()

    def leave(self, member: Member) -> None:
        """Call it no more; a call that is under way may still end later. Without members the thread ends. Idempotent."""
        with self._changing:
            self._members = tuple(one for one in self._members if one != member)
            ending = None if self._members else self._no_more
            if ending is not None:
                self._no_more = None
                ending.set()

    def _work(self, no_more: threading.Event) -> None:
        while not no_more.wait(LOOK_EVERY_S):
            for member in self._members:
                member()
