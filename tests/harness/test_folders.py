from __future__ import annotations

import re

import pytest

from evi_harness.harness import folders
from evi_harness.harness.folders import new_folder, now_utc


def test_now_is_utc_with_microseconds():
    """The form that headers have."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", now_utc())


@pytest.mark.parametrize(
    ("name", "tail"),
    [("weather", "weather"), ("my session!", "my-session"), ("../../etc", "etc"), ("", "session"), ("...", "session"), ("ü/b", "b")],
)
def test_a_folder_is_named_by_time_and_name(tmp_path, name, tail):
    """What a file name cannot hold becomes a dash, and nothing leads out of the folder; nothing is made."""
    folder = new_folder(tmp_path / "out", name)
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{re.escape(tail)}", folder.name)
    assert folder.parent == tmp_path / "out"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_named_again(tmp_path, monkeypatch):
    """Within one second the second one gets a number."""

    class Stopped(folders.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(folders, "datetime", Stopped)
    names = []
    for _ in range(3):
        folder = new_folder(tmp_path, "a")
        folder.mkdir()
        names.append(folder.name)
    assert names == ["20260102T030405Z-a", "20260102T030405Z-a.2", "20260102T030405Z-a.3"]
