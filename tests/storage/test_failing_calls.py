"""Every call to the system fails once: in the writer, the reader, check, expectations, baselines and what was heard.

Nothing but our own errors; all that was acknowledged is there; what was there before is there, or what was to come is, whole.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import json
import os
import pathlib
import shutil
import threading

import pytest

from evi_harness.acts.repairing import repair_session
from evi_harness.errors import EviHarnessError, SessionError, SessionUnreadable, SessionUnwritable
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.expectation import Expectation
from evi_harness.session.wav import Pcm
from evi_harness.storage.baseline_file import load_json_file, replace_json_file
from evi_harness.storage.check import check_folder
from evi_harness.storage.expected_file import read_expectation, remove_expectation, write_expectation
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.reader import read_session
from evi_harness.storage.verifying import changed_since
from evi_harness.storage.writer import SessionWriter, write_session

_NAMES = (
    *("open", "close", "read", "pread", "write", "pwrite", "ftruncate", "fsync"),
    *("rename", "replace", "unlink", "mkdir", "rmdir", "stat", "lstat", "fstat", "scandir", "listdir"),
)


class Calls:
    """Counts the calls to the system of this thread, and has one of them fail; in place of those functions while it is entered.

    Args:
        fails: Which call fails, from 1; None for none.
        error: What it fails with.
        goes_on: Whether all calls that could need room on the disk fail from then on, as on a full disk.

    Attributes:
        made: The names of the calls that were made.
    """

    def __init__(self, fails=None, error=errno.EIO, *, goes_on=False):
        self.made = []
        self._fails = fails
        self._error = error
        self._goes_on = goes_on
        self._thread = threading.get_ident()
        self._undo = contextlib.ExitStack()

    @property
    def has_failed(self):
        """Whether the call that was to fail was made."""
        return self._fails is not None and len(self.made) >= self._fails

    def __enter__(self):
        for name in _NAMES:
            # On Python 3.9 the methods of a path have the functions from elsewhere.
            for place in (os, getattr(pathlib, "_normal_accessor", None)):
                if hasattr(place, name):
                    self._stand_for(place, name)
        self._stand_for(io, "open")
        return self

    def __exit__(self, *_):
        self._undo.close()
        # importlib remembers a folder that could not be listed as an empty one, and no package would be found in it from then on.
        importlib.invalidate_caches()

    def _stand_for(self, module, name):
        real = getattr(module, name)

        def call(*arguments, **named):
            if threading.get_ident() != self._thread:
                return real(*arguments, **named)
            self.made.append(name)
            if self._is_to_fail(name):
                if name == "close":
                    # The descriptor is gone all the same.
                    real(*arguments, **named)
                raise OSError(self._error, os.strerror(self._error))
            found = real(*arguments, **named)
            return _Stream(self, found) if module is io else found

        setattr(module, name, call)
        self._undo.callback(setattr, module, name, real)

    def _is_to_fail(self, name):
        if self._fails is None:
            return False
        if len(self.made) == self._fails:
            return True
        return self._goes_on and len(self.made) > self._fails and name in ("pwrite", "write", "mkdir", "fsync")

    def take(self, name):
        """Count a call of a stream, and fail where it is to."""
        self.made.append(name)
        if self._is_to_fail(name):
            raise OSError(self._error, os.strerror(self._error))


class _Stream:
    """A stream whose reading, writing and closing are calls, too."""

    def __init__(self, calls, stream):
        self._calls = calls
        self._stream = stream

    def read(self, *arguments):
        self._calls.take("read")
        return self._stream.read(*arguments)

    def write(self, data):
        self._calls.take("write")
        return self._stream.write(data)

    def close(self):
        self._stream.close()
        self._calls.take("close")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getattr__(self, name):
        return getattr(self._stream, name)


SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
EVENTS = [
    Opened(0, 0, Handshake("/v0/evi/chat")),
    Sent(1, 1000, Frame(TEXT, SETTINGS)),
    Sent(2, 2000, Frame(BINARY, b"\x01" * 640)),
    Received(3, 3000, Frame(TEXT, b'{"type":"audio_output","data":"GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibQ=="}')),
    Sent(4, 4000, Frame(BINARY, b"\x02" * 640)),
    Closed(5, 5000, "app", 1000, ""),
]
ERRORS = [pytest.param(errno.EIO, False, id="broken"), pytest.param(errno.ENOSPC, True, id="full")]
OLD, NEW = {"old": [1] * 50}, {"new": [2] * 5000}


@pytest.fixture
def folder(header, tmp_path):
    """A complete session."""
    with SessionWriter(tmp_path / "whole", header, EVI) as writer:
        for event in EVENTS:
            writer.write(event)
    return writer.folder


def each_failing(act, code, goes_on, prepare=lambda: None):
    """Do something as often as it makes calls, each time with another one that fails; yields the calls and what was raised."""
    prepare()
    with Calls() as calls:
        act(0)
    assert calls.made
    for number in range(1, len(calls.made) + 1):
        raised = None
        prepare()
        with Calls(number, code, goes_on=goes_on) as failing:
            try:
                act(number)
            except EviHarnessError as error:
                raised = error
        if failing.has_failed:
            yield number, f"{number}: {failing.made[number - 1]}", raised


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_a_writer_keeps_what_it_acknowledged(header, tmp_path, code, goes_on):
    """What write returned for is read back; complete is what close returned for, and then nothing is wrong with it."""
    acknowledged = {}

    def act(number):
        acknowledged[number] = []
        writer = SessionWriter(tmp_path / str(number), header, EVI)
        for event in EVENTS:
            writer.write(event)
            acknowledged[number].append(event)
            if event.seq == 3:
                writer.sync()
        writer.close()
        acknowledged[number].append("closed")

    for number, call, raised in each_failing(act, code, goes_on):
        path = tmp_path / str(number)
        done = acknowledged[number]
        assert isinstance(raised, SessionUnwritable) or done[-1:] == ["closed"], call
        if not path.exists():
            assert done == [], call
            continue
        session = read_session(path)
        n_written = sum(one != "closed" for one in done)
        assert list(session.events[:n_written]) == EVENTS[:n_written], call
        assert [event.frame for event in session.events if hasattr(event, "frame")] == [
            event.frame for event in EVENTS[: len(session.events)] if hasattr(event, "frame")
        ], call
        assert changed_since(session, path) == (), call
        if "closed" in done:
            assert session.header.complete, call
            assert check_folder(path, EVI) == [], call
        elif session.header.complete:
            assert session.missing == (), call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_a_reader_gives_the_whole_session_or_an_error(folder, code, goes_on):
    """Or says what is missing: never less than there is without a word."""
    found = {}

    def act(number):
        session = read_session(folder)
        payloads = [event.frame.payload for event in session.events if hasattr(event, "frame")]
        found[number] = (session.events, payloads, (*session.missing, *changed_since(session, folder)))

    for number, call, raised in each_failing(act, code, goes_on):
        assert isinstance(raised, SessionError) or found[number] == found[0] or found[number][2], call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_check_says_what_it_could_not_read(folder, code, goes_on):
    """It raises nothing, and whatever fails, a session that was changed is not called sound."""
    assert check_folder(folder, EVI) == []
    with (folder / "user.wav").open("r+b") as file:
        file.seek(100)
        file.write(b"\x07")
    found = {}

    def act(number):
        found[number] = check_folder(folder, EVI)

    for number, call, raised in each_failing(act, code, goes_on):
        assert raised is None, call
        assert found[number], call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_an_expectation_is_the_old_or_the_new_one(folder, code, goes_on):
    """And it is the new one where the call returned."""
    identity = read_session(folder).header.id
    old = Expectation(identity, (Sent(1, 1000, Frame(TEXT, b'{"type":"old"}')),))
    new = Expectation(identity, (Sent(1, 1000, Frame(TEXT, b'{"type":"new"}')),))
    path = folder / "expected.jsonl"
    write_expectation(folder, old, EVI)
    text = path.read_bytes()

    def act(_):
        write_expectation(folder, new, EVI)

    for _, call, raised in each_failing(act, code, goes_on, prepare=lambda: path.write_bytes(text)):
        found = read_expectation(folder)
        assert found == new if raised is None else found in (old, new), call
        assert raised is None or isinstance(raised, SessionUnwritable), call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_an_expectation_is_read_or_an_error(folder, code, goes_on):
    """Never taken for absent, as then a replay would compare with something else."""
    expected = Expectation(read_session(folder).header.id, (Sent(1, 1000, Frame(TEXT, b'{"type":"old"}')),))
    write_expectation(folder, expected, EVI)
    found = {}

    def act(number):
        found[number] = read_expectation(folder)

    for number, call, raised in each_failing(act, code, goes_on):
        assert isinstance(raised, SessionUnreadable) or found[number] == expected, call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_an_expectation_is_removed_or_an_error(folder, code, goes_on):
    """What cannot be removed is still there."""
    expected = Expectation(read_session(folder).header.id, ())
    written = {"prepare": lambda: write_expectation(folder, expected, EVI)}
    for _, call, raised in each_failing(lambda _: remove_expectation(folder), code, goes_on, **written):
        assert isinstance(raised, SessionUnwritable) is (read_expectation(folder) is not None), call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_a_baseline_is_the_old_or_the_new_one(tmp_path, code, goes_on):
    """And it is the new one where the call returned."""
    file = tmp_path / "baseline.json"
    for _, call, raised in each_failing(lambda _: replace_json_file(file, NEW), code, goes_on, lambda: replace_json_file(file, OLD)):
        found = json.loads(file.read_text())
        assert found == NEW if raised is None else found in (OLD, NEW), call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_a_baseline_is_read_or_an_error(tmp_path, code, goes_on):
    """What is read is all of it."""
    file = tmp_path / "baseline.json"
    replace_json_file(file, NEW)
    found = {}

    def act(number):
        found[number] = load_json_file(file)

    for number, call, raised in each_failing(act, code, goes_on):
        assert raised is not None or found[number] == NEW, call


@pytest.mark.parametrize(("code", "goes_on"), ERRORS)
def test_what_was_heard_is_added_whole_or_not_at_all(folder, tmp_path, code, goes_on):
    """The session is complete and whole either way."""
    blocks = [bytes(range(200)) * 2] * 3

    def act(number):
        add_heard(tmp_path / f"h{number}", Pcm(24_000, 2), blocks)

    for number in range(200):
        shutil.copytree(folder, tmp_path / f"h{number}")
    for number, call, raised in each_failing(act, code, goes_on):
        path = tmp_path / f"h{number}"
        session = read_session(path)
        has_it = any(track.track == "heard" for track in session.header.tracks)
        assert (session.header.complete, session.missing, changed_since(session, path)) == (True, (), ()), call
        assert has_it or isinstance(raised, SessionError), call
        if has_it:
            assert (path / "heard.wav").stat().st_size == 44 + 1200, call


def test_a_copy_of_a_session_is_whole_or_an_error(folder, tmp_path):
    """Writing anew what is read at the same time, as import, replay --out and repair do."""
    recorded = read_session(folder).events

    def act(number):
        write_session(tmp_path / f"c{number}", read_session(folder), EVI)

    for number, call, raised in each_failing(act, errno.EIO, goes_on=False):
        path = tmp_path / f"c{number}"
        if raised is None:
            assert (read_session(path).events, check_folder(path, EVI)) == (recorded, []), call
        elif path.exists():
            assert isinstance(raised, SessionError), call
            read_session(path)


@pytest.mark.slow
def test_a_repair_recovers_all_or_says_what_is_lost(folder, tmp_path):
    """What could not be read counts as lost; the damaged folder is as it was."""
    recorded = read_session(folder).events
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = {}

    def act(number):
        found[number] = repair_session(folder, tmp_path / f"r{number}")

    for number, call, raised in each_failing(act, errno.EIO, goes_on=False):
        path = tmp_path / f"r{number}"
        if raised is None:
            assert check_folder(path, EVI) == [], call
            assert found[number].exit_code == 1 or read_session(path).events == recorded, call
        elif path.exists():
            assert not read_session(path).header.complete or check_folder(path, EVI) == [], call
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
