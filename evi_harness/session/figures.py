"""Numbers for people: three significant digits, never an exponent.

Rules of living here: what is whole stays whole (12345 ms, not 12300), zeros at the end go, and nothing is shorter than a nanosecond.
"""

from __future__ import annotations

__all__ = ["SIGNIFICANT", "figure", "milliseconds", "milliseconds_apart"]

SIGNIFICANT = 3
# Milliseconds to the nanosecond.
_MOST_DECIMALS = 6


def figure(value: float, sign: str = "", digits: int = SIGNIFICANT) -> str:
    """A number with so many significant digits.

    Args:
        value: The number.
        sign: ``+`` to have a sign before what is not negative, too.
        digits: How many digits count; those before the point are all there.
    """
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    decimals = min(_MOST_DECIMALS, max(0, digits - 1 - exponent))
    # What rounds to nothing has no minus.
    text = f"{round(value, decimals) or 0.0:{sign}.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(value: float, sign: str = "", digits: int = SIGNIFICANT) -> str:
    """Milliseconds with their unit, see ``figure``."""
    return f"{figure(value, sign, digits)} ms"


def milliseconds_apart(one: float, other: float) -> int:
    """How many digits it takes to tell two values apart, to the nanosecond; three where they are the same, or that is enough."""
    digits = SIGNIFICANT
    while round(one, _MOST_DECIMALS) != round(other, _MOST_DECIMALS) and figure(one, "", digits) == figure(other, "", digits):
        digits += 1
    return digits
