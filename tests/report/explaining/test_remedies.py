from __future__ import annotations

import re

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import DEVIATIONS, Deviation
from evi_harness.replay.judging.differences import ABSENT, Difference
from evi_harness.replay.judging.findings import FINDINGS, Finding
from evi_harness.report.explaining.remedies import (
    DEVIATION_REMEDIES,
    FINDING_REMEDIES,
    explained_deviation,
    explained_finding,
)


def test_every_kind_has_a_row():
    """Of findings and of deviations, and no row is of another kind; each says what is expected and what to try."""
    where = "evi_harness/report/explaining/remedies.py and the table of kinds do not both have it"
    assert FINDING_REMEDIES.keys() ^ FINDINGS.keys() == set(), where
    assert DEVIATION_REMEDIES.keys() ^ DEVIATIONS.keys() == set(), where
    for row in (*FINDING_REMEDIES.values(), *DEVIATION_REMEDIES.values()):
        assert row.expected
        assert not row.expected.endswith(".")
        assert row.to_try.endswith(".")


@pytest.mark.parametrize("kind", FINDINGS)
def test_a_finding_is_explained_by_its_sentence_and_its_row(kind):
    """What was observed is what the finding says."""
    told = explained_finding(Finding(kind, "it happened", at_ns=0))
    assert told == ("it happened", *FINDING_REMEDIES[kind][:2])


def event(session, seq):
    """An event of a session."""
    return next(one for one in session.events if one.seq == seq)


def test_of_a_callback_that_returned_no_exception_is_suspected(weather):
    """It is known then that it raised nothing."""
    details = ["on_message took 120 ms, returned, and sent nothing"], ["on_message raised an exception at once and sent nothing"], []
    advice = [explained_deviation(Deviation("missing", "x", detail=tuple(one)), None, None, None, EVI).to_try for one in details]
    assert ["may raise" in one for one in advice] == [False, True, True]


@pytest.mark.parametrize(
    ("deviation", "seqs", "observed", "expected"),
    [
        (Deviation("missing", "it was awaited"), (15, None), "it was awaited", 'tool response call-1: "sunny, 21 degrees", at 1.600 s'),
        (Deviation("missing", "it was awaited"), (None, None), "it was awaited", "the message"),
        (
            Deviation("unexpected", "nobody expects it"),
            (None, 15),
            'tool response call-1: "sunny, 21 degrees", at 1.600 s',
            "nothing",
        ),
        (
            Deviation("different", "it differs", differences=(Difference("$.a", 1, 2), Difference("$.b", ABSENT, "x"))),
            (15, 15),
            "$.a: 2 (and 1 more place)",
            "$.a: 1",
        ),
        (Deviation("different", "the handshake differs", differences=(Difference("$.b", ABSENT, "x"),)), (0, 0), "$.b: 'x'", "$.b: absent"),
        (Deviation("out_of_order", "it moved"), (15, 15), "it moved", 'tool response call-1: "sunny, 21 degrees", at its place: 1.600 s'),
        (
            Deviation("late", "it was late", late_ns=250_000_000),
            (15, 15),
            'tool response call-1: "sunny, 21 degrees", 250 ms',
            "the message",
        ),
        (Deviation("stuck", "it stands still"), (None, None), "it stands still", "the app"),
    ],
)
def test_a_deviation_is_explained_by_both_sides(weather, deviation, seqs, observed, expected):
    """What was expected is the recorded message, where there is one; of two that differ, the first value that does."""
    recorded, live = (None if seq is None else event(weather, seq) for seq in seqs)
    told = explained_deviation(deviation, recorded, live, None, EVI)
    assert told.observed.startswith(observed)
    assert told.expected.startswith(expected)
    row = DEVIATION_REMEDIES[deviation.kind]
    assert told.to_try.startswith(row.to_try)
    assert (told.to_try != row.to_try) is row.may_be_meant


def test_the_nearest_message_is_told_beside_an_unexpected_one(weather):
    """With its number."""
    told = explained_deviation(Deviation("unexpected", "x", nearest_seq=15), None, event(weather, 15), event(weather, 15), EVI)
    assert re.search(r'tool response call-1: "sunny, 21 .*" \(#15\)$', told.expected)
