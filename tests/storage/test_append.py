"""Tests of evi_harness.storage.append."""

from __future__ import annotations

import os
import stat
import wave
from pathlib import Path

import pytest

from evi_harness.session.wav import Pcm
from evi_harness.storage import append
from evi_harness.storage.append import AppendFile, WavFile, write_new


def test_a_file_is_new_and_its_owners(tmp_path):
    """The file is 0600; what is there already is not touched."""
    file = AppendFile(tmp_path / "x")
    file.append(b"ab")
    file.append(b"")
    file.append(b"c")
    file.sync()
    file.close()
    file.close()
    assert (file.size, (tmp_path / "x").read_bytes()) == (3, b"abc")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        AppendFile(tmp_path / "x")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "x", b"")


def test_short_writes_are_gone_on_with(tmp_path, monkeypatch):
    """A system that writes three bytes at a time still writes all."""
    real = os.pwrite
    monkeypatch.setattr(append.os, "pwrite", lambda fd, data, at: real(fd, bytes(data[:3]), at))
    write_new(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()])
def test_a_write_that_fails_half_way_is_taken_back(tmp_path, monkeypatch, error):
    """After an error the file is as it was, and can be gone on with."""
    file = AppendFile(tmp_path / "x")
    file.append(b"whole")
    real, calls = os.pwrite, []

    def failing(fd, data, at):
        calls.append(at)
        if len(calls) == 2:
            raise error
        return real(fd, bytes(data[:2]), at)

    with monkeypatch.context() as patched:
        patched.setattr(append.os, "pwrite", failing)
        with pytest.raises(type(error)):
            file.append(b"half")
    assert (tmp_path / "x").read_bytes() == b"whole"
    file.append(b"!")
    file.close()
    assert (tmp_path / "x").read_bytes() == b"whole!"


def test_a_wav_file_is_right_after_every_append(tmp_path):
    """Another program that opens the file at any time reads all samples."""
    file = WavFile(tmp_path / "x.wav", Pcm(16_000, 2))
    for number in range(3):
        with wave.open(str(tmp_path / "x.wav")) as reader:
            assert (reader.getnframes(), reader.getframerate(), reader.getnchannels()) == (number * 10, 16_000, 2)
        file.append(b"\x01\x02\x03\x04" * 10)
    assert file.size == 120
    file.close()


def test_a_wav_file_whose_header_cannot_be_written_is_as_before(tmp_path, monkeypatch):
    """Samples that no header accounts for are taken back, and a file that would have no header at all is not left there."""
    file = WavFile(tmp_path / "x.wav", Pcm(16_000, 1))
    file.append(bytes(10))
    real, before = os.pwrite, (tmp_path / "x.wav").read_bytes()

    def failing(fd, data, at):
        if at == 0:
            raise OSError(28, "full")
        return real(fd, data, at)

    with monkeypatch.context() as patched:
        patched.setattr(append.os, "pwrite", failing)
        with pytest.raises(OSError, match="full"):
            file.append(bytes(4))
        with pytest.raises(OSError, match="full"):
            WavFile(tmp_path / "y.wav", Pcm(16_000, 1))
    assert (file.size, (tmp_path / "x.wav").read_bytes()) == (10, before)
    assert not (tmp_path / "y.wav").exists()
    file.append(bytes(2))
    file.close()
    with wave.open(str(tmp_path / "x.wav")) as reader:
        assert reader.getnframes() == 6


def test_the_disk_is_asked_only_where_something_was_written(tmp_path, monkeypatch):
    """sync costs nothing when nothing was appended since."""
    calls = []
    monkeypatch.setattr(append.os, "fsync", calls.append)
    file = AppendFile(tmp_path / "x")
    file.sync()
    file.append(b"a")
    file.sync()
    file.sync()
    file.close()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda path: None, None),
        (lambda path: path.unlink(), "deleted"),
        (lambda path: path.rename(path.with_name("y")), "deleted"),
        (lambda path: (path.unlink(), path.write_bytes(b"ab")), "replaced"),
        (lambda path: path.write_bytes(b"a"), "changed"),
        (lambda path: path.write_bytes(b"abc"), "changed"),
    ],
)
def test_what_another_program_does_to_a_file_is_seen(tmp_path, act, what):
    """Of an open file; one that is closed is whoever's."""
    file = AppendFile(tmp_path / "x")
    file.append(b"ab")
    act(tmp_path / "x")
    assert file.disturbed() == what
    file.close()
    assert file.disturbed() is None


def test_a_sync_that_failed_fails_for_ever(tmp_path, monkeypatch):
    """The file is not asked again: that the second fsync succeeds proves nothing."""
    file = AppendFile(tmp_path / "x")
    file.append(b"a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="full"):
            file.sync()
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            file.sync()
    file.close()


def full(*_):
    """What a full disk does."""
    raise OSError(28, "full")


@pytest.mark.parametrize("is_left", [False, True])
def test_a_file_is_replaced_at_once_or_not_at_all(tmp_path, monkeypatch, is_left):
    """Also beside what a writer left that was killed, and also below a descriptor; what cannot be written leaves the old one."""
    (tmp_path / "x").write_bytes(b"old")
    if is_left:
        (tmp_path / ".x.new").write_bytes(b"half")
    append.replace_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        append.replace_file(Path("x"), b"newer", fd)
        monkeypatch.setattr(append.os, "pwrite", lambda *_: os.open(tmp_path / "nowhere", os.O_RDONLY))
        with pytest.raises(FileNotFoundError):
            append.replace_file(Path("x"), b"newest", fd)
    finally:
        os.close(fd)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"newer")]


def test_a_path_may_begin_at_a_descriptor(tmp_path):
    """Then it is found wherever that folder is moved."""
    (tmp_path / "a").mkdir()
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        (tmp_path / "a").rename(tmp_path / "b")
        file = WavFile(Path("x.wav"), Pcm(16_000, 1), fd)
        write_new(Path("y"), b"y", fd)
        assert file.disturbed() is None
        file.close()
    finally:
        os.close(fd)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["x.wav", "y"]
