"""A session: its header and its events in time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, cast

from evi_harness.session.events import Closed, Event, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.json_value import Json
from evi_harness.session.note_kind import KindOf
from evi_harness.session.protocols import Cause, Dialect
from evi_harness.session.session_audio import SessionAudio
from evi_harness.session.wrapped_dialect import answering

__all__ = ["Session"]

D = TypeVar("D")


@dataclass(frozen=True)
class Session:
    """Everything that crossed one WebSocket, from open to close, with its header.

    Attributes:
        header: Everything known about the session except its events.
        events: All events, ordered by ``(at_ns, seq)``.
        missing: What is missing according to the reader, as sentences; empty for a whole session.
        name: Name of the session: the folder's name, or the id.
    """

    header: Header
    events: Tuple[Event, ...]
    missing: Tuple[str, ...] = ()
    name: str = ""

    @cached_property
    def opened(self) -> Optional[Opened]:
        """The opening, None in a session that was cut off before it."""
        return next((event for event in self.events if isinstance(event, Opened)), None)

    @property
    def handshake(self) -> Optional[Handshake]:
        """The client's handshake, None if the opening is unknown."""
        return None if self.opened is None else self.opened.handshake

    @cached_property
    def closed(self) -> Optional[Closed]:
        """The close, None if it was not recorded."""
        return next((event for event in reversed(self.events) if isinstance(event, Closed)), None)

    @cached_property
    def sent(self) -> Tuple[Sent, ...]:
        """The messages that the app sent, in chronological order."""
        return cast(Tuple[Sent, ...], tuple(self._by_kind.get(Sent.kind, ())))

    @cached_property
    def received(self) -> Tuple[Received, ...]:
        """The messages that reached the app, in chronological order."""
        return cast(Tuple[Received, ...], tuple(self._by_kind.get(Received.kind, ())))

    @cached_property
    def notes(self) -> Tuple[Note, ...]:
        """All notes, in chronological order."""
        return cast(Tuple[Note, ...], tuple(self._by_kind.get(Note.kind, ())))

    def notes_of(self, kind: KindOf[object]) -> Sequence[Note]:
        """The notes of a kind, whatever their content, in chronological order."""
        return self._notes_by_name.get(kind.name, ())

    def noted(self, kind: KindOf[D]) -> Sequence[Tuple[Note, D]]:
        """The notes of a kind with their parsed facts, in chronological order, except notes that lack a fact. They are parsed once."""
        found: Optional[Sequence[Tuple[Note, D]]] = self._read.get(kind.name)
        if found is None:
            found = self._read[kind.name] = tuple(kind.all_in(self.notes_of(kind)))
        return found

    def audio(self, dialect: Dialect) -> SessionAudio:
        """The audio in the session, as a dialect's reader finds it. Each dialect reads a session once."""
        return self._once("reader", dialect, lambda reads: SessionAudio(self.events, reads.reader))

    def prompts(self, dialect: Dialect) -> Mapping[int, Cause]:
        """What each sent event, and a close by the app, answered, by seq; see ``Dialect.prompts``. Each dialect works it out once."""
        return self._once("prompts", dialect, lambda asked: asked.prompts(self.events))

    def _once(self, member: str, dialect: Dialect, work_out: Callable[[Dialect], D]) -> D:
        """What a member of a dialect says of the session; worked out for the first who asks."""
        asked = answering(dialect, member)
        for known, who, found in self._known:
            if who is asked and known == member:
                return cast(D, found)
        said = work_out(asked)
        self._known.append((member, asked, said))
        return said

    @cached_property
    def _known(self) -> List[Tuple[str, Dialect, object]]:
        return []

    @cached_property
    def _by_kind(self) -> Dict[str, List[Event]]:
        # One pass for all kinds: most events are frames of audio, and a replay asks for each kind of two sessions.
        found: Dict[str, List[Event]] = defaultdict(list)
        for event in self.events:
            found[event.kind].append(event)
        return found

    def __getstate__(self) -> Dict[str, object]:
        # What was worked out of it is worked out again where it is needed.
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @cached_property
    def _notes_by_name(self) -> Dict[str, List[Note]]:
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
