"""A confidence interval from resampling that assumes only symmetry.

Of n differences, each as likely above their centre as below it by as much, the means of all subsets cut the line into 2ⁿ pieces, and the
centre is in each with the same probability (Hartigan 1969: "typical values"). So counting off pieces at both ends gives an interval that is
right at any n, whatever the noise looks like. Two runs of the same code are exchangeable, so their difference is symmetric by construction.

With more than some thousand subsets, as many are drawn at random, which is right as well. Rules of living here: a seed gives the same
interval on every machine: whole bits are drawn, and sums are taken in a fixed order.
"""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import List, Optional, Sequence, Tuple

__all__ = ["least_n", "spread", "student", "typical_interval"]

# So many subsets are drawn beyond each end of the interval, at the least: the ends then hardly depend on the seed.
_BEYOND = 20
_MEANS = 2000
_BITS = 8


def least_n(alpha: float) -> int:
    """With how many differences there is an interval that the centre is above with probability at most alpha, and below likewise."""
    return math.ceil(-math.log2(alpha) - 1e-9)


def typical_interval(differences: Sequence[float], alpha: float, seed: str) -> Optional[Tuple[float, float]]:
    """An interval for the centre of differences.

    Args:
        differences: Independent of one another, each symmetric about the same centre.
        alpha: How likely the centre may be below the interval; above it, the same.
        seed: Decides which subsets are drawn where there are too many.

    Returns:
        Its ends; None where there are too few differences (see ``least_n``).
    """
    if len(differences) < least_n(alpha):
        return None
    means = _subset_means(differences, max(_MEANS, math.ceil(_BEYOND / alpha)), seed)
    means.sort()
    # The mean of all is of rank (len + 1) / 2: with alpha below a half, the low end is never above the high one.
    n_beyond = int(alpha * (len(means) + 1) + 1e-9)
    return means[n_beyond - 1], means[-n_beyond]


def _subset_means(values: Sequence[float], at_most: int, seed: str) -> List[float]:
    n = len(values)
    tables = [_sums(values[begin : begin + _BITS]) for begin in range(0, n, _BITS)]
    if 2**n <= at_most:
        return [_mean(tables, bits) for bits in range(1, 2**n)]
    # A text as the seed is hashed the same way on every machine.
    draw = random.Random(seed).getrandbits  # noqa: S311 - resampling, no secret
    drawn = (draw(n) for _ in range(at_most - 1))
    return [_mean(tables, bits or 1) for bits in drawn]


def _sums(values: Sequence[float]) -> List[float]:
    """The sum of each subset of a few values, by the bits of its index."""
    sums = [0.0]
    for value in values:
        sums += [sum_ + value for sum_ in sums]
    return sums


def _mean(tables: Sequence[Sequence[float]], bits: int) -> float:
    total, count = 0.0, bin(bits).count("1")
    for table in tables:
        total += table[bits & 255]
        bits >>= _BITS
    return total / count


def spread(values: Sequence[float]) -> float:
    """Standard deviation of what the values are a sample of; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def student(alpha: float, freedom: int) -> float:
    """About what a mean is off by, in its standard errors, with probability alpha to one side (Fisher's expansion; for planning only)."""
    z = NormalDist().inv_cdf(1 - alpha)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
