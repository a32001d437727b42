"""The examples of docs/explanation/replay.md are run as they stand, in order, on a copy of a session; they print what the page shows."""

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

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "explanation" / "replay.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "reference" / "replay-report.schema.json").read_text(encoding="utf-8"))

# What differs from run to run, from SDK to SDK, and with every note that is added to a replay's session.
VARYING = [
    (re.compile(r"\(\d+\.\d+ s of real time\)"), "(… s of real time)"),
    (re.compile(r"on hume \S+,"), "on hume …,"),
    (re.compile(r"#\d+ *"), "#… "),
]


def shown() -> List[Tuple[str, str]]:
    """The commands with what they show: each stands in a console block, behind a dollar."""
    return [(command, output) for command, output in re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)]


def plain(text: str) -> str:
    """A text without what varies."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.strip()


@pytest.mark.slow
def test_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    """One after the other, since what one accepts the next one expects."""
    shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "sessions" / "weather")
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    for command, output in shown():
        words = shlex.split(command)
        assert words[0] == "evi-harness"
        line = [sys.executable, "-m", "evi_harness", *words[1:]]
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert plain(done.stdout).endswith(plain(output)), done.stdout
    # The last one takes the expectation away.
    assert not (tmp_path / "sessions" / "weather" / "expected.jsonl").exists()


def test_there_are_examples() -> None:
    """The page shows a deviation with what is around it, an update and a replay that compares with it."""
    outputs = "".join(output for _, output in shown())
    assert "around it, recorded:" in outputs
    assert "expected.jsonl is written" in outputs
    assert "compared with expected.jsonl" in outputs


def test_every_field_of_the_report_is_on_the_page() -> None:
    """The table and the schema name the same fields; those within them stand in the table's text."""
    table = PAGE[PAGE.index("| field | |") :].split("\n\n", 1)[0].splitlines()[2:]
    listed = [name for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(SCHEMA["properties"])
    told = {name for row in table for name in re.findall(r"`(\w+)`", row)}
    inner = {name for part in SCHEMA["$defs"].values() for name in part["properties"]}
    assert inner - told == set()
