"""Tests of evi_harness.storage.tracks."""

from __future__ import annotations

import os

import pytest

from evi_harness.session.wav import Pcm
from evi_harness.storage.codec import Pieces
from evi_harness.storage.magic import Container
from evi_harness.storage.tracks import AudioFiles

MONO, STEREO = Pcm(16_000, 1), Pcm(16_000, 2)
WEBM, OGG, RIFF = Container("webm", True), Container("ogg", False), Container("wav", True)

# What a track gets, one after the other (samples, format, container, whether they are whole frames), and the file and offset it goes to.
CASES = {
    "one format is one file": [((b"ab", MONO), "user.wav", 0), ((b"cd", MONO), "user.wav", 2)],
    "another format is another file": [
        ((b"ab", MONO), "user.wav", 0),
        ((b"abcd", STEREO), "user.2.wav", 0),
        ((b"ab", MONO), "user.3.wav", 0),
    ],
    "half a sample goes on": [((b"a", MONO), "user.wav", 0), ((b"b", MONO), "user.wav", 1)],
    "a whole frame does not begin within one": [((b"a", MONO), "user.wav", 0), ((b"ab", MONO, None, True), "user.2.wav", 0)],
    "a full file": [((bytes(60), MONO), "user.wav", 0), ((bytes(60), MONO), "user.2.wav", 0), ((bytes(40), MONO), "user.2.wav", 60)],
    "one that is larger than a file may be": [((bytes(200), MONO), "user.wav", 0), ((b"ab", MONO), "user.2.wav", 0)],
    "unknown bytes": [((b"a", None), "payloads/user.1.bin", 0), ((b"b", None), "payloads/user.1.bin", 1)],
    "a stream in a container": [((b"a", None, WEBM), "payloads/user.1.webm", 0), ((b"b", None), "payloads/user.1.webm", 1)],
    "its header again": [((b"a", None, WEBM), "payloads/user.1.webm", 0), ((b"b", None, WEBM), "payloads/user.2.webm", 0)],
    "pages of one kind": [((b"a", None, OGG), "payloads/user.1.ogg", 0), ((b"b", None, OGG), "payloads/user.1.ogg", 1)],
    "another container": [((b"a", None, OGG), "payloads/user.1.ogg", 0), ((b"b", None, RIFF), "payloads/user.2.wav", 0)],
    "samples and others do not mix": [
        ((b"ab", MONO), "user.wav", 0),
        ((b"x", None), "payloads/user.1.bin", 0),
        ((b"cd", MONO), "user.wav", 2),
    ],
}


@pytest.fixture
def folder(tmp_path):
    """A descriptor of the test's folder."""
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("name", CASES)
def test_bytes_go_where_they_belong(tmp_path, folder, name):
    """plan says the file and offset, store puts the bytes there."""
    files = AudioFiles(folder, max_bytes=100)
    for arguments, file, offset in CASES[name]:
        parts = Pieces(*arguments)
        slot = files.plan("user", parts)
        assert (slot.file, slot.offset) == (file, offset)
        files.store(slot, parts.samples)
        start = offset + (0 if "/" in file else 44)
        assert (tmp_path / file).read_bytes()[start:] == parts.samples
    files.sync()
    files.close()


def test_planning_changes_nothing(tmp_path, folder):
    """The same plan comes again and again, and no file is made."""
    files = AudioFiles(folder)
    assert files.plan("user", Pieces(b"ab", MONO)) == files.plan("user", Pieces(b"ab", MONO))
    assert list(tmp_path.iterdir()) == []


def test_tracks_are_apart_and_listed(tmp_path, folder):
    """Each track has its own files; the header's list has their formats and sizes, bodies of frames are not in it."""
    files = AudioFiles(folder)
    for track, parts in (("user", Pieces(b"ab", MONO)), ("assistant", Pieces(b"abcd", STEREO)), ("user", Pieces(b"x", None, WEBM))):
        files.store(files.plan(track, parts), parts.samples)
    files.store_body("payloads/frame.1.json", b"{}")
    files.close()
    assert [(one.track, one.file, one.n_bytes, one.rate, one.channels, one.width) for one in files.track_files()] == [
        ("user", "user.wav", 2, 16_000, 1, 2),
        ("assistant", "assistant.wav", 4, 16_000, 2, 2),
        ("user", "payloads/user.1.webm", 1, None, None, None),
    ]
    assert files.names() == ["user.wav", "assistant.wav", "payloads/user.1.webm", "payloads/frame.1.json"]
