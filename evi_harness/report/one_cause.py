"""When two findings or deviations have the same cause: the one rule for the report, its page and its explanation.

Rules of living here: pure facts in, a key out. One cause is one kind, brought about by one line of the app's, with what differs at the same
paths of the message; of an exception also its type. Where no line is known, what was said tells, without the figures and quotations that
are others each time.
"""

from __future__ import annotations

import re
from typing import Hashable, Iterable, Optional

from evi_harness.session.places import Place

__all__ = ["QUOTE_AN_EXCEPTION", "cause_key"]

# Findings that quote an exception of the app's: another type is another cause, whatever line raised it.
QUOTE_AN_EXCEPTION = frozenset({"raised", "swallowed"})
_QUOTED = re.compile(r'".*"', re.DOTALL)
_WORD_WITH_FIGURES = re.compile(r"\S*\d\S*")


def cause_key(kind: str, words: str, place: Optional[Place], paths: Iterable[str] = (), *, fails: bool = True) -> Hashable:
    """What is equal for two of one cause, and differs for two of different ones.

    Args:
        kind: The kind of the finding or the deviation.
        words: What it says.
        place: The innermost place in the app's code that it is about, None where nobody knows.
        paths: Where what was sent differs from what was expected.
        fails: Whether it fails the replay.
    """
    if place is None:
        said = _WORD_WITH_FIGURES.sub("0", _QUOTED.sub('""', words))
        return kind, fails, None, tuple(paths), said
    line: Hashable = (place.file, place.function) if place.line is None else (place.file, place.line)
    return kind, fails, line, tuple(paths), words.partition(":")[0] if kind in QUOTE_AN_EXCEPTION else ""
