"""README's examples are run as they stand, and what they print is what README shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What differs from run to run or from SDK to SDK.
VARYING = [(re.compile(r"\(\d+\.\d+ s of real time\)"), "(… s of real time)"), (re.compile(r"on hume \S+,"), "on hume …,")]


def shown() -> List[Tuple[str, str]]:
    """The examples with what they show: each stands in a console block, the command behind a dollar."""
    blocks = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, re.DOTALL)
    return [(command, output) for command, output in blocks]


def plain(text: str) -> str:
    """A text without what varies."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.strip()


@pytest.mark.parametrize(("command", "output"), shown(), ids=[command for command, _ in shown()])
def test_a_command_prints_what_readme_shows(command: str, output: str) -> None:
    """The last lines of the command's output are those that README shows."""
    words = shlex.split(command)
    assert words[0] == "evi-harness"
    done = subprocess.run([sys.executable, "-m", "evi_harness", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert plain(done.stdout).endswith(plain(output)), done.stdout


def test_there_are_examples() -> None:
    """README shows at least a replay that passes and one that fails."""
    outputs = [output for _, output in shown()]
    assert any("verdict    passed" in output for output in outputs)
    assert any("verdict    failed" in output for output in outputs)


def test_the_python_examples_run(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    """Each Python block runs, in README's order, in the project's folder."""
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    if not pytestconfig.pluginmanager.hasplugin("evi_harness"):
        # Run from the source tree, pytest does not know our marks.
        blocks = [block for block in blocks if "pytest.mark" not in block]
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_the_first_command_and_the_test_command_are_whole() -> None:
    """CI finds the two commands that set everything up by what they contain, one line each, complete from the virtual environment on."""
    for needle in ("evi-harness demo", "-m pytest"):
        line = next(line for line in README.splitlines() if needle in line)
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -e "), line
