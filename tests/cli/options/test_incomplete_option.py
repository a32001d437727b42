"""Tests of evi_harness.cli.options.incomplete_option: the same answer from every command."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from evi_harness.acts import ab
from evi_harness.cli.main import main
from evi_harness.cli.options.incomplete_option import ALLOW_INCOMPLETE
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "replay-report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def damaged(tmp_path, monkeypatch):
    """A folder of two sessions in the current folder, of which one was changed by hand."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", ALLOW_INCOMPLETE):
        monkeypatch.delenv(name, raising=False)
    for name in ("typed", "weather"):
        shutil.copytree(ROOT / "sessions" / name, Path("sessions", name))
    path = Path("sessions/typed/events.jsonl")
    path.write_text(path.read_text().replace("What's the weather", "What is the weather"))
    return tmp_path


def what_is_missing():
    """What its reader says of the changed session; every command says the same."""
    (missing,) = load_session("sessions/typed", verify=True).missing
    assert re.match(r"events\.jsonl: .*\bdigest\b", missing)
    return missing


def test_a_replay(capsys):
    """Exit code 1, and what is missing in the text, the JSON and the JUnit file; no baseline is kept."""
    words = ["replay", "sessions/typed", "--handler", "recorded", "--json", "r.json", "--junit", "j.xml", "--save-baseline", "b.json"]
    assert main(words) == 1
    told = capsys.readouterr().out
    assert f"missing    {what_is_missing()}" in told
    (following,) = [line for line in told.splitlines() if line.startswith("next ")]
    assert "evi-harness check sessions/typed" in following
    assert "--allow-incomplete" in following
    assert "verdict    failed: incomplete recording\n" in told
    report = json.loads(Path("r.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert (report["passed"], report["incomplete"], report["recorded"]["missing"]) == (False, True, [what_is_missing()])
    failure = ElementTree.parse("j.xml").getroot().find(".//failure")
    assert re.fullmatch(rf"failed: incomplete\b.*; {re.escape(what_is_missing())}", failure.get("message"))
    assert not Path("b.json").exists()
    assert main([*words, "--allow-incomplete"]) == 0
    assert re.search(r"^verdict +passed, .*incomplete", capsys.readouterr().out, re.MULTILINE)
    assert Path("b.json").exists()
    assert json.loads(Path("r.json").read_text())["command"]["again"][-1] == "--allow-incomplete"


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_replays_of_many(capsys, n_jobs):
    """The one that is not whole fails in the table; whether it can be run or not, with the same words."""
    shutil.copytree("sessions/weather", "sessions/without")
    Path("sessions/without/assistant.wav").unlink()
    words = ["replay", "sessions", "-j", n_jobs, "--no-child", "--handler", "recorded", "--json", "r.json"]
    assert main(words) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("s  ")[-1] for line in lines[:3]] == ["passed", "failed: incomplete recording", "failed: incomplete recording"]
    assert any("assistant.wav: " in line for line in lines)
    assert lines[-2].startswith("3 sessions: 1 passed, 2 failed (")
    codes = {Path(one["folder"]).name: one["exit_code"] for one in json.loads(Path("r.json").read_text())["sessions"]}
    assert codes == {"typed": 1, "weather": 0, "without": 1}
    two = ["sessions/typed", "sessions/weather"]
    assert main(["replay", *two, "-j", "1", "--no-child", "--handler", "recorded", "--allow-incomplete"]) == 0


def test_a_replay_that_cannot_be_run(capsys):
    """It is told as what it is, also to CI; with the option it could not run."""
    Path("sessions/weather/assistant.wav").unlink()
    assert main(["replay", "sessions/weather", "--handler", "recorded", "--junit", "j.xml"]) == 1
    first, missing, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("error: weather: ")
    assert missing.startswith("  assistant.wav: ")
    assert ElementTree.parse("j.xml").getroot().get("failures") == "1"
    assert main(["replay", "sessions/weather", "--allow-incomplete"]) == 3


def test_what_cannot_be_opened(capsys):
    """That is no verdict on a recording, and no option helps."""
    Path("sessions/typed/session.json").write_text("{")
    for words in (["replay"], ["latency"], ["serve"]):
        assert main([*words, "sessions/typed", "--allow-incomplete"]) == 3
        assert main([*words, "sessions/typed"]) == 3
    assert capsys.readouterr().err.count("session.json: ") == 6


def test_serve(capsys):
    """It refuses before it listens."""
    assert main(["serve", "sessions/typed", "--once"]) == 1
    told = capsys.readouterr()
    assert (told.out, what_is_missing() in told.err, "--allow-incomplete" in told.err) == ("", True, True)
    assert main(["serve", "--simulate", "--allow-incomplete"]) == 2


def test_latency(capsys):
    """And its gate; with the option the report says what is missing."""
    words = ["latency", "sessions", "--detector", "none", "--junit", "j.xml"]
    assert main([*words, "--gate", "response: max<1s"]) == 1
    told = capsys.readouterr()
    assert (told.out, what_is_missing() in told.err) == ("", True)
    assert ElementTree.parse("j.xml").getroot().find(".//failure").get("type") == "failed"
    assert main([*words, "--allow-incomplete"]) == 0
    assert f"incomplete  {what_is_missing()}" in capsys.readouterr().out


@pytest.mark.slow
def test_ab(capsys):
    """A run that fails measures nothing, and says why; with the option, every run has it, and one run each decides nothing."""
    assert ab.ALLOW_INCOMPLETE == ALLOW_INCOMPLETE
    command = f"{sys.executable} -m evi_harness replay sessions/typed --handler recorded --no-child"
    words = ["ab", "--a", command, "--b", command, "--runs", "1", "--warm-up", "0", "--inconclusive", "pass"]
    assert main(words) == 3
    assert what_is_missing() in capsys.readouterr().err
    assert main([*words, "--allow-incomplete", "--metric", "cpu"]) == 4
