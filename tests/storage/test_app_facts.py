from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evi_harness.errors import SessionUnreadable, SessionUnwritable
from evi_harness.evi.dialect import EVI
from evi_harness.storage.app_facts import add_app_facts
from evi_harness.storage.check import check_folder
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import SessionWriter

TYPED = Path(__file__).resolve().parents[2] / "sessions" / "typed"


def test_facts_are_added_and_the_session_stays_whole(tmp_path):
    """Beside those that are there; one of the same name is replaced."""
    folder = tmp_path / "typed"
    shutil.copytree(TYPED, folder)
    before = read_session(folder)
    add_app_facts(folder, {"exit_code": 1})
    add_app_facts(folder, {"exit_code": 3, "signal": "SIGTERM"})
    after = read_session(folder)
    assert dict(after.header.app) == {**before.header.app, "exit_code": 3, "signal": "SIGTERM"}
    assert after.events == before.events
    assert check_folder(folder, EVI) == []


def test_no_facts_for_what_is_not_complete(tmp_path, weather):
    """Nor for what is no session."""
    writer = SessionWriter(tmp_path / "begun", weather.header, EVI)
    with pytest.raises(SessionUnwritable):
        add_app_facts(tmp_path / "begun", {"exit_code": 1})
    writer.close()
    with pytest.raises(SessionUnreadable):
        add_app_facts(tmp_path, {"exit_code": 1})
