"""The examples of every page, those without a test of their own: commands have the options that they use, Python imports what is there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import shutil
from pathlib import Path
from typing import Iterator, List, Tuple

import click
import pytest

from evi_harness.cli.commands import evi_harness
from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*/*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> List[Tuple[str, str]]:
    """The code blocks of a page, with their language."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(text: str) -> Iterator[List[str]]:
    """The evi-harness commands of a shell block, as words; those of a line that is passed on to another command as well."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        match = re.match(r"(?:\$ )?(?:\.venv/bin/)?(evi-harness .*)", line)
        if match and "[--" not in line:
            words = shlex.split(match[1], comments=True)
            while "--" in words:
                yield words[: words.index("--")]
                words = words[words.index("--") + 1 :]
            yield words


def unknown(words: List[str]) -> List[str]:
    """The words of a command that it does not know: its name or its options. What another program is given is not looked at."""
    if words[0] != "evi-harness":
        return []
    command: click.Command = evi_harness
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return [rest[0]]
        command, rest = found, rest[1:]
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
    return [word for word in rest if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]


def missing(code: str) -> List[str]:
    """The names that a block imports from evi_harness and that are not there."""
    tree = compile(code, "page", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evi_harness")]
    return [
        f"{node.module}.{one.name}"
        for node in froms
        for one in node.names
        if not hasattr(importlib.import_module(node.module or ""), one.name)
    ]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT / "docs")) for page in PAGES])
def test_commands_and_imports_are_there(page: Path) -> None:
    """On every page, in every block; the page of the API is made from the code, and shows signatures."""
    shell = [text for language, text in blocks(page) if language in {"sh", "console", "text", ""}]
    assert [" ".join(words) for text in shell for words in commands(text) if unknown(words)] == []
    python = [text for language, text in blocks(page) if language == "python" and page.name != "api.md"]
    assert [name for text in python for name in missing(text)] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("evi-harness replay x --handler y  # --no", []),
        ("$ evi-harness replay x --hnadler y", ["--hnadler"]),
        ("evi-harness repaly x", ["repaly"]),
        ("evi-harness import har x --oops", ["--oops"]),
        ("evi-harness ab --runs 3 -- evi-harness replay x --oops", ["--oops"]),
        ("evi-harness ab \\\n  --oops", ["--oops"]),
    ],
)
def test_a_wrong_command_is_seen(line: str, found: List[str]) -> None:
    """The test above can fail."""
    assert [word for words in commands(line) for word in unknown(words)] == found


def test_a_wrong_import_is_seen() -> None:
    """Likewise; a block may await."""
    assert missing("from evi_harness import record, oops\nawait record()") == ["evi_harness.oops"]


@pytest.mark.parametrize("name", ["reference/latency", "how-to/gate"])
def test_commands_of_latency_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, where ``app.py`` is a handler; but for ``ab``, which runs everything 40 times. What is shown is printed."""
    for one in ("weather", "demo"):
        shutil.copytree(ROOT / "sessions" / one, tmp_path / "sessions" / one)
    shutil.copytree(ROOT / "sessions" / "demo", tmp_path / "sessions" / "20261122T101500Z-live")
    shutil.copy(ROOT / "fixtures" / "handlers" / "weather.py", tmp_path / "app.py")
    with (tmp_path / "app.py").open("a", encoding="utf-8") as file:
        file.write("\n\nApp = WeatherApp\n")
    (tmp_path / "perf").mkdir()
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / f"{name}.md"
    printed = ""
    n_run = 0
    for words in (words for language, text in blocks(page) if language == "sh" for words in commands(text)):
        if words[0] != "evi-harness" or words[1] == "ab":
            continue
        # A percentile of so few turns is inconclusive.
        code = main(words[1:])
        out, err = capsys.readouterr()
        assert (code, err) == (4 if "turn_gap: p(95)<1200" in words else 0, ""), out
        printed += out
        n_run += 1
    assert n_run > 2
    for shown in (text for language, text in blocks(page) if language == "" and text.startswith("session ")):
        # Another detector, or another version of it, hears speech begin and end elsewhere.
        detector = re.findall(r"stretches found by (.*?),", shown)[0]
        assert shown in printed or f"stretches found by {detector}," not in printed
