"""Tests of evi_harness.pages.problem_list."""

from __future__ import annotations

import re

import pytest

from evi_harness.pages.problem_list import problem_list, verdict_told
from evi_harness.pages.told_besides import is_passed
from evi_harness.replay.judging.findings import FINDINGS

PLACE = {"file": "/work/app.py", "line": 7, "function": "on_message", "source": [{"line": 7, "text": "boom()"}]}


def finding(kind, at_ms, **fields):
    """A finding as a report's JSON has it."""
    return {"kind": kind, "severity": "error", "what": f"it {kind}", "at_ns": at_ms * 1_000_000, "live_seq": 5, "recorded_seq": 4, **fields}


def deviation(kind, recorded_ms, live_ms, **fields):
    """Likewise a deviation."""
    at = {name: None if ms is None else ms * 1_000_000 for name, ms in (("recorded_at_ns", recorded_ms), ("live_at_ns", live_ms))}
    return {"kind": kind, "what": f"it is {kind}", "recorded_seq": 1, "live_seq": None if live_ms is None else 2, **at, **fields}


def listed(**report):
    """The problems of a report, as rank, kind, side and where to play from."""
    found = problem_list({"command": {"cwd": "/work"}, **report}, "replayed", "recorded")
    return [(one["rank"], one["kind"], one["side"], one["seek_ms"]) for one in found]


def test_what_ended_it_comes_first_and_warnings_last():
    """Then in time; a click plays from two seconds earlier, and never from before the beginning."""
    findings = [finding("underrun", 100, severity="warning"), finding("blocked", 9000), finding("raised", 9500, ended=True)]
    deviations = [deviation("missing", 1500, None), deviation("different", 7000, 8000)]
    assert listed(findings=findings, deviations=deviations) == [
        (1, "raised", "replayed", 7500),
        (2, "missing", "recorded", 0),
        (3, "different", "replayed", 6000),
        (4, "blocked", "replayed", 7000),
        (5, "underrun", "replayed", 0),
    ]


def test_one_cause_is_one_problem():
    """The same kind at the same place, whatever its words; another place is another cause."""
    other = {**PLACE, "line": 8}
    findings = [
        finding("blocked", 1000, what="for 300 ms", places=[PLACE]),
        finding("blocked", 4000, what="for 500 ms", places=[PLACE]),
        finding("blocked", 5000, places=[other]),
    ]
    first, second = problem_list({"findings": findings, "command": {"cwd": "/work"}}, "replayed", "recorded")
    assert [one["at_ms"] for one in first["more"]] == [4000]
    assert second["more"] == []
    assert first["places"][0] == {"shown": "app.py", **PLACE}


def test_a_title_begins_with_what_was_wrong():
    """What was measured of it is a sentence below; a kind that is not known has its own words."""
    told = {"findings": [finding("blocked", 1000, what="for 300 ms"), finding("new_kind", 2000, what="it is new")]}
    found = problem_list(told, "replayed", "recorded")
    assert [(one["title"], one["sentence"]) for one in found] == [(FINDINGS["blocked"].says, "for 300 ms"), ("it is new", None)]


def test_what_only_follows_from_another_one_is_under_it():
    """Wherever it would stand by its time; a report of a stranger's in which two follow from one another loses neither."""
    cause = finding("raised", 9000, recorded_seq=5, consequences=[7, 8])
    deviations = [{**deviation("missing", 100, None), "recorded_seq": 7}, deviation("late", 200, None)]
    found = problem_list({"findings": [cause], "deviations": deviations}, "replayed", "recorded")
    assert [(one["kind"], one["rank"], one["number"], one["because_of"], one["recorded_seq"]) for one in found] == [
        ("late", 1, "1", None, 1),
        ("raised", 2, "2", None, 5),
        ("missing", 3, "2.1", 2, 7),
    ]
    ring = [finding("raised", 1, recorded_seq=1, consequences=[2]), finding("blocked", 2, recorded_seq=2, consequences=[1])]
    assert sorted(one["rank"] for one in problem_list({"findings": ring}, "replayed", "recorded")) == [1, 2]


@pytest.mark.parametrize(
    ("waited_ms", "number"),
    [({5: 60.0, 6: 50.0}, "1.1"), ({5: 60.0, 6: 49.0}, "2"), ({5: 60.0}, "2"), ({}, "2")],
    ids=["each time", "once for less than half of it", "once not at all", "never"],
)
def test_a_speaker_that_ran_dry_follows_from_messages_that_waited(waited_ms, number):
    """Where each message with the audio waited for the handler for as long as half of it; else it has a cause of its own."""
    dry = [finding("underrun", ms, severity="warning", live_seq=seq) for ms, seq in ((2000, 5), (3000, 6))]
    spans = {("underrun", seq, ms * 1_000_000): ((ms - 100) * 1_000_000, ms * 1_000_000) for ms, seq in ((2000, 5), (3000, 6))}
    report = {"findings": [finding("falls_behind", 1000, live_seq=9, recorded_seq=8), *dry]}
    first, second = problem_list(report, "replayed", "recorded", None, spans, waited_ms)
    assert (first["kind"], first["number"], second["kind"], second["number"]) == ("falls_behind", "1", "underrun", number)
    moments = [(one["at_ms"], one["until_ms"], one["seek_ms"]) for one in (second, *second["more"])]
    assert moments == [(1900.0, 2000.0, 0.0), (2900.0, 3000.0, 900.0)]
    (alone,) = problem_list({"findings": dry}, "replayed", "recorded", None, spans, waited_ms)
    assert (alone["number"], alone["because_of"]) == ("1", None)


def test_both_sides_of_a_difference_are_json_and_absent_is_not_null():
    """So that a page can show the one beside the other."""
    differences = [{"path": "$.a", "recorded": None, "live": "x"}, {"path": "$.b", "live": 1}]
    (one,) = problem_list({"deviations": [deviation("different", 1, 2, differences=differences)]}, "replayed", "recorded")
    assert one["differences"] == [
        {"path": "$.a", "recorded": "null", "replayed": '"x"'},
        {"path": "$.b", "recorded": None, "replayed": "1"},
    ]


def test_what_a_stranger_wrote_makes_no_trouble():
    """What has not the form that it should have is passed over, or left empty."""
    strange = [3, None, {}, {"kind": 4, "what": [], "at_ns": True, "places": 5, "detail": [1, "one"], "differences": {}, "lost": [1]}]
    report = {"findings": strange, "deviations": "none", "command": 7, "incomplete": "yes", "recorded": []}
    found = problem_list(report, "replayed", "recorded")
    assert [(one["kind"], one["at_ms"], one["more"]) for one in found] == [("", None, found[0]["more"])]
    assert len(found[0]["more"]) == 1
    huge = problem_list({"findings": [finding("raised", 1, at_ns=10**400)]}, "replayed", "recorded")
    assert huge[0]["at_ms"] is None


def test_an_incomplete_recording_is_a_problem_of_the_recorded_side():
    """What is missing stands below it."""
    (one,) = problem_list({"incomplete": True, "recorded": {"missing": ["the end"]}}, "replayed", "recorded")
    assert (one["what"], one["side"], one["detail"], one["at_ms"]) == ("incomplete", "recorded", ["the end"], None)


def gate(verdict, code, thresholds=(), comparisons=(), **fields):
    """A gate's report as JSON has it."""
    return {"verdict": verdict, "exit_code": code, "inconclusive": "fail", "thresholds": thresholds, "comparisons": comparisons, **fields}


SLOW = {
    "threshold": "handle: p(95)<50",
    "metric": "handle",
    "statistic": "p(95)",
    "verdict": "failed",
    "value": 57.5,
    "n": 9,
    "why": "",
    "worst": [{"session": "demo", "turn": 2, "of": 31, "value": 60.5}],
}
SLOWER = {"metric": "handle", "statistic": "mean", "verdict": "regressed", "old": 5.0, "new": 8.0, "why": "in each run"}
OPEN = {**SLOW, "verdict": "inconclusive", "value": None, "n": 0, "why": "no value", "worst": []}
STRANGE = [
    {},
    {"exit_code": True},
    gate("passed", 0.0),
    gate(5, 1, [3, {}, {"verdict": []}, {"verdict": "x", "value": 1e400, "metric": []}]),
]


def test_what_a_gate_does_not_let_pass_is_a_problem():
    """Each rule with what was measured; one that holds is none."""
    report = {"passed": True, "gate": gate("failed", 1, [SLOW, {**SLOW, "verdict": "passed"}, OPEN], [SLOWER])}
    slow, undecided, slower = problem_list(report, "replayed", "recorded")
    assert (slow["what"], slow["kind"], slow["severity"], slow["side"]) == ("gate", "failed", "error", "replayed")
    assert (slow["observed"], slow["expected"]) == ("57.5 ms of 9 values", "handle: p(95)<50")
    assert slow["detail"] == ["worst: demo turn 2 #31 60.5 ms"]
    assert (undecided["kind"], undecided["severity"], undecided["observed"]) == ("inconclusive", "error", None)
    assert undecided["detail"] == ["no value"]
    assert (slower["observed"], slower["expected"], slower["detail"]) == ("8 ms", "5 ms", ["in each run"])


def test_what_may_pass_undecided_is_a_warning():
    """As it was asked for; and the verdict stays."""
    report = {"passed": True, "verdict": "passed", "gate": gate("inconclusive", 0, [{**OPEN, "n": 9}], inconclusive="pass")}
    (one,) = problem_list(report, "replayed", "recorded")
    assert (one["severity"], verdict_told(report), is_passed(report)) == ("warning", "passed", True)


def test_faults_of_a_live_replay_and_runs_that_differ_are_problems():
    """With what is known of them."""
    report = {"faults": ["the service left", 5], "twice": {"identical": False, "first_difference": ["< a", "> b"]}}
    fault, twice = problem_list(report, "replayed", "recorded")
    assert (fault["what"], fault["title"]) == ("fault", "the service left")
    assert (twice["what"], twice["title"], twice["detail"]) == ("twice", "two runs differ", ["< a", "> b"])
    assert problem_list({"twice": {"identical": True, "first_difference": []}}, "replayed", "recorded") == []


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_gate_makes_no_trouble_and_passes_nothing(strange):
    """Also one whose exit code is no whole number."""
    report = {"passed": True, "gate": strange}
    problem_list(report, "replayed", "recorded")
    assert (is_passed(report), verdict_told(report).startswith("failed: ")) == (False, True)
    assert is_passed({"passed": True, "gate": None})


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({"passed": True, "gate": gate("failed", 1, [SLOW], [SLOWER])}, "failed: 1 threshold .*, 1 regressed"),
        ({"passed": True, "gate": gate("inconclusive", 4, [OPEN])}, "inconclusive: 1 .*nothing.*"),
        ({"passed": True, "gate": gate("inconclusive", 4, [{**OPEN, "n": 9}])}, "inconclusive: 1 .*decided"),
        (
            {"passed": False, "verdict": "failed: 1 finding", "gate": gate("failed", 1, [SLOW])},
            "failed: 1 finding, 1 threshold .*",
        ),
        ({"passed": True}, "passed"),
        ({"passed": True, "findings": [finding("underrun", 1, severity="warning")]}, "passed, with 1 warning"),
        ({"passed": False, "findings": [finding("raised", 1)], "deviations": [{}, {}]}, "failed: 1 finding, 2 deviations"),
        ({"passed": False, "incomplete": True}, "failed: .*incomplete.*"),
        ({"passed": False, "twice": {"identical": False}}, "failed: two runs differ"),
    ],
)
def test_the_verdict_is_told_from_the_json(report, told):
    """As the report's own last line, as far as its JSON holds it."""
    assert re.fullmatch(told, verdict_told(report))
