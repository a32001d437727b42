"""Tests of evi_harness.report.drift_report: what is told of the latency of a conversation held again."""

from __future__ import annotations

import re

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.measure.turn_latency import TurnLatency
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.drift import drift_of
from evi_harness.replay.judging.endings import ending_of
from evi_harness.replay.judging.session_comparison import ComparedTurn, Parting, SessionComparison
from evi_harness.report.drift_report import LiveReport

MS = 1_000_000


@pytest.fixture
def latency_lines(weather):
    """What is told of pairs of latencies: (then, now), in milliseconds."""

    def told(*pairs, of="latency", **changes):
        latencies = tuple(
            tuple(TurnLatency(turn, None if ms is None else ms * MS, None) for ms in pair) for turn, pair in enumerate(pairs, 1)
        )
        report = LiveReport(
            recorded=weather,
            live=weather,
            endpoint="http://127.0.0.1:1",
            cadence="turn",
            faults=(),
            drift=drift_of(weather, weather, EVI),
            latencies=latencies,
            lateness_ns={},
            folder="live",
            endings=(ending_of(weather, EVI), ending_of(weather, EVI)),
            **changes,
        )
        return [line.split(None, 1)[1] for line in report.lines() if line.startswith(of)]

    return told


def test_turns_are_held_side_by_side(latency_lines):
    """Each, and the median of the changes."""
    (line,) = latency_lines((100, 150), (200, 210))
    assert re.fullmatch(r"response \+30 ms \(median\): turn 1 100 → 150 ms, turn 2 200 → 210 ms", line)


def test_a_recording_without_times_is_not_compared_with(latency_lines):
    """What the service took now is told alone; nothing where nothing is known."""
    (line,) = latency_lines((None, 150), (None, None))
    assert re.match("response, .*: turn 1 150 ms$", line)
    assert latency_lines((100, None)) == []


def test_a_turn_of_one_side_is_told(latency_lines):
    """With when it came, and what was sent otherwise; what was said stands in the drift of texts."""
    turns = (
        ComparedTurn(1, None, "Hello?", (Parting("turn", "Hello?", None),)),
        ComparedTurn(None, 1, "", (Parting("turn", None, "Good evening."),)),
        ComparedTurn(2, 2, "", (Parting("sent", "a", None), Parting("said", "a", "b"))),
    )
    lines = latency_lines(of="drift", comparison=SessionComparison((), turns, (), 100.0))
    then, now, sent = lines
    assert re.fullmatch("turn 1 .*recording: 'Hello\\?'", then)
    assert re.fullmatch("turn 1 .*now: 'Good evening\\.'", now)
    assert sent == "turn 2, sent:"


def test_what_was_set_up_otherwise_is_told(latency_lines):
    """Before the first turn: the handshake by where it differs, of many places the first; a message that only one side sent."""
    differing = tuple(Difference(f"$.{name}", "a", "b") for name in "abcdefgh")
    opening = (
        Parting("handshake", "/chat", "/chat", 0, 0, differing[:1]),
        Parting("sent", "settings", None),
        Parting("sent", "x", "x", 1, 1, differing),
    )
    comparison = SessionComparison(opening, (), (), 100.0)
    heads = latency_lines(of="drift", comparison=comparison)
    assert [re.split(", |: ?", line)[1] for line in heads] == ["handshake", "sent", "sent"]
    below = [line.split() for line in latency_lines(of=" ", comparison=comparison)]
    each = ["then", "'a',", "now", "'b'"]
    assert below == [each, ["'settings'"], ["nothing"], *([each] * 6), ["in", "2", "more", "places"]]
