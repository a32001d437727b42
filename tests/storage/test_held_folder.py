from __future__ import annotations

import os
import shutil

import pytest

from evi_harness.storage.held_folder import HeldFolder


def test_it_is_found_where_it_is_moved(tmp_path):
    """Once for each move, also where another folder takes its place; nothing is told of one that stays."""
    place = tmp_path / "a"
    place.mkdir()
    held = HeldFolder(place)
    assert (held.look(), held.path) == (False, place)
    for name in ("b", "c"):
        held.path.rename(tmp_path / name)
        place.mkdir(exist_ok=True)
        assert (held.look(), held.look(), held.path) == (True, False, tmp_path / name)
    held.close()
    held.close()


def test_its_parent_may_be_moved(tmp_path):
    """The folder is where that is."""
    (tmp_path / "out" / "a").mkdir(parents=True)
    held = HeldFolder(tmp_path / "out" / "a")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert (held.look(), held.path) == (True, tmp_path / "elsewhere" / "a")


def test_a_folder_that_is_deleted_is_not_there(tmp_path):
    """Though another one of its name is."""
    place = tmp_path / "a"
    place.mkdir()
    held = HeldFolder(place)
    shutil.rmtree(place)
    place.mkdir()
    with pytest.raises(FileNotFoundError, match="was deleted"):
        held.look()


def test_a_folder_that_nobody_finds_is_not_there(tmp_path, monkeypatch):
    """On a system that does not say where a descriptor is."""
    place = tmp_path / "a"
    place.mkdir()
    held = HeldFolder(place)
    place.rename(tmp_path / "b")
    monkeypatch.setattr("evi_harness.storage.held_folder._path_of", lambda fd: None)
    with pytest.raises(FileNotFoundError, match="was moved away"):
        held.look()


def test_a_link_in_its_place_is_not_the_folder(tmp_path):
    """A symbolic link to it does not count as it."""
    place = tmp_path / "a"
    place.mkdir()
    held = HeldFolder(place)
    place.rename(tmp_path / "b")
    place.symlink_to(tmp_path / "b")
    assert (held.look(), held.path) == (True, tmp_path / "b")


def test_what_may_not_be_looked_at_is_taken_to_be_there(tmp_path):
    """A parent that may no longer be searched says nothing about the folder."""
    if os.geteuid() == 0:
        pytest.skip("the system refuses root nothing")
    (tmp_path / "out" / "a").mkdir(parents=True)
    held = HeldFolder(tmp_path / "out" / "a")
    (tmp_path / "out").chmod(0)
    try:
        assert not held.look()
    finally:
        (tmp_path / "out").chmod(0o700)


def test_closing_closes_its_descriptor(tmp_path):
    """And so does forgetting it."""
    for forget in (HeldFolder.close, lambda held: None):
        held = HeldFolder(tmp_path)
        fd = held.fd
        forget(held)
        del held
        with pytest.raises(OSError):
            os.fstat(fd)
