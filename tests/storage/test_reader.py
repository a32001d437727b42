"""Tests of evi_harness.storage.reader."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil

import pytest

from evi_harness.errors import AudioMissing, SessionUnreadable
from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Note, Opened, Received, Sent, Unknown
from evi_harness.session.header import FORMAT_MINOR, MEASURED, SYNTHESISED, TAKEN
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.storage import header_file, reader, upgrades
from evi_harness.storage.check import check_folder
from evi_harness.storage.frames import StoredFrame
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
BLOB = wav.header(Pcm(24_000, 1), 40) + b"\x05" * 40
SPOKEN = b'{"type":"audio_output","id":"x","index":0,"data":"' + base64.b64encode(BLOB) + b'"}'


@pytest.fixture
def folder(new_folder, header):
    """A complete folder of seven events with audio both ways and a payload."""
    events = (
        Opened(0, 0),
        Sent(1, 10, Frame(TEXT, SETTINGS)),
        Sent(2, 30, Frame(BINARY, b"\x01" * 64), took_ns=20),
        Received(3, 20, Frame(TEXT, SPOKEN)),
        Received(4, 40, Frame(TEXT, "é\n".encode())),
        Note(5, 50, "blocked", 4, {"ns": 7}),
        Closed(6, 60, "app", 1000, "bye"),
    )
    return write_session(new_folder(), Session(header, events), EVI)


def change_header(folder, **members):
    """Set members of session.json."""
    path = folder / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def change_line(folder, number, change):
    """Replace a line of events.jsonl by what a function makes of it."""
    path = folder / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"\n".join(lines))


def with_fields(**fields):
    """A change of a line that sets fields."""
    return lambda text: json.dumps({**json.loads(text), **fields}).encode()


def test_events_come_in_time(folder):
    """Events are ordered by at_ns, then by seq, and the frames are lazy."""
    session = read_session(folder)
    assert [event.seq for event in session.events] == [0, 1, 3, 2, 4, 5, 6]
    assert (session.missing, session.name) == ((), folder.name)
    assert isinstance(session.events[2].frame, StoredFrame)


def test_reading_touches_no_audio(folder):
    """Opcode, size and outline need no audio file; the payload does, and says which one is absent."""
    session = read_session(folder)
    (folder / "assistant.wav").unlink()
    frame = session.events[2].frame
    assert (frame.size, frame.outline) == (len(SPOKEN), b'{"type":"audio_output","id":"x","index":0,"data":""}')
    with pytest.raises(AudioMissing, match=r"assistant\.wav"):
        _ = frame.payload


def test_a_folder_cut_at_every_byte_opens_and_says_what_is_missing(folder):
    """Wherever events.jsonl ends, the events before are there, and what is gone is said."""
    text = (folder / "events.jsonl").read_bytes()
    expected = sorted(read_session(folder).events, key=lambda event: event.seq)
    for stop in range(len(text)):
        (folder / "events.jsonl").write_bytes(text[:stop])
        session = read_session(folder)
        n_whole = text.count(b"\n", 0, stop) + (text[stop : stop + 1] == b"\n")
        assert sorted(session.events, key=lambda event: event.seq) == expected[:n_whole]
        assert (n_whole == 7) == (session.missing == ())
        assert check_folder(folder, EVI) != []


def test_a_cut_of_audio_is_told_and_the_rest_is_read(folder):
    """Audio that is shorter than the lines say is named with the first line that needs it; asking for it raises."""
    with (folder / "user.wav").open("r+b") as file:
        file.truncate(44 + 63)
    session = read_session(folder)
    (missing,) = session.missing
    assert re.fullmatch(r"user\.wav: .*\b63 of 64; 1 frames? .*events\.jsonl, line 3\.", missing)
    with pytest.raises(AudioMissing, match=r"user\.wav: .*\b0 to 64 .* 63\n"):
        _ = session.sent[1].frame.payload
    (folder / "user.wav").unlink()
    (missing,) = read_session(folder).missing
    assert re.fullmatch(r"user\.wav: .*events\.jsonl .*\b64 bytes\b.*", missing)


def test_a_wav_file_that_an_editor_saved_is_read(folder):
    """Samples are found behind whatever chunks stand before them, and whatever the header says of their length."""
    data = (folder / "user.wav").read_bytes()
    (folder / "user.wav").write_bytes(data[:36] + b"LIST\x05\x00\x00\x00abcde\x00" + data[36:40] + b"\0\0\0\0" + data[44:])
    assert read_session(folder).sent[1].frame.payload == b"\x01" * 64


def test_an_incomplete_header_lists_the_tracks_that_are_there(folder):
    """A killed writer left no list of tracks; the reader makes it from lines and files."""
    change_header(folder, complete=False, tracks=[])
    session = read_session(folder)
    assert [(track.file, track.n_bytes, track.rate) for track in session.header.tracks] == [
        ("assistant.wav", 40, 24_000),
        ("user.wav", 64, 16_000),
    ]
    (missing,) = session.missing
    assert re.match(r"session\.json: .*not complete; ", missing)


@pytest.mark.parametrize("times", [MEASURED, SYNTHESISED, TAKEN])
def test_whatever_the_times_are_the_header_is_read(folder, times):
    """Measured, made up, or those at which the app took its messages."""
    change_header(folder, recorded={"sent": True, "closed": True, "times": times})
    assert read_session(folder).header.recorded.times == times


def test_a_newer_minor_version_is_read_and_loses_nothing(folder, new_folder):
    """Unknown fields at every level, unknown kinds and unknown members of the header survive reading and copying."""
    change_header(folder, minor=7, mood="blue", recorded={"sent": True, "closed": True, "times": "measured", "smell": 1})
    change_line(folder, 3, lambda text: text.replace(b'"length":64', b'"length":64,"gain":2').replace(b'"seq"', b'"new":[1],"seq"'))
    change_line(folder, 5, lambda text: text.replace(b'"seq"', b'"new":{"a":null},"seq"'))
    change_line(folder, 6, with_fields(event="hologram"))
    for path in (folder, write_session(new_folder(), read_session(folder), EVI)):
        session = read_session(path)
        assert session.header.extra == {"mood": "blue", "recorded": {"smell": 1}}
        assert session.header.minor == 7
        sent, received, unknown = session.sent[1], session.received[1], session.events[5]
        assert sent.extra == {"new": [1], "audio": {"gain": 2}}
        assert sent.frame.payload == b"\x01" * 64
        assert received.extra == {"new": {"a": None}}
        assert (type(unknown), unknown.name, unknown.extra["data"]) == (Unknown, "hologram", {"ns": 7})
        (missing,) = session.missing
        assert missing.startswith("events.jsonl, line 6: 'hologram' ")


def test_unknown_fields_beside_json_leave_its_bytes(folder):
    """A line that is read the slow way still gives the frame's own bytes."""
    spaced = b'{ "type" : "assistant_end" , "type":"x", "n":1.50 }'
    change_line(folder, 5, lambda text: b'{"event":"received","seq":4,"at_ns":40,"frame":"text","new":1,"json":' + spaced + b"}")
    assert read_session(folder).received[1].frame.payload == spaced


def test_a_gap_in_the_numbers_is_told(folder):
    """Events that were dropped are counted and placed."""
    change_line(folder, 7, with_fields(seq=9))
    (missing,) = read_session(folder).missing
    assert re.fullmatch(r"events\.jsonl, line 7: 3 events .*missing.* 9\.", missing)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"n_events": 3, "last_seq": 9}, r"line 7: 4 events .*\bdropped\b.*\b6 to 9\b.*"),
        ({}, r"line 8: 3 events .*\bmissing\b.* 10\."),
        ({"last_seq": "9"}, r"line 8: 3 events .*\bmissing\b.* 10\."),
        ({"last_seq": 2}, r"line 8: 3 events .*\bmissing\b.* 10\."),
    ],
)
def test_dropped_events_are_told_once(folder, data, told):
    """A recorder's note stands in their place and explains the gap behind it; a note that says nothing of the kind does not."""
    change_line(folder, 7, with_fields(event="note", seq=6, name="dropped", data=data))
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"event":"note","seq":10,"at_ns":99,"name":"x"}\n')
    (missing,) = read_session(folder).missing
    assert re.fullmatch(rf"events\.jsonl, {told}", missing)


def test_what_could_not_be_written_is_counted(folder):
    """The header of a recording that ended early says how many events came later; a session of none is told to be empty."""
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:4]))
    for counts in ({}, {"dropped": 5}):
        change_header(folder, complete=False, abandoned="full", counts=counts)
        missing = read_session(folder).missing[1]
        assert re.match(r"events\.jsonl, line 4: .*\b0\.000 s\b", missing)
        assert ("5 events" in missing) is bool(counts)
    (folder / "events.jsonl").write_bytes(b"")
    assert read_session(folder).missing[1].startswith("events.jsonl: ")


DAMAGE = {
    "no JSON": (5, lambda text: b"hello", "damaged"),
    "not UTF-8": (5, lambda text: text.replace(b"\\n", b"\xff"), "damaged"),
    "empty line": (5, lambda text: b"", "damaged"),
    "two events in a line": (5, lambda text: text + text, "damaged"),
    "half a line": (5, lambda text: text[:40], "damaged"),
    "an array": (5, lambda text: b"[1]", "damaged"),
    "a missing field": (5, lambda text: b'{"event":"received","seq":4}', "at_ns"),
    "a wrong type": (5, with_fields(at_ns="soon"), "at_ns"),
    "a negative time": (5, with_fields(at_ns=-1), "at_ns"),
    "a negative offset": (3, lambda text: text.replace(b'"offset":0', b'"offset":-5'), "offset"),
    "an unknown opcode": (5, with_fields(frame="ping"), "frame"),
    "an unknown track": (3, lambda text: text.replace(b'"user"', b'"nobody"'), "track"),
    "no body": (5, lambda text: b'{"event":"received","seq":4,"at_ns":4,"frame":"text"}', "no body"),
    "two bodies": (5, with_fields(base64="AAAA"), "more than one"),
    "two bodies with audio": (3, with_fields(text="a", base64="AAAA"), "more than one"),
    "payload and audio": (3, with_fields(payload={"file": "x", "offset": 0, "length": 1}), "both"),
    "audio beyond the body": (4, lambda text: text.replace(b'"at":', b'"at":9'), "belongs at byte"),
    "deep JSON": (5, lambda text: b'{"event":"received","seq":4,"at_ns":4,"frame":"text","json":' + b"[" * 65 + b"]" * 65 + b"}", "nested"),
    "very deep JSON": (
        5,
        lambda text: b'{"event":"note","seq":4,"at_ns":4,"name":"x","data":' + b'{"a":' * 99999 + b"1" + b"}" * 99999 + b"}",
        "damaged",
    ),
    "a number that comes twice": (5, with_fields(seq=3), r"seq 3 .*\bseq 3"),
    "numbers out of order": (5, with_fields(seq=1), r"seq 1 .*\bseq 3"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_line_is_an_error_that_names_it(folder, name):
    """What no crash leaves is refused, with file and line; check lists it and does not raise."""
    number, change, what = DAMAGE[name]
    change_line(folder, number, change)
    with pytest.raises(SessionUnreadable, match=what) as raised:
        read_session(folder)
    assert raised.value.where == f"{folder}/events.jsonl, line {number}"
    assert any(problem.file == "events.jsonl" and problem.line == number for problem in check_folder(folder))


def test_damaged_lines_of_an_incomplete_session_are_lost_and_told(folder):
    """A power failure leaves holes in what was not synced: the others are read, and what is missing is told in few words."""
    change_header(folder, complete=False, digests={}, counts={}, tracks=[])
    whole = read_session(folder)
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for number in (2, 3, 5):
        lines[number - 1] = bytes(len(lines[number - 1]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    session = read_session(folder)
    lost = {number - 1 for number in (2, 3, 5)}
    assert [event.seq for event in session.events] == [event.seq for event in whole.events if event.seq not in lost]
    assert [one.split(": ")[0] for one in session.missing if "damaged" in one] == ["events.jsonl, lines 2 to 3", "events.jsonl, line 5"]
    path.write_bytes(b"".join(b'{"event":"note","seq":%d,"at_ns":0,"name":"x"}\n\0\n' % seq for seq in range(30)))
    told = [sentence for sentence in read_session(folder).missing if "damaged" in sentence]
    assert (len(told), told[-1].startswith("events.jsonl: 20 more ")) == (11, True)


@pytest.mark.parametrize(("number", "field"), [(6, "data"), (1, "new"), (7, "new")])
@pytest.mark.parametrize("depth", [65, 900])
def test_a_line_that_is_nested_too_deep_is_refused(folder, number, field, depth):
    """Whatever holds it: nobody is to follow it to the bottom. ``check`` names the same line."""
    change_line(folder, number, lambda text: text[:-1] + b',"%s":' % field.encode() + b'{"a":' * depth + b"1" + b"}" * depth + b"}")
    with pytest.raises(SessionUnreadable, match=rf"line {number}: .*nested more than 64 deep"):
        read_session(folder)
    problems = check_folder(folder, EVI)
    assert [(one.line, one.kind) for one in problems if one.kind == "body_damaged"] == [(number, "body_damaged")]
    assert not any(one.kind == "counts_differ" for one in problems)


def test_a_line_that_is_nested_as_deep_as_may_be_is_read(folder):
    """The bound belongs to what is allowed; the line itself is one of the objects."""
    change_line(folder, 7, lambda text: text[:-1] + b',"new":' + b"[" * 63 + b"1" + b"]" * 63 + b"}")
    assert len(read_session(folder).events) == 7


def test_a_line_beyond_the_bound_is_refused(folder, monkeypatch):
    """A line is never read beyond its bound."""
    monkeypatch.setattr(reader, "MAX_LINE_BYTES", 1000)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b"x" * 1001)
    with pytest.raises(SessionUnreadable, match=r"line.*\b1000 bytes"):
        read_session(folder)
    assert any("longer" in problem.what for problem in check_folder(folder))


HEADERS = {
    "no JSON": b"{",
    "an array": b"[]",
    "another format": b'{"format":"zip"}',
    "no version": b'{"format":"evi-harness session"}',
    "version 0": b'{"format":"evi-harness session","version":0}',
    "version true": b'{"format":"evi-harness session","version":true}',
    "version 2": b'{"format":"evi-harness session","version":2}',
    "a missing member": b'{"format":"evi-harness session","version":1,"id":"x"}',
    "not UTF-8": b"\xff",
    "deep": b'{"a":' * 99_999,
    "large": b" " * (17 << 20),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_cannot_be_read_is_an_error(folder, name):
    """The error names session.json; check lists it and does not raise."""
    (folder / "session.json").write_bytes(HEADERS[name])
    with pytest.raises(SessionUnreadable) as raised:
        read_session(folder)
    assert "session.json" in str(raised.value)
    assert any(problem.file == "session.json" for problem in check_folder(folder))


def test_a_newer_version_says_what_is_known(folder):
    """A version that is not known is refused, naming both."""
    change_header(folder, version=9)
    with pytest.raises(SessionUnreadable, match=rf"version 9, .* up to 1\.{FORMAT_MINOR}$"):
        read_session(folder)


def _link(path):
    shutil.copy(path, path.parent.parent / f"copy of {path.parent.name}")
    path.unlink()
    path.symlink_to(path.parent.parent / f"copy of {path.parent.name}")


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", ["session.json", "events.jsonl", "user.wav"])
@pytest.mark.parametrize("replace", [_link, _pipe, _folder, os.unlink])
def test_only_regular_files_are_read(folder, name, replace):
    """Links are not followed, a pipe does not block, a folder or nothing is no file; none of it passes."""
    replace(folder / name)
    with pytest.raises((SessionUnreadable, AudioMissing)):
        _ = read_session(folder).sent[1].frame.payload
    assert any(problem.file in ("", name) for problem in check_folder(folder))


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "payloads/../../x", "a/b", "", ".", "..", "payloads/", "user.wav\u0000", ".hidden", "x" * 300]
)
def test_no_name_leaves_the_folder(folder, name):
    """A line that refers to a file elsewhere is refused."""
    change_line(folder, 3, lambda text: text.replace(b"user.wav", json.dumps(name)[1:-1].encode()))
    with pytest.raises(SessionUnreadable, match=r"events\.jsonl: .*\bname\b"):
        read_session(folder)
    assert "name_leaves_the_folder" in {problem.kind for problem in check_folder(folder)}


def test_a_linked_folder_of_payloads_is_not_followed(record, tmp_path):
    """The folder of payloads must be the folder's own."""
    folder = record([("sent", Frame(BINARY, b"abc"))])
    (folder / "payloads").rename(tmp_path / "elsewhere")
    (folder / "payloads").symlink_to(tmp_path / "elsewhere")
    session = read_session(folder)
    assert session.missing != ()
    with pytest.raises(AudioMissing):
        _ = session.events[1].frame.payload


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("x"), lambda path: path.mkdir()])
def test_what_is_no_session_whole_is_refused(new_folder, make):
    """Nothing, a file and an empty folder are no session folders; the error says so."""
    path = new_folder()
    make(path)
    with pytest.raises(SessionUnreadable) as refused:
        read_session(path)
    assert str(path) in str(refused.value)
    assert check_folder(path) != []


def test_an_old_version_is_brought_up_step_by_step(folder, monkeypatch):
    """A folder of an older version opens through the table of upgrades; without the step it is refused."""
    monkeypatch.setattr(header_file, "FORMAT_VERSION", 2)
    monkeypatch.setattr(reader, "FORMAT_VERSION", 2)
    with pytest.raises(SessionUnreadable, match=r"version 1\b.* 2\b"):
        read_session(folder)
    step = upgrades.Upgrade(
        header=lambda members: {**members, "service": "upgraded"},
        line=lambda fields: {**fields, "reason": "upgraded"} if fields["event"] == "closed" else fields,
    )
    monkeypatch.setattr(upgrades, "UPGRADES", {1: step})
    session = read_session(folder)
    assert (session.header.service, session.header.version) == ("upgraded", 2)
    assert session.closed.reason == "upgraded"
    assert json.loads((folder / "session.json").read_text())["version"] == 1
