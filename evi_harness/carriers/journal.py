"""The events of one session as they happen.

Rules of living here: the journal alone gives out seq and stamps; an event that stands in it is never changed. The carrier writes what
crosses the wire, the app's side writes notes. One thread writes: the loop's.
"""

from __future__ import annotations

from typing import Callable, List, Optional, TypeVar

from evi_harness.clocks.clock import Clock
from evi_harness.session.events import Closed, ClosedBy, Event, Frame, Handshake, Note, Opened, Outcome, Received, Sent
from evi_harness.session.note_kind import NoteKind, ParamSpec

__all__ = ["Journal"]

P = ParamSpec("P")
E = TypeVar("E", bound=Event)


class Journal:
    """Collects the events of one session, in the order of writing.

    The opening always has seq 0. Notes from before it have time 0, the numbers behind it, and reach the sink behind it.

    Args:
        clock: What stamps the events.
        sink: Called with each event once it stands, such as ``Recorder.put``.
        keep: Gives what is kept of an event that the sink has: the event, one that takes less memory, or None. By default the event.

    Attributes:
        events: All events so far, by seq, as far as they are kept.
        n_sent: How many frames the app sent.
        n_kept_bytes: How much those hold that are kept.
        last_at_ns: When the latest event was.
        opened_at_ns: The clock's reading at the opening, None before it.
    """

    def __init__(
        self, clock: Clock, sink: Optional[Callable[[Event], object]] = None, keep: Optional[Callable[[Event], Optional[Event]]] = None
    ) -> None:
        self.events: List[Event] = []
        self.n_sent = 0
        self.n_kept_bytes = 0
        self.last_at_ns = 0
        self.opened_at_ns: Optional[int] = None
        self._clock = clock
        self._sink = sink
        self._keep = keep
        self._next_seq = 1

    @classmethod
    def of(cls, events: List[Event], opened_at_ns: Optional[int], clock: Clock) -> Journal:
        """A journal that goes on from events that were kept elsewhere.

        Args:
            events: The events, to which what is written is added.
            opened_at_ns: The clock's reading at the opening, None where nothing was opened.
            clock: What stamps the events to come.
        """
        journal = cls(clock)
        journal.events, journal.opened_at_ns = events, opened_at_ns
        journal._next_seq = max((event.seq for event in events), default=0) + 1
        return journal

    @property
    def now_ns(self) -> int:
        """Session time: nanoseconds since the opening, 0 before it."""
        return 0 if self.opened_at_ns is None else self._clock.now_ns() - self.opened_at_ns

    def opened(self, handshake: Handshake) -> Opened:
        """Write the opening; this instant is time zero.

        Raises:
            ValueError: It was opened before.
        """
        if self.opened_at_ns is not None:
            raise ValueError("a journal holds one session, and this one is open already")
        self.opened_at_ns = self._clock.now_ns()
        event = Opened(seq=0, at_ns=0, handshake=handshake)
        self.events.insert(0, event)
        for waiting in self.events:
            self._hand_on(waiting)
        return event

    def sent(self, frame: Frame, *, took_ns: Optional[int] = None, outcome: Outcome = "sent") -> Sent:
        """Write that the app sent a frame, now."""
        # Once for each frame of audio, so the time is read here, and the arguments are given by place: by name they cost as much again.
        opened_at_ns = self.opened_at_ns
        at_ns = 0 if opened_at_ns is None else self._clock.now_ns() - opened_at_ns
        return self._write(Sent(self._seq(), at_ns, frame, took_ns, outcome))

    def received(self, frame: Frame) -> Received:
        """Write that a frame is on its way to the app, now."""
        return self._write(Received(seq=self._seq(), at_ns=self.now_ns, frame=frame))

    def closed(self, by: ClosedBy, code: Optional[int] = None, reason: str = "") -> Closed:
        """Write the close.

        Args:
            by: ``app``, ``service`` or ``network``.
            code: The close code, None where no close frame came or it held none.
            reason: The close reason.
        """
        return self._write(Closed(seq=self._seq(), at_ns=self.now_ns, by=by, code=code, reason=reason))

    def note(self, kind: NoteKind[P, object], /, of: Optional[int] = None, *_: P.args, **data: P.kwargs) -> Note:
        """Write something observed.

        Args:
            kind: What was observed; ``session.notes`` has the kinds.
            of: The seq of the event it is about.
            data: The facts of the kind, by name: JSON values.
        """
        return self._write(Note(seq=self._seq(), at_ns=self.now_ns, name=kind.name, of=of, data=data))

    def unwritten(self, kind: NoteKind[P, object], /, of: Optional[int] = None, *_: P.args, **data: P.kwargs) -> Note:
        """The note that ``note`` would write, with the seq -1: for what was observed and belongs to no event of this conversation."""
        return Note(seq=-1, at_ns=self.now_ns, name=kind.name, of=of, data=data)

    def _seq(self) -> int:
        self._next_seq += 1
        return self._next_seq - 1

    def _write(self, event: E) -> E:
        kept = event if self._keep is None else self._keep(event)
        if kept is not None:
            self.events.append(kept)
        if isinstance(event, Sent):
            self.n_sent += 1
            self.n_kept_bytes += event.frame.size if kept is event else 0
        self.last_at_ns = event.at_ns
        if self.opened_at_ns is not None and self._sink is not None:
            self._sink(event)
        return event

    def _hand_on(self, event: Event) -> None:
        if self._sink is not None:
            self._sink(event)
