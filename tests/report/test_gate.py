"""Tests of evi_harness.report.gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from evi_harness.measure.comparison import Comparison
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import judge_threshold, parse_threshold
from evi_harness.report.gate import GateReport

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "gate-report.schema.json").read_text(encoding="utf-8"))

HANDLED = [Sample("handle", float(value), "weather", turn, 7) for turn, value in enumerate((1, 9, 3), 1)]
PASSED = judge_threshold(parse_threshold("handle: max<10"), HANDLED)
FAILED = judge_threshold(parse_threshold("handle: max<5"), HANDLED)
OPEN = judge_threshold(parse_threshold("handle: p(95)<5"), HANDLED)
SLOWER = Comparison("response", "med", "regressed", 800.0, 890.0, 82.0, 97.5, 40.0, 0.005, 20, 200)
FASTER = Comparison("response", "p(95)", "improved", 1200.0, 1000.0, -210.0, -190.0, 50.0, 0.005, 20, 200)
UNSURE = Comparison("response", "med", "inconclusive", 800.0, 830.0, 10.0, 50.0, 40.0, 0.005, 9, 90, 7, "7 more runs of each would decide")
EXACT = Comparison("handle", "each", "passed", 3.0, 3.0, 0.0, 0.0, n_runs=1, n_pairs=3, where="weather turn 1")
RARER = Comparison("missed", "rate", "passed", 0.1, 0.1, -0.02, 0.02, 0.05, 0.005, 20, 200)
NOTHING = Comparison("cpu", "", "inconclusive", why="there is no pair to compare")


@pytest.mark.parametrize(
    ("thresholds", "comparisons", "policy", "verdict", "code"),
    [
        ((), (), "fail", "passed", 0),
        ((PASSED,), (EXACT, FASTER), "fail", "passed", 0),
        ((PASSED, FAILED), (), "fail", "failed", 1),
        ((), (EXACT, SLOWER), "fail", "failed", 1),
        ((OPEN,), (), "fail", "inconclusive", 4),
        ((PASSED,), (UNSURE,), "fail", "inconclusive", 4),
        ((PASSED,), (UNSURE,), "pass", "inconclusive", 0),
        ((OPEN,), (SLOWER,), "fail", "failed", 1),
        ((FAILED,), (UNSURE,), "pass", "failed", 1),
    ],
)
def test_the_sum(thresholds, comparisons, policy, verdict, code):
    """One that failed fails all, whatever is open; the open leave it open, and pass only where they are to."""
    report = GateReport(thresholds, comparisons, inconclusive=policy)
    assert (report.verdict, report.exit_code) == (verdict, code)
    jsonschema.validate(report.json(), SCHEMA)


def test_what_people_read():
    """Every number with its unit; the seed; what failed in capitals, with the worst of it."""
    report = GateReport((PASSED, FAILED, OPEN), (SLOWER, FASTER, UNSURE, EXACT, RARER, NOTHING), 5, old="main", new="HEAD", saved="b.json")
    assert report.lines() == [
        "gate       passed        handle: max<10: 9.000 ms of 3 values",
        "gate       FAILED        handle: max<5: 9.000 ms of 3 values; worst: weather turn 2 #7 9.000 ms",
        "gate       inconclusive  handle: p(95)<5: p(95) needs 20 values, and there are 3; 17 more would do, or max and med, which need 1",
        "compared   HEAD",
        "with       main",
        "seed       5; false alarm 0.01",
        (
            "           REGRESSED     response med: 800.000 ms → 890.000 ms (+90.000 ms, +11.2%); "
            "the difference is between +82.000 ms and +97.500 ms; 40.000 ms matter"
        ),
        (
            "           improved      response p(95): 1200.000 ms → 1000.000 ms (-200.000 ms, -16.7%); "
            "the difference is between -210.000 ms and -190.000 ms; 50.000 ms matter"
        ),
        (
            "           inconclusive  response med: 800.000 ms → 830.000 ms (+30.000 ms, +3.8%); "
            "the difference is between +10.000 ms and +50.000 ms; 40.000 ms matter; 7 more runs of each would decide"
        ),
        "           passed        handle each: 3.000 ms → 3.000 ms (+0.000 ms, +0.0%); at weather turn 1",
        "           passed        missed rate: 10.0% → 10.0% (+0.0%); the difference is between -2.0% and +2.0%; 5.0% matter",
        "           inconclusive  cpu: there is no pair to compare",
        "baseline   written to b.json",
    ]


def test_what_was_not_done_is_said():
    """A baseline that was not written, with the reason; what the configuration has and this did not measure. In the JSON, too."""
    report = GateReport((FAILED,), not_saved="b.json: a threshold does not hold", passed_over=("turn_gap: max<9", "perf/key.json"))
    assert report.lines()[1:] == [
        "note       'turn_gap: max<9' of the configuration is about what this does not measure",
        "note       'perf/key.json' of the configuration is about what this does not measure",
        "baseline   not written to b.json: a threshold does not hold",
    ]
    told = replace(report, redact=lambda text: text.replace("key", "***")).json()
    jsonschema.validate(told, SCHEMA)
    assert (told["saved"], told["not_saved"]) == (None, "b.json: a threshold does not hold")
    assert told["passed_over"] == ["turn_gap: max<9", "perf/***.json"]


def test_what_a_terminal_must_not_get():
    """A session's name may be anybody's, and may hold a secret."""
    sample = Sample("handle", 9.0, "\x1b[2J key", 1)
    report = GateReport((judge_threshold(parse_threshold("handle: max<5"), [sample]),), redact=lambda text: text.replace("key", "***"))
    assert "\\x1b[2J ***" in report.lines()[0]
    assert "key" not in json.dumps(report.json())
