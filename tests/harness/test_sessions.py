from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evi_harness.errors import SessionUnreadable
from evi_harness.evi.dialect import EVI
from evi_harness.harness.sessions import check_session, load_session, show_session
from evi_harness.storage.writer import write_session


@pytest.fixture
def folder(tmp_path, weather):
    """``weather`` as a folder."""
    write_session(tmp_path / "weather", weather, EVI)
    return tmp_path / "weather"


def test_a_folder_or_a_file_in_it_is_loaded(folder, weather):
    """Both give the same session."""
    for path in (folder, str(folder), folder / "session.json", folder / "events.jsonl"):
        session = load_session(path)
        assert [event.frame for event in session.received] == [event.frame for event in weather.received]
        assert session.name == "weather"


def test_a_dialect_that_is_not_known_is_told(tmp_path, weather):
    """It names both, and asks whether it is from a newer version."""
    write_session(tmp_path / "other", replace(weather, header=replace(weather.header, dialect="elsewhere")), EVI)
    with pytest.raises(SessionUnreadable, match=r"'elsewhere'.*'evi'") as raised:
        load_session(tmp_path / "other")
    assert raised.value.where == str(tmp_path / "other" / "session.json")


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("{}")], ids=["nothing", "empty", "file"]
)
def test_what_is_no_session_folder_is_told(tmp_path, make):
    """Nothing there, an empty folder, and a file that is none."""
    make(tmp_path / "it")
    with pytest.raises(SessionUnreadable):
        load_session(tmp_path / "it")


def test_a_sound_folder_has_no_problems(folder):
    """And a damaged one says where."""
    assert check_session(folder) == []
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join([*lines[:3], b"nonsense\n", *lines[4:]]))
    problems = check_session(folder)
    assert ("events.jsonl", 4) in [(problem.file, problem.line) for problem in problems]


def test_show_is_header_and_timeline(folder):
    """One line for the name, and one for the end."""
    lines = show_session(folder)
    assert lines[0] == "session     weather"
    assert lines[-1].endswith("by app, code 1000")


def test_a_strangers_words_do_not_move_the_cursor(folder):
    """Control characters in the header and in what check quotes are escaped."""
    header = json.loads((folder / "session.json").read_text())
    header["created"] = "\x1b[2Jnow"
    (folder / "session.json").write_text(json.dumps(header))
    with (folder / "events.jsonl").open("a") as events:
        events.write('{"seq":99,"at_ns":1,"event":"\\u001b[31m"}\n')
    told = [*show_session(folder), *map(str, check_session(folder))]
    assert not [line for line in told if "\x1b" in line]
