"""The user's audio of a session, block by block as the app sent it: for a microphone that delivers each when it was sent then.

Rules of living here: not a byte is changed. Where the app sent none there is a hole, as long as the microphone would have gone on.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

from evi_harness.audio.sources import UserTrack
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.position import JITTER_NS
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["SentBlock", "SentBlocks"]

# How much sooner than it was sent a block may be delivered, to be sent before what came close behind it: an app takes less time in virtual
# time than it took then, and would go ahead of it.
SOONER_NS = 100_000_000
# As many blocks are looked at for the hole behind them.
_MOST_NEAR = 32


@dataclass(frozen=True)
class SentBlock:
    """One block.

    Attributes:
        at_ns: When it is to be delivered, in session time; not after it was sent.
        samples: Its samples.
        n_before: How many messages besides audio the app had sent before it.
        message_at_ns: When the last of them was sent; 0 where there is none.
        is_behind_hole: Whether the app had sent nothing for a while before it, though the microphone went on.
    """

    at_ns: int
    samples: bytes
    n_before: int
    message_at_ns: int
    is_behind_hole: bool


class SentBlocks:
    """The blocks of a session, one after another.

    Args:
        session: The session.
        dialect: What it speaks.
        track: Its user's audio.

    Attributes:
        is_even: Whether all blocks are as long, as those of a microphone are.
        ends_at_ns: When the connection was closed, or nothing more was seen of it, in session time.
    """

    def __init__(self, session: Session, dialect: Dialect, track: UserTrack) -> None:
        self._track = track
        self.ends_at_ns = session.duration_ns
        audio = session.audio(dialect).frames
        self._others, self._received = _Times(), _Times()
        for event in session.events:
            if isinstance(event, Received):
                self._received.add(event)
            elif isinstance(event, Sent) and event.outcome == "sent" and event.seq not in audio:
                self._others.add(event)
        self._pieces = list(track.pieces())
        self.is_even = len({round(length_ns * track.pcm.rate / 1e9) for _, _, length_ns in self._pieces}) == 1

    def __iter__(self) -> Iterator[SentBlock]:
        """Each, in the order in which they were sent."""
        holes = [False, *(self._is_hole(*two) for two in zip(self._pieces, self._pieces[1:]))]
        last_ns = 0
        for number, ((event, _, _), samples) in enumerate(zip(self._pieces, self._track.samples())):
            n_before = self._others.before(event)
            at_ns = min(self._before_message_ns(event, n_before), self._before_hole_ns(event, number, holes))
            last_ns = max(last_ns, at_ns)
            message_ns = self._others.at(n_before - 1) or 0
            yield SentBlock(last_ns, samples, n_before, message_ns, holes[number])

    @staticmethod
    def _is_hole(before: Tuple[Sent, int, int], behind: Tuple[Sent, int, int]) -> bool:
        _, begin_ns, length_ns = before
        return behind[1] - begin_ns - length_ns > JITTER_NS

    def _before_message_ns(self, event: Sent, n_before: int) -> int:
        """When a block is to be delivered, so that it stays before the app's next message."""
        message_ns = self._others.at(n_before)
        if message_ns is None or message_ns - event.at_ns >= SOONER_NS:
            return event.at_ns
        n_received = self._received.before(event)
        behind_ns = self._received.at(n_received)
        if behind_ns is not None and behind_ns < message_ns:
            # The message may be an answer to that, and then comes after it, as this does not.
            return event.at_ns
        return min(event.at_ns, max(message_ns - SOONER_NS, (self._received.at(n_received - 1) or 0) + 1))

    def _before_hole_ns(self, event: Sent, number: int, holes: Sequence[bool]) -> int:
        """The same, so that it stays before what had the app send nothing for a while."""
        near = zip(self._pieces[number : number + _MOST_NEAR], holes[number + 1 :])
        last = next((piece for piece, is_before_hole in near if is_before_hole), None)
        if last is None:
            return event.at_ns
        received_ns = self._received.at(self._received.since(last[0].at_ns - SOONER_NS))
        return event.at_ns if received_ns is None or received_ns > event.at_ns else max(0, received_ns - 1)


class _Times:
    """When events were, in order."""

    def __init__(self) -> None:
        self._places: List[Tuple[int, int]] = []

    def add(self, event: Event) -> None:
        self._places.append((event.at_ns, event.seq))

    def before(self, event: Event) -> int:
        """How many were before an event."""
        return bisect_left(self._places, (event.at_ns, event.seq))

    def since(self, at_ns: int) -> int:
        """How many were before a time."""
        return bisect_left(self._places, (at_ns, -1))

    def at(self, number: int) -> Optional[int]:
        """When one was; None where there is none."""
        return self._places[number][0] if 0 <= number < len(self._places) else None
