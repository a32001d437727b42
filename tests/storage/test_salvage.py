"""Tests of evi_harness.storage.salvage: what is whole is recovered, what is not is listed, and nothing is made up."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from evi_harness.errors import SessionUnreadable
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_session
from evi_harness.storage.salvage import salvage
from evi_harness.storage.writer import SessionWriter

SETTINGS = b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}'
EVENTS = [
    Opened(0, 0, Handshake("/v0/evi/chat")),
    Sent(1, 1000, Frame(TEXT, SETTINGS), took_ns=5),
    *(Sent(seq, seq * 1000, Frame(BINARY, bytes([seq]) * 640), took_ns=5) for seq in range(2, 8)),
    Received(8, 8000, Frame(TEXT, b'{"type":"user_message"}'), taken_ns=8500),
    Note(9, 9000, "dropped", data={"n_events": 2, "n_bytes": 9, "last_seq": 10}),
    Received(11, 11_000, Frame(TEXT, b'{"type":"assistant_end"}'), taken_ns=11_500),
    Received(12, 11_500, Frame(TEXT, b'{"type":"assistant_end"}'), taken_ns=12_000),
    Closed(13, 13_000, "app", 1000, ""),
]


@pytest.fixture(scope="module")
def whole(header, tmp_path_factory):
    """A complete session."""
    with SessionWriter(tmp_path_factory.mktemp("whole") / "s", header, EVI) as writer:
        for event in EVENTS:
            writer.write(event)
    return writer.folder


@pytest.fixture
def copy(whole, tmp_path):
    """One to be damaged."""
    return shutil.copytree(whole, tmp_path / "copy")


def lines(*edits):
    """A damage of events.jsonl: each edit is a line's number, what stands there and what comes there instead."""

    def damage(folder):
        path = folder / "events.jsonl"
        texts = path.read_bytes().split(b"\n")
        for number, old, new in edits:
            assert old in texts[number - 1]
            texts[number - 1] = texts[number - 1].replace(old, new)
        path.write_bytes(b"\n".join(texts))

    return damage


def taken_out(*numbers):
    """A damage of events.jsonl: lines that are gone."""

    def damage(folder):
        path = folder / "events.jsonl"
        texts = path.read_bytes().split(b"\n")
        path.write_bytes(b"\n".join(text for number, text in enumerate(texts, 1) if number not in numbers))

    return damage


def exchanged(folder):
    """Two lines that stand in place of one another."""
    path = folder / "events.jsonl"
    texts = path.read_bytes().split(b"\n")
    texts[3], texts[4] = texts[4], texts[3]
    path.write_bytes(b"\n".join(texts))


def header(**members):
    """A damage of session.json, as by an editor: it has no digest."""

    def damage(folder):
        path = folder / "session.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "header_digest": None, **members}))

    return damage


# What is done; the seqs that are gone; and what is told of, as kind and line.
CASES = {
    "nothing": (lambda _: None, [], []),
    "no header": (lambda folder: (folder / "session.json").unlink(), [], [("header", None)]),
    "a header that is no JSON": (lambda folder: (folder / "session.json").write_bytes(b"\0" * 99), [], [("header", None)]),
    "a changed header": (
        lambda folder: (folder / "session.json").write_text((folder / "session.json").read_text().replace("script", "record")),
        [],
        [("changed", None)],
    ),
    "a damaged line": (lines((5, b'"sent"', b"\0" * 6)), [4], [("line_damaged", 5)]),
    "two damaged lines": (lines((5, b'"sent"', b"!"), (6, b'"sent"', b"!")), [4, 5], [("line_damaged", 5), ("line_damaged", 6)]),
    "a cut last line": (
        lambda folder: os.truncate(folder / "events.jsonl", (folder / "events.jsonl").stat().st_size - 9),
        [13],
        [("line_cut", 13)],
    ),
    "a line that contradicts itself": (
        lines((2, b'"json"', b'"text":"x","json"')),
        [1],
        [("line_damaged", 2)],
    ),
    "a name that leaves": (lines((3, b'"user.wav"', b'"../user.wav"')), [2], [("line_damaged", 3)]),
    "an unknown kind": (lines((2, b'"event":"sent"', b'"event":"sens"')), [1], [("unknown_event", 2)]),
    "a line that is gone": (taken_out(5), [4], [("changed", 5), ("events_missing", 5)]),
    "lines that are gone at the end": (taken_out(12, 13), [12, 13], [("changed", None), ("events_missing", 12)]),
    "exchanged lines": (exchanged, [], [("changed", 4), ("changed", 5), ("changed", 6)]),
    "a number twice": (lines((4, b'"seq":3', b'"seq":2')), [3], [("events_missing", 5), ("number_twice", 4)]),
    "a time that is far too late": (lines((4, b'"at_ns":3000', b'"at_ns":3000000')), [3], [("impossible_time", 4)]),
    "a time that is far too early": (
        lines((11, b'"at_ns":11000,', b'"at_ns":1100,'), (11, b"11500", b"1150")),
        [11],
        [("impossible_time", 11)],
    ),
    "cut audio": (
        lambda folder: os.truncate(folder / "user.wav", 44 + 640 * 5 - 1),
        [6, 7],
        [("audio_missing", 7), ("audio_missing", 8)],
    ),
    "no audio": (lambda folder: (folder / "user.wav").unlink(), [2, 3, 4, 5, 6, 7], [("audio_missing", number) for number in range(3, 9)]),
    "changed audio": (
        lambda folder: (folder / "user.wav").write_bytes(
            (folder / "user.wav").read_bytes().replace(b"\x05" * 640, b"\x05" * 639 + b"\x06")
        ),
        [],
        [("changed", 6)],
    ),
    "lengths of a WAV file": (
        lambda folder: (folder / "user.wav").write_bytes(
            (folder / "user.wav").read_bytes()[:40] + bytes(4) + (folder / "user.wav").read_bytes()[44:]
        ),
        [],
        [("changed", None)],
    ),
    "no lines": (lambda folder: (folder / "events.jsonl").unlink(), list(range(14)), [("events_unreadable", None), ("events_missing", 1)]),
    "an incomplete header": (header(complete=False, digests={}, counts={}, tracks=[]), [], []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_whole_is_recovered_and_the_rest_is_told(whole, copy, name):
    """Event by event, frame by frame; and nothing in the folder is touched."""
    damage, gone, told = CASES[name]
    damage(copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    found = salvage(Folder(copy), "evi")
    assert sorted((loss.kind, loss.line or 0) for loss in found.losses) == sorted((kind, line or 0) for kind, line in told)
    expected = {event.seq: event for event in read_session(whole).events}
    assert [event.seq for event in found.session.events] == [seq for seq in sorted(expected) if seq not in gone]
    if "changed" not in name:
        for event in found.session.events:
            assert getattr(event, "frame", None) == getattr(expected[event.seq], "frame", None)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert sum(loss.n_events for loss in found.losses) == len(set(gone) - {10}), found.losses


def test_how_much_audio_was_lost_is_told(copy):
    """20 ms a frame, by the header or by the file itself."""
    os.truncate(copy / "user.wav", 44 + 640 * 5 - 1)
    assert sum(loss.audio_ns for loss in salvage(Folder(copy), "evi").losses) == 40_000_000
    (copy / "session.json").unlink()
    assert sum(loss.audio_ns for loss in salvage(Folder(copy), "evi").losses) == 40_000_000


def test_whether_it_has_ended_is_told(copy):
    """By its header, or by its close."""
    assert salvage(Folder(copy), "evi").has_ended
    (copy / "session.json").unlink()
    assert salvage(Folder(copy), "evi").has_ended
    taken_out(13)(copy)
    assert not salvage(Folder(copy), "evi").has_ended


@pytest.mark.parametrize("members", [{"version": 99}, {"dialect": "other"}])
def test_what_this_version_does_not_know_is_not_damage(copy, members):
    """A newer version and another dialect are refused, unless the header's own digest says that it was changed."""
    header(**members)(copy)
    with pytest.raises(SessionUnreadable, match="newer"):
        salvage(Folder(copy), "evi")
    header(**members, header_digest="0" * 64)(copy)
    assert [loss.kind for loss in salvage(Folder(copy), "evi").losses] == ["header"]
