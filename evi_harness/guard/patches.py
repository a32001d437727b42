"""The one registry of replacements in other people's objects: attributes, and entries of tables such as ``sys.modules``.

What is neither is not here: signal handlers, which Python keeps and which are set on the main thread alone, one block in another; the state
of generators (``seeds``); the wall clock, which follows one run at a time (``wall_clock``); what the app has replaced (``process_state``).

Several may replace the same thing: one run in another, two on two threads, each behind the other's back and leaving in any order. Each is
a layer above those before it. A layer that leaves from below others is taken out from under them.

Rules of living here: what somebody else has replaced since stays theirs; a layer that cannot be removed must do nothing. No shared lock is
taken while restoring: a forked child, which restores too, could find it locked forever.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Generic, Iterator, List, MutableMapping, Optional, Tuple, TypeVar
from weakref import WeakValueDictionary

__all__ = ["Hooks", "SharedHooks"]

T = TypeVar("T")
Make = Callable[[Any], Any]

_ABSENT: Any = object()
# What the collector frees meanwhile may put something back, on the thread that holds one of these.
_LOCK = threading.RLock()


class Hooks:
    """Replaces things, and puts them back. What it replaces in an object that is gone is gone with it."""

    def __init__(self) -> None:
        self._undo: List[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any, *, is_firm: bool = False) -> None:
        """Replace an attribute of an object, not of its class.

        Args:
            owner: An object that keeps its attributes in a dictionary.
            name: The attribute.
            value: What to put there; it should hand on to what was there.
            is_firm: Whether it is put back also where somebody else has replaced it since.
        """
        self._add(_Attribute, owner, name, value, None, is_firm=is_firm)

    def wrap(self, owner: Any, name: str, make: Make) -> None:
        """Replace an attribute of an object by something that hands on to what was there.

        Args:
            owner: An object that keeps its attributes in a dictionary.
            name: The attribute.
            make: Makes what to put there of what it hands on to. It is called again when what is below has left.
        """
        self._add(_Attribute, owner, name, _ABSENT, make)

    def set_item(self, table: MutableMapping[Any, Any], key: Any, value: Any, *, is_firm: bool = False) -> None:
        """Replace an entry of a table.

        Args:
            table: The table.
            key: The entry.
            value: What to put there.
            is_firm: Whether it is put back also where somebody else has replaced it since.
        """
        self._add(_Item, table, key, value, None, is_firm=is_firm)

    def on_restore(self, undo: Callable[[], None]) -> None:
        """Have something done on ``restore``, before what was set earlier is put back."""
        self._undo.append(undo)

    def restore(self) -> None:
        """Put all back, the latest first. Idempotent."""
        while self._undo:
            self._undo.pop()()

    def _add(
        self, kind: Callable[[Any, Any], _Place], owner: Any, name: Any, value: Any, make: Optional[Make], *, is_firm: bool = False
    ) -> None:
        with _LOCK:
            key = (kind, id(owner), name)
            place = _PLACES.get(key)
            if place is None:
                place = _PLACES[key] = kind(owner, name)
        self.on_restore(partial(place.remove, place.add(value, make, is_firm)))


@dataclass(eq=False)
class _Layer:
    """What somebody has put into a place.

    Attributes:
        make: Makes the value of what it hands on to; None where the value is given.
        before: What was there; ``_ABSENT`` where only an object's class had something, or nothing did.
        real: What the value hands on to.
        value: What was put there.
        is_firm: Whether it is put back whatever is there by then.
    """

    make: Optional[Make]
    before: Any
    real: Any
    value: Any
    is_firm: bool


class _Place:
    """Where something can be replaced, with what was put there, from below to above. It lives as long as somebody has a layer in it."""

    def __init__(self, owner: Any, name: Any) -> None:
        self.owner = owner
        self.name = name
        self._layers: List[_Layer] = []
        self._lock = threading.RLock()

    def add(self, value: Any, make: Optional[Make], is_firm: bool) -> _Layer:
        """Put a layer above all."""
        with self._lock:
            real = None if make is None else self.seen()
            layer = _Layer(make, self.read(), real, value if make is None else make(real), is_firm)
            self.write(layer.value)
            self._layers.append(layer)
            return layer

    def remove(self, layer: _Layer) -> None:
        """Take a layer out, as far as nobody else has put something above it."""
        with self._lock:
            index = self._layers.index(layer)
            del self._layers[index]
            above = self._layers[index:]
            if not above:
                if layer.is_firm or self.read() is layer.value:
                    self.write(layer.before)
                return
            self._lower(above, layer, is_seen=self.read() is above[-1].value)

    def _lower(self, above: List[_Layer], gone: _Layer, *, is_seen: bool) -> None:
        """Let layers down onto what was below one that has gone."""
        below, before, real = gone.value, gone.before, gone.real
        for layer in above:
            if layer.before is not below:
                # Somebody else stands between, and holds what is below as it is.
                return
            layer.before = before
            if layer.make is None or not is_seen:
                return
            below, layer.real = layer.value, real
            before = real = layer.value = layer.make(real)
        self.write(above[-1].value)

    def read(self) -> Any:
        """What is there, ``_ABSENT`` for nothing."""
        raise NotImplementedError

    def seen(self) -> Any:
        """What whoever asks for it gets."""
        raise NotImplementedError

    def write(self, value: Any) -> None:
        """Put something there; nothing, for ``_ABSENT``."""
        raise NotImplementedError


class _Attribute(_Place):
    def read(self) -> Any:
        return vars(self.owner).get(self.name, _ABSENT)

    def seen(self) -> Any:
        return getattr(self.owner, self.name)

    def write(self, value: Any) -> None:
        if value is not _ABSENT:
            setattr(self.owner, self.name, value)
        elif self.name in vars(self.owner):
            delattr(self.owner, self.name)


class _Item(_Place):
    def read(self) -> Any:
        return self.owner.get(self.name, _ABSENT)

    seen = read

    def write(self, value: Any) -> None:
        if value is _ABSENT:
            self.owner.pop(self.name, None)
        else:
            self.owner[self.name] = value


# An owner stays as long as its place does, so no other can have its id.
_PLACES: WeakValueDictionary[Tuple[Any, int, Any], _Place] = WeakValueDictionary()


class SharedHooks(Generic[T]):
    """Hooks that several may need at once: set when the first of them comes, and put back when the last has gone.

    What is set asks, at each call, who is there: iterating gives those of that moment, in the order in which they came.

    Args:
        set_up: Sets the hooks that it is given.
        set_for_good: Sets what can never be put back, so once in a process; it must do nothing while nobody is there. Where it raises,
            nobody joins, and whoever comes next tries again.
    """

    def __init__(self, set_up: Callable[[Hooks], object] = id, set_for_good: Optional[Callable[[], object]] = None) -> None:
        self._set_up = set_up
        self._set_for_good = set_for_good
        self._hooks = Hooks()
        self._lock = threading.Lock()
        self._there: List[T] = []

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._there))

    def __reversed__(self) -> Iterator[T]:
        return reversed(tuple(self._there))

    def __bool__(self) -> bool:
        return bool(self._there)

    def join(self, one: T) -> None:
        """Have one more there."""
        with self._lock:
            if self._set_for_good is not None:
                self._set_for_good()
                self._set_for_good = None
            if not self._there:
                self._set_up(self._hooks)
            self._there.append(one)

    def leave(self, one: T) -> None:
        """Have one go that has joined."""
        with self._lock:
            self._there.remove(one)
            if not self._there:
                self._hooks.restore()
