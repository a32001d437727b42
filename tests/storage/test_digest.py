"""Tests of evi_harness.storage.digest."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.storage import digest
from evi_harness.storage.digest import recording_digest
from evi_harness.storage.writer import write_session


@pytest.fixture
def folder(tmp_path, weather):
    """A session folder with audio."""
    return write_session(tmp_path / "made", weather, EVI)


def test_it_is_of_the_listing_of_the_files(folder):
    """Each by its own digest and name, in the order of names."""
    (folder / "payloads").mkdir(exist_ok=True)
    (folder / "payloads" / "user.1.webm").write_bytes(b"x")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["assistant.wav", "events.jsonl", "payloads/user.1.webm", "session.json", "user.wav"]
    listing = "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in files)
    assert recording_digest(folder) == hashlib.sha256(listing.encode()).hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum, of GNU coreutils")
def test_a_shell_makes_it_too(folder):
    """As the page says."""
    command = "sha256sum session.json events.jsonl *.wav | LC_ALL=C sort -k 2 | sha256sum"
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert recording_digest(folder) == done.stdout.split()[0]


@pytest.mark.parametrize("name", ["session.json", "events.jsonl", "user.wav", "payloads/x.1.webm"])
def test_every_file_of_the_recording_counts(folder, name):
    """A byte more in any of them is another recording."""
    before = recording_digest(folder)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    assert recording_digest(folder) != before


@pytest.mark.parametrize("name", ["expected.jsonl", "notes.txt", ".DS_Store"])
def test_what_is_no_part_of_the_recording_does_not(folder, name):
    """What is expected of replays changes, and the recording does not."""
    before = recording_digest(folder)
    (folder / name).write_text("x")
    (folder / "link.wav").symlink_to(folder / "user.wav")
    assert recording_digest(folder) == before


def test_what_cannot_be_read_has_none(folder, monkeypatch):
    """A report is made all the same: of a file that fails, and of a folder that is gone."""

    def fails(path):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(digest, "_digest", fails)
        assert recording_digest(folder) is None
    shutil.rmtree(folder)
    assert recording_digest(folder) is None
    folder.write_text("no folder any more")
    assert recording_digest(folder) is None
