"""The threads that a handler starts: those still running at the end, and those that die of an exception.

A daemon thread does not. A worker of an executor does only while it has a job: Python ends an idle one.

Rules of living here: threads start as ever; only those on the handler's behalf are kept in mind, and none is kept alive. One that code
starts below ``threading`` is not known. The place of a thread is that of one instant, so it is a sample.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections import deque
from concurrent.futures import thread as pools
from dataclasses import dataclass
from types import FrameType
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Tuple
from weakref import WeakKeyDictionary

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import own_work
from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.network import was_refused
from evi_harness.guard.on_behalf_of import Behalf, behalf
from evi_harness.guard.place_lookup import Stack, frame_stack, places_of, told, told_places
from evi_harness.guard.run_threads import RunThreads
from evi_harness.guard.thread_starts import THREAD_STARTS
from evi_harness.session.notes import LEAKED_THREAD, SWALLOWED

__all__ = ["ENDING_S", "AppThreads"]

# How long threads may take to end by themselves once the handler is done, in real seconds: one that looks once a second whether it is
# to end has the time.
ENDING_S = 2.0
EVERY_S = 0.01

_LOCK = threading.Lock()


@dataclass(frozen=True)
class _Birth:
    """Where a thread comes from: on whose behalf it was started, and where, the nearest place first."""

    of: Behalf
    stack: Stack

    @property
    def places(self) -> Tuple[str, ...]:
        return callers_of(self.stack)

    @property
    def told(self) -> str:
        """By whom, and where as far as it is known: a task that waits for a thread starts it in no code of the developer's."""
        return self.of.started(*self.places[:1])


class AppThreads:
    """Watches the threads of one handler in one run. A context manager, entered on the thread that runs the handler.

    Args:
        journal: Where ``leaked_thread`` and ``swallowed`` notes go.
        redact: Takes secrets out of what they quote.
    """

    def __init__(self, journal: Journal, redact: Callable[[str], str] = str) -> None:
        self._journal = journal
        self._redact = redact
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._died: Deque[Tuple[BaseException, _Birth]] = deque()
        self._run = RunThreads()
        self._births: WeakKeyDictionary[threading.Thread, _Birth] = WeakKeyDictionary()

    def __enter__(self) -> AppThreads:
        self._loop = self._loop or asyncio._get_running_loop()
        self._run.__enter__()
        THREAD_STARTS.join(self.take)
        return self

    def __exit__(self, *_: object) -> None:
        THREAD_STARTS.leave(self.take)
        self._run.__exit__(None, None, None)

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have what kills a thread noted on a loop from now on."""
        self._loop = loop

    def take(self, thread: threading.Thread) -> None:
        """Take a thread that the calling one is about to start, if it does so on the handler's behalf."""
        of = self.whose()
        if of is not None:
            birth = _Birth(of, callers_now())
            with _LOCK:
                self._births[thread] = birth
            # The one place that every thread comes through, whatever excepthook the app has set.
            starting: Any = thread
            starting._invoke_excepthook = self._telling(birth, starting._invoke_excepthook)

    def whose(self) -> Optional[Behalf]:
        """On whose behalf the calling thread runs what it runs; None for our own, and for the handler of another run."""
        if not self._run.here():
            return None
        # A new thread has no context; what it does is on behalf of whoever started it.
        born = self._births.get(threading.current_thread())
        return behalf() or (None if born is None else born.of)

    def _telling(self, birth: _Birth, real: Callable[..., None]) -> Callable[..., None]:
        before = threading.excepthook

        def invoke(thread: threading.Thread) -> None:
            error = sys.exc_info()[1]
            # To Python, an exit ends the thread and is no error.
            if error is not None and not isinstance(error, SystemExit):
                self._died.append((error, birth))
                with contextlib.suppress(RuntimeError):
                    if self._loop is not None:
                        self._loop.call_soon_threadsafe(self.write)
            # What Python would print is told; what the app has put in its place is called as ever.
            if threading.excepthook is not before:
                real(thread)

        return invoke

    def write(self) -> None:
        """Note the threads that have died of an exception by now."""
        while self._died:
            error, birth = self._died.popleft()
            if was_refused(error):
                continue
            note = told(error, f"a thread, {birth.told},", self._redact)
            places = [*note["places"], *told_places(birth.stack, self._redact)]
            self._journal.note(SWALLOWED, of=birth.of.of, sample=True, what=note["what"], detail=note["detail"], places=places)

    async def wait(self, timeout_s: float = ENDING_S) -> None:
        """Give the threads that are left some time to end. The loop goes on meanwhile, and virtual time stops.

        Args:
            timeout_s: How long, in real seconds; no longer than they need.
        """
        for _ in range(round(timeout_s / EVERY_S)):
            left = self._left()
            if not left:
                return
            with own_work():
                left[0][0].join(EVERY_S)
            await asyncio.sleep(0)

    def wait_here(self, timeout_s: float = ENDING_S) -> bool:
        """Give the threads that are left some time to end, where no loop runs any more.

        Args:
            timeout_s: How long, in real seconds; no longer than they need.

        Returns:
            Whether one is left.
        """
        for _ in range(round(timeout_s / EVERY_S)):
            left = self._left()
            if not left:
                return False
            left[0][0].join(EVERY_S)
        return bool(self._left())

    def finish(self) -> None:
        """Note the threads that still run, and those that have died."""
        self.write()
        together: Dict[str, List[Tuple[threading.Thread, _Birth]]] = {}
        for thread, birth in self._left():
            together.setdefault(birth.told, []).append((thread, birth))
        for left in together.values():
            self._leaked(left)

    def _left(self) -> List[Tuple[threading.Thread, _Birth]]:
        with _LOCK:
            births = list(self._births.items())
        return [(thread, birth) for thread, birth in births if thread.is_alive() and not thread.daemon and not _is_pythons(thread)]

    def _leaked(self, left: List[Tuple[threading.Thread, _Birth]]) -> None:
        thread, birth = left[0]
        who, it = (f"the thread {thread.name}", "it") if len(left) == 1 else (f"{len(left)} threads", "them")
        what = f"{who}, {birth.told}, still ran at the end, and the process waits for {it} before it exits"
        frame = _frame(thread)
        detail = [*(f"is at {place}" for place in places_of(frame, 1)), *birth.places[1:]]
        places = [*told_places(birth.stack, self._redact), *told_places(frame_stack(frame), self._redact, or_library=False)]
        self._journal.note(LEAKED_THREAD, of=birth.of.of, sample=True, what=what, detail=detail, places=places)


def _is_pythons(thread: threading.Thread) -> bool:
    """Whether a thread is a worker of an executor that has no job, or waits for workers, which are told of themselves."""
    if type(thread).__module__ == "concurrent.futures.process":
        # It looks after the processes, and ends with the interpreter.
        return True
    if any(code is asyncio.BaseEventLoop._do_shutdown.__code__ for code in _codes(thread)):  # type: ignore[attr-defined]
        return True
    return thread in pools._threads_queues and not any(code is pools._WorkItem.run.__code__ for code in _codes(thread))


def _codes(thread: threading.Thread) -> Iterator[Any]:
    frame = _frame(thread)
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def _frame(thread: threading.Thread) -> Optional[FrameType]:
    """Where a thread is at this instant; None where it runs no more."""
    return sys._current_frames().get(thread.ident or 0)
