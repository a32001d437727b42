"""Map the user's speech from the position axis, which the service and detectors use, to session time.

Rules of living here: speech goes from the sending of the audio in which it begins to the sending of that in which it ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import List, Optional, Sequence, Tuple

from evi_harness.replay.played_recording import Block
from evi_harness.session.turn import Speech, Turn

__all__ = ["Span", "SpeechPositions", "seqs_of"]

# From when to when, in nanoseconds of session time.
Span = Tuple[int, int]


class SpeechPositions:
    """Places speech in session time.

    Args:
        audio: The user's audio, in time.
    """

    def __init__(self, audio: Sequence[Block]) -> None:
        self._times = [block.at_ns for block in audio]
        self._positions = [block.position_ns for block in audio]

    def span(self, speech: Speech) -> Optional[Span]:
        """When the audio of some speech was sent; None where none of it was. What lies behind the last audio is left out."""
        begin, end = bisect_left(self._positions, speech.begin_ns), bisect_left(self._positions, speech.end_ns)
        if begin == len(self._times):
            return None
        return self._times[begin], self._times[min(end, len(self._times) - 1)]

    def reached_at_ns(self, position_ns: int) -> int:
        """When a position was reached.

        Raises:
            IndexError: It never was.
        """
        return self._times[bisect_left(self._positions, position_ns)]

    def had(self, speech: Optional[Speech], at_ns: int) -> bool:
        """Whether some speech had been sent whole by a time: who tells of it then may know where it was."""
        n_sent = bisect_right(self._times, at_ns)
        return speech is not None and n_sent > 0 and 0 < speech.end_ns <= self._positions[n_sent - 1]


def seqs_of(turn: Turn) -> List[int]:
    """The events that make a turn up, by seq; an event may stand there twice."""
    return [seq for seq in (turn.user, *turn.reply, turn.interrupted_by, turn.end) if seq is not None]
