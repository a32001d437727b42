"""Tests of evi_harness.pages.problem_spans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.pages.problem_spans import problem_spans
from evi_harness.session.events import Note

MS = 1_000_000


@pytest.mark.parametrize(
    ("notes", "key", "span_ms"),
    [
        ([("blocked", 5000, {"what": "x", "blocked_ns": 2000 * MS})], ("blocked", 1, 5000), (3000, 5000)),
        ([("blocked", 5000, {"what": "x", "cpu_ns": 9, "at_ns": 4000 * MS})], ("blocked", 1, 4000), None),
        ([("maybe_blocked", 5000, {"what": "x", "blocked_ns": 9000 * MS})], ("maybe_blocked", 1, 5000), (0, 5000)),
        ([("plays_on", 9000, {"what": "x", "at_ns": 4000 * MS})], ("plays_on", 1, 4000), (4000, 4500)),
        ([("never_played", 9000, {"what": "x", "at_ns": 4000 * MS})], ("never_played", 1, 4000), (100, 700)),
        ([("underrun", 9000, {"what": "x"})], ("underrun", 1, 9000), (100, 700)),
        ([("handler_entered", 30, {}), ("never_returns", 9000, {"what": "x"})], ("never_returns", 1, 9000), (30, 9000)),
        ([("handler_entered", 30, {"callback": "x"})], ("falls_behind", 1, 30), (10, 30)),
        ([("handler_entered", 10, {"callback": "x"})], ("falls_behind", 1, 10), None),
        ([("raised", 30, {"what": "x"})], ("raised", 1, 30), None),
    ],
)
def test_how_long_a_finding_lasted(session_of, notes, key, span_ms):
    """From its begin to its end, as far as a note tells; what shows in a moment has none."""
    session = session_of([("received", 10, {"type": "user_interruption"})])
    session = replace(
        session, events=(*session.events, *(Note(50 + n, at_ms * MS, name, 1, data) for n, (name, at_ms, data) in enumerate(notes)))
    )
    found = problem_spans(session, {1: 4500 * MS}, {1: (100 * MS, 700 * MS)})
    kind, of, at_ms = key
    assert found.get((kind, of, at_ms * MS)) == (None if span_ms is None else tuple(ms * MS for ms in span_ms))
