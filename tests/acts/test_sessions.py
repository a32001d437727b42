from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest

from evi_harness.acts.sessions import check_session, check_sessions, show_session, show_sessions
from evi_harness.errors import EviHarnessError, SessionUnreadable
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import find_sessions, load_session, require_sessions


@pytest.fixture
def folder(tmp_path, weather):
    """``weather`` as a folder."""
    write_session(tmp_path / "weather", weather, EVI)
    return tmp_path / "weather"


@pytest.fixture
def several(tmp_path, weather):
    """Three sessions in a folder: a sound one, one whose header is gone, one whose audio was cut."""
    for name in ("b/sound", "a", "c"):
        write_session(tmp_path / "several" / name, weather, EVI)
    (tmp_path / "several" / "a" / "session.json").unlink()
    os.truncate(tmp_path / "several" / "c" / "user.wav", 44 + 3200)
    return tmp_path / "several"


def test_a_folder_without_its_header_is_found_where_it_is_asked_for(several):
    """Who checks wants it; a folder that is named is meant either way."""
    assert find_sessions([several]) == [several / "b" / "sound", several / "c"]
    assert find_sessions([several], damaged=True) == [several / "a", several / "b" / "sound", several / "c"]
    for damaged in (False, True):
        assert find_sessions([several / "a"], damaged=damaged) == [several / "a"]
        assert find_sessions([], damaged=damaged) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the system refuses root nothing")
def test_a_folder_that_may_not_be_read_is_found_where_it_is_asked_for(several):
    """It may be a session."""
    (several / "c").chmod(0)
    try:
        assert find_sessions([several]) == [several / "b" / "sound"]
        assert find_sessions([several], damaged=True) == [several / "a", several / "b" / "sound", several / "c"]
    finally:
        (several / "c").chmod(0o700)


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


def test_one_session_is_checked_as_ever(several):
    """Each line begins with the folder, and nothing is summed up."""
    lines = []
    report = check_sessions([several / "c"], write=lines.append)
    assert report.exit_code == 1
    assert lines == report.checked[0].lines()
    assert list(report.checked[0].problems) == check_session(several / "c")


def test_several_are_a_section_each_and_a_sum(several):
    """Told one by one; what is wrong with the first hides no other."""
    lines = []
    report = check_sessions([several], write=lines.append)
    assert [one.folder for one in report.checked] == [str(several / name) for name in ("a", "b/sound", "c")]
    assert lines == [*(line for one in report.checked for line in one.section()), "", report.sum()]
    assert re.fullmatch("3 sessions: 1 .*nothing wrong, 2 .*problems", lines[-1])


def test_a_folder_of_one_session_is_a_folder_of_sessions(several):
    """It is summed up and listed, since nobody named the session."""
    checked, shown = [], []
    assert check_sessions([several / "b"], write=checked.append).exit_code == 0
    assert checked[:-1] == [f"{several / 'b' / 'sound'}: nothing wrong", ""]
    assert re.fullmatch("1 session: 1 .*nothing wrong", checked[-1])
    assert show_sessions([several / "b"], write=shown.append) == 0
    assert [shown[0].split()[0], shown[1].split()[0], shown[-1].split(",")[0]] == ["session", str(several / "b" / "sound"), "1 session"]


def test_no_session_is_no_error():
    """Nothing was given: nothing is wrong, and nothing is listed."""
    lines = []
    assert check_sessions([], write=lines.append).exit_code == 0
    assert show_sessions([], write=lines.append) == 0
    assert [line for line in lines if line.startswith("0 sessions")] == [lines[1], lines[-1]]


def test_one_session_is_shown_and_several_are_listed(several):
    """A line each, in order; one that cannot be read has its line and gives the code."""
    lines = []
    assert show_sessions([several / "c"], write=lines.append) == 0
    assert lines == show_session(several / "c")
    lines.clear()
    assert show_sessions([several], write=lines.append) == 3
    assert [line.split()[0] for line in lines[1:4]] == [str(several / name) for name in ("a", "b/sound", "c")]
    assert "cannot be read: " in lines[1]
    assert lines[2].endswith("yes")
    assert re.search(r"user\.wav: .*\b3200", lines[3])
    assert re.search(r"\b2 complete, 1 cannot .*read$", lines[-1])


def test_a_listing_holds_no_key(several, monkeypatch):
    """Not even where a header says one."""
    monkeypatch.setenv("HUME_API_KEY", "0123456789abcdef")
    path = several / "c" / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "complete": False, "abandoned": "0123456789abcdef"}))
    lines = []
    show_sessions([several], write=lines.append)
    assert "0123456789abcdef" not in "\n".join(lines)
    assert "[redacted]" in lines[3]


def test_links_are_followed_and_go_round_no_circle(several, tmp_path):
    """A link to a session, and to a folder of them; what is reached by several paths is found once, by its own where it has one."""
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(several / "c", tmp_path / "elsewhere" / "d")
    shutil.copytree(several / "c", tmp_path / "alone")
    (several / "a link").symlink_to(several / "c")
    (several / "others").symlink_to(tmp_path / "elsewhere")
    (several / "one").symlink_to(tmp_path / "alone")
    (several / "b" / "up").symlink_to(several)
    (tmp_path / "elsewhere" / "back").symlink_to(several)
    (several / "above").symlink_to(tmp_path)
    sound = [several / "b" / "sound", several / "c", several / "one", several / "others" / "d"]
    assert find_sessions([several]) == sound
    assert find_sessions([several], damaged=True) == [several / "a", *sound]
    assert find_sessions([several / "one"]) == [several / "one"]


def test_what_is_left_of_a_session_is_a_problem(several):
    """Audio alone, and a link that leads nowhere; a folder that holds sessions is none for a sound file that lies in it."""
    (several / "a" / "events.jsonl").unlink()
    (several / "gone").symlink_to("nowhere")
    shutil.copy(several / "c" / "user.wav", several / "b" / "user.wav")
    found = [several / "a", several / "b" / "sound", several / "c", several / "gone"]
    assert find_sessions([several], damaged=True) == found
    assert find_sessions([several]) == [several / "b" / "sound", several / "c"]
    lines = []
    report = check_sessions([several], write=lines.append)
    assert [bool(one.problems) for one in report.checked] == [True, False, True, True]
    assert (report.exit_code, {one.kind for one in report.checked[3].problems}) == (1, {"not_a_session"})
    assert any("'nowhere'" in line for line in lines)


@pytest.mark.parametrize(("least", "is_refused"), [(0, False), (3, False), (4, True)])
def test_fewer_sessions_than_there_should_be(several, tmp_path, least, is_refused):
    """What is left of one counts, since it is judged; a folder without any does not, though it stands for itself."""
    (tmp_path / "empty").mkdir()
    found = find_sessions([several, tmp_path / "empty"], damaged=True)
    assert len(found) == 4
    with pytest.raises(EviHarnessError, match=r"\b3 sessions .*\bmin_sessions=4") if is_refused else nullcontext():
        require_sessions(found, least)
