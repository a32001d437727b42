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
    assert told(weather, "written", *changes)[1:] == [
        f"  - #15 {answer}",
        f"  + #15 {answer}",
        f"  ~ #15 {answer}",
        "      $.content: was 'rain', is 'sunny'",
        f"  > #15 {answer}",
        "      was #2 at 0.060 s session settings: audio (16000 Hz, 1 channels)",
        "  ~ #0 at 0.000 s handshake",
        "      $.query.v: was '1', is '2'",
    ]


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
