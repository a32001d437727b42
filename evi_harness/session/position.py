"""The position in the user's audio: the one clock that recording and replay share.

The SDK's microphone drops frames while the assistant plays, so neither bytes nor frames are a clock. Position at a sent audio frame is
the larger of the audio sent up to its end and the time since the first audio frame plus its own length. It never goes back.

One function for the recorded and the live side, so that what differs between two definitions cannot differ here.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import List, Optional, Sequence

__all__ = ["JITTER_NS", "Positions", "captured"]

# Late sends look like gaps. What the SDK drops while the assistant plays is longer than that; a busy event loop's lateness is shorter.
JITTER_NS = 50_000_000

# To forget each frame by itself would cost more than to keep some.
_FORGOTTEN = 256


class Positions:
    """The position at each sent audio frame, in the order of sending."""

    def __init__(self) -> None:
        self._positions: List[int] = []
        self._times: List[int] = []
        # Where each frame begins, None where its length cannot be known.
        self._begins: List[Optional[int]] = []
        self._first_ns: Optional[int] = None
        self._sent_ns = 0
        self._all_known = True

    @property
    def first_at_ns(self) -> Optional[int]:
        """When the first audio frame was sent, None before it."""
        return self._first_ns

    @property
    def now_ns(self) -> Optional[int]:
        """The position at the latest audio frame, None before the first."""
        return self._positions[-1] if self._positions else None

    @property
    def frames_ns(self) -> Sequence[int]:
        """The position at each frame that is kept. Nobody may change it."""
        return self._positions

    def add(self, at_ns: int, length_ns: Optional[int]) -> int:
        """Count one sent audio frame.

        Args:
            at_ns: When it was sent; not before the one before it.
            length_ns: How much audio it holds, None where that cannot be known. From the first unknown length on, the time that
                passed is the only clock left.

        Returns:
            The position at this frame, in nanoseconds.
        """
        if length_ns is None:
            self._all_known = False
        n_ns = length_ns or 0
        self._sent_ns += n_ns
        position = n_ns
        if self._first_ns is None:
            self._first_ns = at_ns
        else:
            # Plain comparisons: this is done for each frame of audio, wherever it is looked at.
            position = at_ns - self._first_ns + n_ns
            if position < self._positions[-1]:
                position = self._positions[-1]
        if self._all_known and position < self._sent_ns:
            position = self._sent_ns
        self._positions.append(position)
        self._times.append(at_ns)
        self._begins.append(None if length_ns is None else position - length_ns)
        return position

    def forget(self, position_ns: int) -> None:
        """Keep no frames from before a position, but the latest; nobody may ask about those any more. They go many at a time."""
        count = min(bisect_left(self._positions, position_ns), len(self._positions) - 1)
        if count >= _FORGOTTEN:
            del self._positions[:count], self._times[:count], self._begins[:count]

    def at(self, at_ns: int) -> Optional[int]:
        """The position at a session time: that of the last frame sent at or before it, None before the first frame."""
        # bisect_left on at_ns + 1 finds the frames sent at or before at_ns: times are whole nanoseconds.
        count = bisect_left(self._times, at_ns + 1)
        return self._positions[count - 1] if count else None

    def behind_gap(self, position_ns: int, jitter_ns: int = JITTER_NS) -> int:
        """Where the sending went on after a position at which nothing was sent; the position itself where something was.

        The two are the same in what was recorded. They are not where the gap is filled: by a microphone that sends silence, say, where the
        recorded one was not heard because the assistant was speaking.

        Args:
            position_ns: The position.
            jitter_ns: Up to how long a stretch without audio is a late send and no gap.
        """
        index = bisect_left(self._positions, position_ns)
        begin_ns = self._begins[index] if 0 < index < len(self._times) else None
        if begin_ns is None or begin_ns - self._positions[index - 1] <= jitter_ns:
            return position_ns
        # A frame that is shorter than a nanosecond begins where it ends.
        return max(position_ns, min(begin_ns + 1, self._positions[index]))

    def reached_at_ns(self, position_ns: int) -> Optional[int]:
        """When a position was reached: the time of the first frame at or beyond it, None if none is."""
        index = bisect_left(self._positions, position_ns)
        return self._times[index] if index < len(self._times) else None


def captured(positions_ns: Sequence[int], lengths_ns: Sequence[int]) -> List[int]:
    """When the microphone began to hear each frame, at the latest: a frame that was sent late, because the app was busy, was heard on time.

    Args:
        positions_ns: The position at each frame, as ``Positions.add`` gives it.
        lengths_ns: How much audio each of them holds.

    Returns:
        Where each begins on the position axis: not after it was sent, and whole before the one behind it begins.
    """
    begins: List[int] = []
    following_ns: Optional[int] = None
    for position_ns, length_ns in zip(reversed(positions_ns), reversed(lengths_ns)):
        end_ns = position_ns if following_ns is None else min(position_ns, following_ns)
        following_ns = end_ns - length_ns
        begins.append(following_ns)
    return begins[::-1]
