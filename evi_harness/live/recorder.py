"""The recorder: takes events from the app's event loop and writes them on a thread of its own.

Rules of living here: ``put`` costs the loop microseconds and never raises, whatever becomes of the disk. Memory is bounded; what had
to be dropped is counted and told, in the session and to the user. A recording may end early; the conversation goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import Any, Callable, Deque, Optional

from typing_extensions import Protocol

from evi_harness.session.events import Closed, Event, Note, Opened

__all__ = ["EventWriter", "Recorder"]

# More than three minutes of everything EVI sends and takes at 48 kHz, held while a disk does not answer.
LIMIT_BYTES = 64 * 1024 * 1024
# What an event holds besides its payload, roughly; it bounds the number of small ones.
EVENT_BYTES = 512
# The thread looks by itself: to wake it for each event would cost the loop a system call, most of what recording costs.
LOOK_EVERY_S = 0.02


class EventWriter(Protocol):
    """What a recorder writes through: ``storage.writer.SessionWriter``. All calls come from one thread but ``close``, which is last."""

    def write(self, event: Event) -> object:
        """Write an event; it is on disk when this returns."""

    def close(self, **changes: Any) -> object:
        """Complete the session, with changes to its header."""

    def abandon(self, reason: str) -> object:
        """Leave the session incomplete."""


class Recorder:
    """Writes events on a thread of its own. The thread starts at once.

    Args:
        writer: Where the events go.
        limit_bytes: Most bytes of events that may wait to be written. What comes while they do is dropped, but for opening and close.
        warn: Called with one sentence, once for each way in which the recording suffers, on the recorder's thread.

    Attributes:
        n_dropped: Events that were not recorded.
        failure: What ended the recording early, None while nothing did.
    """

    def __init__(
        self,
        writer: EventWriter,
        *,
        limit_bytes: int = LIMIT_BYTES,
        warn: Callable[[str], object] = logging.getLogger("evi_harness").warning,
    ) -> None:
        self.n_dropped = 0
        self.failure: Optional[Exception] = None
        self._writer = writer
        self._limit_bytes = limit_bytes
        self._warn = warn
        self._queue: Deque[Event] = deque()
        self._no_more = threading.Event()
        # Each count has one side that writes it, so neither side waits for the other.
        self._put_bytes = 0
        self._written_bytes = 0
        self._putting = threading.Lock()
        self._gap: Optional[_Gap] = None
        self._warned_of_gap = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._write_all, name="evi-harness recorder", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand an event over. Returns at once; after the end of the recording the event is only counted.

        Args:
            event: The event; by seq, from any thread.
        """
        n_bytes = _size(event)
        with self._putting:
            if self.failure is not None or self._is_closed:
                self.n_dropped += 1
            elif self._put_bytes - self._written_bytes + n_bytes <= self._limit_bytes or isinstance(event, (Opened, Closed)):
                if self._gap is not None:
                    self._tell_gap(self._gap)
                self._put_bytes += n_bytes
                self._queue.append(event)
            else:
                self.n_dropped += 1
                self._gap = self._gap or _Gap(event)
                self._gap.add(event, n_bytes)

    def close(self, **changes: Any) -> None:
        """Write what waits, end the thread and complete the session. Never raises; a second call does nothing.

        Args:
            **changes: Fields of the header, handed on to the writer.
        """
        with self._putting:
            if self._is_closed:
                return
            self._is_closed = True
            if self._gap is not None:
                self._tell_gap(self._gap)
        self._no_more.set()
        self._thread.join()
        if self.failure is None:
            try:
                self._writer.close(**changes)
            except Exception as failure:  # noqa: BLE001 - whatever the disk does, the app goes on
                self._end(failure)

    def _tell_gap(self, gap: _Gap) -> None:
        self._gap = None
        note = gap.note()
        self._put_bytes += _size(note)
        self._queue.append(note)

    def _write_all(self) -> None:
        is_last_round = False
        while not is_last_round:
            # Read before the queue is emptied: what was put before close is then in the queue.
            is_last_round = self._no_more.wait(LOOK_EVERY_S)
            while self._queue:
                event = self._queue.popleft()
                if self.failure is None:
                    self._write(event)
                else:
                    self._count_dropped()
                self._written_bytes += _size(event)

    def _write(self, event: Event) -> None:
        try:
            self._writer.write(event)
        except Exception as failure:  # noqa: BLE001 - whatever the disk does, the app goes on
            self._count_dropped()
            self._end(failure)
            return
        if isinstance(event, Note) and event.name == _Gap.NAME and not self._warned_of_gap:
            self._warned_of_gap = True
            self._tell(f"the disk is too slow for the recording: {event.data['n_events']} events were dropped, and the session says where")

    def _end(self, failure: Exception) -> None:
        self.failure = failure
        with suppress(Exception):
            self._writer.abandon(str(failure))
        self._tell(f"the recording has ended early, the conversation goes on: {failure}")

    def _count_dropped(self) -> None:
        with self._putting:
            self.n_dropped += 1

    def _tell(self, sentence: str) -> None:
        with suppress(Exception):
            self._warn(sentence)


class _Gap:
    """Events that were dropped one after another; in the session one note stands in their place, under the seq of the first."""

    NAME = "dropped"

    def __init__(self, first: Event) -> None:
        self._first = first
        self._last = first
        self._n_events = 0
        self._n_bytes = 0

    def add(self, event: Event, n_bytes: int) -> None:
        self._last = event
        self._n_events += 1
        self._n_bytes += n_bytes - EVENT_BYTES

    def note(self) -> Note:
        data = {"n_events": self._n_events, "n_bytes": self._n_bytes, "last_seq": self._last.seq}
        return Note(seq=self._first.seq, at_ns=self._first.at_ns, name=self.NAME, data=data)


def _size(event: Event) -> int:
    frame = getattr(event, "frame", None)
    return EVENT_BYTES + (frame.size if frame is not None else 0)
