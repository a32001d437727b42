"""Tests of the command ``explain``; what it says is tested with report.explaining."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_what_is_no_report_exits_with_3(tmp_path, capsys):
    """A session, something else, nothing: a sentence on standard error, with what to do."""
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    for path in (tmp_path / "x.json", tmp_path / "gone.json", ROOT / "sessions" / "typed", ROOT / "sessions" / "typed" / "session.json"):
        assert main(["explain", str(path)]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: {path}: ")
