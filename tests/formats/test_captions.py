"""Tests of captions and labels as text; webvtt-py, which is not ours, reads the captions."""

from __future__ import annotations

import io

import webvtt
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.formats.captions import labels_text, vtt_text
from evi_harness.formats.said_spans import Said, SaidSpan

LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30).map(str.strip).filter(bool)
SPANS = st.builds(
    lambda who, text, begin_ns, length_ns: SaidSpan(who, text, begin_ns, begin_ns + length_ns, 1, 1, False),
    st.sampled_from(["user", "assistant"]),
    LINES,
    st.integers(0, 10**14),
    st.integers(1, 10**11),
)


@given(st.lists(SPANS, min_size=1, max_size=4))
def test_any_text_is_read_back_as_it_was_said(spans):
    """Markup and arrows are text; times are to the millisecond, and no cue is empty."""
    text = vtt_text(Said(tuple(spans), 0), "made --> by a test")
    assert text.startswith("WEBVTT\n\nNOTE made -> by a test\n")
    cues = list(webvtt.from_buffer(io.StringIO(text)))
    assert [cue.voice for cue in cues] == [one.who.capitalize() for one in spans]
    unescaped = [cue.raw_text.split(">", 1)[1].rpartition("</v>")[0] for cue in cues]
    told = [one.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for one in unescaped]
    assert [" ".join(one.split()) for one in told] == [" ".join(one.text.split()) for one in spans]
    for cue, one in zip(cues, spans):
        begin_ms, end_ms = (round(in_seconds(mark) * 1000) for mark in (cue.start, cue.end))
        assert begin_ms == one.begin_ns // 1_000_000
        assert begin_ms < end_ms
        assert 0 <= end_ms * 1_000_000 - one.end_ns < 2_000_000


def in_seconds(mark):
    """A WebVTT time in seconds."""
    hours, minutes, seconds = mark.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_labels_are_lines_in_time():
    """Seconds with a point, tabs between; a point in time ends where it begins."""
    text = labels_text([(2 * 10**9, 2 * 10**9, "interruption"), (5 * 10**8, 1_500_000_001, "user: Hi")])
    assert text == "0.500000\t1.500000\tuser: Hi\n2.000000\t2.000000\tinterruption\n"
