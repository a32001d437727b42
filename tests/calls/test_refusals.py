"""Whatever a call or a command refuses is named as the user gave it: the argument in Python, the option at the command line."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

import evi_harness
from evi_harness.acts.afterwards.playing_aloud import play_session
from evi_harness.cli.main import main
from evi_harness.errors import EviHarnessError

ROOT = Path(__file__).resolve().parents[2]
WEATHER = str(ROOT / "sessions" / "weather")
HEARD = str(ROOT / "evi_harness" / "assets" / "demo" / "springs.flac")
NOWHERE = "ws://127.0.0.1:9"

# What each call is given besides.
GIVEN: Dict[str, Dict[str, Any]] = {
    "compare_sessions": {"first": WEATHER, "second": WEATHER},
    "compare_versions": {"a": "true", "b": "true"},
    "export_session": {"session": WEATHER},
    "import_session": {"file": str(ROOT / "README.md"), "form": "har"},
    "judge_gate": {"what": WEATHER, "gate": "turn_gap: max<1"},
    "measure_latency": {"sessions": WEATHER},
    "play_session": {"session": WEATHER},
    "record": {"socket": object()},
    "record_conversation": {"base_url": NOWHERE, "mic": HEARD},
    "replay_live": {"session": WEATHER, "base_url": NOWHERE},
    "replay_session": {"session": WEATHER, "handler": "recorded"},
    "replay_sessions": {"sessions": WEATHER, "handler": "recorded", "n_jobs": 1},
    "serve": {"session": WEATHER},
    "write_report": {"what": WEATHER, "out": "page.html"},
}
GATE = (("inconclusive", "x"), ("false_alarm", 0.5), ("false_alarm", float("nan")), ("least_effect", "x"))
# Call, argument, a value that it refuses.
ROWS: List[Tuple[str, str, Any]] = [
    ("compare_sessions", "tolerance_ms", -1),
    ("compare_sessions", "tolerance_ms", float("inf")),
    ("compare_versions", "a", ""),
    ("compare_versions", "b", "'"),
    ("compare_versions", "command", ()),
    ("compare_versions", "n_runs", 0),
    ("compare_versions", "n_runs", 10_001),
    ("compare_versions", "warm_up", -1),
    ("compare_versions", "metrics", "x"),
    ("compare_versions", "timeout_s", 0),
    *(("compare_versions", *row) for row in GATE),
    *(("export_session", form, "gone/x") for form in ("wav", "flac", "vtt", "labels", "csv", "metrics", "har", "trace")),
    ("import_session", "form", "x"),
    *(("judge_gate", *row) for row in GATE),
    ("judge_gate", "gate", "x"),
    ("judge_gate", "baseline", "gone"),
    ("judge_gate", "baseline", str(ROOT / "README.md")),
    ("judge_gate", "save_baseline", "gone/x"),
    ("judge_gate", "job_noise", -1),
    ("measure_latency", "end_of_turn_ms", -1),
    ("measure_latency", "min_interruption_ms", float("nan")),
    ("measure_latency", "detector", "x"),
    ("play_session", "turn", 99),
    ("play_session", "side", "x"),
    ("record", "name", "a/b"),
    ("record", "user_interrupt", "x"),
    ("record", "dialect", "x"),
    ("record_conversation", "name", "..."),
    ("record_conversation", "duration_s", 0),
    ("record_conversation", "microphone", "x"),
    ("replay_live", "cadence", "x"),
    ("replay_live", "max_duration_s", 0),
    ("replay_live", "patience_s", -1),
    ("replay_live", "ca", "gone"),
    ("replay_live", "dialect", "x"),
    ("replay_live", "setup", "gone"),
    ("replay_session", "clock", "x"),
    ("replay_session", "ignore", ("x",)),
    ("replay_session", "max_late_ms", -1),
    ("replay_session", "timeout_s", 0),
    ("replay_session", "max_run_s", 0),
    ("replay_session", "thread_wait_s", -1),
    ("replay_session", "allow_hosts", ("http://x",)),
    ("replay_session", "wall_clock", "x"),
    ("replay_session", "seed", -1),
    ("replay_session", "severities", {"x": "off"}),
    ("replay_session", "blocked_ms", -1),
    ("replay_session", "speed", 0),
    ("replay_session", "max_gap", -1),
    ("replay_session", "first", "x"),
    ("replay_session", "last", "t99"),
    ("replay_session", "microphone", "x"),
    ("replay_sessions", "n_runs", 0),
    ("replay_sessions", "n_runs", 10_001),
    ("replay_sessions", "n_jobs", 0),
    ("replay_sessions", "executor", "x"),
    ("replay_sessions", "audio_format", "x"),
    ("serve", "host", "192.0.2.1"),
    ("serve", "port", 65_536),
    ("serve", "patience_s", 0),
    ("serve", "dialect", "x"),
    ("serve", "max_duration_s", 0),
    ("serve", "ignore", ("x",)),
    ("serve", "origins", ("x",)),
    ("serve", "hosts", ("x:1",)),
    ("write_report", "audio_format", "x"),
]
# Arguments with their reason where they are in no row: a folder or a file is named by its path, and what else there is cannot be wrong.
PATHS = {"session", "sessions", "folder", "file", "report", "what", "out", "html", "mic", "script", "first", "second"}
ANYTHING = {
    "base_url",
    "config_id",
    "device",
    "service",
    "secrets",
    "client",
    "options",
    "handler",
    "arguments",
    "socket",
    "gate_seed",
    "connect_ns",
}


def refused(call: str, **given: Any) -> EviHarnessError:
    """The error that a call raises."""
    function = play_session if call == "play_session" else getattr(evi_harness, call)
    with pytest.raises(EviHarnessError) as raised:
        function(**{**GIVEN[call], **given})
    return raised.value


@pytest.mark.parametrize(("call", "name", "value"), ROWS, ids=lambda value: str(value)[:20])
def test_a_call_names_its_argument(call: str, name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first line of the error, and nothing is done."""
    monkeypatch.chdir(tmp_path)
    error = refused(call, **{name: value})
    assert re.search(rf"(?<!\w){name}(?!\w)", str(error).splitlines()[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", sorted({*GIVEN} - {"play_session"}))
def test_every_argument_has_a_row(call: str) -> None:
    """But for those that are on or off, that name a path, or that take anything."""
    tried = {name for one, name, _ in ROWS if one == call}
    untried = [
        name
        for name, one in inspect.signature(getattr(evi_harness, call)).parameters.items()
        if name not in tried | PATHS | ANYTHING
        and one.kind is not one.VAR_KEYWORD
        and not isinstance(one.default, bool)
        and "Callable" not in str(one.annotation)
        and not (name == "gate" and "GateReport" in str(one.annotation))
    ]
    assert untried == []


# A command line whose last two words are an option and a value that it refuses, and the exit code.
LINES: List[Tuple[str, int]] = [
    *((f"export {WEATHER} --{form} gone/x", 2) for form in ("wav", "flac", "vtt", "labels", "csv", "metrics", "har", "trace")),
    ("replay {WEATHER} --handler recorded --gate queue:max<1 --baseline gone", 2),
    ("latency {WEATHER} --detector none --baseline gone", 2),
    ("latency {WEATHER} --detector x", 2),
    ("replay {WEATHER} --handler recorded --false-alarm 0.5", 2),
    ("replay {WEATHER} --handler recorded --job-noise 11", 2),
    ("replay {WEATHER} --handler recorded --repeat 10001", 2),
    ("replay {WEATHER} {WEATHER} --executor x", 2),
    ("ab --b true --a ''", 2),
    ("ab --a true --b ''", 2),
    ("ab --a true --b true --runs 0", 2),
    ("ab --a true --b true --warm-up 10001", 2),
    ("ab --a true --b true --metric x", 2),
    ("play {WEATHER} --turn 99", 2),
    ("record --base-url " + NOWHERE + " --name a/b", 2),
]


@pytest.mark.parametrize(("line", "code"), LINES, ids=lambda value: str(value)[-24:])
def test_a_command_names_its_option(
    line: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the first line of the error, and nothing is done."""
    monkeypatch.chdir(tmp_path)
    words: List[str] = [word.strip("'") for word in line.format(WEATHER=WEATHER).split()]
    assert main(words) == code
    assert words[-2] in capsys.readouterr().err.splitlines()[0]
    assert list(tmp_path.iterdir()) == []


def test_what_is_updated_is_updated_once() -> None:
    """Before anything runs."""
    error: Optional[EviHarnessError] = refused("replay_sessions", n_runs=2, update=True)
    assert "n_runs" in str(error)
