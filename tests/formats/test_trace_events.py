"""Tests of traces as text."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from evi_harness.formats.trace_events import TraceInstant, TraceSpan, trace_pieces

LANES = ("one", "two")
SPANS = st.builds(
    lambda lane, begin_ns, length_ns: TraceSpan(lane, "x", begin_ns, begin_ns + length_ns, {}),
    st.sampled_from(LANES),
    st.integers(0, 5000),
    st.integers(0, 5000),
)


def trace(spans, instants=()):
    """A trace, read back."""
    text = "".join(trace_pieces("n\u2028", LANES, spans, instants, {"a": 1}))
    assert text.isascii()
    return json.loads(text)


@given(st.lists(SPANS, max_size=12))
def test_spans_of_one_lane_never_overlap(spans):
    """Whatever overlaps has a lane of its own, below; every span is there, in whole microseconds."""
    events = trace(spans)["traceEvents"]
    names = {one["tid"]: one["args"]["name"] for one in events if one["name"] == "thread_name"}
    drawn = [one for one in events if one["ph"] == "X"]
    assert sorted((one["cat"], one["ts"], one["ts"] + one["dur"]) for one in drawn) == sorted(
        (one.lane, one.begin_ns // 1000, one.end_ns // 1000) for one in spans
    )
    for thread, name in names.items():
        mine = sorted((one["ts"], one["ts"] + one["dur"]) for one in drawn if one["tid"] == thread)
        assert all(end <= begin for (_, end), (begin, _) in zip(mine, mine[1:]))
        assert {one["cat"] for one in drawn if one["tid"] == thread} <= {name.split(" (")[0]}
    assert list(names.values())[:1] == ["one"]


def test_instants_stand_in_the_first_lane_of_their_name():
    """And the whole has a name and what is said of it."""
    made = trace(
        [TraceSpan("one", "x", 0, 10_000, {}), TraceSpan("one", "y", 0, 10_000, {})], [TraceInstant("two", "z", 7_999, {"seq": 3})]
    )
    (instant,) = [one for one in made["traceEvents"] if one["ph"] == "i"]
    assert (instant["tid"], instant["ts"], instant["args"]) == (3, 7, {"seq": 3})
    assert made["otherData"] == {"a": 1}
    assert made["traceEvents"][0]["args"] == {"name": "n\u2028"}
