"""Tests of evi_harness.storage.line_digests: whatever was changed in a session that nobody completed is told, with its line."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil

import pytest

from evi_harness.errors import SessionError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake, Note, Opened, Received, Sent, Unknown
from evi_harness.storage.check import check_folder
from evi_harness.storage.layout import MAX_INLINE_BYTES
from evi_harness.storage.line_digests import N_DIGITS
from evi_harness.storage.reader import read_session
from evi_harness.storage.verifying import changed_since
from evi_harness.storage.writer import SessionWriter, write_session

SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
# A header, JSON of two directions, samples in two tracks, other audio, a note, and kinds that nobody knows.
EVENTS = [
    Opened(0, 0, Handshake("/v0/evi/chat", (("config_id", "c"),))),
    Sent(1, 1000, Frame(TEXT, SETTINGS), took_ns=5),
    *(Sent(seq, seq * 1000, Frame(BINARY, bytes([seq]) * 640)) for seq in range(2, 12)),
    Received(12, 12_000, Frame(TEXT, '{"type":"user_message","message":{"content":"grüezi"}}'.encode()), taken_ns=12_500),
    Received(13, 13_000, Frame(TEXT, b'{"type":"audio_output","data":"UklGRkQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YSAAAAD/"}')),
    Note(14, 14_000, "raised", 13, {"what": "x"}),
    Unknown(15, 15_000, "hologram", {"event": "hologram", "seq": 15, "at_ns": 15_000, "hue": [1, None]}),
    Received(16, 16_000, Frame(TEXT, b'{"type":"audio_output","data":"GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibQ=="}')),
]


@pytest.fixture(scope="module")
def killed(header, tmp_path_factory):
    """The folder of a writer that never came to its end."""
    writer = SessionWriter(tmp_path_factory.mktemp("killed") / "s", header, EVI)
    for event in EVENTS:
        writer.write(event)
    return writer.folder


@pytest.fixture
def copy(killed, tmp_path):
    """One to be changed."""
    return shutil.copytree(killed, tmp_path / "copy")


def changes(folder):
    """What was changed, as sentences."""
    return changed_since(read_session(folder), folder)


def edited(folder, edit):
    """Change the list of lines; gives the numbers of those that are then told of."""
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    edit(lines)
    path.write_bytes(b"".join(lines))
    told = changes(folder)
    named = [one.line for one in check_folder(folder, EVI) if one.kind == "digest_differs"]
    assert [int(sentence.split(":")[0].split(" ")[-1]) for sentence in told] == named
    return named


def test_what_was_not_changed_is_not_told_of(killed):
    """All kinds of lines, and what they refer to, are as they were written."""
    assert changes(killed) == ()
    assert {one.kind for one in check_folder(killed, EVI)} == {"incomplete", "ends_here", "unknown_event"}


def test_anybody_can_make_the_digests(killed):
    """They are what the format page says, made here with no more than its words."""
    before = b""
    has_seen = set()
    for line in (killed / "events.jsonl").read_bytes().splitlines():
        text, _, rest = line.rpartition(b',"digest":"')
        digest = hashlib.sha256(before + text)
        used = json.loads(line).get("audio")
        if used is not None:
            file = (killed / used["file"]).read_bytes()
            is_wav = "/" not in used["file"]
            digest.update(file[:4] + file[8:40] if is_wav and used["file"] not in has_seen else b"")
            start = used["offset"] + 44 * is_wav
            digest.update(file[start : start + used["length"]])
            has_seen.add(used["file"])
        before = digest.hexdigest()[:N_DIGITS].encode()
        assert rest == before + b'"}'
    assert has_seen == {"user.wav", "assistant.wav", "payloads/assistant.1.webm"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["events.jsonl", "session.json", "user.wav", "assistant.wav", "payloads/assistant.1.webm"])
def test_any_bit_that_is_changed_is_noticed(copy, name):
    """It is refused, or something more is missing than before."""
    before = set(read_session(copy).missing)
    path = copy / name
    data = path.read_bytes()
    chance = random.Random(13)
    places = [(at, bit) for at in range(len(data)) for bit in range(8)]
    for at, bit in chance.sample(places, min(len(places), 400)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        try:
            session = read_session(copy)
            told = {*session.missing, *changed_since(session, copy)} - before
        except SessionError:
            continue
        assert told, (at, bit)
        assert len(check_folder(copy, EVI)) > 3, (at, bit)


def test_a_line_that_is_changed_is_named(copy):
    """It and no other."""

    def edit(lines):
        lines[12] = lines[12].replace("grüezi".encode(), "grüesi".encode())

    assert edited(copy, edit) == [13]


def test_a_digest_that_is_changed_is_named(copy):
    """Its own line alone: the next one still has the one that is right."""

    def edit(lines):
        lines[5] = lines[5][:-4] + (b"0" if lines[5][-4:-3] != b"0" else b"1") + lines[5][-3:]

    assert edited(copy, edit) == [6]


def test_a_digest_that_is_taken_out_is_named(copy):
    """As is one that is misspelt: a line of this version has one."""

    def edit(lines):
        lines[5] = lines[5].replace(b',"digest"', b',"digesu"')

    assert edited(copy, edit) == [6]


def test_a_line_that_is_taken_out_is_noticed(copy):
    """By the line behind it, even where the numbers hide it."""

    def edit(lines):
        del lines[14]
        lines[14] = lines[14].replace(b'"seq":15', b'"seq":14')

    assert edited(copy, edit) == [15]


def test_lines_that_are_exchanged_are_noticed(copy):
    """Even where their numbers were exchanged back; the line behind them has another before it now."""

    def edit(lines):
        one, other = lines[3].replace(b'"seq":3', b'"seq":4'), lines[4].replace(b'"seq":4', b'"seq":3')
        lines[3], lines[4] = other, one

    assert edited(copy, edit) == [4, 5, 6]


def test_a_line_that_is_put_in_is_noticed(copy):
    """It cannot have the digest of what came before it."""

    def edit(lines):
        lines.append(lines[14].replace(b'"seq":14', b'"seq":17'))

    assert edited(copy, edit) == [18]


def test_lines_behind_one_that_cannot_be_read_are_judged_again(copy):
    """The digest at the end of a damaged line still stands."""

    def edit(lines):
        lines[3] = lines[3].replace(b'"sent"', b"\0" * 6)
        lines[8] = lines[8].replace(b'"at_ns":8', b'"at_ns":9')

    assert edited(copy, edit) == [4, 9]


def test_changed_audio_is_named_by_the_line_that_refers_to_it(copy):
    """As is a changed format of the file, by the first of them."""
    path = copy / "user.wav"
    data = bytearray(path.read_bytes())
    data[44 + 640 * 3 + 7] ^= 1
    path.write_bytes(data)
    assert [one.line for one in check_folder(copy, EVI) if one.kind == "digest_differs"] == [6]
    data[24] ^= 1
    path.write_bytes(data)
    assert [one.line for one in check_folder(copy, EVI) if one.kind == "digest_differs"] == [3, 6]


def test_a_large_body_is_of_its_lines_digest(header, tmp_path):
    """What stands in a file of its own because it is large, too."""
    writer = SessionWriter(tmp_path / "s", header, EVI)
    writer.write(Received(0, 0, Frame(BINARY, b"\x07" * (MAX_INLINE_BYTES + 1))))
    (body,) = (writer.folder / "payloads").iterdir()
    assert changes(writer.folder) == ()
    with body.open("r+b") as file:
        file.write(b"\x06")
    assert [sentence[:20] for sentence in changes(writer.folder)] == ["events.jsonl, line 1"]


def test_what_a_kill_leaves_is_no_change(copy):
    """Cut at any byte of the last two lines, and with audio that no line refers to."""
    path = copy / "events.jsonl"
    data = path.read_bytes()
    with (copy / "user.wav").open("ab") as file:
        file.write(b"\x05" * 100)
    for stop in range(len(data), data.rfind(b"\n", 0, len(data) - 300), -1):
        path.write_bytes(data[:stop])
        assert changes(copy) == (), stop


def test_many_changes_are_told_in_few_words(copy):
    """Ten, and how many more there are."""
    path = copy / "user.wav"
    path.write_bytes(path.read_bytes()[:44] + b"\0" * 6400)
    lines = copy / "events.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b'"at_ns":1', b'"at_ns":2'))
    told = changes(copy)
    assert len(told) == 11
    assert "more" in told[-1]


def test_a_copy_has_digests_of_its_own(killed, tmp_path):
    """Those of what it was copied from are no fields of its events."""
    session = read_session(killed)
    assert not any("digest" in (getattr(event, "extra", None) or {}) for event in session.events)
    again = write_session(tmp_path / "again", session, EVI)
    assert changes(again) == ()
    assert (again / "events.jsonl").read_bytes() == (killed / "events.jsonl").read_bytes()


def test_a_session_of_an_older_version_is_not_judged(copy):
    """Its lines have no digests, and nothing is wrong with that."""
    header = json.loads((copy / "session.json").read_text())
    header.update(minor=2, header_digest=None)
    (copy / "session.json").write_text(json.dumps(header))

    def edit(lines):
        lines[:] = [line.rpartition(b',"digest"')[0] + b"}\n" for line in lines]

    assert edited(copy, edit) == []


def test_of_a_complete_session_the_first_changed_line_is_named(copy, header, tmp_path):
    """The digest of the file says that it was changed, and those of the lines where."""
    whole = tmp_path / "whole"
    with SessionWriter(whole, header, EVI) as writer:
        for event in EVENTS:
            writer.write(event)
    path = whole / "events.jsonl"
    path.write_bytes(path.read_bytes().replace("grüezi".encode(), "grüesi".encode()))
    (problem,) = [one for one in check_folder(whole, EVI) if one.kind == "digest_differs"]
    assert re.search(r"\bline 13\b", problem.what)
