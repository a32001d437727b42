"""Tests of evi_harness.cli.ab_command."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "gate-report.schema.json").read_text(encoding="utf-8"))

# Writes a baseline of one turn, as a replay would.
MEASURES = """
import json, os, sys
from pathlib import Path
samples = [{"session": "s", "turn": 1, "of": None, "value": float(sys.argv[1])}]
run = {"detector": None, "metrics": {"handle": {"unit": "ms", "exact": True, "samples": samples}}}
told = {"format": "evi-harness baseline", "version": 1, "made": "", "by": "", "runs": [run]}
Path(os.environ["EVI_HARNESS_SAVE_BASELINE"], "b.json").write_text(json.dumps(told))
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Where no configuration is, nor GitHub."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def measuring(tmp_path, ms):
    """A command that measures so much."""
    (tmp_path / "measures.py").write_text(MEASURES, encoding="utf-8")
    return shlex.join([sys.executable, str(tmp_path / "measures.py"), str(ms)])


@pytest.mark.parametrize(
    ("old", "new", "verdict", "code"), [(1.0, 1.0, "passed", 0), (1.0, 1.5, "REGRESSED", 1), (1.0, 0.5, "improved", 0)]
)
def test_two_commands(tmp_path, capsys, old, new, verdict, code):
    """What is told, and what the command exits with."""
    words = ["ab", "--a", measuring(tmp_path, old), "--b", measuring(tmp_path, new), "--runs", "1", "--warm-up", "0"]
    assert main([*words, "--junit", "j.xml", "--summary", "s.md", "--json", "r.json"]) == code
    told = capsys.readouterr()
    assert f"{verdict:<14}handle each" in told.out
    assert re.fullmatch(r"run 1 of 1\b.*\n", told.err)
    report = json.loads(Path("r.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, SCHEMA)
    assert report["exit_code"] == code
    assert Path("j.xml").exists()
    assert "| handle each |" in Path("s.md").read_text(encoding="utf-8")


def test_the_report_on_standard_output(tmp_path, capsys):
    """Then people read standard error."""
    words = ["ab", "--a", measuring(tmp_path, 1), "--b", measuring(tmp_path, 1), "--runs", "1", "--warm-up", "0", "--json", "-"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["verdict"] == "passed"
    assert "handle each" in told.err


@pytest.mark.parametrize("metric", ["handle", "cpu"])
def test_one_metric(tmp_path, capsys, metric):
    """A metric that was not measured on either side is inconclusive, and nothing lets that pass."""
    words = ["ab", "--a", measuring(tmp_path, 1), "--b", measuring(tmp_path, 1), "--runs", "1", "--warm-up", "0", "--metric", metric]
    expected = 0 if metric == "handle" else 4
    assert main(words) == expected
    assert main([*words, "--inconclusive", "pass"]) == expected


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--a", "true"],
        ["--a", "true", "--b", "true", "--a-rev", "x"],
        ["--a", "true", "--b", "true", "--", "true"],
        ["--a-rev", "x"],
        ["--a-rev", "HEAD", "--b-rev", "HEAD"],
        ["--a", "true", "--b", "true", "--runs", "0"],
        ["--a", "true", "--b", "true", "--least-effect", "much"],
        ["--ruins", "3"],
        ["--a", "true", "--b", "true", "--metric", "handel"],
    ],
)
def test_what_cannot_be_meant(tmp_path, words):
    """Either two commands, or two revisions and a command. Nothing is run."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "--quiet", "--allow-empty", "-m", "x"],
        cwd=tmp_path,
        check=True,
    )
    assert main(["ab", *words]) == 2


def test_a_command_that_measures_nothing(capsys):
    """Could not run: an error never looks like a failure."""
    assert main(["ab", "--a", "true", "--b", "true"]) == 3
    assert "measured nothing" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["pyproject.toml"]
