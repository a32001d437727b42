"""Attributes of an object, replaced for a while and put back.

Rules of living here: what somebody else has replaced since stays theirs; a hook that cannot be put back must do nothing by itself.
"""

from __future__ import annotations

from typing import Any, Callable, List

__all__ = ["Hooks"]

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
