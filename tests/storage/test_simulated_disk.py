"""Power failures: a disk that has written what it was asked to hold, and of the rest whatever it pleases.

What the code really asks of the system is recorded: every file and name that is made, every write, every fsync. A crash is any moment of
that, and any state of the disk that is possible then: of what no fsync was for, some parts are there, in any order, and others are zeros or
as before; a file has any of the lengths that it has had; names are there or not. Each state is put into a folder and read.

``EVI_HARNESS_HYPOTHESIS=long`` tries many more.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import shutil
from pathlib import Path

import pytest

from evi_harness.acts.repairing import repair_session
from evi_harness.errors import AudioMissing, EviHarnessError, SessionError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.session.expectation import Expectation
from evi_harness.session.wav import Pcm
from evi_harness.storage.baseline_file import load_json_file, replace_json_file
from evi_harness.storage.check import check_folder
from evi_harness.storage.expected_file import read_expectation, write_expectation
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.reader import read_session
from evi_harness.storage.verifying import changed_since
from evi_harness.storage.writer import SessionWriter

N_CRASHES = 20_000 if os.environ.get("EVI_HARNESS_HYPOTHESIS") == "long" else 400
SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
WEBM = b'{"type":"audio_output","data":"GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibQ=="}'


class Disk:
    """Records what is asked of the system below a folder, while it is entered.

    Attributes:
        log: What was asked, in order; ``mark`` adds what was acknowledged.
    """

    def __init__(self, root):
        self.log = []
        self._root = root
        # What is known by the system's numbers: those of a file that is gone may come again.
        self._ids = {root.stat().st_ino: 0}
        self._undo = contextlib.ExitStack()

    def mark(self, *what):
        """Note that something was acknowledged here."""
        self.log.append(("mark", *what))

    def __enter__(self):
        self._real = {name: getattr(os, name) for name in ("open", "pwrite", "ftruncate", "fsync", "rename", "replace", "unlink", "mkdir")}
        for name in self._real:
            # On Python 3.9 the methods of a path have the functions from elsewhere.
            for place in (os, getattr(pathlib, "_normal_accessor", None)):
                if hasattr(place, name):
                    self._undo.callback(setattr, place, name, getattr(place, name))
                    setattr(place, name, getattr(self, f"_{name}"))
        return self

    def __exit__(self, *_):
        self._undo.close()

    def _place(self, path, folder):
        """The folder that a name is in, by its id, and the name."""
        path = Path(path)
        if folder is not None and str(path.parent) == ".":
            return self._ids.get(os.fstat(folder).st_ino), path.name
        if folder is not None:
            return self._ids.get(os.stat(path.parent, dir_fd=folder).st_ino), path.name
        return self._ids.get(path.parent.stat().st_ino), path.name

    def _new(self, number):
        self._ids[number] = found = len(self.log) + 1
        return found

    def _open(self, path, flags, mode=0o777, *, dir_fd=None):
        fd = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            self.log.append(("make", *self._place(path, dir_fd), self._new(os.fstat(fd).st_ino), "file"))
        return fd

    def _mkdir(self, path, mode=0o777, *, dir_fd=None):
        self._real["mkdir"](path, mode, dir_fd=dir_fd)
        self.log.append(("make", *self._place(path, dir_fd), self._new(os.stat(path, dir_fd=dir_fd).st_ino), "folder"))

    def _pwrite(self, fd, data, at):
        written = self._real["pwrite"](fd, data, at)
        self.log.append(("write", self._ids[os.fstat(fd).st_ino], at, bytes(data[:written])))
        return written

    def _ftruncate(self, fd, size):
        self._real["ftruncate"](fd, size)
        self.log.append(("cut", self._ids[os.fstat(fd).st_ino], size))

    def _fsync(self, fd):
        self._real["fsync"](fd)
        self.log.append(("fsync", self._ids.get(os.fstat(fd).st_ino)))

    def _replace(self, source, target, *, src_dir_fd=None, dst_dir_fd=None):
        self._real["replace"](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        self.log.append(("move", *self._place(source, src_dir_fd), *self._place(target, dst_dir_fd)))

    _rename = _replace

    def _unlink(self, path, *, dir_fd=None):
        place = self._place(path, dir_fd)
        self._real["unlink"](path, dir_fd=dir_fd)
        self.log.append(("gone", *place))


def crash(log, chance, target):
    """Put one of the states that are possible behind a log into a folder.

    Args:
        log: What was asked until then.
        chance: Which state.
        target: The folder, which is made.
    """
    how_likely = chance.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    names = _names(log, chance, how_likely)
    kinds = {entry[3]: entry[4] for entry in log if entry[0] == "make"}
    granule = chance.choice([16, 512, 4096])
    target.mkdir()
    paths = {0: target}
    # A folder is made before what is in it: folders are only ever in those that were made before them.
    for (folder, name), one in sorted(names.items(), key=lambda item: (kinds[item[1]] == "file", item[1])):
        if folder not in paths:
            continue
        paths[one] = paths[folder] / name
        if kinds[one] == "folder":
            paths[one].mkdir()
        else:
            own = [entry for entry in log if entry[0] != "mark" and entry[1] == one]
            paths[one].write_bytes(_content(own, chance, how_likely, granule))


def _names(log, chance, how_likely):
    """The names that are there, as (folder, name) with what they name: all that an fsync of their folder was for, and any of the others."""
    held = {}
    for at, entry in enumerate(log):
        if entry[0] == "fsync":
            held[entry[1]] = at
    is_in_order = chance.random() < 0.5
    changes = [(at, entry) for at, entry in enumerate(log) if entry[0] in ("make", "move", "gone")]
    certain = [at for at, entry in changes if at < held.get(entry[1], -1)]
    n_certain = max(certain, default=-1)
    # As a journal has them, up to some moment; or any of them.
    until = chance.choice([n_certain, *[at for at, _ in changes if at >= n_certain]]) if is_in_order else -1
    names = {}
    for at, entry in changes:
        is_there = at <= until if is_in_order else at in certain or chance.random() < how_likely
        if not is_there:
            continue
        if entry[0] == "make":
            names[entry[1], entry[2]] = entry[3]
        elif entry[0] == "gone":
            names.pop((entry[1], entry[2]), None)
        elif (entry[1], entry[2]) in names:
            names[entry[3], entry[4]] = names.pop((entry[1], entry[2]))
    return names


def _content(entries, chance, how_likely, granule):
    """What is in a file: all that its last fsync was for, and of what came later any parts, in any of the lengths that it has had."""
    last = max((at for at, entry in enumerate(entries) if entry[0] == "fsync"), default=-1)
    data = bytearray()
    for entry in entries[:last]:
        _apply(data, entry)
    later = entries[last + 1 :]
    sizes = [len(data)]
    whole = bytearray(data)
    for entry in later:
        _apply(whole, entry)
        sizes.append(len(whole))
    size = chance.choice(sizes) if 0 < how_likely < 1 else sizes[-1 if how_likely else 0]
    found = bytearray(data.ljust(size, b"\0"))
    for at in range(0, size, granule):
        part = bytearray(found)
        for entry in later:
            if entry[0] == "write" and entry[2] < at + granule and entry[2] + len(entry[3]) > at and chance.random() < how_likely:
                _apply(part, entry)
        found[at : at + granule] = part[at : min(at + granule, size)].ljust(min(granule, size - at), b"\0")
    return bytes(found[:size])


def _apply(data, entry):
    if entry[0] == "write":
        _, _, at, new = entry
        data.extend(bytes(max(0, at - len(data))))
        data[at : at + len(new)] = new
    elif entry[0] == "cut":
        del data[entry[2] :]


def spoken(chance):
    """A conversation of some twenty events: the first of them typed, then with audio in tracks and beside them."""
    n_typed = chance.choice([0, 3, 10])
    events = [Opened(0, 0, Handshake("/v0/evi/chat")), Sent(1, 1000, Frame(TEXT, SETTINGS))]
    events += [Note(seq, seq * 1000, "x", data={"a": "b" * chance.randrange(300)}) for seq in range(2, 2 + n_typed)]
    for seq in range(2 + n_typed, 20):
        events.append(
            chance.choice(
                [
                    Sent(seq, seq * 1000, Frame(BINARY, bytes(chance.randrange(1, 256) for _ in range(2 * chance.randrange(1, 500))))),
                    Sent(seq, seq * 1000, Frame(BINARY, bytes([seq]) * 640)),
                    Received(seq, seq * 1000, Frame(TEXT, WEBM)),
                    Received(seq, seq * 1000, Frame(TEXT, b'{"type":"user_message","x":"%b"}' % (b"x" * chance.randrange(1500)))),
                    Note(seq, seq * 1000, "x", data={"a": "b" * chance.randrange(300)}),
                ]
            )
        )
    return [*events, Closed(20, 20_000, "app", 1000, "")]


def payload(event):
    """The frame of an event, None where it has none or its audio is not there."""
    try:
        return getattr(getattr(event, "frame", None), "payload", None)
    except AudioMissing:
        return None


def without_frame(event):
    """All else of it."""
    return {name: getattr(event, name, None) for name in event.__dataclass_fields__ if name not in ("frame", "extra")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_what_was_synced_is_there_and_the_rest_opens(header, tmp_path, seed):
    """Whenever the power goes: no traceback, nothing lost that a sync was for, and nothing taken for recorded that was not."""
    chance = random.Random(seed)
    events = spoken(chance)
    (tmp_path / "disk").mkdir()
    with Disk(tmp_path / "disk") as disk:
        writer = SessionWriter(tmp_path / "disk" / "new" / "in" / "s", header, EVI)
        for n_written, event in enumerate(events, 1):
            writer.write(event)
            if chance.random() < 0.3:
                writer.sync()
                disk.mark("synced", n_written)
        writer.close()
        disk.mark("closed")
    for number in range(N_CRASHES // 5):
        state = tmp_path / "state"
        log = disk.log[: chance.randrange(1, len(disk.log) + 1)]
        crash(log, chance, state)
        n_synced = max((entry[2] for entry in log if entry[:2] == ("mark", "synced")), default=0)
        _judge(state / "new" / "in" / "s", events, n_synced, is_closed=("mark", "closed") in log, where=(seed, number))
        _repair(state, n_synced)
        shutil.rmtree(state)


def _judge(folder, events, n_synced, *, is_closed, where):
    try:
        session = read_session(folder)
    except SessionError:
        assert not n_synced, where
        assert not is_closed, where
        check_folder(folder, EVI)
        return
    by_seq = {event.seq: event for event in session.events}
    told = (*session.missing, *changed_since(session, folder))
    if is_closed or session.header.complete:
        assert (told, check_folder(folder, EVI), len(by_seq)) == ((), [], len(events)), where
    check_folder(folder, EVI)
    for event in events[:n_synced]:
        assert without_frame(by_seq[event.seq]) == without_frame(event), where
        assert payload(by_seq[event.seq]) == payload(event), where
    # What is not as it was written is said to be changed, line by line, or its audio to be missing.
    for event in events[n_synced:]:
        found = by_seq.get(event.seq)
        if found is not None and (without_frame(found), payload(found)) != (without_frame(event), payload(event)):
            assert any(word in sentence for sentence in told for word in ("digest", "have no audio", "is missing")), (where, event)


def _repair(state, n_synced):
    try:
        report = repair_session(state / "new" / "in" / "s", state / "repaired")
    except EviHarnessError:
        assert not n_synced
        return
    assert check_folder(state / "repaired", EVI) == []
    assert len(report.repaired.events) >= n_synced


@pytest.mark.parametrize("what", ["expectation", "baseline", "heard"])
def test_what_is_replaced_is_the_old_or_the_new(header, tmp_path, what):
    """Whole, whenever the power goes; and the new one once the call has returned. A session is complete with what was heard or without."""
    chance = random.Random(7)
    old = Expectation(header.id, (Sent(1, 1000, Frame(TEXT, b'{"type":"old"}')),))
    new = Expectation(header.id, (Sent(1, 1000, Frame(TEXT, b'{"type":"new","x":"%b"}' % (b"x" * 5000))),))
    (tmp_path / "disk").mkdir()
    folder, file = tmp_path / "disk" / "s", tmp_path / "disk" / "baseline.json"
    with Disk(tmp_path / "disk") as disk:
        with SessionWriter(folder, header, EVI) as writer:
            for event in spoken(chance):
                writer.write(event)
        write_expectation(folder, old, EVI)
        replace_json_file(file, {"old": [1] * 500})
        begun = len(disk.log)
        if what == "expectation":
            write_expectation(folder, new, EVI)
        elif what == "baseline":
            replace_json_file(file, {"new": [2] * 5000})
        else:
            add_heard(folder, Pcm(24_000, 2), [bytes(range(200)) * 2] * 30)
    for _ in range(N_CRASHES // 5):
        state = tmp_path / "state"
        stop = chance.randrange(begun, len(disk.log) + 1)
        crash(disk.log[:stop], chance, state)
        session = read_session(state / "s")
        has_heard = any(track.track == "heard" for track in session.header.tracks)
        assert (session.header.complete, session.missing, changed_since(session, state / "s")) == (True, (), ())
        found = read_expectation(state / "s"), load_json_file(state / "baseline.json"), has_heard
        before = old, {"old": [1] * 500}, False
        after = {"expectation": (new, *before[1:]), "baseline": (old, {"new": [2] * 5000}, False), "heard": (*before[:2], True)}[what]
        assert found == after if stop == len(disk.log) else found in (before, after)
        shutil.rmtree(state)


def test_the_disk_can_lose_what_no_sync_was_for(tmp_path):
    """The test can fail: what is replaced without a sync is found to be empty."""
    (tmp_path / "disk").mkdir()
    file = tmp_path / "disk" / "f"
    with Disk(tmp_path / "disk") as disk:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.pwrite(fd, b"x" * 1000, 0)
        os.close(fd)
    found = set()
    for seed in range(100):
        crash(disk.log, random.Random(seed), tmp_path / f"s{seed}")
        there = tmp_path / f"s{seed}" / "f"
        found.add(there.read_bytes() if there.exists() else None)
    assert {None, b"", b"x" * 1000, bytes(1000)} <= found
    assert len(found) > 4
