"""Attributes of an object, replaced for a while and put back; also for several at once, such as runs on several threads.

Rules of living here: what somebody else has replaced since stays theirs; a hook that cannot be put back must do nothing by itself.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Generic, Iterator, List, TypeVar

__all__ = ["Hooks", "SharedHooks"]

T = TypeVar("T")

_ABSENT: Any = object()


class Hooks:
    """Replaces attributes of objects, not of their classes."""

    def __init__(self) -> None:
        self._undo: List[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute.

        Args:
            owner: An object that keeps its attributes in a dictionary.
            name: The attribute.
            value: What to put there; it should hand on to what was there.
        """
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        self.on_restore(lambda: _put_back(owner, name, value, before))

    def on_restore(self, undo: Callable[[], None]) -> None:
        """Have something done on ``restore``, before what was set earlier is put back."""
        self._undo.append(undo)

    def restore(self) -> None:
        """Put all back, the latest first. Once more does nothing."""
        while self._undo:
            self._undo.pop()()


def _put_back(owner: Any, name: str, value: Any, before: Any) -> None:
    if vars(owner).get(name, _ABSENT) is not value:
        return
    if before is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


class SharedHooks(Generic[T]):
    """Hooks that several may need at once: set when the first of them comes, and put back when the last has gone.

    What is set asks, at each call, who is there: iterating gives those of that moment.

    Args:
        set_up: Sets the hooks that it is given.
    """

    def __init__(self, set_up: Callable[[Hooks], object]) -> None:
        self._set_up = set_up
        self._hooks = Hooks()
        self._lock = threading.Lock()
        self._there: List[T] = []

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._there))

    def __bool__(self) -> bool:
        return bool(self._there)

    def join(self, one: T) -> None:
        """Have one more there."""
        with self._lock:
            if not self._there:
                self._set_up(self._hooks)
            self._there.append(one)

    def leave(self, one: T) -> None:
        """Have one go that has joined."""
        with self._lock:
            self._there.remove(one)
            if not self._there:
                self._hooks.restore()
