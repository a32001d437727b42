"""The least effect that matters: smaller differences are ignored, however certain they are.

Written ``5%``, ``20ms`` or ``5%,1ms..50ms``: a share of the old value, but never less than the first time and never more than the second.

Rules of living here: a share is of the old value. Exact metrics have no tolerance unless one is given.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from evi_harness.errors import UsageError

__all__ = ["LEAST_EFFECT", "Effect", "parse_effect"]

# Nobody writes a longer one, and what is much longer takes long to refuse.
_LONGEST = 200
_HINT = "Write a share, a time, or a share with a minimum and a maximum, as in '5%', '20ms' or '5%,1ms..50ms'."
_TIME = r"(?:\d+\.?\d*|\.\d+)\s*(?:us|µs|ms|s)"
_SHARE = re.compile(r"(\d+\.?\d*|\.\d+)\s*%\Z")
_TIMES = re.compile(rf"({_TIME})(?:\s*\.\.\s*({_TIME}))?\Z")
_NUMBER = re.compile(r"([\d.]+)\s*(\S+)\Z")
_SIZES = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Effect:
    """A size of a difference.

    Attributes:
        share: Of the old value.
        least_ms: It is never less than this, in milliseconds.
        most_ms: It is never more than this, in milliseconds.
    """

    share: float
    least_ms: float = 0.0
    most_ms: float = math.inf

    def beside(self, old_ms: float) -> float:
        """It in milliseconds, beside an old value."""
        return min(max(self.share * abs(old_ms), self.least_ms), self.most_ms)

    def __str__(self) -> str:
        """As it is written."""
        most = "" if self.most_ms == math.inf else f"..{self.most_ms:g}ms"
        times = f"{self.least_ms:g}ms{most}" if self.least_ms or most else ""
        return ",".join(part for part in (f"{self.share * 100:g}%" if self.share else "", times) if part)


# Less than 5% asks for more runs than anybody waits for on a shared machine, whose noise is 2.7% a sample. Less than 1 ms nobody hears;
# 50 ms more are heard in a conversation however long it took before.
LEAST_EFFECT = Effect(0.05, 1.0, 50.0)


def parse_effect(text: str) -> Effect:
    """Read a least effect.

    Args:
        text: ``5%``, ``20ms`` or ``5%,1ms..50ms``.

    Raises:
        UsageError: It is not a share or a time.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"{text[:_LONGEST]!r}… is not a share or a time", hint=_HINT)
    share, least_ms, most_ms = 0.0, 0.0, math.inf
    for part in text.split(","):
        shared, timed = _SHARE.match(part.strip()), _TIMES.match(part.strip())
        if shared is not None:
            share = float(shared[1]) / 100
        elif timed is not None:
            least_ms, most_ms = _milliseconds(timed[1]), math.inf if timed[2] is None else _milliseconds(timed[2])
        else:
            raise UsageError(f"{text!r} is not a share or a time", hint=_HINT)
    if not (share or least_ms) or most_ms < least_ms or not most_ms or math.isinf(share) or math.isinf(least_ms):
        raise UsageError(f"{text!r} is zero or infinite, or its maximum is below its minimum", hint=_HINT)
    return Effect(share, least_ms, most_ms)


def _milliseconds(text: str) -> float:
    found = _NUMBER.match(text)
    assert found is not None
    return float(found[1]) * _SIZES[found[2]]
