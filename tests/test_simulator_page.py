"""The commands with which docs/how-to/simulator.md begins are run as they stand: a script, its server, a recording, its replay."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import List

import pytest

import evi_harness
from evi_harness.cli.main import main
from evi_harness.pytesting.testing import Replayer
from evi_harness.runs.replay_options import ReplayOptions

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "simulator.md").read_text(encoding="utf-8")
START = PAGE[PAGE.index("## From a script to a test") : PAGE.index("## What it is\n")]


def commands() -> List[List[str]]:
    """The words of each command, behind the program's name, with what a shell makes of a pattern."""
    lines = re.findall(r"^```sh\nevi-harness (.*)\n```", START, re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.slow
def test_from_a_script_to_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The server is that of the call, which is ready when it is entered, on a port that is free."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    shutil.copytree(ROOT / "fixtures" / "speech", tmp_path / "fixtures" / "speech")
    (script,) = re.findall(r"^```toml\n(.*?)^```", START, re.DOTALL | re.MULTILINE)
    Path("bath.toml").write_text(script, encoding="utf-8")
    serve, record, replay = commands()
    assert serve[:4] == ["serve", "--simulate", "--script", "bath.toml"]
    with evi_harness.serve(simulate=True, script="bath.toml") as server:
        record[record.index("--base-url") + 1] = server.url
        assert main(record) == 0, capsys.readouterr()
    (folder,) = map(str, Path("sessions").glob("*-bath"))
    assert "sessions/*-bath" in replay
    words = [folder if word == "sessions/*-bath" else word for word in replay]
    assert main(words) == 0, capsys.readouterr()
    (handler,) = re.findall(r'evi_replay\("(.*?)"\)', START)
    Replayer(Path(folder), ReplayOptions(), lambda _: None)(handler).assert_passed()
