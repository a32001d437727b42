"""Tests of evi_harness.storage.layout."""

from __future__ import annotations

import pytest

from evi_harness.storage.layout import is_inside, payload_name, track_name


@pytest.mark.parametrize("name", ["session.json", "user.wav", "user.2.wav", "payloads/user.1.webm", "a-b_c.9", "x" * 200])
def test_names_of_a_folder_are_inside(name):
    """One part, or payloads/ and one part, is a name."""
    assert is_inside(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/x", "../x", "a/b", "payloads/", "payloads/..", "payloads/a/b", "payloads//a", "a\\b", "a b", "a\n", "é", "x" * 201],
)
def test_other_names_are_not(name):
    """Nothing that could leave the folder, hide in it or mean two things is a name."""
    assert not is_inside(name)


def test_files_are_numbered_from_the_second_track_and_the_first_payload():
    """The first track file is the one people look for; payloads are always numbered. All are names of the folder."""
    names = [track_name("user", 1), track_name("user", 2), payload_name("user", 1, "webm")]
    assert names == ["user.wav", "user.2.wav", "payloads/user.1.webm"]
    assert all(map(is_inside, names))
