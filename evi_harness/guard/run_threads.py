"""The threads that belong to a run: the one that entered it, and all threads started from those.

A process may have more than one run, and threads that belong to no app: a cluster's worker has some that talk to the cluster. What is
refused to an app is refused on its threads alone.

Rules of living here: a thread that is about to be started is only marked; one that code starts below ``threading`` is not known.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Optional, Type
from weakref import WeakSet

from evi_harness.guard.thread_starts import THREAD_STARTS

__all__ = ["RunThreads"]


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
        THREAD_STARTS.join(self.mark)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        THREAD_STARTS.leave(self.mark)

    def mark(self, thread: threading.Thread) -> None:
        """Take a thread that is about to be started, if one of the run's starts it."""
        if self.here():
            self._threads.add(thread)
