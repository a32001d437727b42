"""Tests of evi_harness.storage.check; damaged lines and headers stand in the reader's tests, beside what the reader does with them."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION
from evi_harness.session.problem import FILE_CUT, KINDS
from evi_harness.session.wav import Pcm
from evi_harness.storage import check
from evi_harness.storage.check import check_folder
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.reader import read_session

SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
BLOB = wav.header(Pcm(24_000, 1), 40) + b"\x05" * 40
SPOKEN = b'{"type":"audio_output","id":"x","index":0,"data":"' + base64.b64encode(BLOB) + b'"}'


@pytest.fixture
def folder(record):
    """A sound folder: opened, settings, two microphone frames, two replies."""
    return record(
        [
            ("sent", Frame(TEXT, SETTINGS)),
            ("sent", Frame(BINARY, b"\x01" * 64)),
            ("sent", Frame(BINARY, b"\x02" * 64)),
            ("received", Frame(TEXT, SPOKEN)),
            ("received", Frame(TEXT, SPOKEN)),
        ]
    )


def edit(name, old, new):
    """A damage that replaces text in a file."""

    def damage(folder):
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new, 1))

    return damage


def header(**members):
    """A damage that sets members of the header, which has no digest of its own then."""

    def damage(folder):
        path = folder / "session.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **members, "header_digest": None}))

    return damage


def append(name, data):
    """A damage that adds to a file, or makes one."""

    def damage(folder):
        with (folder / name).open("ab") as file:
            file.write(data)

    return damage


VERSION = f"{FORMAT_VERSION}.{FORMAT_MINOR}"
DIGEST = ("events.jsonl", None, "digest_differs", "")
# What is done to a folder, and all that must be said, as file, line, kind and what the sentence names.
CASES = {
    "nothing": (lambda folder: None, []),
    "incomplete": (
        header(complete=False, digests={}),
        [("events.jsonl", 6, "ends_here", r"0\.000 s"), ("session.json", None, "incomplete", "killed")],
    ),
    "abandoned": (
        header(complete=False, digests={}, abandoned="full", counts={"dropped": 7}),
        [("events.jsonl", 6, "ends_here", "7 events"), ("session.json", None, "incomplete", "full")],
    ),
    "a changed header": (
        edit("session.json", b'"script"', b'"record"'),
        [("session.json", None, "digest_differs", "")],
    ),
    "a misspelt digest": (
        edit("session.json", b'"header_digest"', b'"header_digesu"'),
        [("session.json", None, "digest_differs", "malformed")],
    ),
    "a wrong count": (header(counts={"sent": 9}), [("session.json", None, "counts_differ", "9 sent.*1 opened.*2.*3 sent")]),
    "a dropped count is none of ours": (header(counts={"opened": 1, "sent": 3, "received": 2, "dropped": 4}), []),
    "a strange file": (
        append("notes.txt", b"x"),
        [("notes.txt", None, "unused_file", ""), ("session.json", None, "no_digest", r"notes\.txt")],
    ),
    "a hidden file": (append(".session.json.new", b"x"), [(".session.json.new", None, "strange_name", "")]),
    "changed audio": (edit("user.wav", b"\x01", b"\x09"), [("user.wav", None, "digest_differs", "")]),
    "cut audio": (
        lambda folder: (folder / "user.wav").write_bytes((folder / "user.wav").read_bytes()[:-2]),
        [
            ("user.wav", None, "file_cut", r"126.*128 bytes.*3.*events\.jsonl.*4"),
            ("events.jsonl", 4, "beyond_the_end", r"64.*128.*user\.wav.*126"),
            ("user.wav", None, "track_size", r"126 bytes.*session\.json.*128"),
            ("user.wav", None, "digest_differs", ""),
            ("user.wav", None, "wav_size", "128 bytes.*126"),
        ],
    ),
    "more audio than lines": (
        append("user.wav", b"\0\0"),
        [
            ("user.wav", None, "track_size", "130 bytes"),
            ("user.wav", None, "digest_differs", ""),
            ("user.wav", None, "wav_size", ""),
            ("user.wav", None, "bytes_unused", "128.*130"),
        ],
    ),
    "absent audio": (
        lambda folder: (folder / "user.wav").unlink(),
        [
            ("user.wav", None, "file_unreadable", "2.*3"),
            ("user.wav", None, "file_unreadable", "digest"),
            ("user.wav", None, "file_unreadable", "lists it"),
        ],
    ),
    "overlap and gap": (
        edit("events.jsonl", b'"offset":64', b'"offset":60'),
        [
            DIGEST,
            ("events.jsonl", 4, "bytes_shared", r"60.*64.*user\.wav"),
            ("user.wav", None, "bytes_unused", "124.*128"),
        ],
    ),
    "a hole": (
        edit("events.jsonl", b'"offset":0,"length":64', b'"offset":4,"length":60'),
        [DIGEST, ("user.wav", None, "bytes_unused", "0.*4")],
    ),
    "a wrong size": (
        edit("events.jsonl", b'"size":112', b'"size":111'),
        [DIGEST, ("events.jsonl", 5, "frame_size", "163 bytes.*164")],
    ),
    "time going back": (
        edit("events.jsonl", b'"at_ns":3000', b'"at_ns":100'),
        [DIGEST, ("events.jsonl", 4, "time_goes_back", "100 ns.*2000 ns")],
    ),
    "what was never taken stands at the end": (
        lambda folder: [
            append("events.jsonl", b'{"event":"closed","seq":6,"at_ns":6000,"by":"app"}\n')(folder),
            append("events.jsonl", b'{"event":"received","seq":7,"at_ns":4500,"frame":"text","json":1}\n')(folder),
            append("events.jsonl", b'{"event":"received","seq":8,"at_ns":4600,"frame":"text","json":1}\n')(folder),
            header(counts={"opened": 1, "received": 4, "sent": 3, "closed": 1})(folder),
        ],
        [DIGEST],
    ),
    "and nowhere else": (
        lambda folder: [
            append("events.jsonl", b'{"event":"received","seq":6,"at_ns":2,"frame":"text","json":1}\n')(folder),
            append("events.jsonl", b'{"event":"closed","seq":7,"at_ns":6000,"by":"app"}\n')(folder),
            header(counts={"opened": 1, "received": 3, "sent": 3, "closed": 1})(folder),
        ],
        [DIGEST, ("events.jsonl", 7, "time_goes_back", "2 ns")],
    ),
    "a send that took long": (edit("events.jsonl", b'"at_ns":3000', b'"at_ns":100,"took_ns":2900'), [DIGEST]),
    "a gap in the numbers": (
        edit("events.jsonl", b'"seq":5', b'"seq":8'),
        [DIGEST, ("events.jsonl", 6, "events_missing", "3 events.*8")],
    ),
    "dropped events": (
        lambda folder: [
            append("events.jsonl", b'{"event":"note","seq":6,"at_ns":6000,"name":"dropped","data":{"n_events":3,"last_seq":8}}\n')(folder),
            append("events.jsonl", b'{"event":"note","seq":9,"at_ns":6000,"name":"x"}\n')(folder),
            header(counts={"opened": 1, "received": 2, "sent": 3, "note": 2, "dropped": 3})(folder),
        ],
        [DIGEST, ("events.jsonl", 7, "events_dropped", "3 events.*6.*8")],
    ),
    "a number twice": (edit("events.jsonl", b'"seq":5', b'"seq":4'), [DIGEST, ("events.jsonl", 6, "out_of_order", "4.*4")]),
    "an unknown kind": (
        edit("events.jsonl", b'"event":"opened"', b'"event":"hologram"'),
        [
            DIGEST,
            ("events.jsonl", 1, "unknown_event", f"'hologram'.*{VERSION}"),
            ("session.json", None, "counts_differ", "1 opened"),
        ],
    ),
    "a kind that is all digits": (
        edit("events.jsonl", b'"event":"opened"', b'"event":"' + b"7" * 5000 + b'"'),
        [DIGEST, ("events.jsonl", 1, "unknown_event", f"{VERSION}"), ("session.json", None, "counts_differ", "1 opened")],
    ),
    "a newer minor may add": (
        lambda folder: [header(minor=FORMAT_MINOR + 1)(folder), edit("events.jsonl", b'"seq":0', b'"seq":0,"new":1')(folder)],
        [DIGEST],
    ),
    "two damaged lines": (
        lambda folder: [edit("events.jsonl", b'"at_ns":3000', b"!")(folder), edit("events.jsonl", b'"at_ns":1000', b"!")(folder)],
        [
            DIGEST,
            ("events.jsonl", 2, "line_damaged", ""),
            ("events.jsonl", 3, "events_missing", "1 event"),
            ("events.jsonl", 4, "line_damaged", ""),
            ("events.jsonl", 5, "events_missing", "1 event"),
            ("user.wav", None, "bytes_unused", "64.*128"),
        ],
    ),
    "a cut last line": (
        append("events.jsonl", b'{"event":'),
        [DIGEST, ("events.jsonl", 7, "line_cut", "9 bytes")],
    ),
    "a secret in a frame": (
        edit("events.jsonl", b'{"type":"session_settings"', b'{"api_key":"abc","type":"session_settings"'),
        [DIGEST, ("events.jsonl", 2, "secret", "api_key")],
    ),
    "a secret in the handshake": (
        edit("events.jsonl", b'"path":"/v0/evi/chat"', b'"path":"/v0/evi/chat","query":[["apiKey","abc"]]'),
        [DIGEST, ("events.jsonl", 1, "secret", "apikey")],
    ),
    "a secret in the header": (header(source={"api_key": "abc"}), [("session.json", None, "secret", "")]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dialect", [EVI, None], ids=["with its dialect", "without"])
def test_all_that_is_wrong_is_said(folder, name, dialect):
    """check gives exactly the expected problems, each with file and line."""
    damage, expected = CASES[name]
    damage(folder)
    problems = check_folder(folder, dialect)
    assert [(problem.file, problem.line, problem.kind) for problem in problems] == [tuple(each[:3]) for each in expected], problems
    for problem, (_, _, _, named) in zip(problems, expected):
        assert re.search(named, problem.what)
        assert problem.kind in KINDS
        assert "abc" not in str(problem)


def test_links_pipes_and_folders_are_named(folder, tmp_path):
    """What is no regular file is a problem of its own."""
    (folder / "link").symlink_to(tmp_path)
    (folder / "inner").mkdir()
    (folder / "payloads").mkdir()
    (folder / "payloads" / "stray.bin").write_bytes(b"")
    found = [(problem.file, problem.what) for problem in check_folder(folder)]
    assert [file for file, _ in found] == ["inner", "link", "payloads/stray.bin", "session.json"]
    assert "regular file" in found[0][1]
    assert "symbolic link" in found[1][1]


def test_any_bytes_in_any_file_raise_nothing(folder):
    """A folder of garbage is described, not raised on."""
    for name in ("session.json", "events.jsonl", "user.wav", "assistant.wav"):
        data = (folder / name).read_bytes()
        for garbage in (b"", b"\x00" * 100, b"\xff\n" * 50, b"{}\n" * 3, data[: len(data) // 2]):
            (folder / name).write_bytes(garbage)
            assert check_folder(folder) != []
        (folder / name).write_bytes(data)
    assert check_folder(folder) == []


def test_causes_come_first(folder):
    """Of two files that were cut each is told once, before all that follows from it; what follows is told for each line."""
    for name in ("user.wav", "assistant.wav"):
        os.truncate(folder / name, 44)
    problems = check_folder(folder, EVI)
    assert [(one.kind, one.file) for one in problems[:2]] == [(FILE_CUT, "assistant.wav"), (FILE_CUT, "user.wav")]
    assert [one.kind for one in problems[2:]].count(FILE_CUT) == 0
    beyond = [(one.line, one.about) for one in problems if one.kind == "beyond_the_end"]
    assert beyond == [(3, "user.wav"), (4, "user.wav"), (5, "assistant.wav"), (6, "assistant.wav")]


def test_bytes_are_told_in_their_order(record):
    """Not in that of their digits: what is told first and last is where the trouble begins and ends."""
    folder = record([("sent", Frame(TEXT, SETTINGS)), *[("sent", Frame(BINARY, b"\x01" * 40))] * 8])
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(line for number, line in enumerate(lines) if number % 2 or not number))
    told = [one.what for one in check_folder(folder, EVI) if one.kind == "bytes_unused"]
    assert [re.findall(r"\d+", one) for one in told] == [[str(start), str(start + 40)] for start in (0, 80, 160, 240)]


def test_the_kinds_are_those_that_are_said():
    """Every kind in the table is said somewhere in the module, and no other."""
    source = Path(check.__file__).read_text(encoding="utf-8")
    said = re.findall(r'_say\("(\w+)"', source) + re.findall(r'kind="(\w+)"', source)
    assert {FILE_CUT, *said} == set(KINDS)


@pytest.mark.skipif(os.geteuid() == 0, reason="the system refuses root nothing")
def test_a_folder_that_may_not_be_read_is_told(folder):
    """It is not taken for an empty one."""
    folder.chmod(0)
    try:
        [problem] = check_folder(folder, EVI)
    finally:
        folder.chmod(0o700)
    assert str(problem).endswith(": Permission denied.")


def _whole(path):
    return path.read_bytes()


# What is done to a heard.wav, and all that must be said; the rest of the session is sound.
HEARD_CASES = {
    "nothing": (lambda path: None, []),
    "absent": (
        lambda path: path.unlink(),
        [("file_unreadable", "has its digest"), ("file_unreadable", "lists it")],
    ),
    "changed": (lambda path: path.write_bytes(_whole(path)[:-1] + b"x"), [("digest_differs", "")]),
    "cut": (
        lambda path: path.write_bytes(_whole(path)[:-4]),
        [
            ("track_size", "396.*400"),
            ("digest_differs", ""),
            ("wav_size", "400.*396"),
        ],
    ),
    "longer": (
        lambda path: path.write_bytes(_whole(path) + bytes(4)),
        [
            ("track_size", "404.*400"),
            ("digest_differs", ""),
            ("wav_size", "400.*404"),
        ],
    ),
    "not a WAV file": (
        lambda path: path.write_bytes(bytes(444)),
        [("digest_differs", ""), ("wav_size", "how many bytes.*400")],
    ),
}


@pytest.mark.parametrize("case", HEARD_CASES)
def test_what_is_wrong_with_what_was_heard_is_said_of_that_alone(folder, case):
    """Its size, its own header and its digest; no line refers to it, and it is not unused. The session reads whole whatever it is like."""
    add_heard(folder, Pcm(24_000, 2), [b"\x01" * 400])
    before = read_session(folder)
    damage, expected = HEARD_CASES[case]
    damage(folder / "heard.wav")
    problems = check_folder(folder, EVI)
    assert sorted(problem.kind for problem in problems) == sorted(kind for kind, _ in expected)
    assert all(any(kind == one.kind and re.search(named, one.what) for one in problems) for kind, named in expected)
    assert {problem.file for problem in problems} <= {"heard.wav"}
    after = read_session(folder)
    assert (after.header, after.events, after.missing) == (before.header, before.events, ())


def test_a_heard_file_that_the_header_does_not_list_is_not_the_sessions(folder):
    """Of a folder of version 1.0, a file of that name is nobody's."""
    (folder / "heard.wav").write_bytes(b"x")
    assert [problem.kind for problem in check_folder(folder, EVI)] == ["unused_file", "no_digest"]
