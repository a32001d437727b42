"""The recorder: takes events from the app's event loop and writes them on another thread.

Rules of living here: ``put`` costs the loop microseconds and never raises, whatever becomes of the disk. Memory is bounded; dropped events
are counted and reported, in the session and to the user. A recording may end early; the conversation goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Callable, Deque, Dict, Optional, Protocol

from evi_harness.errors import SessionUnwritable
from evi_harness.session.events import Closed, Event, Note, Opened
from evi_harness.session.notes import DROPPED
from evi_harness.tap.rounds import LOOK_EVERY_S, Rounds

__all__ = ["EventWriter", "Recorder"]

# More than three minutes of everything EVI sends and takes at 48 kHz, held while a disk does not answer.
LIMIT_BYTES = 64 * 1024 * 1024
# What an event holds besides its payload, roughly; it bounds the number of small ones.
EVENT_BYTES = 512
# So that a folder that somebody deletes or moves is noticed within a second.
TEND_EVERY_S = 0.5
# At the end: how long the disk may be waited for without a word, and how long in which it takes nothing at all.
NOTICE_S = 2.0
PATIENCE_S = 30.0
INCOMPLETE = "the session cannot be completed"
ENDED_EARLY = "the recording has ended early; the conversation continues"


class EventWriter(Protocol):
    """What a recorder writes through: ``storage.writer.SessionWriter``. All calls come from one thread at a time."""

    def write(self, event: Event) -> object:
        """Write an event; it is on disk when this returns. Raises ValueError where this one event cannot be written and others can."""

    def tend(self) -> Optional[str]:
        """Look after what has been written; called about twice a second. Returns a sentence for the user, None for none."""

    def close(self, **changes: Any) -> object:
        """Complete the session, with changes to its header."""

    def abandon(self, reason: str, **changes: Any) -> object:
        """Leave the session incomplete, with changes to its header; once more, change it."""


class Recorder:
    """Writes events on a thread of its own. The thread starts at once.

    Args:
        writer: Where the events go.
        limit_bytes: Most bytes of events that may wait to be written, None for 64 MiB. What comes while they do is dropped, but for opening
            and close.
        warn: Called with one sentence, once for each way in which the recording suffers, on the recorder's thread or the one that closes.
        rounds: The thread that writes for many recorders. Then this one's own makes the folder, tends it and completes it, so that no
            recorder waits for the disk of another; None to do all on its own.

    Attributes:
        failure: Why the recording ended early, or None.
    """

    def __init__(
        self,
        writer: EventWriter,
        *,
        limit_bytes: Optional[int] = None,
        warn: Callable[[str], object] = logging.getLogger("evi_harness").warning,
        rounds: Optional[Rounds] = None,
    ) -> None:
        self.failure: Optional[Exception] = None
        self._writer = writer
        self._limit_bytes = LIMIT_BYTES if limit_bytes is None else limit_bytes
        self._warn = warn
        self._n_dropped = 0
        self._queue: Deque[Event] = deque()
        self._no_more = threading.Event()
        # Each count has one side that writes it, so neither side waits for the other.
        self._put_bytes = 0
        self._written_bytes = 0
        self._putting = threading.Lock()
        self._gap: Optional[_Gap] = None
        self._has_told_of_gap = False
        self._is_closed = False
        self._has_given_up = False
        self._has_told_of_waiting = False
        self._has_told_of_loss = False
        self._tended_s = time.monotonic()
        self._changes: Dict[str, Any] = {}
        # Held by the thread that calls the writer.
        self._writing = threading.Lock()
        work = self._write_all if rounds is None else lambda: self._write_in(rounds)
        self._thread = threading.Thread(target=work, name="evi-harness recorder", daemon=True)
        self._thread.start()

    @property
    def n_dropped(self) -> int:
        """How many events were not recorded; of a recording that has ended early, what waits is lost too."""
        return self._n_dropped + (0 if self.failure is None else len(self._queue))

    @property
    def n_waiting_bytes(self) -> int:
        """How much waits to be written."""
        return self._put_bytes - self._written_bytes

    def drop(self, event: Event, n_bytes: int) -> None:
        """Count an event that nobody could keep, as one for which there was no room.

        Args:
            event: The event, with nothing in its frame.
            n_bytes: How many bytes the frame had.
        """
        with self._putting:
            self._count_dropped(event, n_bytes + EVENT_BYTES)

    def put(self, event: Event) -> None:
        """Hand an event over. Returns at once; after the end of the recording the event is only counted.

        Args:
            event: The event; by seq, from any thread.
        """
        with self._putting:
            is_first_dropped = not self._take(event)
        if is_first_dropped:
            self._tell("the disk does not keep up: events will be missing from the recording from now on; the conversation continues")

    def _take(self, event: Event) -> bool:
        """Put an event into the queue or count it; False where it is the first for which there is no room."""
        n_bytes = _size(event)
        if self.failure is not None or self._is_closed:
            self._n_dropped += 1
        elif self._put_bytes - self._written_bytes + n_bytes <= self._limit_bytes or isinstance(event, (Opened, Closed)):
            if self._gap is not None:
                self._queue_gap(self._gap)
            self._put_bytes += n_bytes
            self._queue.append(event)
        else:
            self._count_dropped(event, n_bytes)
            has_told, self._has_told_of_gap = self._has_told_of_gap, True
            return has_told
        return True

    def _count_dropped(self, event: Event, n_bytes: int) -> None:
        self._n_dropped += 1
        self._gap = self._gap or _Gap(event)
        self._gap.add(event, n_bytes)

    def close(self, **changes: Any) -> None:
        """Write what waits and complete the session. Never raises; a second call changes nothing, but waits for the same end.

        Waits for the disk as long as it takes anything; one that takes nothing for half a minute is given up, and with it what waits.

        Args:
            **changes: Fields of the header, handed on to the writer.
        """
        with self._putting:
            if not self._is_closed:
                self._changes = changes
                if self._gap is not None:
                    self._queue_gap(self._gap)
                self._is_closed = True
        self._no_more.set()
        if self._has_given_up:
            return
        self._thread.join(NOTICE_S)
        if self._thread.is_alive():
            has_told, self._has_told_of_waiting = self._has_told_of_waiting, True
            if not has_told:
                self._tell("the conversation is over, but the disk has not written all of it yet; waiting for it")
            self._wait_for_the_disk()

    def _wait_for_the_disk(self) -> None:
        before = -1
        while self._thread.is_alive() and self._written_bytes != before:
            before = self._written_bytes
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._has_given_up = True
            # The thread goes on when the disk does, finds a failure, and says in the header what it can. It holds up no program's end.
            self.failure = SessionUnwritable(f"the disk has written nothing for {PATIENCE_S:g} s; no longer waiting for it")
            self._tell(f"{INCOMPLETE}: {self.failure}")

    def _queue_gap(self, gap: _Gap) -> None:
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
                self._write_next()
                self._tend()
            self._tend()
        self._complete()

    def _write_in(self, rounds: Rounds) -> None:
        """Begin and complete the session; between, the rounds write."""
        while not self._queue and not self._no_more.wait(LOOK_EVERY_S):
            pass
        with self._writing:
            self._write_waiting()
        rounds.join(self._take_turn)
        while not self._no_more.wait(TEND_EVERY_S):
            with self._writing:
                self._tend()
        rounds.leave(self._take_turn)
        with self._writing:
            while self._queue:
                self._write_waiting()
            self._complete()

    def _take_turn(self) -> None:
        # While the disk is asked to hold what was written, the others go on.
        if self._queue and self._writing.acquire(blocking=False):
            try:
                self._write_waiting()
            finally:
                self._writing.release()

    def _write_waiting(self) -> None:
        """Write what waits now, and not what comes meanwhile."""
        for _ in range(len(self._queue)):
            self._write_next()

    def _write_next(self) -> None:
        event = self._queue.popleft()
        if self.failure is None:
            self._write(event)
        else:
            self._lose(event)
        self._written_bytes += _size(event)

    def _tend(self) -> None:
        now_s = time.monotonic()
        if self.failure is not None or now_s - self._tended_s < TEND_EVERY_S:
            return
        self._tended_s = now_s
        try:
            notice = self._writer.tend()
        except Exception as failure:  # noqa: BLE001 - whatever the disk does, the app goes on
            self._end(failure, ENDED_EARLY)
            return
        if notice is not None:
            self._tell(notice)

    def _complete(self) -> None:
        dropped = {"counts": {"dropped": self.n_dropped}} if self.n_dropped else {}
        if self.failure is not None:
            # What became of the rest is known only now.
            with suppress(Exception):
                self._writer.abandon(str(self.failure), **dropped)
            return
        try:
            self._writer.close(**self._changes, **dropped)
        except Exception as failure:  # noqa: BLE001 - whatever the disk does, the app goes on
            self._end(failure, INCOMPLETE)

    def _write(self, event: Event) -> None:
        try:
            self._writer.write(event)
        except ValueError as error:
            self._lose(event)
            has_told, self._has_told_of_loss = self._has_told_of_loss, True
            if not has_told:
                self._tell(f"an event is missing from the recording, which continues: {error}")
        except Exception as failure:  # noqa: BLE001 - whatever the disk does, the app goes on
            self._lose(event)
            self._end(failure, ENDED_EARLY)

    def _lose(self, event: Event) -> None:
        # A note of ours in the place of dropped events is none of them.
        if not DROPPED.matches(event):
            with self._putting:
                self._n_dropped += 1

    def _end(self, failure: Exception, what: str) -> None:
        self.failure = failure
        with suppress(Exception):
            self._writer.abandon(str(failure))
        self._tell(f"{what}: {failure}")

    def _tell(self, sentence: str) -> None:
        with suppress(Exception):
            self._warn(sentence)


class _Gap:
    """Events that were dropped one after another; in the session one note stands in their place, under the seq of the first."""

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
        at_ns = _over_ns(self._first)
        return DROPPED.make(self._first.seq, at_ns, n_events=self._n_events, n_bytes=self._n_bytes, last_seq=self._last.seq)


def _over_ns(event: Event) -> int:
    """When an event was over: events come in that order, and so do their lines."""
    return getattr(event, "taken_ns", None) or event.at_ns + (getattr(event, "took_ns", None) or 0)


def _size(event: Event) -> int:
    frame = getattr(event, "frame", None)
    return EVENT_BYTES + (frame.size if frame is not None else 0)
