"""Tests of evi_harness.report.expected_changes."""

from __future__ import annotations

import re

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.report.expected_changes import ExpectationReport, Proposal, expectation_json, expectation_lines


def told(weather, outcome, *changes, **more):
    """The lines of what became of an expectation."""
    return list(expectation_lines(ExpectationReport("expected.jsonl", outcome, 1, weather, weather, changes, **more), EVI))


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        ("compared", r"compared with expected\.jsonl, 1 message, .*"),
        ("written", r"expected\.jsonl .*written: 1 message\. .*"),
        ("removed", r"expected\.jsonl .*removed: .*"),
        ("unchanged", "nothing to update: .*"),
        ("refused", "not updated: because"),
    ],
)
def test_each_outcome_is_a_sentence(weather, outcome, line):
    """With the file, how much it expects, and why not."""
    (said,) = told(weather, outcome, why="because")
    assert re.fullmatch(line, said)


@pytest.mark.parametrize(
    ("text", "would", "line"),
    [
        (b"x", "written", r"expected\.jsonl would .*written: 1 message \(.*\)"),
        (None, "removed", r"expected\.jsonl would .*removed: .* \(.*\)"),
    ],
)
def test_what_is_proposed_is_told_as_not_yet_done(weather, text, would, line):
    """For people, and for programs what it would be."""
    one = ExpectationReport("expected.jsonl", "proposed", 1, weather, weather, proposal=Proposal("folder", text))
    (said,) = expectation_lines(one, EVI)
    assert re.fullmatch(line, said)
    assert (expectation_json(one)["outcome"], expectation_json(one)["would"]) == ("proposed", would)


@pytest.mark.parametrize(
    ("outcome", "had_one", "is_compared_with"),
    [
        ("compared", False, True),
        ("written", False, True),
        ("removed", True, False),
        ("unchanged", False, False),
        ("unchanged", True, True),
        ("refused", False, False),
        ("refused", True, True),
        ("proposed", False, False),
        ("proposed", True, True),
    ],
)
def test_what_is_compared_with_is_known(weather, outcome, had_one, is_compared_with):
    """An expectation that stands: one that is loaded or written, or that an update left alone."""
    told = ExpectationReport("expected.jsonl", outcome, 1, weather, weather, had_one=had_one)
    assert told.is_compared_with is is_compared_with


def test_changes_are_a_diff(weather):
    """One mark each, the place and the words of what is expected now, and only what differs."""
    answer = 'at 1.600 s tool response call-1: "sunny, 21 degrees"'
    changes = (
        Deviation("missing", "x", 15),
        Deviation("unexpected", "x", None, 15, (Difference("$.a", 1, 2),), nearest_seq=2),
        Deviation("different", "x", 15, 15, (Difference("$.content", "rain", "sunny"),)),
        Deviation("out_of_order", "x", 2, 15),
        Deviation("different", "x", 0, 0, (Difference("$.query.v", "1", "2"),)),
    )
    lines = told(weather, "written", *changes)[1:]
    *marked, moved, opened, query = lines[:3] + lines[4:]
    assert marked == [f"  {mark} #15 {answer}" for mark in "-+~>"]
    assert re.fullmatch(r" {6}\$\.content: was 'rain', is 'sunny'", lines[3])
    assert re.fullmatch(r" {6}was #2 .*0\.060 s session settings: .*\b16000 Hz, 1\b.*", moved)
    assert re.fullmatch(r"  ~ #0 .*0\.000 s handshake", opened)
    assert re.fullmatch(r" {6}\$\.query\.v: was '1', is '2'", query)


def test_json(weather):
    """Each change by name, with its places; differences of what stayed in its place alone."""
    changes = (
        Deviation("different", "x", 15, 15, (Difference("$.a", 1, 2),)),
        Deviation("unexpected", "x", None, 2, (Difference("$.a", 1, 2),), nearest_seq=2),
    )
    assert expectation_json(ExpectationReport("expected.jsonl", "refused", 3, weather, weather, changes, why="no")) == {
        "file": "expected.jsonl",
        "outcome": "refused",
        "would": None,
        "why": "no",
        "n_messages": 3,
        "changes": [
            {"change": "changed", "before_seq": 15, "after_seq": 15, "differences": [{"path": "$.a", "recorded": 1, "live": 2}]},
            {"change": "added", "before_seq": None, "after_seq": 2, "differences": []},
        ],
    }
    assert expectation_json(None) is None
