"""Precise timers: an event loop that wakes when a timer is due, not up to a millisecond later.

asyncio waits in epoll, whose timeouts are whole milliseconds, rounded up. This selector waits in ``select`` on the poller's own file
descriptor, which takes microseconds, wakes a little early, and polls for the rest; the kernel's own lateness is in that rest. What the
poller says is ready is handed out at once, so polling holds no one up.

Rules of living here: time alone is this module's business. What is set for a whole process is set only where the process is ours.
"""

from __future__ import annotations

import asyncio
import gc
import select
import selectors
import sys
import time
from typing import Any, Callable, Coroutine, List, Optional, Tuple, TypeVar

__all__ = ["PreciseSelector", "collect_garbage", "new_precise_loop", "own_process", "run_precisely"]

T = TypeVar("T")

# Linux lets a waking thread be 50 µs late by default (timer slack), and a processor that has slept takes about as long again to run at
# full speed. After a short wait neither is so, and a share of the wait bounds what polling costs, however many timers there are.
EARLY_S = 200e-6
EARLY_SHARE = 0.1
# FD_SETSIZE: select cannot wait for a descriptor from here on.
MAX_DESCRIPTORS = 1024
# The default of 5 ms is how long a thread that computes may keep a timer waiting.
SWITCH_S = 50e-6
# So many objects are made, beyond those that have gone, before the collector looks for young garbage. By default 700, of which nearly all
# still wait for something while hundreds of conversations go on; of so many most have gone by themselves.
YOUNG = 20_000
# So many collections of the youngest generation go before one of the next, which is done before there is much to look through.
YOUNG_BEFORE_MIDDLE = 2
# So many collections of the middle generation go before a full one.
_NEVER = 1 << 30


class PreciseSelector(selectors.DefaultSelector):
    """The platform's selector, with timeouts of microseconds."""

    def __init__(self) -> None:
        super().__init__()
        fileno: Optional[Callable[[], int]] = getattr(self, "fileno", None)
        descriptor = -1 if fileno is None else fileno()
        self._descriptor = descriptor if descriptor < MAX_DESCRIPTORS else -1

    def select(self, timeout: Optional[float] = None) -> List[Tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready or the time is over.

        Args:
            timeout: Seconds; None to wait forever. Zero or less only looks.
        """
        if timeout is None or timeout <= 0 or self._descriptor < 0:
            return super().select(timeout)
        ends = time.monotonic() + timeout
        early = min(EARLY_S, timeout * EARLY_SHARE)
        while True:
            left = ends - time.monotonic()
            if left > early:
                select.select([self._descriptor], [], [], left - early)
            ready = super().select(0)
            if ready or left <= 0:
                return ready


def new_precise_loop() -> asyncio.AbstractEventLoop:
    """An event loop with precise timers. The caller closes it."""
    return asyncio.SelectorEventLoop(PreciseSelector())


def own_process() -> None:
    """Have this process keep time: for one in which nothing else is to be served. Call it once all is loaded."""
    sys.setswitchinterval(SWITCH_S)
    # What is loaded stays: the collector need not walk through a whole recording while messages are due. Nor through what has been made
    # since: a full collection holds up all conversations at once, and waits until there is none.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, YOUNG_BEFORE_MIDDLE, _NEVER)


def collect_garbage() -> None:
    """Do what ``own_process`` put off: for when nothing is due."""
    gc.collect()


def run_precisely(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a precise loop, as ``asyncio.run`` does on a plain one.

    Args:
        main: Makes the coroutine.

    Returns:
        What the coroutine returns. Tasks that are left are cancelled.
    """
    loop = new_precise_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        _wind_up(loop)


def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
