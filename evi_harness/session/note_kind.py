"""A kind of note: writes, finds and reads the notes of one name.

Rules of living here: a writer gives exactly the fields of the kind, which a type checker ensures; nothing is checked during a run, since a
note is written for each frame. A reader may get a stranger's session: notes of the wrong form are skipped.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from evi_harness.session.events import Event, Note

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeGuard
elif sys.version_info >= (3, 10):
    from typing import ParamSpec
else:
    # Nothing asks one for anything while a program runs.
    ParamSpec = TypeVar

__all__ = ["FactsReader", "KindOf", "NoteKind", "ParamSpec"]

P = ParamSpec("P")
D = TypeVar("D", covariant=True)

# What is in no note: in its place nothing but a default can stand.
_ABSENT = object()


class FactsReader(Generic[D]):
    """Reads the data of notes as facts of one form.

    Args:
        form: A ``NamedTuple`` class, with a field for each fact; what has a default may be absent.
    """

    def __init__(self, form: Callable[..., D]) -> None:
        self.form = form

    @cached_property
    def types(self) -> Dict[str, Any]:
        """The type of each field, in order."""
        return get_type_hints(self.form)

    def read(self, data: Mapping[str, Any]) -> Optional[D]:
        """The facts in a note's data.

        Args:
            data: The data. A fact that is not of its field's type counts as absent; lists and objects are not looked into.

        Returns:
            The facts; a text that is absent is empty. None where something else is absent that has no default.
        """
        names, defaults, kinds = self._fields
        values = list(map(data.get, names, defaults))
        if not all(map(isinstance, values, kinds)):
            values = [value if isinstance(value, kind) else default for value, kind, default in zip(values, kinds, defaults)]
            if any(value is _ABSENT for value in values):
                return None
        facts: D = self._make(values)
        return facts

    @cached_property
    def _make(self) -> Callable[[Iterable[object]], D]:
        make: Callable[[Iterable[object]], D] = getattr(self.form, "_make")  # noqa: B009 - the class is known as what it makes alone
        return make

    @cached_property
    def _fields(self) -> Tuple[List[str], List[Any], List[Tuple[type, ...]]]:
        defaults: Mapping[str, Any] = getattr(self.form, "_field_defaults", {})
        names = list(self.types)
        empty = {name: "" if self.types[name] is str else _ABSENT for name in names}
        return names, [defaults.get(name, empty[name]) for name in names], [_classes(self.types[name]) for name in names]


class NoteKind(Generic[P, D]):
    """A kind of note.

    Args:
        name: Its name, as a session has it.
        form: A ``NamedTuple`` class with what its data may hold; what has a default may be absent.
        of: What its ``of`` refers to; empty where it refers to nothing.
        said_by: Who says so and when, for people.
        written_in: The rooms that write it.
        read_in: The rooms that read it.
    """

    def __init__(
        self,
        name: str,
        form: Callable[P, D],
        of: str = "",
        *,
        said_by: str = "",
        written_in: Tuple[str, ...] = (),
        read_in: Tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.subject = of
        self.said_by = said_by
        self.written_in = written_in
        self.read_in = read_in
        self.facts: FactsReader[D] = FactsReader(form)

    def __repr__(self) -> str:
        return f"<NoteKind {self.name}>"

    def make(self, seq: int, at_ns: int, of: Optional[int] = None, /, *_: P.args, **data: P.kwargs) -> Note:
        """A note of this kind, for who has no journal.

        Args:
            seq: Its place in the session.
            at_ns: When, in session time.
            of: The seq of the event that it is about.
            data: The facts, by name.
        """
        return Note(seq=seq, at_ns=at_ns, name=self.name, of=of, data=data)

    def matches(self, event: Event) -> TypeGuard[Note]:
        """Whether an event is a note of this kind."""
        return isinstance(event, Note) and event.name == self.name

    def read(self, event: Event) -> Optional[D]:
        """What a note of this kind says; None for every other event, and for a note that lacks a fact without which it says nothing."""
        return self.facts.read(event.data) if self.matches(event) else None

    def notes_in(self, events: Iterable[Event]) -> List[Note]:
        """The notes of this kind, whatever they hold, in the order given."""
        name = self.name
        return [event for event in events if isinstance(event, Note) and event.name == name]

    def all_in(self, events: Iterable[Event]) -> Iterator[Tuple[Note, D]]:
        """The notes of this kind, each with what it says, in the order given; without those that lack a fact."""
        for note in self.notes_in(events):
            facts = self.facts.read(note.data)
            if facts is not None:
                yield note, facts


# A kind whose notes say this, whatever it takes to write one. It is a name for annotations; Python 3.9 cannot make it.
if TYPE_CHECKING:
    KindOf = NoteKind[..., D]
else:
    KindOf = NoteKind


def _classes(hint: Any) -> Tuple[type, ...]:
    """What a value of a type is an instance of, as JSON has it."""
    origin = get_origin(hint)
    if origin is Union:
        return tuple(kind for one in get_args(hint) for kind in _classes(one))
    if hint is Any:
        return (object,)
    kind = origin or hint
    # A list of a note is a tuple where somebody froze it.
    return (list, tuple) if isinstance(kind, type) and not issubclass(kind, str) and issubclass(list, kind) else (kind,)
