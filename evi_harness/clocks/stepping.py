"""An event loop in real time that measures its steps, for an app in this process whose server is in another.

Rules of living here: the app's loop goes as asyncio's own does; what is measured are samples.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Callable, Coroutine, List, Optional, TypeVar

from evi_harness.clocks.app_loop import AppLoop, leave_behind, run_to_end, shut_down_generators, tasks_of, wind_up
from evi_harness.clocks.steps import ReadySteps
from evi_harness.errors import UsageError

__all__ = ["SteppingLoop", "run_stepping"]

T = TypeVar("T")

# How long tasks may take to end after they were cancelled.
CLEANUP_S = 10.0
# A loop that waits looks up this often, so that a watchdog can tell one that waits from one that is blocked.
LOOK_UP_S = 1.0


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type, misc, unused-ignore]
    """A selector that ends the step that runs before it waits, and never waits for long."""

    loop: SteppingLoop

    def select(self, timeout: Optional[float] = None) -> List[Any]:
        self.loop.steps.end()
        self.loop.end_if_over()
        self.loop.n_looks += 1
        look_up_s = self.loop.look_up_s
        return super().select(look_up_s if timeout is None else min(timeout, look_up_s))  # type: ignore[no-any-return, unused-ignore]


class SteppingLoop(AppLoop):
    """asyncio's own loop, with its steps measured.

    Args:
        look_up_s: How long it waits at most before it looks up, in seconds.

    Attributes:
        steps: The queue of callbacks; it counts and measures them.
        n_looks: How often the loop has looked for what is ready. It grows unless something blocks the loop.
    """

    def __init__(self, look_up_s: float = LOOK_UP_S) -> None:
        self.look_up_s = look_up_s
        self.steps = ReadySteps()
        self.n_looks = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._ready = self.steps


def run_stepping(main: Callable[[SteppingLoop], Coroutine[Any, Any, T]], *, look_up_s: float = LOOK_UP_S) -> T:
    """Run a coroutine on a loop whose steps are measured, from an empty loop to a closed one.

    At the end, also after Ctrl+C, tasks that are left are cancelled and asynchronous generators shut down. Jobs in threads are left to
    themselves. The thread's own event loop, if it has one, is not touched.

    Args:
        main: Called with the loop; makes the coroutine.
        look_up_s: See ``SteppingLoop``.

    Returns:
        What the coroutine returns.

    Raises:
        UsageError: A loop runs on this thread already.
    """
    if asyncio._get_running_loop() is not None:
        raise UsageError("a replay cannot start inside a running event loop", hint="Call it from plain code, or from another thread.")
    loop = SteppingLoop(look_up_s)
    try:
        return run_to_end(loop, main(loop))
    finally:
        _wind_up(loop)


def _wind_up(loop: SteppingLoop) -> None:
    try:
        tasks = tasks_of(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            wind_up(loop, asyncio.wait(tasks, timeout=CLEANUP_S))
        shut_down_generators(loop)
    finally:
        leave_behind(loop)
        loop.close()
