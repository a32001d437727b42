"""Tests of evi_harness.storage.verifying: whatever was changed in a complete session is told, by the file's name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import SessionUnreadable
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.wav import Pcm
from evi_harness.storage.check import check_folder
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_session
from evi_harness.storage.verifying import changed_since, file_digest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
DIFFERS = re.compile(r"\w[\w.]*: .*\brecorded: .*\bdigest differs\.")


@pytest.fixture(scope="module")
def folder(record):
    """A complete session with a track, a body in a file of its own and what was heard."""
    folder = record(
        [("sent", Frame(TEXT, SETTINGS)), ("sent", Frame(BINARY, b"\x01" * 64)), ("received", Frame(BINARY, b"\x07" * ((8 << 20) + 1)))]
    )
    add_heard(folder, Pcm(24_000, 2), [b"\0" * 400])
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    """One to be changed."""
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def missing(folder):
    """All that keeps a folder from being whole."""
    session = read_session(folder)
    return (*session.missing, *changed_since(session, folder))


def change_header(folder, **members):
    """Set members of session.json; None takes one away."""
    path = folder / "session.json"
    told = {**json.loads(path.read_text()), **members}
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))


def test_a_whole_session_lacks_nothing(folder):
    """As it was written; and everybody who opens it says so."""
    assert missing(folder) == ()
    assert check_folder(folder) == []
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert sorted([*read_session(folder).header.digests, "session.json"]) == names


FILES = ["session.json", "events.jsonl", "user.wav", "heard.wav", "payloads/frame.1.bin"]


@given(st.sampled_from(FILES), st.integers(0, 1 << 24), st.integers(1, 255))
def test_any_byte_that_is_changed_is_told(folder, name, at, difference):
    """The session cannot be opened, or its file is named: no byte of any file can be another one."""
    path = folder / name
    at %= path.stat().st_size
    with path.open("r+b") as file:
        before = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), bytes([before[0] ^ difference]), at)
        try:
            told = missing(folder)
        except SessionUnreadable as error:
            told = (str(error)[len(f"{folder}/") :],)
        finally:
            os.pwrite(file.fileno(), before, at)
    assert any(sentence.startswith(name) for sentence in told), told


@pytest.mark.parametrize("name", FILES)
def test_a_byte_more_or_less_is_told(copy, name):
    """A file that grew or was cut is another one."""
    whole = (copy / name).read_bytes()
    # What leaves the session readable: a blank behind the header, half a line behind the others.
    for changed in (whole + (b" " if name == "session.json" else b"{"), whole[:-1]):
        (copy / name).write_bytes(changed)
        assert any(sentence.startswith(name) for sentence in missing(copy))


@pytest.mark.parametrize("name", FILES[1:])
def test_a_file_that_is_gone_is_told(copy, name):
    """But for what was heard: the recording is whole without it. Without the events there is no session."""
    (copy / name).unlink()
    if name == "events.jsonl":
        with pytest.raises(SessionUnreadable, match=r"events\.jsonl"):
            missing(copy)
    else:
        assert [sentence.partition(":")[0] for sentence in missing(copy)] == ([] if name == "heard.wav" else [name])


def test_each_file_is_told_of_once(copy):
    """What the reader says of a file says more than that its digest differs."""
    (copy / "user.wav").write_bytes((copy / "user.wav").read_bytes()[:-2])
    (told,) = missing(copy)
    assert re.match(r"user\.wav: .*\b62 of 64\b", told)


def test_a_session_without_digests_is_not_damaged(copy):
    """Nor is one without some of them: what has no digest cannot be judged."""
    change_header(copy, header_digest=None, digests={})
    (copy / "user.wav").write_bytes((copy / "user.wav").read_bytes().replace(b"\x01", b"\x02"))
    assert missing(copy) == ()
    digests = {"events.jsonl": hashlib.sha256((copy / "events.jsonl").read_bytes()).hexdigest()}
    change_header(copy, digests=digests)
    assert missing(copy) == ()


@pytest.mark.parametrize("name", ["demo", "typed", "weather"])
def test_what_was_recorded_before_has_no_digest_of_its_header(name, tmp_path):
    """It opens as ever, and is judged by the digests that it has."""
    shutil.copytree(ROOT / "sessions" / name, tmp_path / name)
    assert missing(tmp_path / name) == ()
    change_header(tmp_path / name, app={"git_commit": "0"})
    assert missing(tmp_path / name) == ()
    path = tmp_path / name / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"event":', b'"event": ', 1))
    (told,) = missing(tmp_path / name)
    assert told.startswith("events.jsonl: ")
    assert DIFFERS.fullmatch(told)


@pytest.mark.parametrize("path", ["/etc/hostname", "../user.wav", "..", ""])
def test_no_name_leaves_the_folder(copy, path):
    """A digest of what is no file of the folder is told, and nothing else is read."""
    change_header(copy, header_digest=None, digests={path: "0" * 64})
    (told,) = missing(copy)
    assert re.match(rf"{re.escape(path)}: .*session\.json.*digest: ", told)


def test_no_link_is_followed(copy, tmp_path):
    """A file that was replaced by a link to the same bytes is told."""
    (copy / "user.wav").rename(tmp_path / "elsewhere.wav")
    (copy / "user.wav").symlink_to(tmp_path / "elsewhere.wav")
    assert [sentence.partition(":")[0] for sentence in missing(copy)] == ["user.wav"]


def test_the_digest_of_a_file_is_that_of_its_bytes(folder):
    """As sha256sum has it, read block by block."""
    name = "payloads/frame.1.bin"
    assert file_digest(Folder(folder), name) == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_the_digest_of_the_header_can_be_made_by_anybody(folder):
    """It is that of the file without its own digits."""
    text = (folder / "session.json").read_bytes()
    emptied = re.sub(rb'(?<="header_digest": ")[0-9a-f]{64}(?=")', b"", text)
    assert json.loads(text)["header_digest"] == hashlib.sha256(emptied).hexdigest()
