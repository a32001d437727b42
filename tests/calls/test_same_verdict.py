"""A call and its command report the same: one JSON, but for what asked and how long it took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import evi_harness
from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = ROOT / "fixtures" / "handlers"
WEATHER = str(ROOT / "sessions" / "weather")
TYPED = str(ROOT / "sessions" / "typed")
# What asked for it, with what its hints call the options; and how long it took.
OWN = {"thresholds_from", "baseline_from", "command", "hints", "real_s", "n_workers"}


def plain(value):
    """A report without what differs from one run to the next."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in OWN}
    return [plain(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def reported(tmp_path, monkeypatch, capsys):
    """Run a command that writes its report: its exit code and the report."""
    monkeypatch.chdir(tmp_path)

    def report(*words):
        code = main([*map(str, words), "--json", str(tmp_path / "report.json")])
        capsys.readouterr()
        return code, plain(json.loads((tmp_path / "report.json").read_text(encoding="utf-8")))

    return report


def as_written(report, **more):
    """A call's report as a file has it."""
    return plain(json.loads(json.dumps({**report.json(), **more})))


@pytest.mark.parametrize(
    ("session", "handler", "options", "words"),
    [
        (WEATHER, "weather.py:WeatherApp", {}, []),
        (WEATHER, "wrong_answer.py:App", {}, []),
        (WEATHER, "raises.py:App", {}, []),
        (WEATHER, "sends_extra.py:App", {"strict": True}, ["--strict"]),
        (TYPED, None, {"ignore": ["$.content"]}, ["--ignore", "$.content"]),
        (WEATHER, "late_answer.py:App", {"max_late_ms": 50, "last": "t1"}, ["--max-late", "50", "--until", "t1"]),
    ],
)
def test_a_replay(reported, session, handler, options, words):
    """Passed or failed, with its deviations and findings."""
    spec = None if handler is None else f"{HANDLERS / handler}"
    # How long a step of the loop takes is the machine's, and differs.
    code, told = reported("replay", session, "--no-child", "--blocked-ms", "60000", *words, *(() if spec is None else ("--handler", spec)))
    result = evi_harness.replay_session(session, handler=spec, blocked_ms=60_000, **options)
    assert as_written(result, gate=None) == told
    assert result.exit_code == code


def test_replays_of_several(reported):
    """A session each, in the same order."""
    code, told = reported("replay", WEATHER, TYPED, "-j", "1", "--no-child", "--handler", "recorded")
    report = evi_harness.replay_sessions([WEATHER, TYPED], handler="recorded", n_jobs=1)
    assert as_written(report, gate=None) == told
    assert report.exit_code == code


@pytest.mark.parametrize("gate", ["tool.app: max<500", "tool.app: max<1"])
def test_a_gate(reported, gate):
    """The gate is judged alike; the command has its report in that of the replay."""
    code, told = reported("replay", WEATHER, "--no-child", "--handler", f"{HANDLERS / 'weather.py'}:WeatherApp", "--gate", gate)
    report = evi_harness.judge_gate(evi_harness.replay_session(WEATHER, handler=f"{HANDLERS / 'weather.py'}:WeatherApp"), gate=gate)
    assert as_written(report) == told["gate"]
    assert report.exit_code == code


def test_latencies(reported):
    """Every sample and summary."""
    code, told = reported("latency", WEATHER, TYPED, "--detector", "none")
    assert code == 0
    assert as_written(evi_harness.measure_latency([WEATHER, TYPED], detector="none"), gate=None) == told


def test_a_check_has_the_lines_that_the_command_prints(reported, capsys):
    """Of one session, and of several."""
    for places in ([WEATHER], [WEATHER, TYPED]):
        main(["check", *places])
        assert capsys.readouterr().out.splitlines() == evi_harness.check_sessions(places).lines()


def test_a_check(reported, tmp_path):
    """What is wrong, and where nothing is."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "session.json").write_text("{", encoding="utf-8")
    for places in ([WEATHER], [WEATHER, tmp_path / "broken"]):
        code, told = reported("check", *places)
        report = evi_harness.check_sessions(places)
        assert as_written(report) == told
        assert report.exit_code == code


def test_a_comparison(reported):
    """What differs, with and without times."""
    code, told = reported("compare", WEATHER, TYPED)
    report = evi_harness.compare_sessions(WEATHER, TYPED)
    assert as_written(report) == told
    assert report.exit_code == code == 1
    assert (
        as_written(evi_harness.compare_sessions(WEATHER, TYPED, tolerance_ms=None)) == reported("compare", WEATHER, TYPED, "--no-times")[1]
    )


def test_a_repair(reported):
    """What was lost."""
    code, told = reported("repair", WEATHER, "-o", "one")
    report = evi_harness.repair_session(WEATHER, "two")
    assert code == report.exit_code == 0
    assert as_written(report) == {**told, "out": as_written(report).get("out")}
