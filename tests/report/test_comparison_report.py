from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from evi_harness.replay.judging.differences import ABSENT, Difference
from evi_harness.replay.judging.session_comparison import KINDS, ComparedTurn, Parting, SessionComparison, Took
from evi_harness.report.comparison_report import ComparedPair, ComparisonReport

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "reference" / "comparison-report.schema.json").read_text(encoding="utf-8")
)
SENT = Parting("sent", 'answer: "a"', 'answer: "b"', 7, 9, (Difference("$.content", "a", "b"), Difference("$.x", ABSENT, 1)))
TURN = ComparedTurn(
    1,
    2,
    "Hello?",
    (Parting("replied", "Hi.", None, 3, None), SENT),
    (Took("response", 100.4, 210.0, True), Took("tool.app", None, 5.0, False)),
)
SAME = SessionComparison((), (ComparedTurn(1, 1, "Hello?"),), (), 100.0)
OTHER = SessionComparison(
    (Parting("handshake", "/chat", "/chat", 0, 0, (Difference("$.a", 1, 2),)),),
    (TURN, ComparedTurn(None, 3, "", (Parting("turn", None, "Bye", None, 12),))),
    (Parting("ended", "a", "b", 20, 21),),
    100.0,
    ("not all is known",),
)


def report(*pairs, **changes):
    """A report of these pairs."""
    return ComparisonReport("a", "b", pairs, **{"is_of_folders": len(pairs) != 1, **changes})


def data(told):
    """Its JSON, by its schema."""
    found = json.loads(json.dumps(told.json(), allow_nan=False))
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


def test_what_is_the_same_is_said_in_few_lines():
    """With the turns, and the verdict."""
    told = report(ComparedPair("x", "a", "b", SAME))
    assert told.lines() == ["first      a", "second     b", 'turn 1     "Hello?"', "verdict    the same"]
    assert (told.exit_code, told.passed, data(told)["pairs"][0]["same"]) == (0, True, True)


def test_what_differs_is_told_with_both_sides():
    """In the order of the conversation."""
    told = report(ComparedPair("x", "a", "b", OTHER))
    patterns = [
        rf"note {{7}}{OTHER.remarks[0]}",
        "opening {4}",
        " {13}handshake {4}/chat",
        r" {28}\$\.a: first 1, second 2",
        r'turn 1/2 {3}"Hello\?": response 100 → 210 ms \(DIFFERS\), tool\.app - → 5 ms',
        r" {13}replied {6}first {3}Hi\.",
        " {26}second  nothing",
        ' {13}sent {9}answer: "a"',
        r" {28}\$\.content: first 'a', second 'b'",
        r" {28}\$\.x: first absent, second 1",
        r"turn 3 {5}.*\bgreeting",
        r" {13}turn {9}only .*\bsecond",
        "ending {5}",
        " {13}ended {8}first {3}a",
        " {26}second  b",
        "times .* 100 ms",
        "verdict {4}different: 5 differences, .*2 of 2 turns",
    ]
    lines = told.lines()[2:]
    assert len(lines) == len(patterns)
    assert [line for line, pattern in zip(lines, patterns) if not re.fullmatch(pattern, line)] == []
    assert told.exit_code == 1
    (turn, _) = data(told)["pairs"][0]["comparison"]["turns"]
    assert turn["took"][0] == {"metric": "response", "first_ms": 100.4, "second_ms": 210.0, "differs": True}
    assert turn["differences"][1]["fields"] == [{"path": "$.content", "first": "a", "second": "b"}, {"path": "$.x", "second": 1}]


def test_folders_are_a_line_a_session():
    """Then what differs, and the sum; what cannot be read makes the exit code."""
    pairs = [ComparedPair("x", "a/x", "b/x", SAME), ComparedPair("y", "a/y", "b/y", OTHER), ComparedPair("z", "a/z", None)]
    told = report(*pairs)
    lines = told.lines()
    assert [line.split("  ")[0] for line in lines[2:7]] == ["x", "y", "z", "", "y"]
    patterns = ("x  .*same", "y  different: 5 differences, .*2 of 2 turns", "z  only .*first")
    assert [line for line, pattern in zip(lines[2:5], patterns) if not re.fullmatch(pattern, line)] == []
    assert re.match("3 sessions: 1 the same, 1 different, 1 on ", lines[-1])
    assert (told.exit_code, data(told)["exit_code"]) == (1, 1)
    worse = report(*pairs, ComparedPair("w", "a/w", "b/w", refused="there is no header"))
    assert (worse.exit_code, worse.verdict_text[-16:], data(worse)["same"]) == (3, "1 cannot be read", False)


def test_a_broken_session_of_one_side_is_counted_once():
    """As one that cannot be read; no count is below 0."""
    told = report(ComparedPair("w", "a/w", None, refused="there is no header"), ComparedPair("x", "a/x", "b/x", SAME))
    assert re.fullmatch("2 sessions: 1 .*same, 1 cannot be read", told.verdict_text)
    alone = report(ComparedPair("w", None, "b/w", refused="there is no header"), is_of_folders=True)
    assert re.fullmatch("1 session: 1 cannot .*", alone.verdict_text)
    assert alone.exit_code == 3


def test_what_was_not_compared_of_those_that_are_the_same_is_told():
    """Each sentence once, with the first session and how many more."""
    noted = replace(SAME, remarks=("not all is known",))
    pairs = [ComparedPair(name, f"a/{name}", f"b/{name}", noted) for name in "xyz"]
    other = ComparedPair("w", "a/w", "b/w", replace(noted, remarks=("nothing is known",)))
    lines = report(*pairs, other).lines()
    patterns = (rf"note +x and 2 more: {noted.remarks[0]}", rf"note +w: {other.comparison.remarks[0]}", "", "4 sessions: 4 .*same")
    assert len(lines) > len(patterns)
    assert [line for line, pattern in zip(lines[-4:], patterns) if not re.fullmatch(pattern, line)] == []
    assert not any(line.startswith("note") for line in report(ComparedPair("x", "a", "b", SAME), is_of_folders=True).lines())


def test_of_many_turns_only_those_that_differ_are_shown():
    """The rest is counted."""
    many = replace(SAME, turns=(*[ComparedTurn(i, i, "x") for i in range(50)], TURN))
    lines = report(ComparedPair("x", "a", "b", many)).lines()
    assert sum(line.startswith("turn ") for line in lines) == 1
    assert any(line.startswith("           50 turns ") for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_in_the_schema(kind):
    """And has a line."""
    told = report(ComparedPair("x", "a", "b", replace(SAME, opening=(Parting(kind, "a\x1b", None),))))
    data(told)
    assert all(line.isprintable() for line in told.lines())
