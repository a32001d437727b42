"""Statistics in k6's words: ``avg``, ``med``, ``min``, ``max``, ``p(N)``, ``count``, ``rate``.

Rules of living here: ``count`` and ``rate`` are about values that are not 0, which is to say about what happened; all others are in the
metric's unit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import median
from typing import Callable, Dict, Optional, Sequence

from evi_harness.measure.summary import needed, percentile

__all__ = ["COUNTING", "MEDIAN", "P95", "RATE", "STATISTICS", "Statistic", "statistic_named"]

# What can be written, as errors and pages show it.
STATISTICS = "avg, med, min, max, p(N), count, rate"
# These say how often something happened, and have no unit.
COUNTING = ("count", "rate")

_PERCENTILE = re.compile(r"p\(\s*(\d+(?:\.\d+)?)\s*\)\Z")

_SIMPLE: Dict[str, Callable[[Sequence[float]], float]] = {
    "avg": lambda values: math.fsum(values) / len(values),
    "med": median,
    "min": min,
    "max": max,
    "count": lambda values: float(sum(value != 0 for value in values)),
    "rate": lambda values: sum(value != 0 for value in values) / len(values),
}


@dataclass(frozen=True)
class Statistic:
    """One of them.

    Attributes:
        name: As it is written: ``max``, ``p(95)``.
        percent: Of a percentile, None of the others.
    """

    name: str
    percent: Optional[float] = None

    @property
    def is_counting(self) -> bool:
        """Whether it says how often something happened."""
        return self.name in COUNTING

    @property
    def n_needed(self) -> int:
        """How many values it needs."""
        if self.percent is not None:
            return needed(self.percent) if 0 < self.percent < 100 else 1
        return 0 if self.name == "count" else 1

    def of(self, values: Sequence[float]) -> float:
        """What values come to; there must be one, but for ``count``."""
        return percentile(sorted(values), self.percent) if self.percent is not None else _SIMPLE[self.name](values)


def statistic_named(name: str) -> Optional[Statistic]:
    """The statistic that is written so, None where there is none."""
    if name in _SIMPLE:
        return Statistic(name)
    found = _PERCENTILE.match(name)
    if found is None or float(found[1]) > 100:
        return None
    percent = float(found[1])
    return Statistic(f"p({percent:g})", percent)


MEDIAN = Statistic("med")
P95 = Statistic("p(95)", 95.0)
RATE = Statistic("rate")
