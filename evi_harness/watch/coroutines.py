"""Coroutines that were created but never awaited, because of a forgotten ``await``.

Python warns of one when it is freed, with no place. While this watches, it knows where each was made, and finds those that something
still holds at the end.

Rules of living here: Python's own behaviour is restored; only coroutines created by the developer's code are reported, Python handles all
others.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import threading
import warnings
from pathlib import PurePath
from types import CoroutineType
from typing import Any, Callable, Iterable, List, Optional

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import ReadySteps
from evi_harness.guard.developers import developers
from evi_harness.guard.on_behalf_of import behalf
from evi_harness.guard.patches import SharedHooks
from evi_harness.guard.place_lookup import Stack, told_places
from evi_harness.session.notes import NEVER_AWAITED
from evi_harness.session.places import Place

__all__ = ["NeverAwaited"]

# The one place that matters is who made it; a decorator that calls what it decorates has made nothing, so whoever called that is kept too.
DEPTH = 2
_WATCHING: SharedHooks[NeverAwaited] = SharedHooks(lambda hooks: hooks.wrap(warnings, "_warn_unawaited_coroutine", _telling))
_DECORATORS = frozenset({"typing_extensions.py", "warnings.py", "functools.py"})


class NeverAwaited:
    """Watches the coroutines that are made on the thread of a run. A context manager, entered on that thread.

    Args:
        journal: Where ``never_awaited`` notes go.
        redact: Takes secrets out of what they quote.

    Attributes:
        thread: Number of the run's thread, 0 before it is entered.
    """

    def __init__(self, journal: Journal, redact: Callable[[str], str] = str) -> None:
        self._journal = journal
        self._redact = redact
        self._earlier = 0
        self.thread = 0

    def __enter__(self) -> NeverAwaited:
        self._earlier = sys.get_coroutine_origin_tracking_depth()
        sys.set_coroutine_origin_tracking_depth(max(DEPTH, self._earlier))
        self._set_origin_depth(0 if self._earlier else DEPTH)
        self.thread = threading.get_ident()
        _WATCHING.join(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._set_origin_depth(0)
        sys.set_coroutine_origin_tracking_depth(self._earlier)
        _WATCHING.leave(self)

    @staticmethod
    def _set_origin_depth(depth: int) -> None:
        """Let the loop's steps in which no code of the app's runs do without; not where somebody else wants to know, as asyncio's debug."""
        steps = getattr(asyncio._get_running_loop(), "_ready", None)
        if isinstance(steps, ReadySteps):
            steps.origin_depth = depth

    def finish(self) -> None:
        """Note the coroutines that something still holds and nobody has awaited by now. They are closed: nobody will."""
        held = [one for one in _held() if _place(one) is not None]
        # All tasks of the process are looked through for these, so they are asked for only where there is a coroutine.
        of_tasks = {id(task.get_coro()) for task in _all_tasks()} if held else set()
        for coroutine in held:
            if id(coroutine) not in of_tasks:
                self.note(coroutine)
                coroutine.close()

    def note(self, coroutine: Any) -> None:
        """Note a coroutine that was never awaited."""
        of = behalf()
        name = getattr(coroutine, "__qualname__", "?")
        what = f"the coroutine {name}, created at {_place(coroutine)}, was never awaited: it did nothing"
        places = told_places(_made(coroutine), self._redact, or_library=False)
        self._journal.note(NEVER_AWAITED, of=None if of is None else of.of, what=what, detail=[], places=places)


def _telling(real: Callable[[Any], None]) -> Callable[[Any], None]:
    def freed(coroutine: Any) -> None:
        """What Python calls when a coroutine is freed that was never awaited."""
        # On another thread, whoever has come last is told.
        watching = sorted(_WATCHING, key=lambda one: one.thread == threading.get_ident())
        if not watching or _place(coroutine) is None:
            real(coroutine)
        else:
            watching[-1].note(coroutine)

    return freed


def _held() -> List[Any]:
    """Coroutines of this run that exist and were not started."""
    # The type alone is looked at first: there are many objects, and few coroutines.
    found = [one for one in gc.get_objects() if type(one) is CoroutineType]
    return [one for one in found if one.cr_origin and inspect.getcoroutinestate(one) == inspect.CORO_CREATED]


def _all_tasks() -> Iterable[Any]:
    """The tasks of the running loop; behind the end of the last one there is none."""
    return () if asyncio._get_running_loop() is None else asyncio.all_tasks()


def _place(coroutine: Any) -> Optional[str]:
    """Where the developer's code made a coroutine; None where somebody else did, or before the run."""
    return next(iter(developers(Place(*made) for made in _made(coroutine))), None)


def _made(coroutine: Any) -> Stack:
    origin = tuple((getattr(coroutine, "cr_origin", None) or ())[:DEPTH])
    return origin[1:] if len(origin) > 1 and PurePath(origin[0][0]).name in _DECORATORS else origin[:1]
