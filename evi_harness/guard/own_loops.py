"""Notice that an app creates an event loop of its own in virtual time; that loop keeps real time, and nothing waits for it.

Rules of living here: nothing is refused. Each replacement calls the original.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Callable, Optional, Set, Tuple, Type

from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.patches import Hooks, SharedHooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.guard.run_threads import RunThreads

__all__ = ["OwnLoops"]

_WATCHING: SharedHooks[OwnLoops] = SharedHooks(lambda hooks: _listen(hooks))


class OwnLoops:
    """Tells of loops that threads of a run make, for as long as the block runs. Enter it when the run's own loop is made.

    Args:
        on_loop: Called for each place once, on the thread that makes the loop, with who makes it.
    """

    def __init__(self, on_loop: Callable[[Stack], object]) -> None:
        self._on_loop = on_loop
        self._threads = RunThreads()
        self._told: Set[Tuple[str, ...]] = set()

    def __enter__(self) -> OwnLoops:
        self._threads.__enter__()
        _WATCHING.join(self)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        _WATCHING.leave(self)
        self._threads.__exit__(kind, error, trace)

    def tell(self) -> None:
        """Tell that the calling thread makes a loop, if it is one of the run's."""
        stack = callers_now()
        found = callers_of(stack)
        if self._threads.here() and found not in self._told:
            self._told.add(found)
            self._on_loop(stack)


def _listen(hooks: Hooks) -> None:
    hooks.wrap(asyncio.BaseEventLoop, "__init__", _telling)
    hooks.wrap(asyncio, "run", _telling)


def _telling(real: Callable[..., Any]) -> Callable[..., Any]:
    def telling(*args: Any, **kwargs: Any) -> Any:
        for watching in _WATCHING:
            watching.tell()
        return real(*args, **kwargs)

    telling.__name__, telling.__qualname__, telling.__doc__ = real.__name__, real.__qualname__, real.__doc__
    return telling
