"""Tests of the command ``explain``; what it says is tested with report.explaining."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from evi_harness.acts.afterwards.explaining import explain_report
from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def test_it_prints_the_explanation_and_exits_with_0(tmp_path, capsys):
    """Also of a gate that failed: to explain is not to judge."""
    gate = {"verdict": "failed", "comparisons": [], "thresholds": [{"metric": "queue", "threshold": "queue: max<1", "verdict": "failed"}]}
    (tmp_path / "gate.json").write_text(json.dumps(gate), encoding="utf-8")
    assert main(["explain", str(tmp_path / "gate.json")]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (explain_report(tmp_path / "gate.json"), "")


HANDLER = "fixtures/handlers/weather.py:WeatherApp"
REPLAYS = ("replay", "sessions/weather", "--handler", HANDLER, "--no-child")


def explained(folder, capsys, words):
    """What a command exits with, what ``explain`` says of its report, and the words of ``again``."""
    code = main([*words, "--json", str(folder / "r.json"), "--junit", str(folder / "j.xml")])
    capsys.readouterr()
    assert main(["explain", str(folder / "r.json")]) == 0
    text = capsys.readouterr().out
    (again,) = [line.split("&& ", 1)[1] for line in text.splitlines() if line.startswith("  again")]
    return code, text, shlex.split(again)[1:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((*REPLAYS, "--gate", "handle: max<100"), 1, ("turn 1, at 2.990 s, #161 tool_call", "120 ms", "from --gate", "--html")),
        ((*REPLAYS, "--gate", "handle: p(95)<9"), 4, ("p(95) needs 20 values", "max or med")),
        ((*REPLAYS, "--baseline", "{}/b.json"), 1, ("120 ms, before 20 ms", "b.json (--baseline)", "--save-baseline")),
        (("replay", "{}/two", *REPLAYS[2:], "--gate=handle: count<2"), 1, ("replay of one, turn 1", "count is 2 of 28 values")),
        (("latency", "sessions/weather", "--gate", "turn_gap: max<1"), 4, ("no value of turn_gap",)),
    ],
)
def test_a_gate_is_explained_and_its_command_fails_again(tmp_path, capsys, monkeypatch, words, code, told):
    """Where the worst value is, what the limit is from, what to try; ``again`` keeps the gate, writes nothing and ends the same way."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    if "{}/two" in words:
        # One alone would hold.
        for name in ("one", "other"):
            shutil.copytree(ROOT / "sessions/weather", tmp_path / "two" / name)
    if "--baseline" in words:
        main([*REPLAYS, "--save-baseline", str(tmp_path / "b.json")])
        kept = (tmp_path / "b.json").read_text(encoding="utf-8")
        (tmp_path / "b.json").write_text(kept.replace('"value": 120.0', '"value": 20.0'), encoding="utf-8")
    ended, text, again = explained(tmp_path, capsys, [word.format(tmp_path) for word in words])
    assert ended == code
    assert all(one in text for one in told), text
    assert not {"--json", "--junit"} & set(again)
    assert any(word in ("--gate", "--baseline") for word in again)
    files = sorted(tmp_path.iterdir())
    assert main(again) == code
    assert sorted(tmp_path.iterdir()) == files


def test_a_limit_of_the_configuration_is_named_by_its_file(tmp_path, capsys, monkeypatch):
    """It is read again by the command that repeats it, which runs in the same folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.evi-harness]\ngate = ["handle: max<100"]\n', encoding="utf-8")
    words = ["replay", str(ROOT / "sessions/weather"), "--no-child", "--handler", str(ROOT / HANDLER)]
    code, text, again = explained(tmp_path, capsys, words)
    assert (code, "from pyproject.toml" in text, "limit in pyproject.toml" in text) == (1, True, True)
    assert main(again) == 1


def test_a_secret_argument_is_not_in_the_command_of_a_gate(tmp_path, capsys, monkeypatch):
    """It says that it has to be put back."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("import asyncio\n\n\ndef make(api_key):\n    return lambda message: None\n", encoding="utf-8")
    words = ["replay", str(ROOT / "sessions/typed"), "--no-child", "--handler", "app.py:make", "--arg", "api_key=hunter22"]
    main([*words, "--gate", "handle: count<1", "--gate", "handle: max>9s", "--json", "r.json"])
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["gate"]
    assert report["command"]["is_redacted"]
    assert "hunter22" not in json.dumps(report)


def test_what_is_no_report_exits_with_3(tmp_path, capsys):
    """A session, something else: a sentence on standard error, with what to do."""
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    for path in (tmp_path / "x.json", ROOT / "sessions" / "typed", ROOT / "sessions" / "typed" / "session.json"):
        assert main(["explain", str(path)]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: {path}: ")
