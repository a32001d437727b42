"""How long the steps of a loop take in real time: samples next to the exact virtual clock.

Rules of living here: a step is one callback of the loop, from the moment the loop takes it to the moment it takes the next or waits.
What the harness does meanwhile for its own purposes is in nobody's step. This runs once a step, so it does next to nothing; a step is
described only when it is the worst so far.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Callable, ContextManager, Deque, Iterator, Optional

from evi_harness.guard.forks import end_if_forked

__all__ = ["ReadySteps", "Step", "own_work"]

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
        waited_ns: For how long of it calls waited that are known to: see ``KnownWaits``. 0 where nobody looks for them.
        hosts_app: Whether it is a step of a task of the harness's in which code of the handler's runs.

    What the harness itself did in the step is in none of these times: see ``own_work``.
    """

    number: int
    what: str
    took_ns: int
    cpu_ns: int
    file: str = field(default="", compare=False)
    waited_ns: int = 0
    hosts_app: bool = field(default=False, compare=False)


class ReadySteps(Deque[Any]):
    """A loop's queue of ready callbacks that measures what is taken out of it.

    asyncio takes each callback out of this queue just before it runs it. That is the one place that sees all of them: tasks, timers,
    readers and calls from other threads.

    Attributes:
        n_steps: Steps taken so far. It grows while the loop moves: what a watchdog watches.
        worst: The step so far that computed for the longest, None before the first has ended. Not the longest in real time: that is
            the one during which the machine did something else.
        longest_ns: What the longest step so far took in real time.
        on_step: Called with the handle of each step just before it runs; None for nobody, as a rule.
        on_wait: Called with how long a call waited, in nanoseconds, when it has ended: below it on the stack is who made it.
        origin_depth: How many places Python keeps of where each coroutine was made, where ``no_apps_code`` may have it keep none; else 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.n_steps = 0
        self.worst: Optional[Step] = None
        self.longest_ns = 0
        self._running: Any = None
        self._began_ns = 0
        self._began_cpu_ns = 0
        # Of the step that runs: what calls waited, and what the harness did.
        self._waited_ns = 0
        self.on_step: Optional[Callable[[Any], object]] = None
        self.on_wait: Optional[Callable[[int], object]] = None
        self._own_ns = 0
        self._own_cpu_ns = 0
        self._is_inside = False
        self.origin_depth = 0
        self._keeps_no_origins = False
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

    @property
    def counts_waits(self) -> bool:
        """Whether a call that waits now is counted: a step runs, and it is neither within another such call nor the harness's own."""
        return self._running is not None and not self._is_inside

    def no_apps_code(self) -> None:
        """No code of the app's runs in the rest of this step: Python need not keep where the coroutines are made that are made in it.

        What it costs to keep that is as much as all else that is done for a frame of audio: some ten coroutines are made for each.
        """
        if self.origin_depth and self._running is not None:
            self._keeps_no_origins = True
            sys.set_coroutine_origin_tracking_depth(0)

    @contextmanager
    def own_work(self) -> Iterator[None]:
        """Leave out of the running step what the block does: it is the harness's. Nothing is awaited in it."""
        if not self.counts_waits:
            yield
            return
        self._is_inside = True
        began_ns, began_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        try:
            yield
        finally:
            self._own_ns += time.perf_counter_ns() - began_ns
            self._own_cpu_ns += time.thread_time_ns() - began_cpu_ns
            self._is_inside = False

    @contextmanager
    def waiting(self, limit_s: Optional[float]) -> Iterator[None]:
        """Count the block as a wait, less what it computes. Not within another one.

        Args:
            limit_s: How long it waits at most, in seconds; None for as long as it takes.
        """
        self._is_inside = True
        began_ns, began_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        try:
            yield
        finally:
            took_ns = time.perf_counter_ns() - began_ns - (time.thread_time_ns() - began_cpu_ns)
            waited_ns = max(0, took_ns if limit_s is None else min(took_ns, round(limit_s * 1e9)))
            self._waited_ns += waited_ns
            self._is_inside = False
            if self.on_wait is not None:
                self.on_wait(waited_ns)

    def popleft(self) -> Any:
        """The next callback; the one before it has ended."""
        handle = deque.popleft(self)
        end_if_forked()
        self.end()
        self.n_steps += 1
        self._waited_ns = self._own_ns = self._own_cpu_ns = 0
        self._is_inside = False
        self._running = handle
        if self.on_step is not None:
            self.on_step(handle)
        self._began_ns = time.perf_counter_ns()
        self._began_cpu_ns = time.thread_time_ns()
        return handle

    def end(self) -> None:
        """End the running step, if one runs: the loop is about to wait or to take the next."""
        if self._running is None:
            return
        took_ns = time.perf_counter_ns() - self._began_ns - self._own_ns
        if took_ns > self.longest_ns:
            self.longest_ns = took_ns
        # A step cannot compute for longer than it takes, so most need not be asked.
        if took_ns > self._worst_cpu_ns:
            cpu_ns = self._cpu_ns()
            if cpu_ns > self._worst_cpu_ns:
                self._worst_cpu_ns = cpu_ns
                self.worst = _step(self.n_steps, self._running, took_ns, cpu_ns, self._waited_ns)
        handle, self._running = self._running, None
        if self._keeps_no_origins:
            self._keeps_no_origins = False
            sys.set_coroutine_origin_tracking_depth(self.origin_depth)
        if took_ns >= self._long_ns and self._on_long is not None:
            self._on_long(_step(self.n_steps, handle, took_ns, self._cpu_ns(), self._waited_ns))

    def _cpu_ns(self) -> int:
        return time.thread_time_ns() - self._began_cpu_ns - self._own_cpu_ns


def own_work() -> ContextManager[None]:
    """Leave out of the step that runs on this thread what the block does: it is the harness's, and in nobody's step.

    Where no loop runs whose steps are measured, nothing is left out of anything. Nothing is awaited in the block.
    """
    steps = getattr(asyncio._get_running_loop(), "_ready", None)
    return steps.own_work() if isinstance(steps, ReadySteps) else nullcontext()


def _step(number: int, handle: Any, took_ns: int, cpu_ns: int, waited_ns: int) -> Step:
    named = _named(handle)
    what = getattr(named, "__qualname__", None) or repr(named)
    code = getattr(named, "cr_code", None) or getattr(named, "__code__", None)
    hosts_app = getattr(getattr(getattr(handle, "_callback", None), "__self__", None), "hosts_app", False)
    return Step(number, what, took_ns, cpu_ns, file=getattr(code, "co_filename", ""), waited_ns=waited_ns, hosts_app=hosts_app)


def _named(handle: Any) -> Any:
    """What bears the name of what a handle runs: the coroutine of a task, else the callback."""
    # A cancelled handle has let go of its callback.
    callback = getattr(handle, "_callback", None)
    coroutine = getattr(getattr(callback, "__self__", None), "get_coro", None)
    return coroutine() if coroutine is not None else callback
