"""How long the steps of a loop take in real time: samples, beside the exact virtual clock.

Rules of living here: a step is one callback of the loop, from the moment the loop takes it to the moment it takes the next or waits.
This runs once a step, so it does next to nothing; a step is described only when it is the worst so far.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Optional

from evi_harness.live.forks import end_if_forked

__all__ = ["ReadySteps", "Step"]

# Longer than any step takes.
NEVER_NS = 1 << 62


@dataclass(frozen=True)
class Step:
    """One step of a loop.

    Attributes:
        number: Which, from 1.
        what: What ran: the coroutine of the task, or the callback.
        took_ns: Real time it took. A sample: it depends on the machine.
        cpu_ns: Time of the processor that the thread used meanwhile. A sample likewise.
        file: The file of its code, empty where it has none that Python knows.
    """

    number: int
    what: str
    took_ns: int
    cpu_ns: int
    file: str = field(default="", compare=False)


class ReadySteps(Deque[Any]):
    """A loop's queue of ready callbacks that measures what is taken out of it.

    asyncio takes each callback out of this queue just before it runs it. That is the one place that sees all of them: tasks, timers,
    readers and calls from other threads.

    Attributes:
        n_steps: Steps taken so far. It grows while the loop moves: what a watchdog watches.
        worst: The step so far that computed for the longest, None before the first has ended. Not the longest in real time: that is
            the one during which the machine did something else.
        longest_ns: What the longest step so far took in real time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.n_steps = 0
        self.worst: Optional[Step] = None
        self.longest_ns = 0
        self._running: Any = None
        self._began_ns = 0
        self._began_cpu_ns = 0
        self._worst_cpu_ns = -1
        self._long_ns = NEVER_NS
        self._on_long: Optional[Callable[[Step], object]] = None

    def tell(self, long_ns: int, on_long: Callable[[Step], object]) -> None:
        """Tell, from now on, of each step that takes long in real time, when it has ended.

        Args:
            long_ns: From how long on.
            on_long: Called with the step, on the loop's thread.
        """
        self._long_ns = long_ns
        self._on_long = on_long

    @property
    def is_running(self) -> bool:
        """Whether a step runs; else the loop waits. May be asked on another thread."""
        return self._running is not None

    @property
    def running(self) -> Any:
        """The handle of the step that runs, None while the loop waits."""
        return self._running

    def forget(self) -> None:
        """Begin anew with ``worst`` and ``longest_ns``: what ran so far was preparation."""
        self.worst = None
        self.longest_ns = 0
        self._worst_cpu_ns = -1

    def popleft(self) -> Any:
        """The next callback; the one before it has ended."""
        handle = deque.popleft(self)
        end_if_forked()
        self.end()
        self.n_steps += 1
        self._running = handle
        self._began_ns = time.perf_counter_ns()
        self._began_cpu_ns = time.thread_time_ns()
        return handle

    def end(self) -> None:
        """End the running step, if one runs: the loop is about to wait or to take the next."""
        if self._running is None:
            return
        took_ns = time.perf_counter_ns() - self._began_ns
        if took_ns > self.longest_ns:
            self.longest_ns = took_ns
        # A step cannot compute for longer than it takes, so most need not be asked.
        if took_ns > self._worst_cpu_ns:
            cpu_ns = time.thread_time_ns() - self._began_cpu_ns
            if cpu_ns > self._worst_cpu_ns:
                self._worst_cpu_ns = cpu_ns
                self.worst = _step(self.n_steps, self._running, took_ns, cpu_ns)
        handle, self._running = self._running, None
        if took_ns >= self._long_ns and self._on_long is not None:
            self._on_long(_step(self.n_steps, handle, took_ns, time.thread_time_ns() - self._began_cpu_ns))


def _step(number: int, handle: Any, took_ns: int, cpu_ns: int) -> Step:
    named = _named(handle)
    what = getattr(named, "__qualname__", None) or repr(named)
    code = getattr(named, "cr_code", None) or getattr(named, "__code__", None)
    return Step(number, what, took_ns, cpu_ns, file=getattr(code, "co_filename", ""))


def _named(handle: Any) -> Any:
    """What bears the name of what a handle runs: the coroutine of a task, else the callback."""
    # A cancelled handle has let go of its callback.
    callback = getattr(handle, "_callback", None)
    coroutine = getattr(getattr(callback, "__self__", None), "get_coro", None)
    return coroutine() if coroutine is not None else callback
