"""Tests of evi_harness.cli.latency_command: the door."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from evi_harness.cli.latency_command import command
from evi_harness.cli.main import main
from evi_harness.verdicts.speech import DETECTORS

ROOT = Path(__file__).resolve().parents[2]
SESSIONS, DOCS = ROOT / "sessions", ROOT / "docs" / "reference"
DEMO = str(SESSIONS / "demo")


def test_sessions_are_measured_and_told(capsys):
    """A line a turn, a table for each family; 0, whatever the figures."""
    assert main(["latency", DEMO, "--detector", "none"]) == 0
    told = capsys.readouterr().out
    assert "session     demo:" in told
    assert "conversation, in ms" in told


def test_a_folder_of_sessions_is_all_of_them(tmp_path, capsys):
    """As for every command that takes sessions; one that cannot be read is not passed over."""
    for name in ("demo", "weather"):
        shutil.copytree(SESSIONS / name, tmp_path / name)
    assert main(["latency", str(tmp_path), "--detector", "none"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[1] for line in told.splitlines() if line.startswith("session ")] == ["demo:", "weather:"]
    (tmp_path / "weather" / "session.json").unlink()
    assert main(["latency", str(tmp_path), "--detector", "none"]) == 3
    assert "weather" in capsys.readouterr().err


def test_ci_is_told_that_nothing_could_be_measured(tmp_path, capsys, monkeypatch):
    """The JUnit file and GitHub's mark and summary have the error; they are told no more than the terminal is."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert main(["latency", str(tmp_path), "--gate", "response: max<1", "--junit", str(tmp_path / "j.xml")]) == 3
    told = capsys.readouterr().err
    assert f"\nerror: {tmp_path}: " in told
    assert "::error title=evi-harness%3A latency::" in told
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("errors"), suite.get("tests")) == ("1", "1")
    what = suite.find(".//testcase[@name='latency']/error").get("message").splitlines()[0]
    assert what in told
    assert what.split(": ")[-1] in (tmp_path / "summary.md").read_text()


def test_a_wrong_threshold_is_told_to_ci_too(tmp_path):
    """A usage error of the harness's is one that a workflow has."""
    file = tmp_path / "j.xml"
    assert main(["latency", DEMO, "--gate", "respons: max<1", "--junit", str(file)]) == 2
    assert "respons" in ElementTree.parse(file).getroot().find(".//error").get("message")


def test_files_are_written(tmp_path, capsys):
    """JSON and CSV, besides what people read."""
    files = [tmp_path / "figures.json", tmp_path / "figures.csv"]
    assert main(["latency", DEMO, "--detector", "none", "--json", str(files[0]), "--csv", str(files[1]), "--end-of-turn-ms", "500"]) == 0
    assert json.loads(files[0].read_text())["assumed"]["end_of_turn_ms"] == 500
    assert files[1].read_text().startswith('"session","turn","metric",')
    assert "conversation" in capsys.readouterr().out


def test_the_verdict_is_in_the_json(tmp_path, capsys):
    """As a replay's is; null where there was nothing to judge."""
    file = tmp_path / "figures.json"
    assert main(["latency", DEMO, "--detector", "none", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["gate"] is None
    assert main(["latency", DEMO, "--detector", "none", "--gate", "response: max<1us", "--json", str(file)]) == 1
    told = json.loads(file.read_text())
    jsonschema.validate(told, json.loads((DOCS / "latency.schema.json").read_text(encoding="utf-8")))
    jsonschema.validate(told["gate"], json.loads((DOCS / "gate-report.schema.json").read_text(encoding="utf-8")))
    assert (told["gate"]["verdict"], told["gate"]["exit_code"]) == ("failed", 1)


@pytest.mark.parametrize(("handler", "code"), [([], 2), (["--handler", "builtin"], 0), (["--handler", "recorded"], 4)])
def test_a_replay_of_no_app_is_not_judged_as_one(tmp_path, capsys, monkeypatch, handler, code):
    """As a replay without a handler is not: it says whose it was, and is refused where a threshold or a baseline is about an app."""
    monkeypatch.chdir(tmp_path)
    assert main(["replay", str(ROOT / "sessions/typed"), "--no-child", "--out", "out", *handler]) == 0
    (folder,) = map(str, Path("out").iterdir())
    capsys.readouterr()
    assert main(["latency", folder, "--json", "r.json"]) == 0
    assert ("the built-in handler" in capsys.readouterr().out) is (code != 4)
    built_in = json.loads(Path("r.json").read_text(encoding="utf-8"))["sessions"][0]["built_in"]
    assert built_in == {2: "default", 0: "name", 4: None}[code]
    assert main(["latency", folder, "--gate", "handle: max<1s"]) == code
    assert ("without a handler" in capsys.readouterr().err) is (code == 2)
    main(["latency", folder, "--save-baseline", "b.json"])
    assert Path("b.json").exists() is (code != 2)
    Path("pyproject.toml").write_text('[tool.evi-harness]\ngate = ["turn_gap: max<1s"]\n', encoding="utf-8")
    assert main(["latency", folder]) == 0


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_standard_output_is_for_one_of_them(option, capsys):
    """People then read standard error."""
    assert main(["latency", DEMO, "--detector", "none", option, "-"]) == 0
    done = capsys.readouterr()
    assert done.out.startswith("{" if option == "--json" else '"session","turn"')
    assert "conversation, in ms" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((DEMO, "--json", "-", "--csv", "-"), "standard output"),
        ((DEMO, "--json", "/no/such/folder/x.json"), "--json: '/no/such/folder' "),
        ((DEMO, "--junit", "/no/such/folder/x.xml"), "--junit: '/no/such/folder' "),
        ((DEMO, "--summary", "/no/such/folder/x.md"), "--summary: '/no/such/folder' "),
        ((DEMO, "--save-baseline", "/no/such/folder/x.json"), "--save-baseline: '/no/such/folder' "),
        ((DEMO, "--end-of-turn-ms", "-1"), "--end-of-turn-ms"),
        ((DEMO, "--end-of-turn-ms", "nan"), "--end-of-turn-ms: must be at least 0, not nan"),
        ((DEMO, "--detector", "ear"), "ear"),
        ((), "SESSION"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments, words, capsys):
    """2, before anything is measured."""
    assert main(["latency", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_what_is_no_session_could_not_run(tmp_path, capsys):
    """3, with the folder."""
    assert main(["latency", str(tmp_path)]) == 3
    assert str(tmp_path) in capsys.readouterr().err


def test_the_detectors_are_those_that_there_are():
    """The choices stand in the door, so that --help loads nothing; they are the harness's."""
    [option] = [one for one in command.params if one.name == "detector"]
    assert tuple(option.type.choices) == DETECTORS
