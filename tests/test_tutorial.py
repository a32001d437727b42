"""The tutorial is gone through as it stands: its files are written, its changes made, its commands run, and they print what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from evi_harness.cli.main import main
from evi_harness.evi.compat import parse_version
from evi_harness.sdk.hume.installed_sdk import installed_version

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "tutorial" / "first-gate.md").read_text(encoding="utf-8")


def blocks() -> Iterator[Tuple[str, str]]:
    """The code blocks of the page in their order, with their language."""
    return iter(re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def missing_lines(shown: str, printed: str) -> List[str]:
    """The shown lines that were not printed, in their order; a line of ``…`` stands for any lines, and the last line is the last one."""
    lines = iter(printed.splitlines())
    wanted = [line for line in shown.splitlines() if line != "…"]
    missing = [line for line in wanted if not any(re.fullmatch(re.escape(line).replace("…", ".*"), one) for one in lines)]
    rest = [] if shown.endswith("…\n") else list(lines)
    return missing + rest


def write(text: str) -> None:
    """Write the file that the first line names."""
    name = text.splitlines()[0]
    assert name.startswith("# ")
    Path(name[2:]).write_text(text, encoding="utf-8")


def change(text: str) -> None:
    """Change the line of app.py as the block says."""
    old, new = (line[1:] for line in text.splitlines())
    code = Path("app.py").read_text(encoding="utf-8")
    assert code.count(old) == 1
    Path("app.py").write_text(code.replace(old, new), encoding="utf-8")


def run(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the command, and compare what it prints with what the page shows."""
    command, shown = text[2:].split("\n", 1)
    words = shlex.split(command)
    if words[0] == "evi-harness":
        code = main(words[1:])
        out, err = capsys.readouterr()
        assert err == ""
    else:
        assert words[:3] == ["python", "-m", "pytest"]
        line = [sys.executable, *words[1:], "-p", "evi_harness.pytest_plugin"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        code, out = done.returncode, done.stdout
    assert missing_lines(shown, out) == [], out
    assert code == (1 if re.search("verdict    failed|1 failed", shown) else 0)


@pytest.mark.slow
@pytest.mark.skipif(parse_version(installed_version()) < (0, 13), reason="the installed SDK has a method for each message instead")
def test_the_tutorial_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In one folder, from the first block behind the installation to the last."""
    shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "weather")
    monkeypatch.chdir(tmp_path)
    # The file changes more than once a second here, which Python's cache of compiled files does not notice.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "GITHUB_ACTIONS", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    languages = []
    for language, text in blocks():
        languages.append(language)
        if language == "python":
            write(text)
        elif language == "diff":
            change(text)
        elif language == "console":
            run(text, capsys)
    assert languages[0] == "sh"
    assert [languages.count(one) for one in ("sh", "python", "diff", "console")] == [1, 2, 5, 9]


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("a\n", "a\n", []),
        ("a\n", "a\nb\n", ["b"]),
        ("…\nb\n", "a\nb\n", []),
        ("a\n…\n", "a\nb\n", []),
        ("b\na\n", "a\nb\n", ["a"]),
        ("in …\n", "in 3 s\n", []),
    ],
)
def test_what_was_not_printed_is_seen(shown: str, printed: str, missing: List[str]) -> None:
    """The test above can fail."""
    assert missing_lines(shown, printed) == missing
