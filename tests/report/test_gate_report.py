"""Tests of evi_harness.report.gate_report."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import pytest

from evi_harness.measure.comparison import Comparison
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import judge_threshold, parse_threshold
from evi_harness.report.gate_report import GateReport, comparison_line, replayed_with_gate, with_gate
from evi_harness.report.result import verdict_line

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "reference" / "gate-report.schema.json").read_text(encoding="utf-8"))

HANDLED = [Sample("handle", float(value), "weather", turn, 7) for turn, value in enumerate((1, 9, 3), 1)]
PASSED = judge_threshold(parse_threshold("handle: max<10"), HANDLED)
FAILED = judge_threshold(parse_threshold("handle: max<5"), HANDLED)
OPEN = judge_threshold(parse_threshold("handle: p(95)<5"), HANDLED)
SLOWER = Comparison("response", "med", "regressed", 800.0, 890.0, 82.0, 97.5, 40.0, 0.005, 20, 200)
FASTER = Comparison("response", "p(95)", "improved", 1200.0, 1000.0, -210.0, -190.0, 50.0, 0.005, 20, 200)
UNSURE = Comparison("response", "med", "inconclusive", 800.0, 830.0, 10.0, 50.0, 40.0, 0.005, 9, 90, 7, "7 more runs")
EXACT = Comparison("handle", "each", "passed", 3.0, 3.0, 0.0, 0.0, n_runs=1, n_pairs=3, where="weather turn 1")
RARER = Comparison("missed", "rate", "passed", 0.1, 0.1, -0.02, 0.02, 0.05, 0.005, 20, 200)
EMPTY = judge_threshold(parse_threshold("handle: max<5"), [])
STRANGERS = Comparison(
    "queue", "each", "inconclusive", 3.0, 3.0, 0.0, 0.0, n_runs=1, n_pairs=3, why="1 value without a counterpart: b only now"
)
NOTHING = Comparison("cpu", "", "inconclusive", why="no pair")


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
        ((OPEN,), (UNSURE,), "pass", "inconclusive", 0),
        ((EMPTY,), (), "pass", "inconclusive", 4),
        ((PASSED, OPEN), (NOTHING,), "pass", "inconclusive", 4),
        ((PASSED,), (EXACT, STRANGERS), "pass", "inconclusive", 4),
        ((OPEN,), (SLOWER,), "fail", "failed", 1),
        ((FAILED,), (UNSURE,), "pass", "failed", 1),
    ],
)
def test_the_sum(thresholds, comparisons, policy, verdict, code):
    """One that failed fails all, whatever is open; the open leave it open, and pass only where they are to and something was judged."""
    report = GateReport(thresholds, comparisons, inconclusive=policy)
    assert (report.verdict, report.exit_code) == (verdict, code)
    jsonschema.validate(report.json(), SCHEMA)


def test_what_people_read():
    """Every number with its unit; the seed; what failed in capitals, with the worst of it."""
    report = GateReport((PASSED, FAILED, OPEN), (SLOWER, FASTER, UNSURE, EXACT, RARER, NOTHING), 5, old="main", new="HEAD", saved="b.json")
    patterns = [
        r"gate {7}FAILED {8}handle: max<5: 9 ms .*\b3 values; worst: weather turn 2 #7 9 ms",
        rf"gate {{7}}inconclusive  handle: p\(95\)<5: {re.escape(OPEN.why)}",
        r"gate {7}passed {8}handle: max<10: 9 ms .*\b3 values",
        "compared   HEAD",
        "with {7}main",
        r"seed {7}5; .*\b0\.01",
        r" {11}REGRESSED {5}response med: 800 ms → 890 ms \(\+90 ms, \+11\.2%\); .* \+82 ms and \+97\.5 ms; .*tolerance .* 40 ms",
        (
            r" {11}inconclusive  response med: 800 ms → 830 ms \(\+30 ms, \+3\.8%\); .* \+10 ms and \+50 ms; .*tolerance .* 40 ms; "
            + UNSURE.why
        ),
        rf" {{11}}inconclusive  cpu: {NOTHING.why}",
        r" {11}improved {6}response p\(95\): 1200 ms → 1000 ms \(-200 ms, -16\.7%\); .* -210 ms and -190 ms; .*tolerance .* 50 ms",
        r" {11}passed {8}handle each: 3 ms → 3 ms \(\+0 ms, \+0\.0%\); .*\bweather turn 1",
        r" {11}passed {8}missed rate: 10\.0% → 10\.0% \(\+0\.0%\); .* -2\.0% and \+2\.0%; .*tolerance .* 5\.0%",
        r"baseline   written .*\bb\.json",
    ]
    lines = report.lines()
    assert len(lines) == len(patterns)
    assert [line for line, pattern in zip(lines, patterns) if not re.fullmatch(pattern, line)] == []


@pytest.mark.parametrize(
    ("comparison", "told"),
    [
        (
            replace(SLOWER, verdict="passed", new=810.0),
            r"\(\+10 ms, \+1\.2%\); .* \+82 ms and \+97\.5 ms; within .* 40 ms",
        ),
        (
            Comparison("to_speaker", "each", "passed", 40.0, 44.0, 4.0, 4.0, where="w turn 1"),
            r"\(\+4 ms, \+10\.0%\); at w turn 1; within .* 10 ms",
        ),
        (
            Comparison("to_speaker", "each", "regressed", 40.0, 60.0, 20.0, 20.0, where="w turn 1"),
            r"\(\+20 ms, \+50\.0%\); at w turn 1; [^;]*tolerance .* 10 ms",
        ),
        (
            Comparison("handle", "each", "regressed", 40.0, 40.000001, 1e-6, 1e-6, where="w turn 1"),
            r"40 ms → 40\.000001 ms \(\+0\.000001 ms, \+0\.0%\); at w turn 1",
        ),
    ],
)
def test_a_change_within_the_tolerance_names_it(comparison, told):
    """That of a sampled metric and that of an exact one, where it has one; what has none is told to the nanosecond."""
    assert re.search(f"{told}$", comparison_line(comparison))


@dataclass(frozen=True)
class Found:
    """What was replayed."""

    verdict_text: str

    @property
    def passed(self):
        return "failed" not in self.verdict_text

    @property
    def exit_code(self):
        return 0 if self.passed else 1

    def body(self):
        return ["what was found"]

    def lines(self):
        return [*self.body(), verdict_line(self.verdict_text)]


REPORT = Found("passed")
BAD = Found("failed: 1 deviation")


@pytest.mark.parametrize(
    ("gate", "result", "last"),
    [
        (GateReport((PASSED,)), REPORT, "verdict    passed"),
        (GateReport((PASSED,)), BAD, "verdict    failed: 1 deviation"),
        (GateReport((PASSED, FAILED)), REPORT, "verdict    failed: 1 threshold .*"),
        (
            GateReport((FAILED, FAILED), (SLOWER, UNSURE)),
            REPORT,
            "verdict    failed: 2 thresholds .*, 1 regressed, 1 .*",
        ),
        (GateReport((FAILED,)), BAD, "verdict    failed: 1 deviation, 1 threshold .*"),
        (GateReport((OPEN,)), REPORT, "verdict    inconclusive: 1 .*"),
        (GateReport((OPEN,), inconclusive="pass"), REPORT, "verdict    passed"),
    ],
)
def test_the_last_line_is_the_verdict_on_both(gate, result, last):
    """It agrees with the exit code, and no line before it says otherwise."""
    *body, verdict = replayed_with_gate(result, gate)
    assert body == [*result.body(), *gate.lines()]
    assert re.fullmatch(last, verdict)


@pytest.mark.parametrize(
    ("gate", "last"),
    [
        (GateReport((OPEN,), inconclusive="pass"), "verdict    passed: 1 .*may pass"),
        (GateReport((FAILED,)), "verdict    failed: 1 threshold .*"),
        (GateReport(saved="b.json"), r"baseline   .*\bb\.json"),
    ],
)
def test_of_a_report_without_a_verdict_the_last_line_is_the_gate_s(gate, last):
    """Where it judged anything."""
    told = with_gate(["table"], gate)
    assert told[0] == "table"
    assert re.fullmatch(last, told[-1])
    assert told[1:] in (gate.lines(), [*gate.lines(), told[-1]])


def test_what_was_not_done_is_said():
    """A baseline that was not written, with the reason; what the configuration has and this did not measure. In the JSON, too."""
    report = GateReport((FAILED,), not_saved="b.json: refused", passed_over=("turn_gap: max<9", "perf/key.json"))
    lines = report.lines()[1:]
    assert [line.split("'")[:2] for line in lines[:2]] == [["note       ", "turn_gap: max<9"], ["note       ", "perf/key.json"]]
    assert [re.match(r"baseline +not .*b\.json: refused", line) is not None for line in lines[2:]] == [True]
    told = replace(report, redact=lambda text: text.replace("key", "***")).json()
    jsonschema.validate(told, SCHEMA)
    assert told["saved"] is None
    assert told["not_saved"] == "b.json: refused"
    assert told["passed_over"] == ["turn_gap: max<9", "perf/***.json"]


def test_what_a_terminal_must_not_get():
    """A session's name may be anybody's, and may hold a secret."""
    sample = Sample("handle", 9.0, "\x1b[2J key", 1)
    report = GateReport((judge_threshold(parse_threshold("handle: max<5"), [sample]),), redact=lambda text: text.replace("key", "***"))
    assert "\\x1b[2J ***" in report.lines()[0]
    assert "key" not in json.dumps(report.json())


def test_a_gate_that_judged_nothing_says_so():
    """In a line of its own and in the last one, whoever prints it: its configuration is about something else."""
    nothing = GateReport(passed_over=("turn_gap: max<1s",))
    assert nothing.exit_code == 0
    assert re.fullmatch(r"gate +no threshold\b.*", nothing.lines()[0])
    for lines in (replayed_with_gate(REPORT, nothing), with_gate(["table"], nothing)):
        assert re.fullmatch(r"verdict +passed, no threshold\b.*", lines[-1])
    assert not GateReport((PASSED,), passed_over=("turn_gap: max<1s",)).applies_nothing


@pytest.mark.parametrize("open_one", [EMPTY, NOTHING, STRANGERS])
def test_the_last_line_says_why_what_may_pass_does_not(open_one):
    """Nothing that was compared, or judged, is not the same as too few values."""
    report = GateReport((open_one,), inconclusive="pass") if open_one is EMPTY else GateReport((), (open_one,), inconclusive="pass")
    assert re.fullmatch("verdict    inconclusive: 1 .*nothing to judge", replayed_with_gate(REPORT, report)[-1])


def test_other_sessions_are_told_once():
    """Whatever the number of metrics that they leave open; a regression is told by itself."""
    strange = [replace(STRANGERS, metric=metric, gone=("demo",), added=("b", "c", "d", "e")) for metric in ("queue", "handle", "cpu")]
    lines = GateReport((), (*strange, SLOWER)).lines()
    (told,) = [line for line in lines if "inconclusive" in line]
    assert re.search(r"\b3 metrics: .*baseline has demo, .* b, c, d and 1 more, ", told)
    assert sum("REGRESSED" in line for line in lines) == 1
    assert not any("baseline has" in line for line in GateReport((), (STRANGERS, SLOWER)).lines())


@pytest.mark.parametrize(("old", "new", "told"), [(0.01, 1.29, "+1.28 ms"), (1.0, 1.5, "+50.0%"), (0.0, 1.0, "+1 ms")])
def test_of_next_to_nothing_there_is_no_share(old, new, told):
    """+12799.9% says less than the milliseconds do."""
    line = comparison_line(replace(EXACT, old=old, new=new))
    assert (told in line, "%" in line) == (True, told.endswith("%"))
