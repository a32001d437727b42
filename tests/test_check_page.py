"""The examples of docs/how-to/check.md are run and print what the page shows; its tables have every kind of problem and loss."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

from evi_harness.session.loss import LOSSES
from evi_harness.session.problem import KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "check.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "reference" / "check-report.schema.json").read_text(encoding="utf-8"))


def shown() -> List[Tuple[str, str]]:
    """The commands with what they show: each stands in a console block, behind a dollar."""
    return [(command, output) for command, output in re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)]


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """The page's folder of sessions: one whose audio was cut, one from the future, a sound one."""
    folder = tmp_path / "sessions"
    for name, source in (("cut", "demo"), ("newer", "typed"), ("weather", "weather")):
        shutil.copytree(ROOT / "sessions" / source, folder / name)
    os.truncate(folder / "cut" / "user.wav", 44 + 100_000)
    header = folder / "newer" / "session.json"
    header.write_text(json.dumps({**json.loads(header.read_text(encoding="utf-8")), "version": 99}), encoding="utf-8")
    return folder


def test_commands_print_what_the_page_shows(sessions: Path) -> None:
    """All of it, on standard output."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    assert [command for command, _ in shown()] == [
        "evi-harness check sessions/cut",
        "evi-harness check sessions",
        "evi-harness repair sessions/cut -o mended",
        "evi-harness show sessions/demo --turn 1",
        "evi-harness show sessions/demo --type tool_call --type tool_response",
        "evi-harness show sessions",
    ]
    for command, output in shown():
        line = [sys.executable, "-m", "evi_harness", *shlex.split(command)[1:]]
        # The page's folder has no demo; that of the project has.
        place = ROOT if "sessions/demo" in command else sessions.parent
        done = subprocess.run(line, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert _without_bars(done.stdout) == _without_bars(output)
        assert list(map(len, done.stdout.splitlines())) == list(map(len, output.splitlines()))


def _without_bars(text: str) -> str:
    """Two builds of the detector may differ by a few milliseconds, and so by a place of a bar; by its length they do not."""
    return re.sub("[█▄·]", "", text)


def test_every_loss_is_on_the_page_and_in_the_schema() -> None:
    """The table of what a repair loses, the schema of its report and the code name the same kinds, once each."""
    table = PAGE[PAGE.index("| kind | what was lost |") :].split("\n\n", 1)[0].splitlines()[2:]
    listed = [name for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    schema = json.loads((ROOT / "docs" / "reference" / "repair-report.schema.json").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(LOSSES) == sorted(schema["$defs"]["loss"]["properties"]["kind"]["enum"])
    assert len(set(LOSSES)) == len(LOSSES)


def test_every_kind_is_on_the_page_and_in_the_schema() -> None:
    """The table, the schema and the code name the same kinds, once each."""
    table = PAGE[PAGE.index("| kind | what is wrong |") :].split("\n\n", 1)[0].splitlines()[2:]
    listed = [name for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(KINDS) == sorted(SCHEMA["$defs"]["problem"]["properties"]["kind"]["enum"])
    assert len(set(KINDS)) == len(KINDS)
