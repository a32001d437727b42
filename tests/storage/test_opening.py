"""Tests of evi_harness.storage.opening; hostile folders stand in the reader's tests."""

from __future__ import annotations

import pytest

from evi_harness.errors import AudioMissing, SessionUnreadable
from evi_harness.session import wav
from evi_harness.session.wav import Pcm
from evi_harness.storage.opening import Folder

HEADER = wav.header(Pcm(8_000, 1), 6)


@pytest.fixture
def folder(tmp_path):
    """A folder with a WAV file and a payload of the same six bytes."""
    (tmp_path / "payloads").mkdir()
    (tmp_path / "user.wav").write_bytes(HEADER + b"abcdef")
    (tmp_path / "payloads" / "user.1.wav").write_bytes(b"abcdef")
    return Folder(tmp_path)


@pytest.mark.parametrize("name", ["user.wav", "payloads/user.1.wav"])
def test_offsets_count_from_the_first_sample_or_the_first_byte(folder, name):
    """A track's header does not count; a payload has none, whatever its name."""
    assert (folder.size(name), folder.piece(name, 1, 3), folder.piece(name, 6, 0)) == (6, b"bcd", b"")
    with pytest.raises(AudioMissing, match=r"\b4 to 7\b.* 6\n"):
        folder.piece(name, 4, 3)


def test_what_is_absent_has_no_size(folder):
    """A file that is not there has no size, and no pieces."""
    assert folder.size("assistant.wav") is None
    with pytest.raises(AudioMissing, match=r"assistant\.wav"):
        folder.piece("assistant.wav", 0, 1)


@pytest.mark.parametrize(
    ("data", "stated", "size"),
    [(HEADER + b"abcdef", 6, 6), (HEADER[:40] + b"\x02\0\0\0abcdef", 2, 6), (HEADER[:20], None, 0), (b"", None, 0), (b"x" * 50, None, 6)],
)
def test_the_header_is_believed_for_where_samples_begin_and_for_nothing_else(tmp_path, data, stated, size):
    """The stated length is told apart from the true one; a file that is no WAV is taken as one of the writer's own."""
    (tmp_path / "user.wav").write_bytes(data)
    assert (Folder(tmp_path).stated_size("user.wav"), Folder(tmp_path).size("user.wav")) == (stated, size)


def test_a_small_file_is_read_whole_up_to_its_bound(folder):
    """One byte too many is refused."""
    assert folder.whole("payloads/user.1.wav", 6) == b"abcdef"
    with pytest.raises(SessionUnreadable, match="larger than 5 bytes"):
        folder.whole("payloads/user.1.wav", 5)


def test_places_are_named_for_people(folder, tmp_path):
    """Path and line, as an editor takes them."""
    assert (folder.name, folder.where("x"), folder.where("x", 3)) == (tmp_path.name, f"{tmp_path}/x", f"{tmp_path}/x, line 3")


def test_missing_audio_says_who_lists_what_is_missing(tmp_path):
    """Whether the file is absent or too short."""
    (tmp_path / "user.1.webm").write_bytes(b"abc")
    for name in ("absent.webm", "user.1.webm"):
        with pytest.raises(AudioMissing) as raised:
            Folder(tmp_path).piece(name, 0, 10)
        assert "evi-harness check" in raised.value.hint
