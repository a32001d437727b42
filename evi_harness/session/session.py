"""A session: its header and its events in time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Dict, List, Optional, Sequence, Tuple, TypeVar

from evi_harness.session.events import Closed, Event, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.json_value import Json
from evi_harness.session.note_kind import KindOf

__all__ = ["Session"]

D = TypeVar("D")


@dataclass(frozen=True)
class Session:
    """What crossed one WebSocket, from open to close, with its header.

    Attributes:
        header: What is known besides the events.
        events: All events, ordered by ``(at_ns, seq)``.
        missing: What a reader found to be missing, as sentences; empty for a whole session.
        name: What to call it: the folder's name, or the id.
    """

    header: Header
    events: Tuple[Event, ...]
    missing: Tuple[str, ...] = ()
    name: str = ""

    @cached_property
    def opened(self) -> Optional[Opened]:
        """The opening, None in a session that was cut before it."""
        return next((event for event in self.events if isinstance(event, Opened)), None)

    @property
    def handshake(self) -> Optional[Handshake]:
        """What the client asked for, None where the opening is not known."""
        return None if self.opened is None else self.opened.handshake

    @cached_property
    def closed(self) -> Optional[Closed]:
        """The close, None where it was not seen."""
        return next((event for event in reversed(self.events) if isinstance(event, Closed)), None)

    @cached_property
    def sent(self) -> Tuple[Sent, ...]:
        """What the app sent, in time."""
        return tuple(event for event in self.events if isinstance(event, Sent))

    @cached_property
    def received(self) -> Tuple[Received, ...]:
        """What reached the app, in time."""
        return tuple(event for event in self.events if isinstance(event, Received))

    @cached_property
    def notes(self) -> Tuple[Note, ...]:
        """What was observed besides, in time."""
        return tuple(event for event in self.events if isinstance(event, Note))

    def notes_of(self, kind: KindOf[object]) -> Sequence[Note]:
        """The notes of a kind, whatever they hold, in time."""
        return self._by_name.get(kind.name, ())

    def noted(self, kind: KindOf[D]) -> Sequence[Tuple[Note, D]]:
        """The notes of a kind, each with what it says, in time; without those that lack a fact. They are read once."""
        found: Optional[Sequence[Tuple[Note, D]]] = self._read.get(kind.name)
        if found is None:
            found = self._read[kind.name] = tuple(kind.all_in(self.notes_of(kind)))
        return found

    @cached_property
    def _by_name(self) -> Dict[str, List[Note]]:
        found: Dict[str, List[Note]] = {}
        for note in self.notes:
            found.setdefault(note.name, []).append(note)
        return found

    @cached_property
    def _read(self) -> Dict[str, Json]:
        return {}

    @property
    def duration_ns(self) -> int:
        """Session time of the last event; 0 for an empty session."""
        return self.events[-1].at_ns if self.events else 0
