"""Tests of evi_harness.report.result."""

from __future__ import annotations

from typing import Any

import pytest

from evi_harness.acts.doctor import Diagnosis
from evi_harness.acts.repeating import RepeatedReplay
from evi_harness.acts.replay import ReplayResult
from evi_harness.report.corpus_report import CorpusReport
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.gate_report import GateReport
from evi_harness.report.repair_report import RepairReport
from evi_harness.report.result import ReplayedResult, Result, verdict_line

REPLAYED = [ReplayResult, RepeatedReplay, CorpusReport, LiveReport]


def members(protocol: Any) -> set[str]:
    """The public names that a protocol asks for."""
    return {name for one in protocol.__mro__[:-1] for name in vars(one) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [*REPLAYED, GateReport, RepairReport, Diagnosis], ids=lambda kind: kind.__name__)
def test_what_an_act_returns_is_a_result(kind: Any) -> None:
    """Whoever shows it asks none what it holds."""
    assert {"passed", "exit_code", "verdict_text", "lines", "json"} <= members(Result)
    assert members(Result) - set(dir(kind)) == set()


@pytest.mark.parametrize("kind", REPLAYED, ids=lambda kind: kind.__name__)
def test_what_was_replayed_can_be_shown_with_a_gate(kind: Any) -> None:
    """Its report and its verdict are two values."""
    assert members(ReplayedResult) - set(dir(kind)) == set()


def test_a_result_passed_where_its_exit_code_is_zero() -> None:
    """The two say the same, and the last line says it too."""
    assert (GateReport().passed, CorpusReport(()).passed, Diagnosis(()).passed) == (True, True, True)
    assert CorpusReport(()).lines()[-1] == verdict_line(CorpusReport(()).verdict_text)
    assert verdict_line("passed") == "verdict    passed"
