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
DIGEST = ("events.jsonl", None, "the digest differs")
# What is done to a folder, and all that must be said, as file, line and a part of the sentence.
CASES = {
    "nothing": (lambda folder: None, []),
    "incomplete": (
        header(complete=False, digests={}),
        [("events.jsonl", 6, "it ends here, at 0.000 s; what came later,"), ("session.json", None, "not complete: the writer was killed")],
    ),
    "abandoned": (
        header(complete=False, digests={}, abandoned="full", counts={"dropped": 7}),
        [("events.jsonl", 6, "what came later (7 events), the connection's end included,"), ("session.json", None, "not complete: full")],
    ),
    "a changed header": (
        edit("session.json", b'"script"', b'"record"'),
        [("session.json", None, "changed after the recording: the digest")],
    ),
    "a misspelt digest": (edit("session.json", b'"header_digest"', b'"header_digesu"'), [("session.json", None, "the digest is misspelt")]),
    "a wrong count": (header(counts={"sent": 9}), [("session.json", None, "it counts 9 sent, and there are 1 opened, 2 received, 3 sent")]),
    "a dropped count is none of ours": (header(counts={"opened": 1, "sent": 3, "received": 2, "dropped": 4}), []),
    "a strange file": (
        append("notes.txt", b"x"),
        [("notes.txt", None, "nothing refers"), ("session.json", None, "no digest of notes.txt")],
    ),
    "a hidden file": (append(".session.json.new", b"x"), [(".session.json.new", None, "such a name")]),
    "changed audio": (edit("user.wav", b"\x01", b"\x09"), [("user.wav", None, "digest differs")]),
    "cut audio": (
        lambda folder: (folder / "user.wav").write_bytes((folder / "user.wav").read_bytes()[:-2]),
        [
            ("user.wav", None, "it ends at byte 126, and events refer to 128 bytes of it: those from #3 on (events.jsonl, line 4) are"),
            ("events.jsonl", 4, "bytes 64 to 128 of user.wav, which ends at 126"),
            ("user.wav", None, "holds 126 bytes of audio, and session.json says 128"),
            ("user.wav", None, "digest differs"),
            ("user.wav", None, "own header says 128 bytes of samples, and there are 126"),
        ],
    ),
    "more audio than lines": (
        append("user.wav", b"\0\0"),
        [
            ("user.wav", None, "holds 130 bytes"),
            ("user.wav", None, "digest differs"),
            ("user.wav", None, "own header"),
            ("user.wav", None, "no line refers to bytes 128 to 130"),
        ],
    ),
    "absent audio": (
        lambda folder: (folder / "user.wav").unlink(),
        [
            ("user.wav", None, "cannot be read, and 2 lines refer to it, the first is line 3"),
            ("user.wav", None, "cannot be read, and session.json has its digest"),
            ("user.wav", None, "cannot be read, and session.json lists it"),
        ],
    ),
    "overlap and gap": (
        edit("events.jsonl", b'"offset":64', b'"offset":60'),
        [
            DIGEST,
            ("events.jsonl", 4, "another line refers to bytes 60 to 64 of user.wav"),
            ("user.wav", None, "no line refers to bytes 124 to 128"),
        ],
    ),
    "a hole": (
        edit("events.jsonl", b'"offset":0,"length":64', b'"offset":4,"length":60'),
        [DIGEST, ("user.wav", None, "no line refers to bytes 0 to 4")],
    ),
    "a wrong size": (
        edit("events.jsonl", b'"size":112', b'"size":111'),
        [DIGEST, ("events.jsonl", 5, "the frame has 163 bytes, and it has 164")],
    ),
    "time going back": (
        edit("events.jsonl", b'"at_ns":3000', b'"at_ns":100'),
        [DIGEST, ("events.jsonl", 4, "it was over at 100 ns, before the line before it began at 2000 ns")],
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
        [DIGEST, ("events.jsonl", 7, "it was over at 2 ns, before the line before it began at")],
    ),
    "a send that took long": (edit("events.jsonl", b'"at_ns":3000', b'"at_ns":100,"took_ns":2900'), [DIGEST]),
    "a gap in the numbers": (
        edit("events.jsonl", b'"seq":5', b'"seq":8'),
        [DIGEST, ("events.jsonl", 6, "3 events are missing before seq 8")],
    ),
    "dropped events": (
        lambda folder: [
            append("events.jsonl", b'{"event":"note","seq":6,"at_ns":6000,"name":"dropped","data":{"n_events":3,"last_seq":8}}\n')(folder),
            append("events.jsonl", b'{"event":"note","seq":9,"at_ns":6000,"name":"x"}\n')(folder),
            header(counts={"opened": 1, "received": 2, "sent": 3, "note": 2, "dropped": 3})(folder),
        ],
        [DIGEST, ("events.jsonl", 7, "3 events were dropped here, seq 6 to 8")],
    ),
    "a number twice": (edit("events.jsonl", b'"seq":5', b'"seq":4'), [DIGEST, ("events.jsonl", 6, "seq 4 comes after seq 4")]),
    "an unknown kind": (
        edit("events.jsonl", b'"event":"opened"', b'"event":"hologram"'),
        [
            DIGEST,
            ("events.jsonl", 1, f"'hologram' is not a kind of event of version {VERSION}"),
            ("session.json", None, "it counts 1 opened"),
        ],
    ),
    "a kind that is all digits": (
        edit("events.jsonl", b'"event":"opened"', b'"event":"' + b"7" * 5000 + b'"'),
        [DIGEST, ("events.jsonl", 1, f"is not a kind of event of version {VERSION}"), ("session.json", None, "it counts 1 opened")],
    ),
    "a newer minor may add": (
        lambda folder: [header(minor=FORMAT_MINOR + 1)(folder), edit("events.jsonl", b'"seq":0', b'"seq":0,"new":1')(folder)],
        [DIGEST],
    ),
    "two damaged lines": (
        lambda folder: [edit("events.jsonl", b'"at_ns":3000', b"!")(folder), edit("events.jsonl", b'"at_ns":1000', b"!")(folder)],
        [
            DIGEST,
            ("events.jsonl", 2, "cannot be read"),
            ("events.jsonl", 3, "1 event is missing"),
            ("events.jsonl", 4, "cannot be read"),
            ("events.jsonl", 5, "1 event is missing"),
            ("user.wav", None, "no line refers to bytes 64 to 128"),
        ],
    ),
    "a cut last line": (
        append("events.jsonl", b'{"event":'),
        [DIGEST, ("events.jsonl", 7, "the file ends within the line, after 9 bytes")],
    ),
    "a secret in a frame": (
        edit("events.jsonl", b'{"type":"session_settings"', b'{"api_key":"abc","type":"session_settings"'),
        [DIGEST, ("events.jsonl", 2, "looks like a secret: api_key")],
    ),
    "a secret in the handshake": (
        edit("events.jsonl", b'"path":"/v0/evi/chat"', b'"path":"/v0/evi/chat","query":[["apiKey","abc"]]'),
        [DIGEST, ("events.jsonl", 1, "looks like a secret: apikey")],
    ),
    "a secret in the header": (header(source={"api_key": "abc"}), [("session.json", None, "looks like a secret")]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dialect", [EVI, None], ids=["with its dialect", "without"])
def test_all_that_is_wrong_is_said(folder, name, dialect):
    """check gives exactly the expected problems, each with file and line."""
    damage, expected = CASES[name]
    damage(folder)
    problems = check_folder(folder, dialect)
    assert [(problem.file, problem.line) for problem in problems] == [(file, line) for file, line, _ in expected], problems
    for problem, (_, _, part) in zip(problems, expected):
        assert part in problem.what
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
        ["the file cannot be read, and session.json has its digest.", "the file cannot be read, and session.json lists it."],
    ),
    "changed": (lambda path: path.write_bytes(_whole(path)[:-1] + b"x"), ["it was changed after the recording: the digest differs."]),
    "cut": (
        lambda path: path.write_bytes(_whole(path)[:-4]),
        [
            "it holds 396 bytes of audio, and session.json says 400.",
            "it was changed after the recording: the digest differs.",
            "its own header says 400 bytes of samples, and there are 396.",
        ],
    ),
    "longer": (
        lambda path: path.write_bytes(_whole(path) + bytes(4)),
        [
            "it holds 404 bytes of audio, and session.json says 400.",
            "it was changed after the recording: the digest differs.",
            "its own header says 400 bytes of samples, and there are 404.",
        ],
    ),
    "not a WAV file": (
        lambda path: path.write_bytes(bytes(444)),
        ["it was changed after the recording: the digest differs.", "its own header says None bytes of samples, and there are 400."],
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
    assert sorted(problem.what for problem in problems) == sorted(expected)
    assert {problem.file for problem in problems} <= {"heard.wav"}
    after = read_session(folder)
    assert (after.header, after.events, after.missing) == (before.header, before.events, ())


def test_a_heard_file_that_the_header_does_not_list_is_not_the_sessions(folder):
    """Of a folder of version 1.0, a file of that name is nobody's."""
    (folder / "heard.wav").write_bytes(b"x")
    assert [problem.kind for problem in check_folder(folder, EVI)] == ["unused_file", "no_digest"]
