"""Tests of ``evi-harness replay`` with several sessions, at another pace, and with a live service."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from evi_harness.cli.main import main
from evi_harness.cli.replay_command import command
from evi_harness.harness.serving import ServeOptions, served
from evi_harness.harness.simulating import SIMULATOR, simulation

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = ROOT / "sessions"
APP = f"{ROOT}/fixtures/handlers/never_answers.py:App"
SCRIPT = """
[[turn]]
expect = "text"
[turn.tool]
name = "get_weather"
parameters = { location = "Bath" }
[[turn.tool.answer]]
say = "It is raining."
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    """No .env and no keys of this machine's."""
    monkeypatch.chdir(tmp_path)
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """Runs ``evi-harness replay`` with words: the exit code, and what it printed on both outputs."""

    def run(*words):
        code = main(["replay", *map(str, words)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_folder_of_sessions_is_replayed_whole(run, tmp_path):
    """A line for each, the failing ones last with their reports, one exit code, and all of it as JSON."""
    # A folder of our own: in sessions/ there may be whatever was recorded there.
    folder = tmp_path / "sessions"
    for name in ("demo", "typed", "weather"):
        shutil.copytree(SESSIONS / name, folder / name)
    code, out, _ = run(folder, "--handler", APP, "-j", "2", "--json", tmp_path / "all.json")
    assert code == 1
    lines = out.splitlines()
    assert len([line for line in lines if line.startswith(str(folder)) and "failed" in line]) == 3
    assert "DEVIATION  missing" in out
    assert lines[-1].startswith("3 sessions: 0 passed, 3 failed (")
    told = json.loads((tmp_path / "all.json").read_text())
    assert [Path(one["folder"]).name for one in told["sessions"]] == ["demo", "typed", "weather"]
    assert all(one["report"]["deviations"] for one in told["sessions"])
    # Each report has the command of all, and the one that replays its session alone.
    for one in told["sessions"]:
        command = one["report"]["command"]
        words = ["replay", str(folder), "--handler", APP, "-j", "2", "--json", str(tmp_path / "all.json")]
        assert command["argv"] == [sys.executable, "-m", "evi_harness", *words]
        assert command["again"] == ["evi-harness", "replay", one["folder"], "--handler", APP]
        assert one["report"]["deviations"][0]["places"]


def test_several_runs_and_a_part(run):
    """The sum of the runs stands in the place of the verdict."""
    code, out, _ = run(SESSIONS / "weather", "--handler", "recorded", "--until", "t1", "--speed", "2", "--repeat", "2")
    assert code == 0
    assert out.splitlines()[-1] == "verdict    passed: 2 of 2 runs"


def test_the_conversation_is_held_again(run, tmp_path):
    """--live against a simulator on this machine: nothing is asked, the new session is where --out says."""
    (tmp_path / "script.toml").write_text(SCRIPT)
    with served(simulation(tmp_path / "script.toml"), ServeOptions(service=SIMULATOR)) as server:
        code, out, _ = run(SESSIONS / "typed", "--live", "--base-url", server.url, "--out", tmp_path / "out", "--json", "r.json")
    assert code == 0, out
    told = json.loads(Path("r.json").read_text())
    assert told["command"]["argv"][3:8] == ["replay", str(SESSIONS / "typed"), "--live", "--base-url", server.url]
    assert (told["command"]["cwd"], told["command"]["again"]) == (str(tmp_path), None)
    assert (told["recording"]["path"], len(told["recording"]["sha256"])) == (str(SESSIONS / "typed"), 64)
    assert (told["options"]["base_url"], told["options"]["cadence"]) == (server.url, "turn")
    assert {"evi_harness", "python"} <= set(told["versions"])
    assert out.splitlines()[-1] == "verdict    passed"
    assert [folder.name.endswith("-typed-live") for folder in (tmp_path / "out").iterdir()] == [True]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["weather", "--live", "--handler", "app.py:App"], 2, "--handler has no meaning with --live"),
        (["weather", "--live", "--twice"], 2, "--twice has no meaning with --live"),
        (["weather", "--base-url", "http://127.0.0.1:1"], 2, "--base-url needs --live"),
        (["weather", "--cadence", "clock"], 2, "--cadence needs --live"),
        (["weather", "-j", "2"], 2, "--jobs needs several sessions"),
        (["weather", "--executor", "dask://127.0.0.1:1"], 2, "--executor needs several sessions"),
        (["weather", "typed", "--live"], 2, "--live takes one session at a time"),
        (["weather", "typed", "--executor", "nonsense"], 2, "'nonsense' is no executor"),
        (["weather", "--speed", "fast"], 2, "--speed"),
        (["weather", "--max-gap", "-1"], 2, "--max-gap"),
        (["weather", "--from", "whenever"], 2, "--from"),
        (["weather", "--from", "t9"], 2, "turn"),
        (["weather", "--update", "--until", "t1"], 2, "--update"),
        (["weather", "--update", "--repeat", "2"], 2, "--repeat"),
        (["weather", "--severity", "raised"], 2, "NAME=VALUE"),
        (["weather", "--severity", "tired=off"], 2, "there is no finding 'tired'"),
        (["weather", "--severity", "raised=loud"], 2, "'loud' is no severity"),
        (["weather", "--allow-host", "http://a.invalid/x"], 2, "a.invalid"),
        (["weather", "--seed", "-1"], 2, "-1"),
        (["weather", "--live", "--base-url", "https://evi.invalid"], 3, "HUME_API_KEY"),
        (["weather", "--live", "--base-url", "http://127.0.0.1:1"], 3, "nothing listens there"),
        (["weather", "--live", "--ca", "none.pem"], 2, "'none.pem' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_a_sentence(run, monkeypatch, words, code, says):
    """Options that would change nothing are refused, and values that cannot be meant."""
    monkeypatch.chdir(SESSIONS)
    found, _, err = run(*words)
    assert found == code, err
    assert says in err
    assert "Traceback" not in err


def test_a_service_elsewhere_is_asked_for_on_a_terminal_only(monkeypatch):
    """Where nobody can answer, nothing is sent."""
    monkeypatch.setenv("HUME_API_KEY", "k" * 48)
    result = CliRunner().invoke(command, [str(SESSIONS / "typed"), "--live", "--base-url", "https://evi.invalid"])
    assert "not agreed to, nothing was sent" in str(result.exception)
