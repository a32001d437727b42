"""The connections of an app that opens several: which recorded one each is, and which of them the verdict is on.

Rules of living here: one session is judged in a run, and the others are acted out beside it. What is observed belongs to a conversation
from its opening, the first one's from the start, until another one is opened after its close. An app is interrupted only when nothing is
left to be opened.
"""

from __future__ import annotations

from typing import Callable, Dict, Optional, Sequence

from evi_harness.carriers.journal import Journal
from evi_harness.replay.matching_connections import matching_connection
from evi_harness.session.events import Handshake, Note
from evi_harness.session.note_kind import NoteKind, ParamSpec
from evi_harness.session.protocols import AudioSource, Dialect
from evi_harness.session.wav import Pcm

__all__ = ["OwnNotes", "SeveralConnections", "WaitingSource", "handshakes_of"]

P = ParamSpec("P")


class SeveralConnections:
    """What is open of the recorded connections, and what may still come.

    Args:
        recorded: Their handshakes, in order.
        judged: Which of them the verdict is on.
        dialect: What they speak.

    Attributes:
        n_recorded: How many there are.
        judged: As given.
        latest: Which was opened last, None before the first.
    """

    def __init__(self, recorded: Sequence[Handshake], judged: int, dialect: Dialect) -> None:
        self.n_recorded = len(recorded)
        self.judged = judged
        self.latest: Optional[int] = None
        self._waiting: Dict[int, Handshake] = dict(enumerate(recorded))
        self._dialect = dialect
        # Of those that are open: when the recorded app would close, by the clock; None while that is not known.
        self._closes_ns: Dict[int, Optional[int]] = {}

    @property
    def is_more_to_come(self) -> bool:
        """Whether one has not been opened yet."""
        return bool(self._waiting)

    @property
    def next_waiting(self) -> Optional[int]:
        """The first that has not been opened yet; None where all have."""
        return min(self._waiting, default=None)

    @property
    def is_open(self) -> bool:
        """Whether one is open."""
        return bool(self._closes_ns)

    @property
    def is_judged_now(self) -> bool:
        """Whether what is observed now belongs to the session that is judged: until another is opened, or while its own is open."""
        return self.latest in (None, self.judged) or self.judged in self._closes_ns

    def match(self, handshake: Handshake) -> Optional[int]:
        """Which a new connection would be; None where all have been opened."""
        return matching_connection(handshake, self._waiting, self._dialect)

    def opened(self, place: int) -> None:
        """Take that one is open."""
        del self._waiting[place]
        self._closes_ns[place] = None
        self.latest = place

    def closed(self, place: int) -> None:
        """Take that one has closed."""
        self._closes_ns.pop(place, None)

    def interrupts_ns(self, place: int, closes_ns: Optional[int]) -> Optional[int]:
        """When an app that closes nothing by itself is to be interrupted, by the clock, as far as that is known.

        Args:
            place: A connection.
            closes_ns: When the recorded app would close it; None where that is not known yet, or it would not.
        """
        if place in self._closes_ns:
            self._closes_ns[place] = closes_ns
        known = [ns for ns in self._closes_ns.values() if ns is not None]
        return max(known, default=None) if not self._waiting and len(known) == len(self._closes_ns) else None


class OwnNotes(Journal):
    """A journal as those see it who observe the app: what they note while another conversation goes on is not written.

    Args:
        within: The journal, in which the carrier writes what crosses; both have one state.
        is_own: Whether what is observed now belongs to it.
    """

    def __init__(self, within: Journal, is_own: Callable[[], bool]) -> None:
        self.__dict__ = within.__dict__
        self._is_own = is_own

    def note(self, kind: NoteKind[P, object], /, of: Optional[int] = None, *_: P.args, **data: P.kwargs) -> Note:
        """Write something observed; see ``Journal.note``."""
        noted = super().note if self._is_own() else self.unwritten
        return noted(kind, of, *_, **data)

    def forget(self) -> None:
        """Leave out what was noted until now: another conversation was opened first."""
        if self.opened_at_ns is None:
            self.events.clear()
            self._next_seq = 1


class WaitingSource:
    """Audio that begins when its conversation does; until then there is silence. An ``AudioSource``.

    Args:
        source: The audio.
        has_begun: Whether it is time for it.

    Attributes:
        pcm: Its format.
    """

    def __init__(self, source: AudioSource, has_begun: Callable[[], bool]) -> None:
        self.pcm: Pcm = source.pcm
        self._source = source
        self._has_begun = has_begun

    def read(self, n_frames: int) -> bytes:
        """The next frames."""
        return self._source.read(n_frames) if self._has_begun() else bytes(n_frames * self.pcm.frame_bytes)


def handshakes_of(recorded: Sequence[Optional[Handshake]], dialect: Dialect) -> Sequence[Handshake]:
    """The handshakes of recordings; one that is not known asked for the usual path."""
    return [Handshake(dialect.chat_paths[0]) if one is None else one for one in recorded]
