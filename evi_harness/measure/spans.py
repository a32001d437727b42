"""Add and subtract spans of time.

Rules of living here: a span is from when until when, in nanoseconds; one that ends where it begins is nothing.
"""

from __future__ import annotations

from typing import Iterable, List

from evi_harness.session.sounding import Span

__all__ = ["covered_ns", "merged", "shared", "without"]


def merged(spans: Iterable[Span]) -> List[Span]:
    """The same time in as few spans as can be, in order."""
    found: List[Span] = []
    for begin_ns, end_ns in sorted(span for span in spans if span[0] < span[1]):
        if found and begin_ns <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_ns))
        else:
            found.append((begin_ns, end_ns))
    return found


def shared(some: Iterable[Span], others: Iterable[Span]) -> List[Span]:
    """The time that is in both."""
    theirs = merged(others)
    return merged((max(a, c), min(b, d)) for a, b in merged(some) for c, d in theirs)


def without(span: Span, others: Iterable[Span]) -> List[Span]:
    """What is left of a span without the time of others."""
    left: List[Span] = []
    at_ns = span[0]
    for begin_ns, end_ns in shared([span], others):
        left.append((at_ns, begin_ns))
        at_ns = end_ns
    return merged([*left, (at_ns, span[1])])


def covered_ns(spans: Iterable[Span]) -> int:
    """How long spans last together; what is in several counts once."""
    return sum(end_ns - begin_ns for begin_ns, end_ns in merged(spans))
