"""Tests of evi_harness.report.corpus_report."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.report.corpus_report import NORMAL, QUIET, VERBOSE, CorpusReport, Outcome

WELL = Outcome("s/well", 0, "passed")
CAUSE = "missing: no answer; app.py:7"


def failed(folder, cause=CAUSE, code=1, verdict="failed: 1 deviation"):
    """A session that did not pass."""
    return Outcome(folder, code, verdict, ("what was found", f"verdict    {verdict}"), ("printed",), cause=cause)


def test_what_failed_is_listed_at_the_end_by_cause():
    """The commonest cause first, each with its sessions in the order given; a verdict is the cause where none is known."""
    unread = failed("s/c", cause="", code=3, verdict="could not run: no such file")
    report = CorpusReport((failed("s/a", cause="exits: it ended"), failed("s/b"), WELL, unread, failed("s/d")), n_workers=2)
    lines = report.lines()
    listed = lines[[line.endswith("by cause") for line in lines].index(True) + 1 :]
    assert listed[:-2] == [
        f"  2 sessions: {CAUSE}",
        "      s/b",
        "      s/d",
        f"  1 session: {report.outcomes[0].cause}",
        "      s/a",
        f"  1 session: {unread.verdict}",
        "      s/c",
    ]
    assert re.fullmatch(r"5 sessions: 1 passed, 3 failed, 1 could not .*\(0\.0 s, 2 .*\)", listed[-2])
    assert re.fullmatch("verdict    could not .*: 1 of 5 sessions, 3 failed", listed[-1])
    assert report.exit_code == 3
    assert [line.split()[0] for line in lines[:5]] == ["s/well", "s/a", "s/b", "s/c", "s/d"]


def test_where_all_passed_there_is_no_cause():
    """A line each, and the sum."""
    counts, verdict = CorpusReport((WELL,)).lines()[1:]
    assert re.fullmatch(r"1 session: 1 passed \(0\.0 s, 1 .*\)", counts)
    assert verdict.split() == ["verdict", "passed"]


@pytest.mark.parametrize(
    ("n", "told", "n_named", "more"),
    [(12, NORMAL, 12, []), (60, NORMAL, 12, ["      and 48 more"]), (20, QUIET, 20, []), (23, QUIET, 20, ["      and 3 more"])],
)
def test_a_cause_of_many_sessions_names_some(n, told, n_named, more):
    """All of them stand above, and cause and sum fit a screen; more where none stand above."""
    lines = CorpusReport(tuple(failed(f"s/{number}") for number in range(n)), told=told).lines()
    (start,) = [index for index, line in enumerate(lines) if line == f"  {n} sessions: {CAUSE}"]
    assert lines[start + 1 : -2] == [*(f"      s/{number}" for number in range(n_named)), *more]


def test_several_causes_share_the_screen():
    """Each names fewer sessions, and at least three."""
    lines = CorpusReport(tuple(failed(f"s/{number}", cause=f"cause {number % 6}") for number in range(60))).lines()
    assert len(lines[[line.endswith("by cause") for line in lines].index(True) :]) == 1 + 6 * (1 + 3 + 1) + 2


def test_what_a_terminal_must_not_get():
    """A folder, and what an error quotes, may be anybody's."""
    lines = CorpusReport((failed("s/\x1b[2J", cause="\x1b[2J"),)).lines()
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize(("told", "n_reports", "n_rows"), [(QUIET, 0, 0), (NORMAL, 2, 61), (VERBOSE, 60, 61)])
def test_one_cause_is_said_once(told, n_reports, n_rows):
    """A report for each cause, of the first session that it is in, with the number of others; all of them, or none, where that is asked."""
    others = [failed(f"s/{number}") for number in range(58)]
    report = CorpusReport(
        (failed("s/a", cause="exits: the app ended"), WELL, *others, failed("s/z", cause="exits: the app ended")), told=told
    )
    lines = report.lines()
    assert lines.count("  what was found") == n_reports
    assert sum(" s in " in line for line in lines) == n_rows
    assert f"  58 sessions: {CAUSE}" in lines
    assert lines[-2].startswith("61 sessions: 1 passed, 60 failed")
    assert re.fullmatch("verdict +failed: 60 of 61 sessions", lines[-1])
    sections = [line[: line.index(" more ")] for line in lines if re.match("s/[0a] and .* more .* cause$", line)]
    assert sections == (["s/0 and 57", "s/a and 1"] if told == NORMAL else [])


def test_those_that_were_not_replayed_are_counted():
    """Who stops at the first that fails is told how many that left."""
    report = CorpusReport((WELL, failed("s/a")), n_left=3)
    assert re.match(r"5 sessions: 1 passed, 1 failed, 3 not replayed\b", report.sum)
    assert re.fullmatch("failed: 1 of 5 sessions, 3 not replayed", report.verdict_text)
    assert (report.exit_code, report.json()["n_not_replayed"]) == (1, 3)


@pytest.mark.parametrize("outcomes", [(WELL,), (WELL, failed("s/a"))])
def test_that_no_app_ran_stands_in_the_verdict(outcomes):
    """Also where little is told: a replay without a handler of the developer's says nothing of their code."""
    report = CorpusReport(tuple(replace(one, is_built_in=True) for one in outcomes), told=QUIET)
    assert re.search(", .*built-in", report.lines()[-1])
    assert not CorpusReport(outcomes).verdict_text.endswith("handler")
