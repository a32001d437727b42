"""On whose behalf code runs: the harness's, or the handler's, with its callback and event.

What a callback of the handler's starts (a task, a thread by ``asyncio.to_thread``) is on its behalf too, for as long as it lives: a context
variable goes with it. That distinguishes what a handler leaves behind from what the harness, the SDK and the server need.

Rules of living here: the caller of the handler marks it; nothing is observed here.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Callable, Iterator, Optional

__all__ = ["Behalf", "behalf", "behalf_in", "on_behalf", "on_behalf_from_now_on", "on_our_own"]


@dataclass(frozen=True)
class Behalf:
    """A callback of the handler's.

    Attributes:
        callback: Its name.
        of: The event that it has, by seq; None for one that has none, such as on_open.
    """

    callback: str
    of: Optional[int] = None

    def started(self, place: str = "") -> str:
        """That it started something, and where: a place in the callback itself does not name it twice.

        Args:
            place: The place as text, such as ``app.py:12 in on_open``; empty if unknown.
        """
        told, within, function = place.rpartition(" in ")
        is_its_own = within and function.rpartition(".")[2] == self.callback
        return f"started by {self.callback}{' at ' if place else ''}{told if is_its_own else place}"


_BEHALF: ContextVar[Optional[Behalf]] = ContextVar("evi_harness_behalf", default=None)


# On whose behalf the running code runs; None for our own. Asked at each step of a loop, so it is no function around a function.
behalf: Callable[[], Optional[Behalf]] = _BEHALF.get


def behalf_in(context: Optional[Context]) -> Optional[Behalf]:
    """On whose behalf what was begun in a context runs; None for our own, and where no context is known."""
    return None if context is None else context.get(_BEHALF)


@contextmanager
def on_behalf(callback: str, of: Optional[int] = None) -> Iterator[None]:
    """Run what follows on the handler's behalf.

    Args:
        callback: What is called.
        of: The event that it gets, by seq.
    """
    token = _BEHALF.set(Behalf(callback, of))
    try:
        yield
    finally:
        _BEHALF.reset(token)


def on_behalf_from_now_on(callback: str, of: Optional[int] = None) -> None:
    """Run the rest of this task on the handler's behalf, or until this is called again: for one that takes its messages itself.

    Args:
        callback: What runs.
        of: The event that it has taken, by seq.
    """
    _BEHALF.set(Behalf(callback, of))


@contextmanager
def on_our_own() -> Iterator[None]:
    """Run what follows on nobody's behalf, though the handler may have called it."""
    token = _BEHALF.set(None)
    try:
        yield
    finally:
        _BEHALF.reset(token)
