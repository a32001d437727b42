"""Who said what, and when: audible speech by when it sounds, text without audio by when it came.

Rules of living here: a time that nobody knows is marked as assumed; what was never heard is not said.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Callable, List, NamedTuple, Optional, Tuple

from evi_harness.measure.said_times import SaidTimes
from evi_harness.measure.session_times import Reading
from evi_harness.report.plain import printable
from evi_harness.session.events import Received, Sent

__all__ = ["ASSISTANT", "USER", "Said", "SaidSpan", "said_in"]

USER, ASSISTANT = "user", "assistant"
# How long a text that nobody spoke is shown: as captions are, by its length, and no longer than until the next one.
_CHARACTER_NS = 60_000_000
_SHORTEST_NS, _LONGEST_NS = 1_000_000_000, 7_000_000_000


class SaidSpan(NamedTuple):
    """Something that was said.

    Attributes:
        who: ``user`` or ``assistant``.
        text: What, in one line, without secrets.
        begin_ns: From when, in session time.
        end_ns: Until when, later than that.
        seq: The message that says it.
        turn: The number of its turn, None where it has none.
        is_assumed: Whether nobody spoke it, so that how long it stands is assumed.
    """

    who: str
    text: str
    begin_ns: int
    end_ns: int
    seq: int
    turn: Optional[int]
    is_assumed: bool


class Said(NamedTuple):
    """All that was said in a session.

    Attributes:
        spans: In time.
        n_unheard: How many sentences of the assistant's were never heard, most often since the user interrupted.
    """

    spans: Tuple[SaidSpan, ...]
    n_unheard: int


def said_in(reading: Reading, redact: Callable[[str], str]) -> Said:
    """What was said in a session, in words and in time.

    Args:
        reading: The session.
        redact: Takes secrets out of a text.
    """
    times = SaidTimes(reading)
    spans: List[SaidSpan] = []
    n_unheard = 0
    for event in reading.session.events:
        saying = (
            reading.dialect.saying(event.kind, reading.dialect.read(event.kind, event.frame))
            if isinstance(event, (Sent, Received))
            else None
        )
        if saying is None or saying.is_interim or saying.who not in (USER, ASSISTANT) or not saying.text.strip():
            continue
        if times.is_unheard(saying):
            n_unheard += 1
            continue
        span = times.span(event.seq, saying)
        text = printable(redact(" ".join(saying.text.split())))
        is_assumed = span is None or span[0] >= span[1]
        begin_ns, end_ns = (event.at_ns, event.at_ns + _shown_ns(text)) if span is None or is_assumed else span
        spans.append(SaidSpan(saying.who, text, begin_ns, end_ns, event.seq, reading.turn_of.get(event.seq), is_assumed))
    return Said(tuple(_cut(sorted(spans, key=lambda one: (one.begin_ns, one.seq)))), n_unheard)


def _shown_ns(text: str) -> int:
    return min(_LONGEST_NS, max(_SHORTEST_NS, len(text) * _CHARACTER_NS))


def _cut(spans: List[SaidSpan]) -> List[SaidSpan]:
    """An assumed end is not later than the next beginning."""
    begins = sorted({one.begin_ns for one in spans})
    found = []
    for one in spans:
        index = bisect_right(begins, one.begin_ns)
        next_ns = begins[index] if index < len(begins) else one.end_ns
        found.append(one._replace(end_ns=min(one.end_ns, next_ns)) if one.is_assumed else one)
    return found
