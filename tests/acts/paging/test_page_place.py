"""Tests of evi_harness.acts.paging.page_place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evi_harness.acts.paging.page_folder import write_index
from evi_harness.acts.paging.page_making import page_of_session, write_page, write_text_file
from evi_harness.acts.paging.page_place import page_place, pages_place
from evi_harness.errors import UsageError
from evi_harness.pages.index_file import PASSED, Indexed


def test_a_page_and_an_index_may_be_replaced(weather, tmp_path):
    """And what is empty: nothing is lost with it."""
    page = write_page(page_of_session(weather), tmp_path / "page.html").file
    index = write_index(tmp_path, "Replays", [Indexed("a", "passed", PASSED, "page.html")])
    empty = tmp_path / "empty.html"
    empty.touch()
    for file in (page, index, empty, tmp_path / "new.html", tmp_path / "gone" / "new.html"):
        assert page_place(file) == file


@pytest.mark.parametrize("head", [b"{}\n", b"\x00\xff", b"<!doctype html><html lang=en>", b" ", b"<"])
def test_anything_else_is_left_alone(tmp_path, head):
    """Whatever it is called; also by what writes the file."""
    file = tmp_path / "page.html"
    file.write_bytes(head)
    with pytest.raises(UsageError, match="not a page"):
        page_place(file)
    with pytest.raises(UsageError, match="not a page"):
        write_text_file(file, iter(["x"]))
    assert file.read_bytes() == head


@pytest.mark.parametrize("name", ["link", "pipe", "folder"])
def test_what_is_no_regular_file_is_left_alone(tmp_path, name):
    """A device, say: its name would be gone."""
    place = tmp_path / name
    if name == "link":
        place.symlink_to(tmp_path / "somewhere.html")
    elif name == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(UsageError, match="regular file"):
        page_place(place)


def test_no_page_is_in_a_session_folder(tmp_path):
    """Also where a link leads into it, where only its header is there, and in a folder below it."""
    session = tmp_path / "session"
    (session / "payloads").mkdir(parents=True)
    (session / "session.json").touch()
    (tmp_path / "link").symlink_to(session)
    for place in (session, tmp_path / "link"):
        with pytest.raises(UsageError, match="session folder"):
            page_place(place / "page.html")
    assert pages_place(session / "payloads") == session / "payloads"
    (session / "events.jsonl").touch()
    for folder in (session, session / "payloads", session / "new" / "pages"):
        with pytest.raises(UsageError, match="session folder"):
            pages_place(folder)
    assert pages_place(Path(tmp_path)) == tmp_path
