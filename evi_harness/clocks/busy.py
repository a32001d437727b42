"""``busy``: an app declares work that no event loop sees, and virtual time waits for it.

Rules of living here: outside a replay in virtual time it does nothing, so that it can stay in an app; nothing heavy is imported.
"""

from __future__ import annotations

import contextlib
from typing import Callable, Iterator, List, Protocol

from evi_harness.guard.callers import callers

__all__ = ["Held", "busy", "can_be_held"]


class Held(Protocol):
    """A loop whose clock can stop."""

    def hold(self, name: str) -> Callable[[], None]:
        """Stop the clock until what this gives back is called."""

    def runs_here(self) -> bool:
        """Whether the loop runs on the calling thread."""


_RUNNING: List[Held] = []


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Hold virtual time still while the block runs, as for jobs in executors.

    Use it for work that the event loop does not know about, such as a thread that the app starts. Hold it on the loop from before the work
    begins until its result is there::

        with evi_harness.busy():
            threading.Thread(target=work, args=(result,)).start()
            await result.wait()

    or on the working thread around the work, if nothing else can happen before the work begins. Do not wait for time to pass inside the
    block: time stops there, and only after ``--thread-wait`` does the clock go on, with the run marked as not deterministic.

    On the thread of a loop it holds that loop's clock, on any other thread those of all replays in the process. Outside a replay in
    virtual time it does nothing.

    Example:
        >>> with evi_harness.busy():
        ...     done = sum(range(1000))
        >>> done
        499500
    """
    called = callers()
    name = f"busy ({called[0]})" if called else "busy"
    releases = [clock.hold(name) for clock in [each for each in tuple(_RUNNING) if each.runs_here()] or tuple(_RUNNING)]
    try:
        yield
    finally:
        for release in releases:
            release()


@contextlib.contextmanager
def can_be_held(clock: Held) -> Iterator[None]:
    """Have ``busy`` hold a clock for as long as the block runs."""
    _RUNNING.append(clock)
    try:
        yield
    finally:
        _RUNNING.remove(clock)
