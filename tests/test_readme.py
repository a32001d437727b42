"""The examples of README and of the page on replaying a handler are run as they stand, and print what is shown."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPLAY = (ROOT / "docs" / "how-to" / "replay.md").read_text(encoding="utf-8")


def shown(page: str) -> List[Tuple[str, str]]:
    """The examples with what they show: each stands in a console block, the command behind a dollar."""
    return re.findall(r"```console\n\$ (.*?)\n(.*?)```", page, re.DOTALL)


EXAMPLES = [*shown(README), *shown(REPLAY)]


def pattern_of(output: str) -> str:
    """What an output looks like: ``…`` stands for anything within a line, and in a line of its own for any lines."""
    lines = output.splitlines(keepends=True)
    return "".join(r"(?:.*\n)*?" if line == "…\n" else re.escape(line).replace("…", ".*") for line in lines)


@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_a_command_prints_what_is_shown(command: str, output: str, tmp_path: Path) -> None:
    """From the first line to the last, and nothing on standard error; the files that it names are written."""
    shutil.copytree(ROOT / "sessions", tmp_path / "sessions", ignore=shutil.ignore_patterns("20*"))
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    words = shlex.split(command)
    assert words[0] in {"evi-harness", ".venv/bin/evi-harness"}
    line = [sys.executable, "-m", "evi_harness", *words[1:]]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert re.fullmatch(pattern_of(output), done.stdout), done.stdout
    assert done.returncode == ("verdict    failed" in output)
    assert [word for word in words if word.endswith(".html") and not (tmp_path / word).is_file()] == []


def test_there_are_examples() -> None:
    """README shows a replay that fails, with its picture; the page one that passes and one that fails."""
    assert ["verdict    failed" in output for _, output in shown(README)] == [True]
    assert 'src="docs/page.png"' in README
    assert ["verdict    failed" in output for _, output in shown(REPLAY)] == [False, True, True]


def test_readme_is_one_screen_and_a_list() -> None:
    """All that a reader sees first comes before the first section, which begins within 40 lines; the rest is in docs/."""
    lines = README.splitlines()
    assert lines.index("## What else it does") < 40
    assert len(lines) < 70


@pytest.mark.parametrize(
    ("output", "printed", "is_like"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\na\n", False),
        ("…\nb\n", "a\na\nb\n", True),
        ("…\na\n", "a\nb\n", False),
        ("in … s\n", "in 3 s\n", True),
        ("in … s\n", "in 3\n s\n", False),
    ],
)
def test_another_output_is_seen(output: str, printed: str, is_like: bool) -> None:
    """The tests above can fail."""
    assert bool(re.fullmatch(pattern_of(output), printed)) is is_like


def test_the_python_examples_run(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    """Each Python block runs, in the page's order, in the project's folder."""
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", README + REPLAY, re.DOTALL)
    if not pytestconfig.pluginmanager.hasplugin("evi_harness"):
        # Run from the source tree, pytest does not know our marks.
        blocks = [block for block in blocks if "pytest.mark" not in block]
    assert blocks
    for block in blocks:
        exec(compile(block, "replay.md", "exec"), {})


def test_the_first_command_and_the_test_command_are_whole() -> None:
    """CI finds the two commands that set everything up by what they contain, one line each, complete from the virtual environment on."""
    for needle in ("evi-harness demo", "-m pytest"):
        line = next(line for line in README.splitlines() if needle in line)
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -e "), line
