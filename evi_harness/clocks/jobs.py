"""Work outside the loop: executor jobs and subprocesses. Virtual time stops while one runs.

Rules of living here: a job is out until the loop has its result, not until its thread is done, or a jump could overtake the result.
Any thread may add one; the loop's thread asks.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import Any, Callable, Dict, List, Optional

__all__ = ["Job", "Jobs", "name_of"]


class Jobs:
    """Which jobs are out, and which of them were given up.

    Attributes:
        overdue: Names of the jobs that were out too long, in that order, each as often as it happened.
    """

    def __init__(self) -> None:
        self.overdue: List[str] = []
        self._lock = threading.Lock()
        self._n = 0
        self._names: Dict[int, str] = {}
        self._holding: Dict[int, Callable[[], bool]] = {}
        self._given_up: Dict[int, Callable[[], bool]] = {}

    def add(self, name: str, is_out: Callable[[], bool]) -> None:
        """Count a job.

        Args:
            name: What to call it.
            is_out: Whether the loop still waits for it.
        """
        with self._lock:
            self._n += 1
            self._names[self._n] = name
            self._holding[self._n] = is_out

    def holding(self) -> bool:
        """Whether a job that was not given up is out."""
        with self._lock:
            return self._any_out(self._holding)

    def any_out(self) -> bool:
        """Whether any job is out."""
        with self._lock:
            return self._any_out(self._holding) or self._any_out(self._given_up)

    def give_up(self) -> None:
        """Stop waiting for the jobs that are out now."""
        with self._lock:
            self._any_out(self._holding)
            for number in list(self._holding):
                self._given_up[number] = self._holding.pop(number)
                self.overdue.append(self._names[number])

    def _any_out(self, jobs: Dict[int, Callable[[], bool]]) -> bool:
        if not jobs:
            return False
        for number in [number for number, is_out in jobs.items() if not is_out()]:
            del jobs[number]
            del self._names[number]
        return bool(jobs)


class Job:
    """A call that an executor makes, which knows on which thread it is.

    Args:
        call: The call.
        running: The jobs that run, by their threads; it is among them as long as it runs.

    Attributes:
        thread: Its thread, None before it begins.
        is_out: Says whether the clock stands still for it.
    """

    def __init__(self, call: Callable[..., Any], running: Dict[int, Job]) -> None:
        self._call = call
        self._running = running
        self.thread: Optional[int] = None
        self.is_out: Callable[[], bool] = lambda: True
        # As reports name it.
        self.__module__, _, self.__qualname__ = name_of(call).rpartition(".")

    def __call__(self, *args: Any) -> Any:
        """Make the call."""
        self.thread = threading.get_ident()
        self._running[self.thread] = self
        try:
            return self._call(*args)
        finally:
            self._running.pop(self.thread, None)


def name_of(call: Any) -> str:
    """``module.qualname`` of what a job calls, below ``functools.partial`` and ``asyncio.to_thread``."""
    while isinstance(call, functools.partial):
        runs_in_context = isinstance(getattr(call.func, "__self__", None), contextvars.Context)
        call = call.args[0] if runs_in_context and call.args else call.func
    name = getattr(call, "__qualname__", None) or type(call).__qualname__
    module = getattr(call, "__module__", None)
    return f"{module}.{name}" if module else str(name)
