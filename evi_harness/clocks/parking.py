"""Threads of an app that wait for virtual time, as in a blocking read of a microphone, and what the clock makes of them.

While a thread is parked the clock goes on. It stands still from the moment at which the thread has what it waited for, until the thread
waits again: for time, or in a condition of ``threading`` (a queue, an event) that nobody has notified.

Rules of living here: a thread is looked at, never stopped; what it waits in is read off its frame.
"""

from __future__ import annotations

import sys
import threading
from typing import Callable, Dict, List, Protocol, Set, Tuple

from evi_harness.clocks.jobs import Job, name_of

__all__ = ["Parked", "ParkedThreads", "TimedLoop"]

# A parked thread looks up this often whether there is still a loop that could wake it.
LOOK_UP_S = 0.05


class TimedLoop(Protocol):
    """A loop whose clock stands still for work that is out: ``VirtualLoop``."""

    def wait_for(self, name: str, is_out: Callable[[], bool]) -> None:
        """Have the clock stand still for work that is out."""

    def wake(self) -> None:
        """Have the loop look again whether it is to wait; from any thread."""

    def is_closed(self) -> bool:
        """Whether there will be no time any more."""


class Parked:
    """A thread that waits."""

    def __init__(self, threads: ParkedThreads, thread: int) -> None:
        self._threads = threads
        self._thread = thread
        self._resumed = threading.Event()

    def resume(self) -> None:
        """Let it go on, and the clock stand still for it; on the loop's thread."""
        self._threads.leave(self._thread)
        self._resumed.set()
        # Behind that: as long as nobody has notified it, it is seen to wait.
        self._threads.stand_still_for(self._thread)

    def wait(self) -> bool:
        """Wait until ``resume``; on the thread itself.

        Returns:
            Whether it was called; False where the loop has come to its end.
        """
        while not self._resumed.wait(LOOK_UP_S):
            if self._threads.is_over:
                self._threads.leave(self._thread)
                return False
        return True


class ParkedThreads:
    """The threads of one loop's app that wait for its time.

    Args:
        loop: The loop.

    Attributes:
        in_jobs: The jobs of executors that run, by their threads.
        unless_parked: What else the clock stands still for, but not while a thread is parked: names, and whether each is out.
    """

    def __init__(self, loop: TimedLoop) -> None:
        self.in_jobs: Dict[int, Job] = {}
        self.unless_parked: List[Tuple[str, Callable[[], bool]]] = []
        self._loop = loop
        self._parked: Set[int] = set()
        # Threads that the app started itself and that have waited for time, and whether they are counted among what is out.
        self._known: Dict[int, bool] = {}

    def __contains__(self, thread: object) -> bool:
        return thread in self._parked

    def __bool__(self) -> bool:
        return bool(self._parked)

    @property
    def is_over(self) -> bool:
        """Whether there will be no time any more."""
        return self._loop.is_closed()

    @property
    def has_own(self) -> bool:
        """Whether the app has threads of its own that have waited for time: nobody is told when one of these waits."""
        return bool(self._known)

    def park(self) -> Parked:
        """Have the calling thread count as waiting from now on."""
        thread = threading.get_ident()
        if thread not in self.in_jobs:
            self._known.setdefault(thread, False)
        self._parked.add(thread)
        self._loop.wake()
        return Parked(self, thread)

    def stand_still_for(self, thread: int) -> None:
        """Have the clock stand still for a thread that has what it waited for; on the loop's thread."""
        for name, is_out in self.unless_parked:
            self._loop.wait_for(name, is_out)
        job = self.in_jobs.get(thread)
        if job is not None:
            # Nobody waits for what waits itself, so it has to be said anew.
            self._loop.wait_for(name_of(job), job.is_out)
        else:
            self.count()

    def leave(self, thread: int) -> None:
        """A thread waits no longer."""
        self._parked.discard(thread)

    def count(self) -> None:
        """Have the clock stand still for the app's own threads that are at work; on the loop's thread."""
        for thread, is_counted in list(self._known.items()):
            if not is_counted and self._is_at_work(thread):
                self._known[thread] = True
                self._loop.wait_for("a thread that reads or plays sound", lambda thread=thread: self._is_out(thread))  # type: ignore[misc]

    def _is_out(self, thread: int) -> bool:
        is_at_work = self._known[thread] = self._is_at_work(thread)
        return is_at_work

    def _is_at_work(self, thread: int) -> bool:
        if thread in self._parked:
            return False
        frame = sys._current_frames().get(thread)
        if frame is None:
            return False
        if frame.f_code.co_name != "wait" or frame.f_code.co_filename != threading.__file__:
            return True
        # Whoever notifies takes the waiter out of the condition before the thread can run.
        waiter, condition = frame.f_locals.get("waiter"), frame.f_locals.get("self")
        return waiter is None or waiter not in getattr(condition, "_waiters", ())
