"""Tests of evi_harness.report.one_cause: what has one cause, and that the report, its page and its explanation agree on it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.pages.problem_list import problem_list
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.findings import WARNING, Finding
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.report.explaining.told_causes import read_report_json
from evi_harness.report.replay_report import ReplayReport, as_json, as_text
from evi_harness.session.places import Place

HERE, THERE = Place("/p/app.py", 12, "on_message"), Place("/p/app.py", 30, "feed")
RAISED = Finding("raised", "on_message raised KeyError: 'x'", at_ns=2_000_000_000, places=(HERE,))
LOST = Finding("never_played", 'in the reply "Hi", 0.40 s from 1.5 s on is lost', at_ns=1_000_000_000)
DIFFERENT = Deviation("different", "it differs", recorded_seq=15, live_seq=15, differences=(Difference("$.a", 1, 2),), places=(HERE,))
MISSING = Deviation("missing", 'tool response call_1: "sun" was waited for', recorded_seq=15)


@pytest.mark.parametrize(
    ("found", "n_causes"),
    [
        # One line of the app's, whatever is said of it; another line, kind or severity is another cause.
        ((replace(LOST, places=(HERE,)), replace(LOST, what="else", places=(HERE,))), 1),
        ((replace(LOST, places=(HERE,)), replace(LOST, places=(THERE,))), 2),
        ((replace(LOST, places=(HERE,)), replace(LOST, kind="played_twice", places=(HERE,))), 2),
        ((LOST, replace(LOST, severity=WARNING)), 2),
        # One line that raises one type; another type is another cause.
        ((RAISED, replace(RAISED, what="on_message raised KeyError: 'y'")), 1),
        ((RAISED, replace(RAISED, what="on_message raised ValueError: 'x'")), 2),
        # Where no line is known, the words without what is another each time.
        ((LOST, replace(LOST, what='in the reply "Bye", 0.30 s from 9.1 s on is lost')), 1),
        ((LOST, replace(LOST, what="no reply was played")), 2),
        ((MISSING, replace(MISSING, what='tool response call_2: "rain" was waited for', recorded_seq=16)), 1),
        ((MISSING, replace(MISSING, what='user input "rain" was waited for', recorded_seq=16)), 2),
        # One line that sends what differs at one path.
        ((DIFFERENT, replace(DIFFERENT, recorded_seq=16, differences=(Difference("$.a", 3, 4),))), 1),
        ((DIFFERENT, replace(DIFFERENT, recorded_seq=16, differences=(Difference("$.b", 1, 2),))), 2),
    ],
)
def test_the_report_the_page_and_the_explanation_agree(weather, found, n_causes):
    """They count the same causes; the text of the report shows a few deviations of one cause whole."""
    verdict = Verdict(tuple(one for one in found if isinstance(one, Deviation)), tuple(one for one in found if isinstance(one, Finding)))
    report = ReplayReport(weather, weather, "app.py:App", "0.14.1", "hume", verdict)
    told = as_json(report, EVI)
    assert len(read_report_json(told, "report.json").causes) == n_causes
    assert len(problem_list(told, "replayed", "recorded")) == n_causes
    n_headed = sum(line.startswith(("FINDING", "WARNING", "DEVIATION")) for line in as_text(report, EVI))
    assert n_headed == (n_causes if isinstance(found[0], Finding) else len(found))


def test_many_deviations_of_one_cause_are_counted(weather):
    """The first three are told whole; the page has the others' differences."""
    found = tuple(replace(DIFFERENT, recorded_seq=15 + n, differences=(Difference("$.a", n, 0),)) for n in range(5))
    report = ReplayReport(weather, weather, "app.py:App", "0.14.1", "hume", Verdict(found, ()))
    lines = [line for line in as_text(report, EVI) if line.startswith("DEVIATION")]
    assert (len(lines), "2 more like it" in lines[-1]) == (4, True)
    (problem,) = problem_list(as_json(report, EVI), "replayed", "recorded")
    assert [[each["recorded"] for each in one["differences"]] for one in problem["more"]] == [["1"], ["2"], ["3"], ["4"]]


def test_what_did_not_happen_because_of_any_of_them_is_told(weather):
    """Under the first, of all together."""
    found = (replace(LOST, places=(HERE,), consequences=(16,)), replace(LOST, places=(HERE,), consequences=(17,)))
    report = ReplayReport(weather, weather, "app.py:App", "0.14.1", "hume", Verdict((), found))
    assert any(re.match(" +2 recorded events ", line) for line in as_text(report, EVI))
    (problem,) = problem_list(as_json(report, EVI), "replayed", "recorded")
    assert len(problem["lost"]) == 2
