from __future__ import annotations

import re
from pathlib import Path

import pytest

from evi_harness.errors import SessionUnwritable, UsageError
from evi_harness.settings import new_folder as folders
from evi_harness.settings.new_folder import (
    MAX_NAME_LENGTH,
    SessionsFolder,
    WholeFolder,
    is_being_made,
    new_folder,
    now_utc,
    possible_name,
    require_name,
)
from evi_harness.verdicts.loading import find_sessions


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


@pytest.mark.parametrize("name", ["x" * 300, "é" * 300, "-" * 300 + "x" * 300, "x" * (MAX_NAME_LENGTH - 1) + "." * 200])
def test_a_name_is_as_long_as_a_folder_can_have(tmp_path, name):
    """What another name is made of may be longer than any; the folder can be made all the same."""
    new_folder(tmp_path, name).mkdir()
    assert len(possible_name(name)) <= MAX_NAME_LENGTH
    assert possible_name(possible_name(name)) == possible_name(name)


@pytest.mark.parametrize("name", ["session", "my session!", "x" * MAX_NAME_LENGTH, "küche", "v1.2", "20260102T030405Z-again"])
def test_a_name_that_a_session_can_have_is_taken(name):
    """With dashes where a folder has them."""
    require_name(name)
    assert possible_name(name) != "session" or name == "session"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "no character in"),
        ("...", "no character in"),
        ("日本", "no character in"),
        ("20260102T030405Z-", "no character in"),
        ("a/b", "slash"),
        ("../../etc", "slash"),
        ("a\0b", "control character"),
        ("a\nb", "control character"),
        ("x" * (MAX_NAME_LENGTH + 1), f"{MAX_NAME_LENGTH + 1} characters"),
    ],
)
def test_a_name_that_no_session_can_have_is_refused(name, told):
    """With why."""
    with pytest.raises(UsageError, match=told):
        require_name(name)


def test_a_folder_of_sessions_is_made_and_removed_where_nothing_came_into_it(tmp_path):
    """With those above it; not where something did."""
    with SessionsFolder(tmp_path / "a" / "b", "b"):
        assert (tmp_path / "a" / "b").is_dir()
        assert list((tmp_path / "a" / "b").iterdir()) == []
    assert not (tmp_path / "a").exists()
    with SessionsFolder(tmp_path / "a" / "b", "b"):
        (tmp_path / "a" / "b" / "session").mkdir()
    assert (tmp_path / "a" / "b" / "session").is_dir()


@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_it_leaves_nothing(tmp_path, monkeypatch, when):
    """Ctrl+C at any of the folders that it makes."""
    mkdir, n_made = Path.mkdir, 0

    for n_before in range(3):
        calls = []

        def interrupted(self, *args, calls=calls, n_before=n_before, **kwargs):
            calls.append(self)
            if when == "before" and len(calls) > n_before:
                raise KeyboardInterrupt
            mkdir(self, *args, **kwargs)
            if len(calls) > n_before:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Path, "mkdir", interrupted)
            with pytest.raises(KeyboardInterrupt), SessionsFolder(tmp_path / "a" / "b", "b"):
                pass
        n_made += len(calls)
        assert list(tmp_path.iterdir()) == []
    assert n_made == 1 + 2 + 3


def _file(path):
    path.parent.mkdir()
    path.write_text("")
    return path


@pytest.mark.parametrize(
    "place",
    [
        _file,
        lambda path: _file(path) / "below",
        lambda path: path / ("x" * 300),
        lambda path: path.joinpath(*["x" * 200] * 20),
        lambda path: path / "a\0b",
    ],
    ids=["a file", "below a file", "a name too long", "a path too long", "a zero byte"],
)
def test_a_place_where_no_session_can_be_is_refused(tmp_path, place):
    """Nothing is left of the attempt."""
    out = place(tmp_path / "out" / "there")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SessionUnwritable) as refused, SessionsFolder(out, "there"):
        pass
    assert refused.value.where is not None
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_with_room_for_short_names_alone_is_refused(tmp_path):
    """The folder of sessions could be made, and none in it."""
    out = tmp_path
    while len(str(out)) < 3980:
        out = out / ("x" * min(200, 3980 - len(str(out)) + 10))
    with pytest.raises(SessionUnwritable, match="too long"), SessionsFolder(out, "there"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_whole_folder_appears_when_it_is_written(tmp_path):
    """Under its own name; until then it has another, which is no session's. Two of one name get two."""
    with WholeFolder(tmp_path, "weather") as one, WholeFolder(tmp_path, "weather") as other:
        for place in (one, other):
            place.folder.mkdir()
            (place.folder / "session.json").write_text("{}", encoding="utf-8")
        assert [is_being_made(path.name) for path in tmp_path.iterdir()] == [True, True]
        assert find_sessions([tmp_path]) == [tmp_path]
    assert find_sessions([tmp_path]) == sorted([one.folder, other.folder]) == sorted(tmp_path.iterdir())
    assert other.folder.name.endswith("-weather")
    assert one.folder.name.startswith(other.folder.name)


def half_written(out, error):
    """Begin to write, and fail."""
    with WholeFolder(out, "weather") as place:
        (place.folder / "payloads").mkdir(parents=True)
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError], ids=lambda one: one.__name__)
def test_of_a_folder_that_was_not_written_nothing_is_left(tmp_path, error):
    """Whatever kept it from that."""
    with pytest.raises(error):
        half_written(tmp_path, error)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_called_by_its_own_name(tmp_path):
    """Nobody has heard of the other."""
    with pytest.raises(SessionUnwritable) as refused, WholeFolder(tmp_path, "weather") as place:
        raise SessionUnwritable("full", where=str(place.folder / "user.wav"), hint="Make room.")
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/\d{{8}}T\d{{6}}Z-weather/user.wav", refused.value.where)
    assert (refused.value.what, refused.value.hint) == ("full", "Make room.")
    with pytest.raises(SessionUnwritable, match="weather: "), WholeFolder(tmp_path, "weather"):
        pass
