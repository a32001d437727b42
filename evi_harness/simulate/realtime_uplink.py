"""The buffer of the user's audio in the Realtime protocol: what was written to it, what is heard in it, and what was said.

Rules of living here: places count what was written, as the service's milliseconds do; what a microphone left out is no time there. Audio is
kept from a little before what may still be said, or since the last commit where the app ends the turns.
"""

from __future__ import annotations

from collections import deque
from typing import Deque, List, NamedTuple, Optional, Sequence, Union

from evi_harness.session.g711 import linear_samples
from evi_harness.session.protocols import Hearing, Mark
from evi_harness.session.wav import Pcm
from evi_harness.simulate.turn_detection import Listener, Speaking, Spoken, TurnDetection
from evi_harness.simulate.uplink import AudioPiece

__all__ = ["RealtimeUplink"]

MS = 1_000_000
# No more is kept of what was written: three minutes at 24 kHz.
_MAX_KEPT_BYTES = 8 * 1024 * 1024


class _Written(NamedTuple):
    start_ns: int
    end_ns: int
    at_ns: int
    sound: AudioPiece


class RealtimeUplink:
    """Hears the audio of one session.

    Args:
        hearing: Finds speech; this session's alone.
    """

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._listener: Optional[Listener] = None
        self._padding_ns = 0
        self._kept: Deque[_Written] = deque()
        self._n_kept_bytes = 0
        # Since the last commit or clear.
        self._begin_ns = 0
        self._end_ns = 0
        # How far it was judged.
        self._judged_ns = 0

    @property
    def end_ns(self) -> int:
        """How much was written, as time."""
        return self._end_ns

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written since the last commit or clear."""
        return self._end_ns == self._begin_ns

    def detect(self, detection: Optional[TurnDetection]) -> None:
        """Detect turns from here on, by figures; None for not at all. What was being said is no utterance any more."""
        self._listener = None if detection is None else Listener(detection)
        self._padding_ns = 0 if detection is None else detection.prefix_padding_ms * MS

    def write(self, samples: bytes, pcm: Pcm, at_ns: int) -> List[Union[Speaking, Spoken]]:
        """Write a piece of audio.

        Args:
            samples: Whole frames.
            pcm: Their format.
            at_ns: When they came.

        Returns:
            What is heard by now and was not before.
        """
        samples, pcm = linear_samples(samples, pcm)
        start_ns, self._end_ns = self._end_ns, self._end_ns + pcm.length_ns(len(samples))
        self._kept.append(_Written(start_ns, self._end_ns, at_ns, AudioPiece(pcm, samples)))
        self._n_kept_bytes += len(samples)
        return self.heard(self._hearing.hear(samples, pcm, start_ns))

    def heard(self, marks: Sequence[Mark]) -> List[Union[Speaking, Spoken]]:
        """Take what a hearing that needs a while has come to know since."""
        if marks:
            self._judged_ns = marks[-1].end_ns
        return [] if self._listener is None else list(self._listener.hear(marks))

    def reached_at_ns(self, place_ns: int) -> Optional[int]:
        """When so much had been written, None where that was forgotten, or has not been yet."""
        return next((one.at_ns for one in self._kept if one.start_ns < place_ns <= one.end_ns), None)

    def sound(self, begin_ns: Optional[int] = None, end_ns: Optional[int] = None) -> AudioPiece:
        """What was written between two places, since the last commit to the end by default; in the latest format where that changed."""
        begin_ns, end_ns = self._begin_ns if begin_ns is None else begin_ns, self._end_ns if end_ns is None else end_ns
        pieces = [one for one in self._kept if one.end_ns > begin_ns and one.start_ns < end_ns]
        pcm = pieces[-1].sound.pcm if pieces else Pcm(24_000, 1)
        return AudioPiece(pcm, b"".join(_cut(one, begin_ns, end_ns) for one in pieces if one.sound.pcm == pcm))

    def commit(self) -> None:
        """Begin anew: what was written is an item now, or was cleared."""
        self._begin_ns = self._end_ns

    def forget(self) -> None:
        """Let go of the audio that no utterance will need any more."""
        speaks_ns = None if self._listener is None else self._listener.begin_ns
        keep_ns = self._begin_ns if self._listener is None else self._judged_ns if speaks_ns is None else speaks_ns
        while self._kept and (self._kept[0].end_ns <= keep_ns - self._padding_ns or self._n_kept_bytes > _MAX_KEPT_BYTES):
            self._n_kept_bytes -= len(self._kept.popleft().sound.samples)


def _cut(one: _Written, begin_ns: int, end_ns: int) -> bytes:
    pcm, samples = one.sound.pcm, one.sound.samples
    first, last = (max(0, at_ns - one.start_ns) * pcm.rate // 1_000_000_000 * pcm.frame_bytes for at_ns in (begin_ns, end_ns))
    return samples[first:last]
