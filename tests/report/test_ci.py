"""Tests of evi_harness.report.ci."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from evi_harness.measure.comparison import Comparison
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import judge_threshold, parse_threshold
from evi_harness.report.ci import Case, gate_cases, github_annotations, junit, summary
from evi_harness.report.gate_report import GateReport

GOOD = Case("replay", "weather", "passed", "passed", seconds=0.5)
BAD = Case("replay", "demo", "failed", "failed: 1 finding", ("FINDING    crash", "  <b>\x00\x1b 100%"), 0.25, "tests/test_app.py", 12)
BROKEN = Case("replay", "gone", "error", "could not run")
OPEN = Case("gate", "handle: p(95)<5", "inconclusive", "17 more would do")
LET = Case("gate", "queue: p(95)<5", "inconclusive", "17 more would do", is_let_pass=True)
SLOWER = Comparison("response", "med", "regressed", 800.0, 890.0, 82.0, 97.5, 40.0, 0.005, 20, 200)
NOTHING = Comparison("cpu", "", "inconclusive", why="there is no pair to compare")


def test_junit():
    """Suites with counts; what failed, what could not run, what is open; nothing that XML cannot hold."""
    root = ElementTree.fromstring(junit([GOOD, BAD, OPEN, BROKEN, LET]))
    assert root.attrib == {"tests": "5", "failures": "2", "errors": "1", "skipped": "1", "time": "0.750"}
    assert [suite.get("name") for suite in root] == ["replay", "gate"]
    good, bad, broken = root[0]
    assert good.find("failure") is None
    assert (bad.get("file"), bad.get("line"), bad.get("time")) == ("tests/test_app.py", "12", "0.250")
    assert bad.find("failure").get("message") == "failed: 1 finding"
    assert bad.find("failure").text == "FINDING    crash\n  <b>\ufffd\ufffd 100%"
    assert broken.find("error").get("message") == "could not run"
    unsure, let = root[1]
    assert unsure.find("failure").get("type") == "inconclusive"
    assert let.find("skipped").get("message") == "17 more would do"


def test_junit_of_nothing():
    """Is a file still."""
    assert ElementTree.fromstring(junit([])).get("tests") == "0"


def test_annotations():
    """On the line where there is one; what did not pass only; warnings for what was let pass."""
    assert github_annotations([GOOD, BAD, OPEN, BROKEN, LET]) == [
        "::error file=tests/test_app.py,line=12,title=replay%3A demo::failed: 1 finding",
        "::error title=gate%3A handle%3A p(95)<5::inconclusive: 17 more would do",
        "::error title=replay%3A gone::could not run",
        "::warning title=gate%3A queue%3A p(95)<5::inconclusive: 17 more would do",
    ]


def test_the_apps_line_is_marked_where_it_is_known():
    """In the place of the file that was run; a JUnit file names that one still."""
    marked = replace(BAD, marked=("app.py", 7))
    assert github_annotations([marked]) == ["::error file=app.py,line=7,title=replay%3A demo::failed: 1 finding"]
    assert github_annotations([replace(BAD, marked=("app.py", None))]) == ["::error file=app.py,title=replay%3A demo::failed: 1 finding"]
    assert junit([marked]) == junit([BAD])


def test_an_annotation_is_one_command():
    """What a session says ends no line and writes no command of its own."""
    (line,) = github_annotations([Case("a", "b,c:d\n::set-env", "failed", "50%\r\n::error::x")])
    assert line == "::error title=a%3A b%2Cc%3Ad%0A%3A%3Aset-env::50%25%0D%0A::error::x"


def test_summary():
    """Old, new, interval and verdict for each comparison; what is in a gate's table is not told again."""
    threshold = judge_threshold(parse_threshold("handle: max<5"), [Sample("handle", 9.0, "a|b", 1)])
    beside = {"passed_over": ("turn_gap: max<1",), "not_saved": "perf/b.json: response became slower"}
    gate = GateReport((threshold,), (SLOWER, NOTHING), 3, old="main", new="HEAD", **beside)
    told = summary([GOOD, BAD, *gate_cases(gate)], [gate])
    lines = told.splitlines()
    assert lines[:6] == ["## evi-harness", "", "3 failed, 1 inconclusive, 1 passed", "", "HEAD with main:", ""]
    head, rule, slower = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[6:9])
    assert (head[0], head[-1], rule) == ("metric", "verdict", ["---"] * len(slower))
    assert len(head) == len(slower)
    assert slower == ["response med", "800 ms", "890 ms", "+90 ms, +11.2%", "+82 ms to +97.5 ms", "40 ms", "❌ regressed"]
    assert "| cpu | - | - | - | - | 0 ms | ❔ inconclusive: " in told
    assert re.search(r"^Seed 3; .*\b1\.0%", told, re.MULTILINE)
    assert re.search(r"^\| handle: max&lt;5: 9 ms .*\b1 value; worst: a\\\|b turn 1 9 ms \| ❌ failed \|$", told, re.MULTILINE)
    assert told.count("handle: max") == 1
    assert "- 'turn\\_gap: max&lt;1' " in told
    assert ": response became slower" in told
    assert f"| demo | ❌ failed | {BAD.what} |" in told
    assert "<details><summary>demo</summary>" in told
    assert "  &lt;b&gt;" in told


def test_the_cases_of_a_gate():
    """Each threshold and each comparison; what is let pass is known as such."""
    few = judge_threshold(parse_threshold("handle: p(95)<5"), [Sample("handle", 9.0, "a|b", 1)])
    gate = GateReport((judge_threshold(parse_threshold("handle: max<5"), []), few), (SLOWER,), inconclusive="pass")
    assert [(case.name, case.outcome, case.is_let_pass) for case in gate_cases(gate)] == [
        ("handle: max<5", "inconclusive", False),
        ("handle: p(95)<5", "inconclusive", True),
        ("response med", "failed", False),
    ]
