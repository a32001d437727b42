"""Mix voices on one time axis into a stereo stream, one second at a time, so that memory does not grow with length.

Rules of living here: frame 0 is time 0 of the axis. A sample that has the rate of the mix comes out as it went in; others are resampled.
Voices that sound together are added and clipped to 16 bits, never wrapped. numpy and soxr are imported when they are needed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Callable, Deque, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from evi_harness.audio.resampling import PLAYING, Resampler
from evi_harness.session.wav import Pcm

if TYPE_CHECKING:
    import numpy

__all__ = ["Part", "Voice", "frame_at", "mono", "n_frames", "stereo"]

_SECOND_NS = 1_000_000_000


class Part(NamedTuple):
    """A piece of what one voice says.

    Attributes:
        pcm: The format of the samples. Several channels become one by their mean.
        rate: How many of its frames sound in a second of the axis: ``pcm.rate``, or a multiple of it where time goes by faster.
        samples: The samples; a frame that is cut at the end goes on in the next part.
        begins_ns: When it begins to sound, in nanoseconds; None for right behind the part before it.
    """

    pcm: Pcm
    rate: Fraction
    samples: bytes
    begins_ns: Optional[Fraction] = None


@dataclass(frozen=True)
class Voice:
    """A stream of sound that never overlaps with itself.

    Attributes:
        begins_ns: When its first part begins; below 0 for before the axis, which is not in the mix.
        ends_ns: When its last part ends.
        parts: Makes the parts, in time; the first one says when it begins.
    """

    begins_ns: Fraction
    ends_ns: Fraction
    parts: Callable[[], Iterator[Part]]


def frame_at(at_ns: Fraction, rate: int) -> int:
    """The frame that is nearest to a time; of two that are as near, the later one.

    Args:
        at_ns: The time, in nanoseconds.
        rate: Frames a second.
    """
    return int((at_ns * rate * 2 + _SECOND_NS) // (2 * _SECOND_NS))


def n_frames(voices: Iterable[Voice], rate: int, lasts_ns: int) -> int:
    """How many frames a mix has at most, to within a frame.

    Args:
        voices: The voices of both channels.
        rate: Frames a second.
        lasts_ns: How long the mix lasts at least.
    """
    ends_ns = max((voice.ends_ns for voice in voices), default=Fraction(0))
    return int(max(ends_ns, Fraction(lasts_ns)) * rate // _SECOND_NS) + 1


def stereo(left: Iterable[Voice], right: Iterable[Voice], rate: int, lasts_ns: int) -> Iterator[bytes]:
    """Mix two channels.

    Args:
        left: The voices of the left channel.
        right: The voices of the right channel.
        rate: Frames a second of the mix.
        lasts_ns: How long it lasts at least; it goes on while anything sounds.

    Yields:
        16-bit little-endian frames, left and right in turn; a second at a time, the last block is as long as it takes.
    """
    import numpy

    for totals in _mixed((_Channel(left, rate), _Channel(right, rate)), rate, lasts_ns):
        yield numpy.clip(numpy.stack(totals, axis=1), -32768, 32767).astype("<i2").tobytes()


def mono(voices: Iterable[Voice], rate: int, lasts_ns: int) -> Iterator[bytes]:
    """Mix one channel alone; else as ``stereo``."""
    import numpy

    for (total,) in _mixed((_Channel(voices, rate),), rate, lasts_ns):
        yield numpy.clip(total, -32768, 32767).astype("<i2").tobytes()


def _mixed(channels: Sequence[_Channel], rate: int, lasts_ns: int) -> Iterator[List[numpy.ndarray]]:
    """What sounds in each channel, added up, a second at a time; the last block is as long as it takes."""
    last = -(-lasts_ns * rate // _SECOND_NS)
    at, goes_on = 0, True
    while goes_on:
        totals = [channel.mixed(at, rate) for channel in channels]
        end = max(last, *(channel.end for channel in channels))
        goes_on = end > at + rate or any(channel.goes_on for channel in channels)
        length = rate if goes_on else end - at
        if length > 0:
            yield [total[:length] for total in totals]
        at += rate


class _Channel:
    """One channel of the mix.

    Attributes:
        end: The frame behind the last one that sounded so far.
    """

    def __init__(self, voices: Iterable[Voice], rate: int) -> None:
        self.end = 0
        self._rate = rate
        self._waiting: Deque[Voice] = deque(sorted(voices, key=lambda voice: voice.begins_ns))
        self._sounding: List[_Sounding] = []

    @property
    def goes_on(self) -> bool:
        """Whether something may still come."""
        return bool(self._waiting or self._sounding)

    def mixed(self, at: int, length: int) -> numpy.ndarray:
        """Add up what sounds in a block; ask for one behind the other."""
        import numpy

        total = numpy.zeros(length, numpy.int32)
        while self._waiting and frame_at(self._waiting[0].begins_ns, self._rate) < at + length:
            self._sounding.append(_Sounding(_placed(self._waiting.popleft().parts(), self._rate)))
        for voice in self._sounding:
            self.end = max(self.end, voice.add_to(total, at))
        self._sounding = [voice for voice in self._sounding if not voice.is_over]
        return total


class _Sounding:
    """A voice that has begun.

    Attributes:
        is_over: Whether it has said all.
    """

    def __init__(self, pieces: Iterator[Tuple[int, bytes]]) -> None:
        self.is_over = False
        self._pieces = pieces
        # The frame at which it begins, and its samples.
        self._piece: Optional[Tuple[int, numpy.ndarray]] = None

    def add_to(self, total: numpy.ndarray, at: int) -> int:
        """Add what sounds in a block that begins at a frame; the frame behind the last one that was added, 0 for none."""
        end, stop = 0, at + len(total)
        while self._has_piece() and self._piece is not None and self._piece[0] < stop:
            first, samples = self._piece
            here = slice(max(first, at), min(first + len(samples), stop))
            if here.start < here.stop:
                total[here.start - at : here.stop - at] += samples[here.start - first : here.stop - first]
                end = here.stop
            if first + len(samples) > stop:
                break
            self._piece = None
        return end

    def _has_piece(self) -> bool:
        if self._piece is None:
            import numpy

            piece = next(self._pieces, None)
            self.is_over = piece is None
            self._piece = None if piece is None else (piece[0], numpy.frombuffer(piece[1], "<i2"))
        return not self.is_over


def _placed(parts: Iterator[Part], rate: int) -> Iterator[Tuple[int, bytes]]:
    """The samples of a voice as 16-bit mono at the rate of the mix, each piece with the frame at which it begins."""
    stretch: Optional[_Stretch] = None
    for part in parts:
        if stretch is None or part.begins_ns is not None or not stretch.goes_on_with(part):
            at = 0
            if stretch is not None:
                yield from stretch.finish()
                at = stretch.at
            stretch = _Stretch(at if part.begins_ns is None else frame_at(part.begins_ns, rate), part, rate)
        yield from stretch.push(part.samples)
    if stretch is not None:
        yield from stretch.finish()


class _Stretch:
    """Parts of one format that follow one another without a gap.

    Attributes:
        at: The frame at which what comes out next begins.
    """

    def __init__(self, at: int, part: Part, rate: int) -> None:
        self.at = at
        self._form = (part.pcm, part.rate)
        # The ratio of the two rates is what counts: of a part that goes by faster, fewer frames are left of each of its own seconds.
        self._resampler = Resampler(part.pcm, float(part.pcm.rate * rate / part.rate), PLAYING)
        # Small parts are put together, and large ones are taken apart: by the axis, since a few frames of a low rate become many.
        self._block_bytes = part.pcm.frame_bytes * max(1, int(part.rate))
        self._waiting = bytearray()

    def goes_on_with(self, part: Part) -> bool:
        return self._form == (part.pcm, part.rate)

    def push(self, samples: bytes) -> Iterator[Tuple[int, bytes]]:
        self._waiting += samples
        while len(self._waiting) >= self._block_bytes:
            block = bytes(self._waiting[: self._block_bytes])
            del self._waiting[: self._block_bytes]
            yield from self._out(self._resampler.push(block))

    def finish(self) -> Iterator[Tuple[int, bytes]]:
        yield from self._out(self._resampler.push(bytes(self._waiting)))
        yield from self._out(self._resampler.finish())

    def _out(self, samples: bytes) -> Iterator[Tuple[int, bytes]]:
        if samples:
            yield self.at, samples
            self.at += len(samples) // 2
