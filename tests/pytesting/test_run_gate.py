"""What the replays of a test run measured, by test: kept, compared and held to thresholds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.pytesting.run_gate import RunGate, measured_run
from evi_harness.session.session import Session


@pytest.fixture(scope="module")
def result(weather: Session) -> ReplayResult:
    """A replay to the built-in handler."""
    return replay_session(weather, handler="builtin", write=lambda _: None)


def test_each_replay_of_a_test_has_a_name_of_its_own(result: ReplayResult) -> None:
    """What was measured is plain JSON; the second replay of a test has its number, and what the service took is not in it."""
    told = measured_run("test_a.py::test", [result, result])
    assert json.loads(json.dumps(told)) == told
    [run] = told["runs"]
    assert {one["session"] for metric in run["metrics"].values() for one in metric["samples"]} == {"test_a.py::test", "test_a.py::test (2)"}
    assert "queue" in run["metrics"]
    assert "turn_gap" not in run["metrics"]


def test_what_is_kept_is_met_by_the_same(result: ReplayResult, tmp_path: Path) -> None:
    """All tests make one baseline, whose verdict on the same run is that all passed; of a test that ran twice the last counts."""
    file = tmp_path / "base.json"
    first = RunGate(GateOptions(save_baseline=file), tmp_path)
    for test in ("a", "b", "a"):
        first.take(test, measured_run(test, [result]))
    assert first.judge().saved == str(file)
    second = RunGate(GateOptions(baseline=file), tmp_path)
    for test in ("b", "a"):
        second.take(test, measured_run(test, [result]))
    report = second.judge()
    assert report.exit_code == 0
    assert {one.metric for one in report.comparisons} >= {"queue", "handle"}
    assert report.saved is None


def test_what_is_not_to_be_kept_is_not(result: ReplayResult, tmp_path: Path) -> None:
    """Where tests failed, nothing is written, and the report says why; so does the error where none of them was measured."""
    file = tmp_path / "base.json"
    gate = RunGate(GateOptions(save_baseline=file), tmp_path)
    with pytest.raises(EviHarnessError, match=r"no test measured .*\(tests failed\)"):
        gate.judge(unkept="tests failed")
    gate.take("a", measured_run("a", [result]))
    report = gate.judge(unkept="tests failed")
    assert (report.saved, report.not_saved) == (None, f"{file}: tests failed")
    assert any(re.match(rf"baseline +not .*{re.escape(str(file))}: tests failed", line) for line in report.lines())
    assert not file.exists()
    held = RunGate(GateOptions(gate=("queue: max<10s",)), tmp_path)
    held.take("a", measured_run("a", [result]))
    assert held.judge(unkept="tests failed").not_saved is None


def test_what_the_gate_refuses_is_not_kept(result: ReplayResult, tmp_path: Path) -> None:
    """A baseline that is compared with and written to stays as it was where a threshold does not hold."""
    file = tmp_path / "base.json"
    first = RunGate(GateOptions(save_baseline=file), tmp_path)
    first.take("a", measured_run("a", [result]))
    first.judge()
    before = file.read_bytes()
    second = RunGate(GateOptions(gate=("queue: max>10s",), baseline=file, save_baseline=file), tmp_path)
    second.take("a", measured_run("a", [result]))
    report = second.judge()
    assert (report.exit_code, report.saved, report.not_saved is None) == (1, None, False)
    assert file.read_bytes() == before


def test_nothing_is_no_measure(tmp_path: Path) -> None:
    """A comparison of nothing is refused."""
    with pytest.raises(EviHarnessError, match="no test measured"):
        RunGate(GateOptions(save_baseline=tmp_path / "base.json"), tmp_path).judge()


def test_the_configuration_s_thresholds_hold_for_the_run_and_its_baseline_does_not(result: ReplayResult, tmp_path: Path) -> None:
    """All replays together are held to them; what is about the service is passed over; the command line's own replace them."""
    configured = 'gate = ["queue: max<10s", "queue: max>10s", "turn_gap: max<1"]\nbaseline = "of_sessions.json"\n'
    (tmp_path / "pyproject.toml").write_text(f"[tool.evi-harness]\n{configured}")
    gate = RunGate(GateOptions(), tmp_path)
    assert gate.is_needed
    for test in ("a", "b"):
        gate.take(test, measured_run(test, [result]))
    report = gate.judge()
    assert [(one.threshold.text, one.verdict) for one in report.thresholds] == [("queue: max<10s", "passed"), ("queue: max>10s", "failed")]
    assert report.passed_over == ("turn_gap: max<1",)
    assert (report.comparisons, report.exit_code) == ((), 1)
    [held] = RunGate(GateOptions(gate=("queue: max<10s",)), tmp_path)._gate._thresholds
    assert held.metric == "queue"


def test_a_threshold_on_the_service_is_refused_in_a_test_run_s_own_words(tmp_path: Path) -> None:
    """No option of a command is named, since a test run has none of them."""
    with pytest.raises(UsageError, match="a recording plays") as raised:
        RunGate(GateOptions(gate=("turn_gap: max<1200",)), tmp_path)
    assert "--live" not in str(raised.value)


def test_nothing_is_judged_where_nothing_is_asked_for(tmp_path: Path) -> None:
    """No option and no configuration, no gate."""
    assert not RunGate(GateOptions(), tmp_path).is_needed


def test_what_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    """A baseline that is not there, or a configuration that cannot be meant, ends all before anything runs."""
    with pytest.raises(EviHarnessError, match="cannot be read"):
        RunGate(GateOptions(baseline=tmp_path / "no.json"), tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.evi-harness]\nbaselin = "x"\n')
    with pytest.raises(EviHarnessError, match="baselin"):
        RunGate(GateOptions(save_baseline=tmp_path / "base.json"), tmp_path)


def test_a_replay_without_a_handler_measures_no_app(result: ReplayResult, weather: Session) -> None:
    """Nobody named the built-in handler, so what it took is not told as the app's."""
    unnamed = replay_session(weather, write=lambda _: None)
    [run] = measured_run("test", [unnamed, result])["runs"]
    assert {one["session"] for metric in run["metrics"].values() for one in metric["samples"]} == {"test (2)"}
