"""Detect speech in audio of any format: samples in, marks out.

A ``session.protocols.Hearing`` made of a resampler, blocks and a speech detector.

Rules of living here: a mark covers exactly the audio that was judged, on the axis on which the audio's place was given; marks have no gaps
and never overlap; audio that is not judged yet has no mark. Where nothing was sent there is silence, and it is marked as silence. A place
that differs by less than ``TOLERANCE_NS`` from where the audio before it ended is taken for that end: a microphone's jitter is not silence.
"""

from __future__ import annotations

from typing import Generator, List, Optional

from evi_harness.audio.resampling import Resampler
from evi_harness.session.protocols import Mark, SpeechDetector
from evi_harness.session.wav import Pcm

__all__ = ["TOLERANCE_NS", "Ear", "Judging"]

SECOND = 1_000_000_000
# Above the jitter of a microphone's cadence, below any pause that matters to turn-taking.
TOLERANCE_NS = 60_000_000
# How many blocks of silence a detector is given to forget what was before a gap.
N_SETTLING = 8


# Blocks out, probabilities in.
Judging = Generator[bytes, float, List[Mark]]
_Blocks = Generator[bytes, float, None]


class Ear:
    """A ``Hearing``: judges one stream of audio.

    Args:
        detector: Judges the blocks; keeps state, so it is this stream's alone.
    """

    def __init__(self, detector: SpeechDetector) -> None:
        self.name = detector.name
        self._detector = detector
        self._pcm: Optional[Pcm] = None
        self._resampler: Optional[Resampler] = None
        self._pending = b""
        # Where what is judged began, and where the format began.
        self._start_ns = 0
        self._format_ns = 0
        self._n_bytes = 0
        self._n_judged = 0
        self._judged_ns = 0

    def hear(self, samples: bytes, pcm: Pcm, start_ns: int) -> List[Mark]:
        """Hear the next piece of audio; see ``Hearing.hear``."""
        judging = self.judging(samples, pcm, start_ns)
        try:
            block = next(judging)
            while True:
                block = judging.send(self._detector.probability(block))
        except StopIteration as end:
            marks: List[Mark] = end.value
            return marks

    def judging(self, samples: bytes, pcm: Pcm, start_ns: int) -> Judging:
        """Hear the next piece of audio with the blocks judged by whoever asks, who may judge those of several ears together.

        Yields:
            Each block, in order, as the detector takes it; it is to be sent how likely there is speech in it. Returns what ``hear`` does.
        """
        marks: List[Mark] = []
        if self._pcm is not None and start_ns - self._end_ns() > TOLERANCE_NS:
            yield from self._rest(marks)
        if self._resampler is None:
            yield from self._silence(start_ns, marks)
            self._begin(pcm)
        elif pcm != self._pcm:
            yield from self._judge(self._resampler.finish(), marks)
            self._go_on(pcm)
        assert self._resampler is not None
        self._n_bytes += len(samples)
        yield from self._judge(self._resampler.push(samples), marks)
        return marks

    @property
    def detector(self) -> SpeechDetector:
        """What judges the blocks."""
        return self._detector

    def _begin(self, pcm: Pcm) -> None:
        self._pcm, self._resampler = pcm, Resampler(pcm, self._detector.rate)
        self._start_ns = self._format_ns = self._judged_ns
        self._n_bytes = self._n_judged = 0

    def _go_on(self, pcm: Pcm) -> None:
        """Go on in another format: frames of a few milliseconds may each have their own, and one block is judged out of several."""
        self._format_ns = self._end_ns()
        # What each format is rounded by when it is resampled must not add up.
        size = 2 * max(0, (self._format_ns - self._start_ns) * self._detector.rate // SECOND - self._n_judged)
        self._pending = self._pending[:size].ljust(size, b"\0")
        self._pcm, self._resampler = pcm, Resampler(pcm, self._detector.rate)
        self._n_bytes = 0

    def _end_ns(self) -> int:
        """Where the audio so far ends."""
        assert self._pcm is not None
        return self._format_ns + self._pcm.length_ns(self._n_bytes)

    def _rest(self, marks: List[Mark]) -> _Blocks:
        """Judge what is left of the stream so far, and end it."""
        assert self._resampler is not None
        end_ns = self._end_ns()
        yield from self._judge(self._resampler.finish(), marks)
        if self._pending and self._judged_ns < end_ns:
            block, self._pending = self._pending.ljust(2 * self._detector.block, b"\0"), b""
            probability = yield block
            marks.append(self._mark(end_ns, probability))
        self._pending = b""
        self._resampler = None

    def _silence(self, until_ns: int, marks: List[Mark]) -> _Blocks:
        """Mark that nothing was sent, and let the detector forget what was."""
        if until_ns <= self._judged_ns:
            return
        for _ in range(N_SETTLING):
            yield bytes(2 * self._detector.block)
        marks.append(self._mark(until_ns, 0.0))

    def _judge(self, samples: bytes, marks: List[Mark]) -> _Blocks:
        size = 2 * self._detector.block
        heard = self._pending + samples
        whole = len(heard) - len(heard) % size
        self._pending = heard[whole:]
        for at in range(0, whole, size):
            self._n_judged += self._detector.block
            end_ns = self._start_ns + self._n_judged * SECOND // self._detector.rate
            probability = yield heard[at : at + size]
            marks.append(self._mark(end_ns, probability))

    def _mark(self, end_ns: int, probability: float) -> Mark:
        mark = Mark(self._judged_ns, end_ns, probability)
        self._judged_ns = end_ns
        return mark
