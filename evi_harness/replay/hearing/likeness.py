"""How alike two sounds with different samples are: a changed volume, another rate, a fade, or something else.

Windows of 50 ms of the one are looked for in the other, each near where it should be, by normalised cross-correlation: 1 for the same
sound at whatever volume, about 0.3 for the speech of somebody else. The median over the windows is the likeness. Where one window was
found tells where the next one should be, so that pauses which one side has and the other has not do no harm.

A cross-correlation is the product of two polynomials. Written as two long integers, with a sample in each 64 bits, it is one
multiplication, which Python does in C.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from operator import mul
from statistics import median
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

__all__ = ["ALIKE", "N_WINDOWS", "Likeness", "RatedSamples", "likeness", "loud_places", "resampled", "similarity"]

# From here on two sounds are the same one. Gain, clipping, resampling, fades, a low-pass and hum mixed in give 0.95 and more; reversed
# speech 0.43, the speech of somebody else 0.30, exchanged bytes 0.10.
ALIKE = 0.8
# How many windows of a reply are compared.
N_WINDOWS = 8
WINDOW_NS = 50_000_000
# How far from where it should be a window is looked for, and how far where the windows before it were not found either.
NEAR_NS = 100_000_000
# A pause of 20 ms in every 200 moves the next window by a tenth of what lies between; at most so much is added.
DRIFT = 10
MOST_DRIFT_NS = 400_000_000
FAR_NS = 1_500_000_000
N_FAR = 3
# A window below this level has nothing in it to be recognised by (root mean square).
FAINT = 60
# Voice goes on from sample to sample, noise does not: at 8 kHz, neighbours of voiced speech correlate by 0.8 and more.
VOICED = 0.4

# Where a window is, is found at this rate first; voice has most of its energy below half of it.
_COARSE_RATE = 4000
_VOICE_RATE = 8000
_BIAS = 1 << 62


class RatedSamples(NamedTuple):
    """Samples and how fast they play.

    Attributes:
        samples: 16-bit, mono.
        rate: Samples a second.
    """

    samples: array[int]
    rate: int


@dataclass(frozen=True)
class Likeness:
    """What the windows of one sound were found to be in another.

    Attributes:
        correlations: Of each window that there was something in: 0 to 1.
        n_voiced: How many of the places where they were found, or should have been, hold voice.
    """

    correlations: Tuple[float, ...] = ()
    n_voiced: int = 0

    @property
    def median(self) -> float:
        """The likeness; 0 where there is no window."""
        return median(self.correlations) if self.correlations else 0.0

    @property
    def is_alike(self) -> bool:
        """Whether the two are the same sound."""
        return self.median >= ALIKE


def likeness(played: RatedSamples, received: RatedSamples, n_windows: int = N_WINDOWS, *, is_far_tried: bool = True) -> Likeness:
    """Compare a sound with another that it should be.

    Args:
        played: Cut into windows, of which the loudest in each part of it is looked for.
        received: Where they are looked for.
        n_windows: How many windows at most.
        is_far_tried: Whether the first windows are looked for far from where they should be, where they are not near.
    """
    return Likeness(*_Search(played, received, N_FAR if is_far_tried else 0).run(n_windows))


def similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """How alike two short sounds are that should begin and end together: 0 to 1; 0 where their lengths differ by more than a twentieth."""
    n = min(len(one), len(other))
    if not n or 20 * abs(len(one) - len(other)) > max(len(one), len(other)):
        return 0.0
    return next(_correlations(one[:n], other[:n]))


def loud_places(samples: Sequence[int], length: int, n_most: int) -> List[int]:
    """Where the loudest window begins in each of some parts of a sound, in order; faint ones are left out.

    Args:
        samples: The sound.
        length: Of a window, in samples.
        n_most: How many parts, at most; each is as long as two windows at least.
    """
    n_parts = max(1, min(n_most, len(samples) // (2 * length)))
    places = []
    for part in range(n_parts):
        first, last = len(samples) * part // n_parts, len(samples) * (part + 1) // n_parts - length
        tried = [first + (last - first) * step // 8 for step in range(9)] if last > first else [first]
        levels = [(_level(samples[at : at + length]), -at) for at in tried]
        level, at = max(levels)
        if level >= FAINT and len(samples) >= length:
            places.append(-at)
    return places


def resampled(sound: RatedSamples, rate: int) -> array[int]:
    """Bring a short sound to another rate, well enough to compare it: linear, behind a mean where it becomes slower."""
    samples, n = sound.samples, len(sound.samples)
    if sound.rate == rate or not n:
        return samples
    factor = max(1, round(sound.rate / rate))
    means = _means(samples, factor)
    step = sound.rate / rate / factor
    found = array("h")
    for number in range(int(len(means) / step)):
        at = int(number * step)
        after = means[min(at + 1, len(means) - 1)]
        found.append(round(means[at] + (after - means[at]) * (number * step - at)))
    return found


class _Search:
    """Looks for the windows of one sound in another."""

    def __init__(self, played: RatedSamples, received: RatedSamples, n_far: int) -> None:
        self._played = played
        self._received = received
        self._factor = max(1, received.rate // _COARSE_RATE)
        self._n_far = n_far
        # Where the last window that was found should have been.
        self._last = 0
        # How much later than it should be the last window was found, in samples of what was received.
        self._drift = _first_sound(received.samples) - _first_sound(played.samples) * received.rate // played.rate

    def run(self, n_windows: int) -> Tuple[Tuple[float, ...], int]:
        length = WINDOW_NS * self._played.rate // 1_000_000_000
        correlations, n_voiced, n_unlike = [], 0, 0
        places = loud_places(self._played.samples, length, n_windows)
        for start in places:
            window = resampled(RatedSamples(self._played.samples[start : start + length], self._played.rate), self._received.rate)
            correlation, is_voiced = self._look(window, start * self._received.rate // self._played.rate)
            correlations.append(correlation)
            n_voiced += is_voiced
            n_unlike += correlation < ALIKE
            if 2 * n_unlike > len(places):
                # Whatever the others say, the median is below the mark; and what is not found costs most.
                break
        return tuple(correlations), n_voiced

    def _look(self, window: array[int], should_be: int) -> Tuple[float, bool]:
        """How well a window is found, and whether there is voice where it is."""
        rate = self._received.rate
        drift = min((should_be - self._last) // DRIFT, MOST_DRIFT_NS * rate // 1_000_000_000)
        near = NEAR_NS * rate // 1_000_000_000 + drift
        correlation, at = self._found(window, should_be + self._drift, near)
        if correlation < ALIKE and self._n_far:
            self._n_far -= 1
            further = self._found(window, should_be + self._drift, FAR_NS * rate // 1_000_000_000)
            if further[0] >= ALIKE:
                correlation, at = further
        if correlation >= ALIKE:
            self._drift, self._last = at - should_be, should_be
        there = self._received.samples[at : at + len(window)]
        return correlation, _is_voiced(_means(there, max(1, rate // _VOICE_RATE)))

    def _found(self, window: array[int], middle: int, reach: int) -> Tuple[float, int]:
        """The best correlation near a place, and where."""
        n, samples = len(window), self._received.samples
        first = min(max(0, middle - reach), max(0, len(samples) - n))
        region = samples[first : max(0, middle + reach) + n]
        if len(region) < n or not n:
            return 0.0, max(0, min(middle, len(samples)))
        factor = self._factor
        coarse = _best(_means(window, factor), _means(region, factor))
        if coarse is None:
            return 0.0, max(0, min(middle, len(samples)))
        first_near = max(0, coarse * factor - factor)
        correlations = _correlations(window, region[first_near : coarse * factor + factor + n])
        found, at = max((value, -at) for at, value in enumerate(correlations))
        return found, first + first_near - at


def _correlations(window: Sequence[int], region: Sequence[int]) -> Iterator[float]:
    """Pearson's correlation of a window with a region, at each place where it fits; 0 where it is negative, or one stands still."""
    n, total = len(window), sum(window)
    own = n * sum(map(mul, window, window)) - total * total
    sums, squares = [0, *accumulate(region)], [0, *accumulate(map(mul, region, region))]
    for at in range(len(region) - n + 1):
        others = sums[at + n] - sums[at]
        energy = own * (n * (squares[at + n] - squares[at]) - others * others)
        product = n * sum(map(mul, window, region[at : at + n])) - total * others
        yield product / sqrt(energy) if product > 0 and energy > 0 else 0.0


def _best(window: Sequence[int], region: Sequence[int]) -> Optional[int]:
    """Where in a region a window correlates best; None where the region is shorter, or faint."""
    n = len(window)
    if not n or len(region) < n:
        return None
    # A constant offset is no sound: with it gone from the window, that of the region does not count either.
    mean = sum(window) // n
    sums, squares = [0, *accumulate(region)], [0, *accumulate(value * value for value in region)]
    least = FAINT * FAINT * n // 16
    best: Tuple[float, int] = (0.0, -1)
    for at, product in enumerate(_products([value - mean for value in window], region)):
        if product > 0:
            energy = squares[at + n] - squares[at] - (sums[at + n] - sums[at]) ** 2 // n
            if energy > least and product * product > best[0] * energy:
                best = product * product / energy, at
    return best[1] if best[1] >= 0 else None


def _products(window: Sequence[int], region: Sequence[int]) -> Iterator[int]:
    """The sum of products of a window with a region, at each place where it fits: by one multiplication of long integers."""
    n = len(window) + len(region) - 1
    product = _integer(window[::-1]) * _integer(region)
    digits = struct.unpack(f"<{n}Q", (product + _biases(n)).to_bytes(8 * n, "little"))
    return (digit - _BIAS for digit in digits[len(window) - 1 : len(region)])


def _integer(values: Sequence[int]) -> int:
    """An integer whose 64-bit digits are some values, each of which may be negative."""
    n = len(values)
    return int.from_bytes(struct.pack(f"<{n}Q", *[value + _BIAS for value in values]), "little") - _biases(n)


def _biases(n: int) -> int:
    return int.from_bytes(struct.pack("<Q", _BIAS) * n, "little")


def _means(samples: array[int], factor: int) -> List[int]:
    """The mean of each so many samples."""
    if factor == 1:
        return list(samples)
    n = len(samples) // factor * factor
    return [sum(few) // factor for few in zip(*(samples[offset:n:factor] for offset in range(factor)))]


def _level(samples: Sequence[int]) -> float:
    """Root mean square, without a constant offset."""
    n = len(samples)
    return sqrt(max(0, n * sum(map(mul, samples, samples)) - sum(samples) ** 2)) / n if n else 0.0


def _is_voiced(samples: Sequence[int]) -> bool:
    energy = sum(map(mul, samples, samples))
    return bool(energy > FAINT * FAINT * len(samples) // 4 and sum(map(mul, samples, samples[1:])) >= VOICED * energy)


def _first_sound(samples: array[int]) -> int:
    """Where a sound begins that is not faint, in steps of 256 samples."""
    for at in range(0, len(samples), 256):
        part = samples[at : at + 256]
        if max(part) > 2 * FAINT or min(part) < -2 * FAINT:
            return at
    return 0
