"""Which threads belong to a run: the one that it was entered on, and every thread that one of them starts.

A process may hold more than one run, and threads that are no app's: a cluster's worker has its own, which talk to the cluster. What is
refused to an app is refused on its threads alone.

Rules of living here: ``threading.Thread.start`` is replaced while a run is on, and only marks; a thread that code starts below
``threading`` is not known.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Callable, Optional, Type
from weakref import WeakSet

from evi_harness.guard.patches import SharedHooks

__all__ = ["RunThreads"]

_RUNS: SharedHooks[RunThreads] = SharedHooks(lambda hooks: hooks.set(threading.Thread, "start", _marking(threading.Thread.start)))


class RunThreads:
    """The threads of one run. A context manager; the thread that enters it is the first of them.

    What a thread was, it stays: one that goes on after the block has been left still belongs.
    """

    def __init__(self) -> None:
        self._threads: WeakSet[threading.Thread] = WeakSet()

    def here(self) -> bool:
        """Whether the calling thread belongs to the run."""
        return threading.current_thread() in self._threads

    def __enter__(self) -> RunThreads:
        self._threads.add(threading.current_thread())
        _RUNS.join(self)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        _RUNS.leave(self)

    def mark(self, thread: threading.Thread) -> None:
        """Take a thread that is about to be started, if one of the run's starts it."""
        if self.here():
            self._threads.add(thread)


def _marking(real: Callable[..., None]) -> Callable[..., None]:
    def start(thread: threading.Thread, *args: Any, **kwargs: Any) -> None:
        """Start the thread's activity."""
        for run in _RUNS:
            run.mark(thread)
        real(thread, *args, **kwargs)

    return start
