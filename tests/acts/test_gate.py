"""Tests of evi_harness.acts.gate."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.acts.gate import gate_for, load_baseline, rules_for, save_baseline
from evi_harness.acts.latency import measure_sessions
from evi_harness.acts.measured_runs import run_of_session, runs_of_result
from evi_harness.acts.repeating import replay_repeatedly
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.measure.baseline import MeasuredRun
from evi_harness.measure.effect import LEAST_EFFECT, Effect
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.samples import Sample
from evi_harness.settings.configuration import Configuration

ROOT = Path(__file__).resolve().parents[2]
WEATHER = ROOT / "sessions" / "weather"


def silent(_):
    """Print nothing."""


@pytest.fixture(scope="module")
def replayed():
    """A replay of a session in virtual time."""
    return replay_session(WEATHER, handler="builtin", write=silent)


def handled(*values):
    """A run of one metric."""
    return MeasuredRun(tuple(Sample("handle", value, "s", turn) for turn, value in enumerate(values, 1)))


def gate(tmp_path, is_replay=True, **asked):
    """A gate of a project that sets nothing."""
    (tmp_path / "pyproject.toml").touch()
    return gate_for(GateOptions(**asked), is_replay=is_replay, folder=tmp_path)


def test_a_replay_is_judged_and_kept_and_compared(tmp_path, replayed):
    """Without what the service took; in virtual time a second one is the same to the nanosecond."""
    runs = runs_of_result(replayed)
    report = gate(tmp_path, gate=("handle: max<1s",), save_baseline=tmp_path / "b.json").judge_runs(runs)
    assert (report.verdict, report.exit_code, report.saved) == ("passed", 0, str(tmp_path / "b.json"))
    assert {sample.metric for sample in load_baseline(tmp_path / "b.json").runs[0].samples} >= {"handle", "queue"}
    assert {sample.metric for sample in load_baseline(tmp_path / "b.json").runs[0].samples} & {"turn_gap", "response"} == set()
    again = runs_of_result(replay_session(WEATHER, write=silent))
    compared = gate(tmp_path, baseline=tmp_path / "b.json").judge_runs(again)
    assert compared.verdict == "passed"
    assert ("handle", "each") in {(one.metric, one.statistic) for one in compared.comparisons}


def test_several_replays_are_several_runs(replayed):
    """Of one session; thresholds are held to all of them."""
    assert len(runs_of_result(replay_repeatedly(WEATHER, 2, write=silent))) == 2
    assert len(runs_of_result(replayed)) == 1


def test_a_slower_handler_is_found_to_the_nanosecond(tmp_path, replayed):
    """The same session, and a handler that takes longer."""

    def on_message(message):
        import time

        time.sleep(0.000001)

    save_baseline(tmp_path / "b.json", runs_of_result(replay_session(WEATHER, handler=lambda message: None, write=silent)))
    slower = runs_of_result(replay_session(WEATHER, handler=on_message, write=silent))
    report = gate(tmp_path, baseline=tmp_path / "b.json").judge_runs(slower)
    assert report.verdict == "failed"
    assert {one.metric: one.verdict for one in report.comparisons}["handle"] == "regressed"


def test_the_service_is_not_judged_in_a_replay(tmp_path, replayed):
    """Before it runs; and where it is measured afterwards."""
    with pytest.raises(UsageError, match="without live") as refused:
        gate(tmp_path, gate=("turn_gap: max<1",))
    assert "evi-harness latency" in str(refused.value)
    judge = gate(tmp_path, is_replay=False, gate=("turn_gap: max<1",))
    with pytest.raises(UsageError, match="is a replay"):
        judge.judge(measure_sessions([replayed.session], detector="none").measured)


def test_a_recording_is_judged(tmp_path):
    """By what the service took."""
    measured = measure_sessions([WEATHER], detector="none").measured
    report = gate(tmp_path, is_replay=False, gate=("response: max<10s",)).judge(measured)
    # Its times are made up, so there is nothing to judge: neither passed nor failed.
    assert report.verdict == "inconclusive"
    assert "made up" in report.lines()[0]


def test_the_configuration_is_used_and_overridden(tmp_path):
    """What the command line says comes first; what the configuration has about the service is passed over in a replay, and told."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.evi-harness]\ngate = ["handle: max<5", "turn_gap: max<9"]\ninconclusive = "pass"\nbaseline = "b.json"\n', encoding="utf-8"
    )
    save_baseline(tmp_path / "b.json", [handled(1.0)])
    judge = gate_for(GateOptions(), is_replay=True, folder=tmp_path)
    report = judge.judge_runs([handled(6.0)])
    assert [one.verdict for one in report.thresholds] == ["failed"]
    assert report.passed_over == ("turn_gap: max<9",)
    assert report.inconclusive == "pass"
    assert [one.metric for one in report.comparisons] == ["handle"]
    asked = gate_for(GateOptions(gate=("handle: max<7",), inconclusive="fail"), is_replay=True, folder=tmp_path)
    assert [one.threshold.text for one in asked.judge_runs([handled(6.0)]).thresholds] == ["handle: max<7"]
    assert asked.judge_runs([handled(6.0)]).exit_code == 4


def configured(tmp_path, *, is_replay=False, **asked):
    """A gate of a project that holds both families, and has a baseline."""
    gates = 'gate = ["handle: max<5s", "response: max<5s"]'
    (tmp_path / "pyproject.toml").write_text(f'[tool.evi-harness]\n{gates}\nbaseline = "b.json"\n', encoding="utf-8")
    return gate_for(GateOptions(**asked), is_replay=is_replay, folder=tmp_path)


def test_one_configuration_does_for_recordings_and_replays(tmp_path, replayed, weather):
    """Of its thresholds and its baseline what the sessions have is judged; the rest is told, and leaves nothing open."""
    played = measure_sessions([replayed.session], detector="none").measured
    spoken = measure_sessions([weather], detector="none").measured
    file = tmp_path / "b.json"
    save_baseline(file, runs_of_result(replayed))
    report = configured(tmp_path).judge(spoken)
    assert ([one.threshold.metric for one in report.thresholds], report.comparisons, report.verdict) == (["response"], (), "passed")
    assert report.passed_over == ("handle: max<5s", str(file))
    report = configured(tmp_path).judge(played)
    assert [one.threshold.metric for one in report.thresholds] == ["handle"]
    assert report.passed_over == ("response: max<5s",)
    assert {METRICS[one.metric].family for one in report.comparisons} == {"client"}
    report = configured(tmp_path).judge([*played, *spoken])
    assert [one.threshold.metric for one in report.thresholds] == ["handle", "response"]
    # What the command line asks for is judged, or it is said why not.
    asked = configured(tmp_path, gate=("handle: max<5s",), baseline=file).judge(spoken)
    assert (asked.verdict, asked.passed_over) == ("inconclusive", ())
    assert "conversation" in {METRICS[one.metric].family for one in asked.comparisons}


@pytest.mark.parametrize(
    ("value", "keep", "asked", "why"),
    [
        (1.0, True, {}, None),
        (1.0, True, {"gate": ("handle: p(95)<5",)}, None),
        (1.0, False, {}, "run .*failed"),
        (9.0, True, {"gate": ("handle: max<5",)}, "a threshold .*"),
        (9.0, True, {"baseline": "old.json"}, "something .*slower; .*"),
        (1.0, True, {"baseline": "old.json"}, None),
    ],
)
def test_what_failed_is_no_baseline(tmp_path, value, keep, asked, why):
    """Neither a run nor a gate; what is open may be one. What was there stays."""
    run = replace(handled(value), exact=frozenset({"handle"}))
    save_baseline(tmp_path / "old.json", [replace(handled(1.0), exact=frozenset({"handle"}))])
    file = tmp_path / "b.json"
    save_baseline(file, [handled(3.0)])
    asked = {**asked, **({"baseline": tmp_path / asked["baseline"]} if "baseline" in asked else {})}
    report = gate(tmp_path, save_baseline=file, **asked).judge_runs([run], keep=keep)
    assert report.saved == (str(file) if why is None else None)
    assert report.not_saved is None if why is None else re.fullmatch(f"{re.escape(str(file))}: .*{why}", report.not_saved)
    assert load_baseline(file).runs[0].samples[0].value == (value if why is None else 3.0)


def test_a_configured_baseline_that_is_written_is_not_compared_with(tmp_path, monkeypatch):
    """The first one is not there yet; a later one is meant to be replaced. From wherever it is named."""
    monkeypatch.chdir(tmp_path)
    for value in (1.0, 9.0):
        report = configured(tmp_path, save_baseline=Path("b.json")).judge_runs([handled(value)])
        assert (report.comparisons, report.saved, report.passed_over) == ((), "b.json", ("response: max<5s",))
    with pytest.raises(EviHarnessError, match="cannot be read"):
        configured(tmp_path, save_baseline=Path("c.json"), baseline=Path("gone.json"))
    assert configured(tmp_path, save_baseline=Path("c.json")).judge_runs([handled(1.0)]).comparisons


def test_what_is_exact_is_not_more_for_being_repeated(tmp_path):
    """Two replays of 14 messages have 14 values, which are too few for a 95th percentile."""
    runs = runs_of_result(replay_repeatedly(WEATHER, 2, write=silent))
    exact, sampled = gate(tmp_path, gate=("handle: p(95)<50", "cpu: p(95)<5s")).judge_runs(runs).thresholds
    assert (exact.verdict, exact.n) == ("inconclusive", 14)
    assert (sampled.verdict, sampled.n) == ("passed", 28)


def test_a_threshold_of_the_configuration_is_refused_with_the_file(tmp_path):
    """Not with the command line."""
    (tmp_path / "pyproject.toml").write_text('[tool.evi-harness]\ngate = ["handle"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"pyproject\.toml: gate: a threshold"):
        gate_for(GateOptions(), is_replay=True, folder=tmp_path)


def test_nothing_to_judge(tmp_path):
    """Is known beforehand, so that nothing is measured for it."""
    assert not gate(tmp_path).is_needed
    assert gate(tmp_path, gate=("handle: max<1",)).is_needed
    assert gate(tmp_path, save_baseline=tmp_path / "b.json").is_needed


def test_a_baseline_that_is_not_there(tmp_path):
    """Is an error, before anything runs."""
    with pytest.raises(EviHarnessError, match=r"gone\.json.*cannot be read"):
        gate(tmp_path, baseline=tmp_path / "gone.json")
    (tmp_path / "pyproject.toml").write_text('[tool.evi-harness]\nbaseline = "gone.json"\n', encoding="utf-8")
    with pytest.raises(EviHarnessError, match=r"gone\.json: baseline of .*pyproject\.toml: .*cannot be"):
        gate_for(GateOptions(), is_replay=True, folder=tmp_path)


def test_rules():
    """What is asked for, else what is configured, else the default."""
    configured = Configuration(seed=7, least=Effect(0.1), least_by_metric={"handle": Effect(0.2)}, job_noise=0.0)
    rules = rules_for(GateOptions(false_alarm=0.05), configured)
    assert (rules.seed, rules.false_alarm, rules.job_noise) == (7, 0.05, 0.0)
    assert (rules.least, rules.least_by_metric) == (Effect(0.1), {"handle": Effect(0.2)})
    rules = rules_for(GateOptions(gate_seed=0, least_effect="2%"), configured)
    assert (rules.seed, rules.least, rules.least_by_metric) == (0, Effect(0.02), {})
    assert rules_for(GateOptions(), Configuration()).least == LEAST_EFFECT
    with pytest.raises(UsageError, match=r"^invalid value for false_alarm: "):
        rules_for(GateOptions(false_alarm=0.7), Configuration())


def test_in_a_folder_every_run_has_a_file_of_its_own(tmp_path):
    """So that one command may replay many times; secrets stay out of it."""
    run = MeasuredRun((Sample("handle", 1.0, "the key", 1),))
    files = {save_baseline(tmp_path, [run], lambda text: text.replace("key", "***")) for _ in range(3)}
    assert len(files) == 3
    assert json.loads(min(files).read_text(encoding="utf-8"))["runs"][0]["metrics"]["handle"]["samples"][0]["session"] == "the ***"


def test_nobody_listens_to_the_user_of_a_replay(replayed):
    """Its speech is the recording's."""
    assert run_of_session(replayed.session).detector is None


@pytest.mark.parametrize(
    ("asked", "configuration"),
    [
        ({"gate": ("handle: max<1s",)}, ""),
        ({"save_baseline": Path("new.json")}, ""),
        ({"baseline": Path("b.json")}, ""),
        ({}, 'gate = ["handle: max<1s"]'),
        ({}, 'baseline = "b.json"'),
    ],
)
def test_without_a_handler_there_is_no_app_to_judge(tmp_path, monkeypatch, asked, configuration):
    """The built-in handler is not taken for the app; what is only about the service is passed over as ever."""
    monkeypatch.chdir(tmp_path)
    save_baseline(Path("b.json"), [handled(1.0)])
    Path("pyproject.toml").write_text(f"[tool.evi-harness]\n{configuration}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no handler") as refused:
        gate_for(GateOptions(**asked), is_replay=True, names_no_handler=True)
    assert (refused.value.exit_code, "handler='FILE.py:NAME'" in str(refused.value), "handler='builtin'" in str(refused.value)) == (
        2,
        True,
        True,
    )
    assert gate_for(GateOptions(**asked), is_replay=True).is_needed
    Path("pyproject.toml").write_text('[tool.evi-harness]\ngate = ["turn_gap: max<1s"]\n', encoding="utf-8")
    assert gate_for(GateOptions(), is_replay=True, names_no_handler=True).judge_runs([handled(1.0)]).exit_code == 0
