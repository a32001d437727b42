"""Tests of evi_harness.report.repair_report: what was lost, in few words and in all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from evi_harness.report.repair_report import RepairReport
from evi_harness.session.events import Closed
from evi_harness.session.header import Header
from evi_harness.session.loss import LOSSES, Loss
from evi_harness.session.session import Session

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "reference" / "repair-report.schema.json").read_text(encoding="utf-8"))
SESSION = Session(Header("i", "script", "2026-11-22T12:00:00Z", "evi"), (Closed(0, 0, "app"),), (), "out")


def report(*losses, has_ended=True):
    """A report of one event that was recovered."""
    return RepairReport("a", "b", SESSION, losses, has_ended=has_ended)


@pytest.mark.parametrize(
    ("losses", "code", "last"),
    [
        ((), 0, "nothing was lost"),
        ((Loss("line_cut", "events.jsonl", 2, "x", n_events=1),), 1, "lost: 1 event"),
        ((Loss("events_missing", "events.jsonl", 2, "x", n_events=3),), 1, "lost: 3 events"),
        ((Loss("audio_missing", "events.jsonl", 2, "x", n_events=1, audio_ns=20_000_000),), 1, r"lost: 1 event and 0\.020 s .*"),
        ((Loss("changed", "user.wav", None, "x"),), 1, "lost: 0 events; 1 thing .*"),
    ],
)
def test_the_sum_is_the_last_line(losses, code, last):
    """With the exit code that it means."""
    told = report(*losses)
    assert told.exit_code == code
    assert re.fullmatch(last, told.lines()[-1])
    assert re.fullmatch(r"a: 1 event recovered\b.* b", told.lines()[0])


def test_many_of_one_kind_are_one_line():
    """The first, how many more there are, and the last."""
    told = report(*(Loss("line_damaged", "events.jsonl", number, "x.", n_events=1) for number in range(1, 21))).lines()
    (line,) = told[1:-1]
    assert re.fullmatch(r"  events\.jsonl, line 1: x\. 19 more .* events\.jsonl, line 20: x\.", line)


def test_that_a_recording_has_no_end_is_no_loss():
    """It is told, and the code is 0."""
    told = report(has_ended=False)
    assert told.exit_code == 0
    assert len(told.lines()) == 3


def test_programs_are_told_each(tmp_path):
    """As the schema says, whatever the kind."""
    told = report(*(Loss(kind, "events.jsonl", None, "x\x1b[1m", n_events=1, n_bytes=2, audio_ns=3) for kind in LOSSES)).json()
    jsonschema.validate(told, SCHEMA)
    assert [loss["kind"] for loss in told["losses"]] == list(LOSSES)
    assert "\x1b" not in json.dumps(told, ensure_ascii=False)
