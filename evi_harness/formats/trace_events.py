"""A session as Chrome trace events: lanes of spans, which Perfetto and speedscope draw.

The form is Google's "Trace Event Format": complete events (``X``) with microseconds since the connection opened, instants (``i``) for
messages, and metadata (``M``) that names the lanes. speedscope draws the spans and passes the instants over.

Rules of living here: two spans of one lane never overlap, since viewers stack them as calls: overlapping spans get separate lanes.
"""

from __future__ import annotations

import json
from heapq import heappop, heappush
from typing import Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

from evi_harness.session.json_value import Json

__all__ = ["TraceInstant", "TraceSpan", "trace_pieces"]

_PROCESS = 1


class TraceSpan(NamedTuple):
    """Something that lasts.

    Attributes:
        lane: Where it is drawn.
        name: What it is.
        begin_ns: From when, in session time.
        end_ns: Until when.
        facts: What a viewer shows when it is clicked.
    """

    lane: str
    name: str
    begin_ns: int
    end_ns: int
    facts: Dict[str, Json]


class TraceInstant(NamedTuple):
    """Something that happens at once: as of ``TraceSpan``."""

    lane: str
    name: str
    at_ns: int
    facts: Dict[str, Json]


def trace_pieces(
    name: str, lanes: Sequence[str], spans: Iterable[TraceSpan], instants: Iterable[TraceInstant], about: Dict[str, Json]
) -> Iterator[str]:
    """A trace, piece by piece.

    Args:
        name: Name of the session.
        lanes: The lanes, from the top.
        spans: What lasts, in any order.
        instants: What does not.
        about: What to say of the whole.

    Yields:
        Its text, in ASCII.
    """
    drawn: List[Tuple[int, TraceSpan]] = []
    threads: Dict[int, str] = {}
    by_lane: Dict[str, List[TraceSpan]] = {lane: [] for lane in lanes}
    for span in spans:
        by_lane[span.lane].append(span)
    first: Dict[str, int] = {}
    for lane in lanes:
        first[lane] = len(threads) + 1
        threads[first[lane]] = lane
        # When each row of the lane is free again; the first is there whether it is needed or not.
        rows: List[Tuple[int, int]] = [(0, 0)]
        for span in sorted(by_lane[lane], key=lambda one: (one.begin_ns, -one.end_ns)):
            if rows[0][0] <= span.begin_ns:
                _, row = heappop(rows)
            else:
                row = len(rows)
                threads[first[lane] + row] = f"{lane} ({row + 1})"
            heappush(rows, (span.end_ns, row))
            drawn.append((first[lane] + row, span))
    yield f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(about)}, "traceEvents": [\n'
    yield json.dumps({"ph": "M", "pid": _PROCESS, "name": "process_name", "args": {"name": name}})
    for thread, lane in threads.items():
        yield ",\n" + json.dumps({"ph": "M", "pid": _PROCESS, "tid": thread, "name": "thread_name", "args": {"name": lane}})
        yield ",\n" + json.dumps({"ph": "M", "pid": _PROCESS, "tid": thread, "name": "thread_sort_index", "args": {"sort_index": thread}})
    for thread, span in drawn:
        # Whole numbers: the sum of two fractions may lie behind the beginning of the next span, and then viewers see two that overlap.
        begin_us = span.begin_ns // 1000
        times = {"ts": begin_us, "dur": max(0, span.end_ns // 1000 - begin_us)}
        yield ",\n" + json.dumps(
            {"ph": "X", "pid": _PROCESS, "tid": thread, "name": span.name, "cat": span.lane, **times, "args": span.facts}
        )
    for one in instants:
        instant = {"ph": "i", "s": "t", "pid": _PROCESS, "tid": first[one.lane], "name": one.name, "cat": one.lane, "ts": one.at_ns // 1000}
        yield ",\n" + json.dumps({**instant, "args": one.facts})
    yield "\n]}\n"
