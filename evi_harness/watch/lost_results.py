"""Jobs of a handler, on an executor or from a thread to the loop, whose failure nobody looks at.

Rules of living here: jobs run as ever. Only those on the handler's behalf are kept in mind, and of these only what failed is kept alive.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple
from weakref import WeakKeyDictionary

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.app_loop import AppLoop
from evi_harness.clocks.jobs import name_of
from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.ending import AppEnds
from evi_harness.guard.forks import end_if_forked
from evi_harness.guard.network import was_refused
from evi_harness.guard.on_behalf_of import Behalf, behalf
from evi_harness.guard.patches import Hooks, SharedHooks
from evi_harness.guard.place_lookup import Stack, told, told_places
from evi_harness.session.notes import SWALLOWED

__all__ = ["LostResults"]

_LOCK = threading.Lock()
_WATCHING: SharedHooks[LostResults] = SharedHooks(lambda hooks: _listen(hooks))
_ASYNCIOS_OWN = "_chain_future.<locals>._call_check_cancel"
_EXECUTORS = (futures.ThreadPoolExecutor, futures.ProcessPoolExecutor)


@dataclass(frozen=True)
class _Job:
    """A job: on whose behalf it was given out, what it is called, where it was given out, and to what."""

    of: Behalf
    name: str
    stack: Stack
    to: str = "an executor"


class _Future(futures.Future):  # type: ignore[type-arg]
    """A future that knows whether anybody has looked at it, or has asked to be told."""

    is_looked_at = False

    def result(self, timeout: Optional[float] = None) -> Any:
        self.is_looked_at = True
        return super().result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        self.is_looked_at = True
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[..., object]) -> None:
        # Of a coroutine that runs on a loop, asyncio itself asks to be told when the future is cancelled.
        self.is_looked_at = self.is_looked_at or getattr(fn, "__qualname__", "") != _ASYNCIOS_OWN
        super().add_done_callback(fn)


class LostResults:
    """Watches the jobs of one handler in one run. A context manager, which follows the loop on which it is entered.

    Args:
        journal: Where ``swallowed`` notes go.
        redact: Takes secrets out of what they quote.
        whose: On whose behalf the calling thread runs what it runs.
    """

    def __init__(self, journal: Journal, redact: Callable[[str], str] = str, whose: Callable[[], Optional[Behalf]] = behalf) -> None:
        self._journal = journal
        self._whose = whose
        self._redact = redact
        self._failed: List[Tuple[_Future, _Job]] = []
        self._of_loop: WeakKeyDictionary[Any, _Job] = WeakKeyDictionary()
        self._loop: Optional[AppLoop] = None

    def __enter__(self) -> LostResults:
        loop = asyncio._get_running_loop()
        if isinstance(loop, AppLoop):
            self.follow(loop)
        _WATCHING.join(self)
        return self

    def __exit__(self, *_: object) -> None:
        _WATCHING.leave(self)
        if self._loop is not None:
            self._loop.on_job = None

    def follow(self, loop: AppLoop) -> None:
        """Watch the jobs that a loop is given, too."""
        self._loop, loop.on_job = loop, self._given_to_loop

    def take(self, future: Any, call: Any, to: str = _Job.to) -> None:
        """Take a future of a job that has been given out, if it was on the handler's behalf."""
        of = self._whose()
        if of is None or type(future) is not futures.Future:
            return
        job = _Job(of, name_of(call), callers_now(), to)
        future.__class__ = _Future
        futures.Future.add_done_callback(future, lambda done: self._failed.append((done, job)) if _failure_of(done) else None)  # type: ignore[arg-type]

    def finish(self) -> None:
        """Note what jobs have raised and nobody has looked at."""
        with _LOCK:
            failed, self._failed = self._failed, []
        for future, job in failed:
            error = _failure_of(future)
            if error is not None and not future.is_looked_at:
                self._swallowed(error, job)
        for future_, job in list(self._of_loop.items()):
            if future_.done() and not future_.cancelled() and getattr(future_, "_log_traceback", False):
                # asyncio would say so when the future is freed.
                future_._log_traceback = False
                self._swallowed(future_._exception, job)

    def _given_to_loop(self, future: Any, call: Any) -> None:
        of = behalf()
        if of is not None:
            self._of_loop[future] = _Job(of, name_of(call), callers_now())

    def _swallowed(self, error: BaseException, job: _Job) -> None:
        if was_refused(error) or isinstance(error, AppEnds):
            return
        note = told(error, f"a job that is never awaited, {job.name}, given to {job.to} by {job.of.callback},", self._redact)
        detail = [*note["detail"], *(f"given out at {place}" for place in callers_of(job.stack)[:1])]
        places = [*note["places"], *told_places(job.stack, self._redact)]
        self._journal.note(SWALLOWED, of=job.of.of, what=note["what"], detail=detail, places=places)


def _failure_of(future: Any) -> Optional[BaseException]:
    failure: Optional[BaseException] = future._exception
    return failure


def _ending_forks(call: Callable[..., Any]) -> Callable[..., Any]:
    """A job that ends a child which it has forked: the child would wait for jobs that nobody gives it, and never end."""

    def job(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        finally:
            end_if_forked()

    return job


def _listen(hooks: Hooks) -> None:
    for executor in _EXECUTORS:
        hooks.wrap(executor, "submit", _watched)
    hooks.wrap(asyncio, "run_coroutine_threadsafe", _handing_over)


def _watched(real: Callable[..., Any]) -> Callable[..., Any]:
    def submit(executor: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Submits a callable to be executed with the given arguments."""
        ends = bool(_WATCHING) and behalf() is not None and isinstance(executor, futures.ThreadPoolExecutor)
        future = real(executor, _ending_forks(fn) if ends else fn, *args, **kwargs)
        for watching in _WATCHING:
            watching.take(future, fn)
        return future

    return submit


def _handing_over(real: Callable[..., Any]) -> Callable[..., Any]:
    def run_coroutine_threadsafe(coro: Any, loop: Any) -> Any:
        """Submit a coroutine object to a given event loop."""
        future = real(coro, loop)
        for watching in _WATCHING:
            watching.take(future, coro, "the event loop")
        return future

    return run_coroutine_threadsafe
