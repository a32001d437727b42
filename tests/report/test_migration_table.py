"""Tests of evi_harness.report.migration_lines and evi_harness.report.migration_table."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.measure.turn_latency import TurnLatency
from evi_harness.replay.judging.drift import Drift
from evi_harness.replay.judging.endings import SessionEnding
from evi_harness.replay.judging.moved_turns import MovedTurn, SaidSide
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.migration_lines import Migration
from evi_harness.report.migration_table import MigrationTable, MovedSession
from evi_harness.report.result import verdict_line
from evi_harness.session.protocols import ToolUse

MS = 1_000_000
SIDE = SaidSide(1, "What?", (ToolUse("look", "{}"),), "Eleven.", is_interrupted=False)
TURNS = (
    MovedTurn(SIDE, SIDE, ()),
    MovedTurn(replace(SIDE, turn=2), replace(SIDE, turn=2, user="Watt?", calls=(), is_interrupted=True), ("said", "called", "interrupted")),
    MovedTurn(replace(SIDE, turn=3), None, ("turn",)),
)


@pytest.fixture
def report(weather):
    """A report of a conversation that came over."""
    migration = Migration(("one", "other"), TURNS, (DEFAULT, Assumed(500 * MS, states_end_of_turn=True)), ("#4 voice_id",))
    ending = SessionEnding("app", 1000, None)
    return LiveReport(
        recorded=weather,
        live=weather,
        endpoint="http://127.0.0.1:1",
        cadence="turn",
        faults=(),
        drift=Drift((3, 2), (), ()),
        latencies=((TurnLatency(1, 300 * MS, 1100 * MS), TurnLatency(1, 450 * MS, 950 * MS)),),
        lateness_ns={"n": 3, "p50": 1, "p99": 2, "max": 3},
        folder="moved",
        endings=(ending, ending),
        migration=migration,
    )


def test_a_report_says_what_differs_and_what_each_service_waits_for(report):
    """Each kind with both sides, what was left out, the floors, the change of each latency in milliseconds; nothing of what is the same."""
    text = "\n".join(report.lines())
    assert [part for part in ("one to other", "#4 voice_id", "'Watt?'", "look {}", "not interrupted") if part not in text] == []
    assert [part for part in ("800 ms (assumed)", "500 ms (stated)", "+150 ms", "-150 ms") if part not in text] == []
    assert sum(line.startswith("turn ") for line in report.lines()) == 4
    assert report.lines()[-1] == verdict_line("passed")


def test_a_report_for_programs_has_both_sides(report):
    """And the floors, in nanoseconds."""
    found = json.loads(json.dumps(report.json()))["migration"]
    assert (found["from"], found["to"], found["is_same"], found["left_out"]) == ("one", "other", False, ["#4 voice_id"])
    assert found["end_of_turn"] == {"recorded": {"ns": 800 * MS, "is_stated": False}, "live": {"ns": 500 * MS, "is_stated": True}}
    assert [turn["differing"] for turn in found["turns"]] == [list(turn.differing) for turn in TURNS]
    assert found["turns"][0]["recorded"]["calls"] == [{"name": "look", "arguments": "{}"}]
    assert found["turns"][2]["live"] is None


def test_a_table_has_a_row_a_session(report):
    """How many turns are alike, the changes, and below it why one failed or was not held again; all of them at the end."""
    failed = replace(report, faults=("It broke.",))
    table = MigrationTable((MovedSession("a", "a", report), MovedSession("b", "b", failed), MovedSession("c", "c", refused="It is webm.")))
    head, *rows, first, second = table.body()
    cells = [row.split() for row in rows]
    assert head.split()[:5] == ["session", "turns", "understood", "called", "replied"]
    assert cells[0] == ["a", "3", "1", "1", "2", "+150", "ms", "-150", "ms", "passed"]
    assert cells[1][:9] == ["b", *cells[0][1:9]]
    assert cells[2] == ["c", "not", "repeated"]
    assert cells[3] == ["all", "6", "2", "2", "4", "+150", "ms", "-150", "ms"]
    assert ("It broke." in first, "It is webm." in second) == (True, True)
    assert table.lines()[-1] == verdict_line(table.verdict_text)
    found = json.loads(json.dumps(table.json()))
    assert [one["refused"] for one in found["sessions"]] == [None, None, "It is webm."]


@pytest.mark.parametrize(("faults", "refused", "code"), [((), "", 0), (("x",), "", 1), ((), "x", 3), (("x",), "x", 1)])
def test_the_exit_code_is_that_of_the_worst(report, faults, refused, code):
    """A conversation that broke before one that could not be held."""
    others = (MovedSession("b", "b", refused=refused),) if refused else ()
    table = MigrationTable((MovedSession("a", "a", replace(report, faults=faults)), *others))
    assert (table.exit_code, table.passed) == (code, not code)
