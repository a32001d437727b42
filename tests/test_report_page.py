"""The examples of docs/how-to/report.md are run as they stand, and print what the page shows."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from evi_harness.audio.page_tracks import FORMATS
from evi_harness.cli.main import main
from evi_harness.cli.options.page_options import AUDIO_FORMATS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "report.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command.split()[1] for command, _ in SHOWN])
def test_commands_print_what_the_page_shows(command, output, tmp_path, monkeypatch, capsys):
    """And write the files that they name."""
    shutil.copytree(ROOT / "sessions", tmp_path / "sessions")
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == (1 if "failed" in output else 0)
    out, err = capsys.readouterr()
    # A page is as large as its script and style make it.
    told, shown = (re.sub(r"[0-9.]+ MB", "… MB", text) for text in (out, output))
    assert (err, told.endswith(shown)) == ("", True), out
    for name in re.findall(r"\S+\.html", output):
        assert (tmp_path / name).is_file()


def test_the_formats_of_the_option_are_those_that_are_written():
    """The option names them itself, so that a command's help loads nothing of sound."""
    assert AUDIO_FORMATS == FORMATS
