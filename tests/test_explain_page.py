"""The examples of docs/how-to/explain.md are run as they stand, and print what the page shows."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "explain.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)


def plain(text: str, here: Path) -> str:
    """A text without what varies: the folder and the versions."""
    return re.sub(r"versions .*", "versions …", text.replace(str(here), "/srv/app")).strip()


def test_commands_print_what_the_page_shows(tmp_path, monkeypatch, capsys) -> None:
    """One after the other: the second of two explains the report of the first."""
    shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "sessions" / "weather")
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    monkeypatch.chdir(tmp_path)
    codes = []
    for command, output in SHOWN:
        codes.append(main(shlex.split(command)[1:]))
        out, err = capsys.readouterr()
        assert err == ""
        assert plain(out, tmp_path).endswith(plain(output, tmp_path)), out
    assert codes == [1, 0, 1, 0]
