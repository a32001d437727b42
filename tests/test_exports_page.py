"""docs/how-to/exports.md: its commands run, and print what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "exports.md").read_text(encoding="utf-8")


# In the form of the example in Hume's own SDKs.
START_MS = 1_716_244_940_648
CHAT = {
    "id": "c-1",
    "chat_group_id": "g-1",
    "status": "USER_ENDED",
    "start_timestamp": START_MS,
    "events_page": [
        {"id": "e-1", "timestamp": START_MS + 114, "type": "SYSTEM_PROMPT", "message_text": "Be kind."},
        {"id": "e-2", "timestamp": START_MS + 15_630, "type": "USER_MESSAGE", "message_text": "Hello."},
        {"id": "e-3", "timestamp": START_MS + 16_383, "type": "AGENT_MESSAGE", "message_text": "Hello there."},
    ],
}


def steady(line: str) -> str:
    """A line without the time at which it was printed."""
    return re.sub(r"\d{8}T\d{6}Z", "TIME", line)


def test_the_commands_of_the_page_print_what_it_says(tmp_path, monkeypatch, capsys):
    """In its order, each in the same folder, with the project's sessions in it."""
    monkeypatch.chdir(tmp_path)
    Path("sessions").mkdir()
    for folder in (ROOT / "sessions").iterdir():
        if folder.is_dir():
            Path("sessions", folder.name).symlink_to(folder)
    Path("chat.json").write_text(json.dumps(CHAT), encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    n_run = 0
    for command in (one for block in blocks for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]):
        words, *told = command.splitlines()
        assert words.startswith("evi-harness ")
        assert main(words.split()[1:]) == 0, words
        assert [steady(line) for line in capsys.readouterr().out.splitlines()] == [steady(line) for line in told if line]
        n_run += 1
    # Logs of events have a test of their own: tests/acts/imports/test_import_events.py.
    assert n_run == PAGE.count("$ evi-harness") - PAGE.count("$ evi-harness import events ")
    assert list(Path("sessions").iterdir())


def test_the_page_has_every_option_of_export():
    """A row each, and no more."""
    from evi_harness.cli.export_command import command

    options = {name for one in command.params for name in one.opts if name.startswith("--")}
    assert set(re.findall(r"^\| `(--[a-z]+) FILE`", PAGE, re.MULTILINE)) == options - {"--force"}
