"""The examples of docs/how-to/migrating.md are run as they stand, and print what the page shows; its table has every kind of difference."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

from evi_harness.cli.main import main
from evi_harness.openai_realtime.realtime_user import DEFAULT_MODEL
from evi_harness.replay.judging.moved_turns import KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "migrating.md").read_text(encoding="utf-8")
BLOCKS: List[Tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def unlike(shown: str, printed: str) -> List[str]:
    """The shown lines that were not printed in their order. ``…`` stands for anything in a line, and alone for any lines."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else f"{re.escape(line).replace('…', '.*')}\n" for line in shown.splitlines())
    return [] if re.fullmatch(pattern, printed) else shown.splitlines()


@pytest.fixture
def serving() -> Iterator[Dict[str, str]]:
    """Runs the page's servers; where each listens, by the port that the page has."""
    processes: List[subprocess.Popen[str]] = []

    class Started(Dict[str, str]):
        def run(self, command: str) -> None:
            words = shlex.split(command)
            port = words[words.index("--port") + 1]
            words[words.index("--port") + 1] = "0"
            process = subprocess.Popen([sys.executable, "-m", "evi_harness", *words[1:]], stdout=subprocess.PIPE, text=True)
            processes.append(process)
            assert process.stdout is not None
            self[port] = re.findall(r"127\.0\.0\.1:(\d+)", process.stdout.readline())[0]

    yield Started()
    for process in processes:
        process.terminate()
        process.communicate(timeout=120)


@pytest.mark.slow
@pytest.mark.usefixtures("no_environment")
def test_the_page_holds(tmp_path, monkeypatch, capsys, serving) -> None:
    """In one folder, from its first block to its last: files are written, servers started, commands run."""
    for name in ("weather", "typed"):
        shutil.copytree(ROOT / "sessions" / name, tmp_path / "sessions" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ran = []
    for language, text in BLOCKS:
        ran.append(language)
        if language in ("toml", "python"):
            Path(text.splitlines()[0][2:]).write_text(text, encoding="utf-8")
        elif language == "json":
            Path("setup.json").write_text(text, encoding="utf-8")
        elif language == "sh":
            serving.run(text.strip())
        else:
            command, shown = text[2:].split("\n", 1)
            for port, really in serving.items():
                command, shown = (each.replace(f"127.0.0.1:{port}", f"127.0.0.1:{really}") for each in (command, shown))
            code = main(shlex.split(command)[1:])
            out, _ = capsys.readouterr()
            assert unlike(shown, out) == [], out
            assert code == 0
    assert [ran.count(one) for one in ("toml", "json", "python", "sh", "console")] == [1, 1, 1, 2, 4]


@pytest.mark.parametrize(
    ("shown", "printed", "is_unlike"),
    [("a\n", "a\n", False), ("a\n", "a\nb\n", True), ("…\nb\n", "a\nc\nb\n", False), ("b\na\n", "a\nb\n", True), ("a …\n", "a 3\n", False)],
)
def test_what_was_not_printed_is_seen(shown: str, printed: str, is_unlike: bool) -> None:
    """The test above can fail."""
    assert bool(unlike(shown, printed)) is is_unlike


def test_the_table_has_every_kind_of_difference() -> None:
    """With the words of the code, and no other; and the page names the model that is asked for."""
    table = PAGE[PAGE.index("| difference |") :].split("\n\n", 1)[0].splitlines()[2:]
    assert [tuple(cell.strip(" `") for cell in row.strip("|").split("|")) for row in table] == list(KINDS.items())
    assert f'"model": "{DEFAULT_MODEL}"' in PAGE
