from __future__ import annotations

import json
from pathlib import Path

import pytest

from evi_harness.settings.last_failed import failed_last, file_of_failed, remember

KEY = "Kq7/ApiKey+OfThis=Run~0123456789"


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    """A cache and a working directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_what_failed_last_is_remembered():
    """By where it is, whatever it is called by; one that passes is forgotten, and others stay."""
    a, b, c = (Path("s") / name for name in "abc")
    assert failed_last([a, b]) == []
    remember({a: False, b: True, c: False})
    assert failed_last([c.absolute(), b, a]) == [c.absolute(), a]
    remember({a: True, b: False})
    assert failed_last([a, b, c]) == [b, c]
    assert file_of_failed() == Path("cache/evi-harness/last-failed.json").absolute()


def test_nothing_is_written_where_nothing_is_new():
    """All passed, as ever: no file is made."""
    remember({Path("a"): True})
    assert not Path("cache").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sessions": 3}', '{"sessions": [3, null]}', "[" * 100_000, "\0"])
def test_a_file_that_cannot_be_read_is_as_none(text):
    """And is written anew."""
    file = file_of_failed()
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert failed_last([Path("a")]) == []
    remember({Path("a"): False})
    assert failed_last([Path("a")]) == [Path("a")]


def test_where_it_cannot_be_written_nothing_is_remembered():
    """And nothing fails."""
    Path("cache").write_text("a file")
    remember({Path("a"): False})
    assert failed_last([Path("a")]) == []


def test_no_secret_is_written(monkeypatch):
    """A key that stands in a path."""
    monkeypatch.setenv("HUME_API_KEY", KEY.replace("/", "-"))
    folder = Path(KEY.replace("/", "-"))
    remember({folder: False})
    assert folder.name not in file_of_failed().read_text()
    assert len(json.loads(file_of_failed().read_text())["sessions"]) == 1
    assert failed_last([folder]) == [folder]
