"""The examples of docs/how-to/compare.md are run as they stand, and print what the page shows; its table has every kind of difference."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from evi_harness.cli.main import main
from evi_harness.replay.judging.session_comparison import KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "compare.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)


def test_commands_print_what_the_page_shows(tmp_path, monkeypatch, capsys) -> None:
    """One after the other: the last compares what the others wrote."""
    shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "sessions" / "weather")
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    monkeypatch.chdir(tmp_path)
    codes = []
    for command, output in SHOWN:
        codes.append(main(shlex.split(command)[1:]))
        out, err = capsys.readouterr()
        assert err == ""
        assert out.endswith(output), out
    assert codes == [0, 1, 1]


def test_the_table_has_every_kind() -> None:
    """And no other."""
    table = PAGE[PAGE.index("| difference |") :].split("\n\n", 1)[0].splitlines()[2:]
    assert sorted(kind for row in table for kind in re.findall(r"`(\w+)`", row.split(" | ")[0])) == sorted(KINDS)
