"""The event loop of an app under replay: asyncio's own, which the app cannot stop.

An app may stop it, leave it by an exit, cancel every task on it, give it an exception handler or a task factory, or make tasks that no
factory sees. Each works as usual for the app's own tasks, and is reported; the run goes on.

Rules of living here: everything that is not watched behaves as in asyncio. Tasks of the harness are not in ``asyncio.all_tasks()``, so that
the app can neither cancel one nor wait for it; ``tasks_of`` has them all.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from asyncio import base_events
from contextlib import _AsyncGeneratorContextManager
from typing import Any, Callable, Coroutine, Dict, List, Mapping, Optional, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from evi_harness.clocks.steps import ReadySteps
from evi_harness.errors import EviHarnessError
from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.developers import HARNESS, NO_FILE, PYTHON, owner
from evi_harness.guard.ending import Ending, UsersInterrupt, ends_app
from evi_harness.guard.forks import end_if_forked
from evi_harness.guard.on_behalf_of import Behalf, behalf, behalf_in
from evi_harness.guard.own_signals import AddsSignalHandlers
from evi_harness.guard.place_lookup import Stack, stack_of
from evi_harness.session.notes import STOPS_LOOP

__all__ = [
    "AppLoop",
    "HostTask",
    "host",
    "leave_behind",
    "run_app_loop",
    "run_to_end",
    "shut_down_generators",
    "tasks_of",
    "wind_up",
]

T = TypeVar("T")

# The one that stops the loop in good order: what ``run_until_complete`` waits for is done.
_IS_DONE = base_events._run_until_complete_cb.__code__  # type: ignore[attr-defined]
# Who makes tasks that the app does not know of: this package, and the server's library.
_OURS = frozenset({HARNESS, "aiohttp"})
# Who may cancel what the SDK and its libraries started: they, Python and we.
_MAY_CANCEL = frozenset({HARNESS, PYTHON, NO_FILE, "hume", "openai", "websockets", "aiohttp", "anyio", "httpcore", "httpx"})


class _SdksTask(asyncio.Task):  # type: ignore[type-arg]
    """A task that the SDK or one of its libraries started: it tells when the app cancels it."""

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        """Cancel it, and tell if it is the app that does."""
        loop = self.get_loop()
        if isinstance(loop, AppLoop) and loop.ending is not None and not self.done() and _caller() not in _MAY_CANCEL:
            loop.ending.cancels(callers_now())
        return super().cancel(*args, **kwargs)


class HostTask(asyncio.Task):  # type: ignore[type-arg]
    """A task of the harness's in which code of the handler's runs.

    Attributes:
        was_told: Whether anybody has cancelled it.
        cancelled_at: Where the app did, None where it did not.
        hosts_app: What its steps are told by.
    """

    hosts_app = True
    was_told = False
    cancelled_at: Optional[Stack] = None

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        """Cancel it, and keep who did."""
        self.was_told = True
        if _caller() != HARNESS:
            self.cancelled_at = callers_now()
        return super().cancel(*args, **kwargs)


class AppLoop(AddsSignalHandlers, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """asyncio's selector loop, which tells what an app does with it.

    Attributes:
        ending: What is told that the app stops the loop or cancels what is not its own; None for a loop without an app.
        on_birth: Called with each task that is not the harness's, and on whose behalf it runs; more than once for the same task.
        on_job: Called with the future of each job that is given to an executor, and with what the job calls.
        on_lost: Called with what asyncio can only log, whatever exception handler the app has set: loop and context.
        over: What ends the loop the next time that it looks for what is ready, set by any thread; None as long as nothing does.
        was_interrupted: Whether Ctrl+C has come out of it.
    """

    def __init__(self, selector: Any = None) -> None:
        self.ending: Optional[Ending] = None
        self.over: Optional[Exception] = None
        self.was_interrupted = False
        self.on_birth: Optional[Callable[[Any, Optional[Behalf]], object]] = None
        self.on_lost: Optional[Callable[[asyncio.AbstractEventLoop, Mapping[str, Any]], object]] = None
        self.on_job: Optional[Callable[[Any, Any], object]] = None
        self.own_tasks: WeakSet[Any] = WeakSet()
        self._set_at: WeakKeyDictionary[Any, Stack] = WeakKeyDictionary()
        super().__init__(selector)
        self._ready = ReadySteps()

    def create_task(self, coro: Any, **options: Any) -> Any:
        """Make a task as asyncio does, by the app's factory where it has set one; one of the harness's is the harness's alone."""
        whose = None if self.ending is None or behalf() is not None else _caller()
        if whose in _OURS:
            task = asyncio.Task(coro, loop=self, **options)
            self.keep(task)
        elif whose in _MAY_CANCEL and self.get_task_factory() is None:
            task = _SdksTask(coro, loop=self, **options)
        else:
            task = super().create_task(coro, **options)
        # One that began at once, as Python 3.12 can have it, was never handed to the loop.
        if self.on_birth is not None:
            self.on_birth(task, behalf())
        return task

    def end_if_over(self) -> None:
        """End where that is wanted: between two callbacks, where no code of the app's can take it for an error of its own.

        Raises:
            Exception: ``over``, once.
        """
        if self.over is not None:
            error, self.over = self.over, None
            raise error

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run a job in an executor."""
        future = super().run_in_executor(executor, func, *args)
        if self.on_job is not None:
            self.on_job(future, func)
        return future

    def _do_shutdown(self, future: Any) -> None:
        # Runs on a thread of its own. As from Python 3.11 on, it has nothing to tell a loop that was closed before the executor was done.
        try:
            super()._do_shutdown(future)  # type: ignore[misc, unused-ignore]
        except RuntimeError:
            if not self.is_closed():
                raise

    def keep(self, task: Any) -> None:
        """Take a task for the harness's own: the app does not see it."""
        self.own_tasks.add(task)
        asyncio._unregister_task(task)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Have a callback called; a task that nobody has seen yet is born."""
        handle = super().call_soon(callback, *args, context=context)
        if self.on_birth is not None:
            task = getattr(callback, "__self__", None)
            if isinstance(task, asyncio.Task):
                # Most steps are of tasks that are known by their kind, and this is asked for each.
                if not isinstance(task, (_SdksTask, HostTask)):
                    of = behalf() or behalf_in(context)
                    if of is not None and task not in self.own_tasks:
                        self.on_birth(task, of)
                return handle
        self._set(handle, callback)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Have a callback called; from any thread."""
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        self._set(handle, callback)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Have a callback called at a time."""
        handle = super().call_at(when, callback, *args, context=context)
        self._set(handle, callback)
        return handle

    def _set(self, handle: Any, callback: Any) -> None:
        """Keep where a callback was set that has no code of its own to be found in, such as ``sys.exit``."""
        if self.ending is not None and behalf() is not None and _is_foreign(callback):
            self._set_at[handle] = callers_now()

    def set_at(self, handle: Any) -> Stack:
        """Where a handle was set, where its own code does not tell; or where the future was waited for whose callback it is."""
        return self._set_at.get(handle, ()) if handle is not None else ()

    def stop(self) -> None:
        """Stop, where what is waited for is done; the app's own wish is told, and ends the app alone."""
        if self.ending is None or sys._getframe(1).f_code is _IS_DONE:
            super().stop()
            return
        stack = callers_now()
        stack = stack if callers_of(stack) else self.set_at(self.running_handle)
        self.ending.tell(STOPS_LOOP, "the app stopped the event loop that it runs on: loop.stop()", stack)

    @property
    def running_handle(self) -> Any:
        """What the loop is running now, None where that is not known."""
        return getattr(self._ready, "running", None)

    def _run_once(self) -> None:
        end_if_forked()
        super()._run_once()  # type: ignore[misc, unused-ignore]

    def call_exception_handler(self, context: Dict[str, Any]) -> None:
        """Tell of what asyncio can only log, and have the app's own handler called where it has one."""
        if self.was_interrupted and "asyncgen" in context and isinstance(context.get("exception"), RuntimeError):
            # Ctrl+C may be raised in a coroutine at the moment when it goes on, above a generator that it waits for. That one never hears
            # of it, counts as running from then on, and cannot be closed. Nothing is wrong with the app.
            return
        if self.on_lost is not None:
            self.on_lost(self, context)
            if self.get_exception_handler() is None:
                return
        super().call_exception_handler(context)


def run_to_end(loop: AppLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the harness's to its end, whatever the app does to the loop meanwhile.

    Args:
        loop: The loop; without an ``ending`` an exit comes out as ever.
        main: The coroutine.

    Returns:
        What the coroutine returns.

    Raises:
        UsersInterrupt: Ctrl+C.
    """
    task = asyncio.Task(main, loop=loop)
    loop.keep(task)
    while True:
        try:
            return loop.run_until_complete(task)
        except RuntimeError:
            # asyncio's word for a loop that was stopped below ``stop``.
            if loop.ending is None or task.done():
                raise
            loop.ending.tell(STOPS_LOOP, "the app stopped the event loop that it runs on", ())
        except BaseException as error:
            loop.was_interrupted = loop.was_interrupted or isinstance(error, UsersInterrupt)
            if loop.ending is None or not ends_app(error):
                raise
            if task.done() and not isinstance(error, UsersInterrupt):
                raise
            _taken(loop, loop.ending, error)


def _taken(loop: AppLoop, ending: Ending, error: BaseException) -> None:
    handle = loop.running_handle
    of = behalf_in(getattr(handle, "_context", None))
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    if isinstance(task, asyncio.Task):
        # What came out of it is told here, and asyncio need not log it as well.
        task._log_traceback = False
    what = "a task" if isinstance(task, asyncio.Task) else "a callback of the event loop"
    who = what if of is None else f"{what}, started by {of.callback},"
    ending.take(error, who, None if of is None else of.of, loop.set_at(handle))


async def host(work: Coroutine[Any, Any, None], ending: Ending) -> None:
    """Run what runs an app, until it is done or the app has ended the run.

    Args:
        work: What runs the app.
        ending: Tells when the app ends the run.

    Raises:
        Exception: What the work raises.
    """
    loop = asyncio.get_running_loop()
    task = HostTask(work, loop=loop)
    if isinstance(loop, AppLoop):
        loop.keep(task)
    ending.ends(task.cancel)
    # Looked at in any case: when the user interrupts, nobody is left here to do so, and asyncio would log it.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({task})
    if not task.cancelled():
        error = task.exception()
        if error is not None and ends_app(error):
            ending.take(error)
        elif error is not None:
            if isinstance(error, EviHarnessError) or not (ending.has_ended or ending.has_cancelled):
                raise error
            # What the connection says of the tasks that it has lost.
            ending.cancels((), ended=True)
    elif task.cancelled_at is not None or not task.was_told:
        # By itself, or by way of a task of the connection that it waits for.
        ending.cancels(task.cancelled_at or (), ended=True)
    elif not ending.has_ended:
        raise asyncio.CancelledError
    ending.over()


def tasks_of(loop: asyncio.AbstractEventLoop) -> List[Any]:
    """All tasks of a loop that are not done, those of the harness among them."""
    own = loop.own_tasks if isinstance(loop, AppLoop) else ()
    return [task for task in {*asyncio.all_tasks(loop), *own} if not task.done()]


def leave_behind(loop: asyncio.AbstractEventLoop) -> None:
    """Leave what does not end when it is asked to: the loop is closed under it, and nothing of it ever runs again."""
    for task in tasks_of(loop):
        # asyncio logs a task that is destroyed while pending; the caller has the tasks' names from the run itself.
        task._log_destroy_pending = False
        # It is never freed: Python would close it then, with no loop for what its blocks do at their end. They complain on standard error,
        # at the end of the process, and one that takes every exception never ends.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(task.get_coro()))


def shut_down_generators(loop: AppLoop) -> None:
    """Close asynchronous generators, but none that a task is within which does not end: its own end would find them closed."""
    if tasks_of(loop):
        blocks = [one for one in gc.get_objects() if issubclass(type(one), _AsyncGeneratorContextManager)]
        within = {id(getattr(one, "gen", None)) for one in blocks}
        generators = loop._asyncgens  # type: ignore[attr-defined]
        for generator in list(generators):
            if generator.ag_running or id(generator) in within:
                generators.discard(generator)
    wind_up(loop, loop.shutdown_asyncgens())


def run_app_loop(main: Callable[[AppLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine of the harness's on a loop in real time, with an app on it, from an empty loop to a closed one, as ``asyncio.run``.

    Args:
        main: Called with the loop; makes the coroutine.

    Returns:
        What the coroutine returns.

    Raises:
        UsersInterrupt: Ctrl+C.
    """
    loop = AppLoop()
    try:
        return run_to_end(loop, main(loop))
    finally:
        try:
            left = tasks_of(loop)
            for task in left:
                task.cancel()
            wind_up(loop, _settled(left))
            wind_up(loop, loop.shutdown_asyncgens())
            wind_up(loop, loop.shutdown_default_executor())
        finally:
            loop.close()


async def _settled(tasks: List[Any]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def wind_up(loop: AppLoop, act: Coroutine[Any, Any, Any]) -> None:
    """Run what ends a loop; an app that leaves meanwhile, in a ``finally`` of a task that was cancelled, does not keep it from that."""
    try:
        run_to_end(loop, act)
    except SystemExit:
        # Of a loop without an app: what comes out of the run itself is told, not this.
        return


def _is_foreign(callback: Any) -> bool:
    return not hasattr(callback, "__code__") or isinstance(getattr(callback, "__self__", None), asyncio.AbstractEventLoop)


def _caller() -> str:
    """Whose code made the call, past Python's own."""
    owners = (owner(place.file) for place in stack_of(sys._getframe(2)))
    return next((whose for whose in owners if whose != PYTHON), PYTHON)
