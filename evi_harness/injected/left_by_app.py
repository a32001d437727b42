"""What an app leaves behind: as of a handler, but for all loops of a process, from its start to its end.

An app that is interrupted leaves by Ctrl+C, as the recorded one did: what is pending then is what Ctrl+C ends, and no finding.

Rules of living here: an app's tasks are given a moment before Python cancels them, as a handler's are; all else goes as it would.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Callable, Dict

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.guard.on_behalf_of import Behalf, on_behalf_from_now_on
from evi_harness.guard.place_lookup import Stack
from evi_harness.injected.taken_messages import THE_APP
from evi_harness.watch.coroutines import DEPTH, NeverAwaited
from evi_harness.watch.left_behind import ENDING_S
from evi_harness.watch.lost_results import LostResults
from evi_harness.watch.open_sockets import OpenSockets
from evi_harness.watch.tasks import AppTasks
from evi_harness.watch.threads import AppThreads

__all__ = ["LeftByApp"]


class LeftByApp:
    """Watches one app in its own process.

    Args:
        journal: Where the notes go.
        redact: Takes secrets out of what they quote.
        is_over: Whether the connection is closed.
        is_interrupted: Whether the app was interrupted, and so is not asked what it leaves.
        is_service: Whether a transport leads to the service, whose end the app's deviations tell.
        on_task: Called with each task that the developer's code has started, on whose behalf, and where.
    """

    def __init__(
        self,
        journal: Journal,
        redact: Callable[[str], str],
        *,
        is_over: Callable[[], bool],
        is_interrupted: Callable[[], bool],
        is_service: Callable[[Any], bool],
        on_task: Callable[[Any, Behalf, Stack], object],
    ) -> None:
        self._journal = journal
        self._redact = redact
        self._is_over = is_over
        self._is_interrupted = is_interrupted
        self._on_task = on_task
        self._threads = AppThreads(journal, redact)
        self._jobs = LostResults(journal, redact, self._threads.whose)
        self._coroutines = NeverAwaited(journal, redact)
        self._sockets = OpenSockets(journal, redact, is_service)
        self._tasks: Dict[Any, AppTasks] = {}
        self._watching = ExitStack()
        self._is_told = False

    def begin(self) -> None:
        """Watch from now on what the calling thread does, and what comes of it."""
        on_behalf_from_now_on(THE_APP)
        for one in (self._threads, self._jobs, self._coroutines, self._sockets):
            self._watching.enter_context(one)

    def loop_began(self, loop: VirtualLoop) -> None:
        """Watch a new loop, too."""
        tasks = self._tasks[loop] = AppTasks(self._journal, self._redact, self._is_over, loop, self._on_task)
        self._watching.enter_context(tasks)
        loop.steps.origin_depth = DEPTH
        self._jobs.follow(loop)
        self._sockets.follow(loop)
        self._threads.follow(loop)

    def loop_ends(self, loop: VirtualLoop) -> None:
        """Take that Python is about to cancel what is pending on a loop, since what it was to run is done."""
        tasks = self._tasks.get(loop)
        if tasks is not None and tasks.has_developers and not self._is_interrupted():
            loop.run_until_complete(tasks.wait(ENDING_S))
            tasks.finish()

    def loop_ended(self, loop: VirtualLoop) -> None:
        """Take that a loop is being closed."""
        tasks = self._tasks.pop(loop, None)
        if tasks is not None:
            tasks.finish(has_ended=self._is_interrupted())

    def wait_for_threads(self, timeout_s: float) -> bool:
        """Give threads some real time to end; whether one is left then, which is noted: it keeps the process from ending."""
        is_left = self._threads.wait_here(timeout_s)
        self._threads.finish()
        return is_left

    def finish(self) -> None:
        """Note what is left at the end of the process. Idempotent."""
        if self._is_told:
            return
        self._is_told = True
        for tasks in self._tasks.values():
            # The program is left with a loop that was never closed.
            tasks.finish(has_ended=True)
        self._threads.write()
        self._jobs.finish()
        if not self._is_interrupted():
            self._coroutines.finish()
            self._sockets.finish()
        self._watching.close()
