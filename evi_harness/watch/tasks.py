"""The tasks that a handler starts: those left over, and their unhandled exceptions.

Rules of living here: tasks are made as asyncio makes them, or the app's own factory; only those on the handler's behalf are kept in mind,
and none is kept alive.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple
from weakref import WeakKeyDictionary

from evi_harness.clocks.app_loop import AppLoop
from evi_harness.errors import StuckError
from evi_harness.guard.callers import callers_now, callers_of, is_called_by_library
from evi_harness.guard.developers import developers
from evi_harness.guard.ending import AppEnds, Notes
from evi_harness.guard.network import was_refused
from evi_harness.guard.on_behalf_of import Behalf, behalf_in
from evi_harness.guard.place_lookup import Stack, told, told_places, waiting_stack
from evi_harness.session.notes import LEAKED_TASK, SWALLOWED
from evi_harness.session.places import Place

__all__ = ["AppTasks"]

NOWHERE = "?"
# The context of what a task has raised, as the loop would give it.
_A_TASK: Mapping[str, Any] = {"task": None}


@dataclass(frozen=True)
class _Birth:
    """Where a task comes from: on whose behalf it was started, and where, the nearest place first; and whether a library started it."""

    of: Behalf
    stack: Stack
    by_library: bool = False

    @property
    def places(self) -> Tuple[str, ...]:
        return callers_of(self.stack)

    @property
    def place(self) -> str:
        return next(iter(self.places), NOWHERE)


@dataclass
class _Left:
    """Tasks of one kind that are left over: started at the same place."""

    birth: _Birth
    waits: Stack = ()
    n: int = 0


class AppTasks:
    """Watches the tasks of one handler in one run, on one loop. A context manager.

    Args:
        journal: Where ``leaked_task`` and ``swallowed`` notes go.
        redact: Takes secrets out of what they quote.
        is_over: Whether the connection is closed: a sender then gets an exception, and that is how a session ends.
        loop: The loop; None for the one that runs when the block is entered.
        on_new: Called with each task that the developer's code has started, on whose behalf, and where.
    """

    def __init__(
        self,
        journal: Notes,
        redact: Callable[[str], str] = str,
        is_over: Callable[[], bool] = bool,
        loop: Optional[AppLoop] = None,
        on_new: Callable[[Any, Behalf, Stack], object] = lambda *_: None,
    ) -> None:
        self._journal = journal
        self._redact = redact
        self._is_over = is_over
        self._births: WeakKeyDictionary[Any, _Birth] = WeakKeyDictionary()
        # By id: of a task that is being freed the line above has forgotten all.
        self._latest: Dict[int, _Birth] = {}
        self._loop = loop
        self._on_new = on_new

    def __enter__(self) -> AppTasks:
        loop = self._loop or asyncio.get_running_loop()
        assert isinstance(loop, AppLoop)
        self._loop = loop
        loop.on_birth, loop.on_lost = self._born, self.unhandled
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.on_birth = self._loop.on_lost = None

    def _born(self, task: Any, of: Optional[Behalf]) -> None:
        if of is None:
            self._latest.pop(id(task), None)
        elif task not in self._births:
            birth = self._births[task] = self._latest[id(task)] = _Birth(of, callers_now(), is_called_by_library())
            if not birth.by_library:
                self._on_new(task, of, birth.stack)

    @property
    def has_developers(self) -> bool:
        """Whether a task is pending that the developer's code has started."""
        return any(not self._births[task].by_library for task in self._pending())

    async def wait(self, timeout_s: float) -> None:
        """Give the tasks that are left some time to end.

        Args:
            timeout_s: How long, in seconds of the loop's time; no longer than they need.
        """
        left = self._pending()
        if left:
            await asyncio.wait(left, timeout=timeout_s)

    def cancel(self) -> None:
        """Cancel the tasks that are left, as the end of a program does."""
        for task in self._pending():
            task.cancel()

    def finish(self, *, has_ended: bool = False) -> None:
        """Note the tasks that still are pending, and what ended ones raised and nobody has looked at.

        Args:
            has_ended: Whether the app has ended the run, and with it what is pending.
        """
        for task, birth in list(self._births.items()):
            if task.done() and not task.cancelled() and getattr(task, "_log_traceback", False):
                # asyncio would say so when the task is freed.
                task._log_traceback = False
                # An exit comes out of the loop as well, and is told there.
                if not isinstance(task._exception, (SystemExit, KeyboardInterrupt)):
                    self._swallowed(task._exception, birth)
        for (name, _), left in () if has_ended else self._left().items():
            self._leaked(name, left)

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Take what asyncio can only log, whatever exception handler the app has set.

        Args:
            loop: The loop.
            context: See ``asyncio.AbstractEventLoop.call_exception_handler``.
        """
        error = context.get("exception")
        birth = self._birth_of(context)
        if error is not None:
            if not isinstance(error, (StuckError, GeneratorExit, asyncio.CancelledError)) and not _is_exit(error, context):
                self._swallowed(error, birth, context)
        elif birth is not None and birth.by_library:
            return
        elif birth is not None and "destroyed" in str(context.get("message", "")):
            self._leaked(_name(context["task"]), _Left(birth, n=1), "was destroyed while it was pending, because nothing refers to it")
        else:
            loop.default_exception_handler(dict(context))

    def _birth_of(self, context: Mapping[str, Any]) -> Optional[_Birth]:
        task = context.get("task") or context.get("future")
        if isinstance(task, asyncio.Task):
            return self._latest.get(id(task))
        of = behalf_in(getattr(context.get("handle"), "_context", None))
        return None if of is None else _Birth(of, ())

    def _pending(self) -> List[Any]:
        return [task for task in self._births if not task.done()]

    def _left(self) -> Dict[Tuple[str, str], _Left]:
        found: Dict[Tuple[str, str], _Left] = {}
        for task in self._pending():
            birth = self._births[task]
            if birth.by_library:
                # The SDK's own leaves its playback pending when a handler ends its microphone.
                continue
            left = found.setdefault((_name(task), birth.place), _Left(birth, waiting_stack(task)))
            left.n += 1
        return found

    def _leaked(self, name: str, left: _Left, how: str = "") -> None:
        who = f"the task {name}" if left.n == 1 else f"{left.n} tasks {name}"
        how = how or f"{'was' if left.n == 1 else 'were'} still pending at the end"
        waits = [f"waits at {place}" for place in developers(Place(*one) for one in left.waits)[:1]]
        what = f"{who}, {left.birth.of.started(left.birth.place)}, {how}"
        # What is to be mended is where it was started; where it waits says what for.
        places = [*self._told(left.birth.stack), *told_places(left.waits, self._redact, or_library=False)]
        self._journal.note(LEAKED_TASK, of=left.birth.of.of, what=what, detail=[*waits, *left.birth.places[1:]], places=places)

    def _told(self, stack: Stack) -> List[Dict[str, Any]]:
        return told_places(stack, self._redact)

    def _swallowed(self, error: BaseException, birth: Optional[_Birth], context: Optional[Mapping[str, Any]] = None) -> None:
        # What the guard refused it has noted.
        if (_is_closed(error) and self._is_over()) or was_refused(error):
            return
        note = told(error, _who(birth, context or _A_TASK), self._redact)
        started = [] if birth is None else [f"started at {place}" for place in birth.places[:1]]
        detail = [*note["detail"], *started]
        places = [*note["places"], *([] if birth is None else self._told(birth.stack))]
        self._journal.note(SWALLOWED, of=None if birth is None else birth.of.of, what=note["what"], detail=detail, places=places)


def _who(birth: Optional[_Birth], context: Mapping[str, Any]) -> str:
    is_task = "task" in context or "future" in context
    by = "" if birth is None else f", started by {birth.of.callback},"
    return f"{'a task that is never awaited' if is_task else 'a callback of the event loop'}{by}"


def _is_exit(error: BaseException, context: Mapping[str, Any]) -> bool:
    """Whether an exception is an exit that is told elsewhere: one that leaves a task leaves the loop as well."""
    of_task = isinstance(context.get("task") or context.get("future"), asyncio.Task)
    return isinstance(error, AppEnds) or (of_task and isinstance(error, (SystemExit, KeyboardInterrupt)))


def _name(task: Any) -> str:
    return getattr(task.get_coro(), "__qualname__", None) or str(task.get_name())


def _is_closed(error: BaseException) -> bool:
    # Where no code has loaded the library, it has raised nothing; a client of another says by the system's own error that nobody is there.
    exceptions = sys.modules.get("websockets.exceptions")
    return isinstance(error, (ConnectionResetError, BrokenPipeError)) or (
        exceptions is not None and isinstance(error, exceptions.ConnectionClosed)
    )
