"""Lengths of time as people write them on a command line: ``12.5s``, ``1m3s``, ``250ms``, plain seconds.

One place for all options that take one, so that they take the same. Whole nanoseconds come out; what is finer is rounded down.
"""

from __future__ import annotations

import re
from fractions import Fraction

from evi_harness.errors import Parameter, UsageError, Words

__all__ = ["duration_ns"]

# Python reads no number of some thousand digits.
_NUMBER = r"\d{1,18}(?:\.\d{1,18})?"
_FORM = re.compile(
    rf"(?P<plain>{_NUMBER})|(?=[\d.])(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?(?:(?P<ms>{_NUMBER})ms)?", re.ASCII
)
_UNITS_NS = {"plain": 10**9, "h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6}


def duration_ns(text: str, option: str) -> int:
    """Read a length of time.

    Args:
        text: ``12.5s``, ``1m3s``, ``1h``, ``250ms``, or a number of seconds.
        option: The parameter that gave it, for the error.

    Returns:
        Nanoseconds, rounded down; 0 is a length.

    Raises:
        UsageError: It is none of these.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            Words(Parameter(option), f" {text!r} is not a duration"), hint="Give seconds, or a time such as 12.5s, 1m3s or 250ms."
        )
    return int(sum(Fraction(number) * _UNITS_NS[unit] for unit, number in found.groupdict().items() if number is not None))
