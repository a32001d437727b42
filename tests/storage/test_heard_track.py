"""Tests of evi_harness.storage.heard_track."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from evi_harness.errors import SessionUnwritable
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.header import FORMAT_MINOR, HEARD, MINOR_OF_HEADER_DIGEST, TrackFile
from evi_harness.session.wav import Pcm
from evi_harness.storage import append, heard_track
from evi_harness.storage.check import check_folder
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
PCM = Pcm(24_000, 2)
BLOCKS = [bytes([number]) * 4000 for number in range(1, 6)]


@pytest.fixture
def folder(record):
    """A complete session with a track of the user's."""
    return record([("sent", Frame(TEXT, SETTINGS)), ("sent", Frame(BINARY, b"\x01" * 64))])


def contents(folder):
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_heard_is_a_track_of_the_session(folder):
    """The file is a WAV that every program reads; the header lists it, with its digest, and is of the minor that brought it."""
    before = read_session(folder)
    track = add_heard(folder, PCM, BLOCKS)
    assert track == TrackFile(HEARD, "heard.wav", 20_000, 24_000, 2, 2)
    with wave.open(str(folder / "heard.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 2, 2)
        assert file.readframes(10_000) == b"".join(BLOCKS)
    after = read_session(folder)
    assert after.header.tracks == (*before.header.tracks, track)
    assert set(after.header.digests) == {*before.header.digests, "heard.wav"}
    assert after.header.minor == FORMAT_MINOR
    assert (after.events, after.missing) == (before.events, ())
    assert [str(problem) for problem in check_folder(folder, EVI)] == []
    assert (folder / "heard.wav").stat().st_mode & 0o777 == 0o600


def test_what_a_newer_version_wrote_into_the_header_stays(folder):
    """Unknown members survive, and so does a minor that is higher than ours."""
    path = folder / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "minor": 7, "mood": "blue"}))
    add_heard(folder, PCM, BLOCKS)
    assert (read_session(folder).header.minor, read_session(folder).header.extra) == (7, {"mood": "blue"})


def test_it_can_be_taken_away_again(folder):
    """Without the file, its two entries in the header and the header's own digest, the session is as it was before."""
    before = contents(folder)
    add_heard(folder, PCM, BLOCKS)
    (folder / "heard.wav").unlink()
    header = json.loads((folder / "session.json").read_text())
    header["tracks"] = [track for track in header["tracks"] if track["track"] != HEARD]
    del header["digests"]["heard.wav"], header["header_digest"]
    (folder / "session.json").write_text(json.dumps(header))
    assert check_folder(folder, EVI) == []
    assert {**contents(folder), "session.json": b""} == {**before, "session.json": b""}


def test_a_copy_of_a_session_has_no_heard_file(folder, new_folder):
    """What is written anew from the events neither has the file nor names it, and is of the version that it needs."""
    add_heard(folder, PCM, BLOCKS)
    copy = write_session(new_folder(), read_session(folder), EVI)
    assert not (copy / "heard.wav").exists()
    header = read_session(copy).header
    assert [track.track for track in header.tracks] == ["user"]
    assert (header.minor, sorted(header.digests)) == (FORMAT_MINOR, ["events.jsonl", "user.wav"])
    assert check_folder(copy, EVI) == []


@pytest.mark.parametrize("session", ["demo", "typed", "weather"])
def test_a_session_of_version_1_0_is_read_and_gets_one(tmp_path, session):
    """What was written before there was such a track is read without a complaint, and can have one."""
    shutil.copytree(ROOT / "sessions" / session, tmp_path / session)
    before = read_session(tmp_path / session)
    assert (before.header.version, before.header.minor, before.missing) == (1, 0, ())
    assert check_folder(tmp_path / session, EVI) == []
    add_heard(tmp_path / session, PCM, BLOCKS)
    after = read_session(tmp_path / session)
    assert (after.events, after.header.minor) == (before.events, MINOR_OF_HEADER_DIGEST)
    assert check_folder(tmp_path / session, EVI) == []


def test_a_session_that_is_not_complete_gets_none(folder):
    """Its header is not ours to replace: whoever writes the session is still at it, or was killed."""
    path = folder / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "complete": False}))
    before = contents(folder)
    with pytest.raises(SessionUnwritable, match=r"\bcomplete\b"):
        add_heard(folder, PCM, BLOCKS)
    assert contents(folder) == before


@pytest.mark.parametrize("name_it", [True, False])
def test_a_second_one_is_refused(folder, name_it):
    """Neither a file that is there is written over, nor one that the header names and somebody took away."""
    if name_it:
        add_heard(folder, PCM, BLOCKS)
        (folder / "heard.wav").unlink()
    else:
        (folder / "heard.wav").write_bytes(b"mine")
    before = contents(folder)
    with pytest.raises(SessionUnwritable, match="already"):
        add_heard(folder, PCM, BLOCKS)
    assert contents(folder) == before


# The header of the empty file, five blocks with their headers, and session.json.
N_WRITES = 12


@pytest.mark.parametrize("n_left", range(N_WRITES + 1))
def test_a_full_disk_takes_nothing_but_the_file(folder, monkeypatch, n_left):
    """Wherever it is full, in the file, behind it or at the header: the session is as it was, and nothing of the attempt stays."""
    real, writes = append._write_at, iter(range(n_left))

    def write_at(fd, data, at):
        if next(writes, None) is None:
            raise OSError(28, "No space left on device")
        real(fd, data, at)

    before = contents(folder)
    monkeypatch.setattr(append, "_write_at", write_at)
    if n_left < N_WRITES:
        with pytest.raises(SessionUnwritable, match="No space left on device"):
            add_heard(folder, PCM, BLOCKS)
        assert contents(folder) == before
    else:
        add_heard(folder, PCM, BLOCKS)
    assert check_folder(folder, EVI) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_interrupts_it_leaves_the_session_as_it_was(folder, error):
    """Ctrl+C, or an error in what makes the samples, goes on its way; half a file does not stay."""

    def blocks():
        yield BLOCKS[0]
        raise error

    before = contents(folder)
    with pytest.raises(error):
        add_heard(folder, PCM, blocks())
    assert contents(folder) == before


def test_an_interrupt_behind_the_header_takes_nothing_back(folder, monkeypatch):
    """A file that the header names stays."""
    real = heard_track.replace_file

    def interrupted(path, data):
        real(path, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(heard_track, "replace_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add_heard(folder, PCM, BLOCKS)
    assert [track.track for track in read_session(folder).header.tracks] == ["user", HEARD]
    assert check_folder(folder, EVI) == []


def test_a_file_that_would_be_too_large_is_taken_away(folder, monkeypatch):
    """It has a bound, as every track has."""
    before = contents(folder)
    monkeypatch.setattr(heard_track, "MAX_TRACK_BYTES", 10_000)
    with pytest.raises(SessionUnwritable, match="larger than 10000 bytes"):
        add_heard(folder, PCM, BLOCKS)
    assert contents(folder) == before


KILLED = """
import os, signal, sys
from evi_harness.session.wav import Pcm
from evi_harness.storage import heard_track

def blocks():
    for number in range(5):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield bytes(4000)

def killed(path, data):
    os.kill(os.getpid(), signal.SIGKILL)

heard_track.replace_file = killed
heard_track.add_heard(sys.argv[1], Pcm(24_000, 2), blocks())
"""


@pytest.mark.parametrize("number", [0, 3, 9])
def test_killed_at_any_block_the_session_is_whole(folder, number):
    """The session reads as before and is complete; check names the file that was left, and that it can be deleted."""
    before = read_session(folder)
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(number)], check=False)
    assert done.returncode == -signal.SIGKILL
    after = read_session(folder)
    assert (after.header, after.events, after.missing) == (before.header, before.events, ())
    with wave.open(str(folder / "heard.wav")) as file:
        assert file.getnframes() == 1000 * min(number, 5)
    problems = {problem.kind: problem for problem in check_folder(folder, EVI)}
    assert {problem.file for kind, problem in problems.items() if kind == "unused_file"} == {"heard.wav"}
    assert set(problems) == {"unused_file", "no_digest"}
    assert "delete it" in problems["unused_file"].hint
    (folder / "heard.wav").unlink()
    assert check_folder(folder, EVI) == []
