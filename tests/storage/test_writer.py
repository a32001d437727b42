"""Tests of evi_harness.storage.writer."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import errno
import json
import os
import random
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evi_harness.errors import SessionUnwritable
from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent, Unknown
from evi_harness.session.frame_audio import KnownAudio
from evi_harness.session.header import Anchor, Header
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.storage import append
from evi_harness.storage import writer as writer_module
from evi_harness.storage.check import check_folder
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import SessionWriter, write_session

ROOT = Path(__file__).resolve().parents[2]
PCM = Pcm(16_000, 1)
SAMPLES = b"\x01\x02" * 500


class AnyDialect:
    """A dialect in which every sent binary frame is audio of a given format, and every string ``data`` is base64 audio."""

    secret_names = frozenset({"api_key"})
    folded_names = frozenset()

    def __init__(self, pcm=PCM):
        self.pcm = pcm

    def reader(self, handshake=None):
        return self

    def read(self, kind, frame):
        place = self.find(kind, frame)
        return None if place is None else KnownAudio((place,), None)

    def find(self, kind, frame):
        if not frame.is_text:
            return AudioPlace("user", 0, frame.size, base64=False, pcm=self.pcm) if kind == "sent" else None
        start = frame.payload.find(b'"data":"') + 8
        if start < 8:
            return None
        return AudioPlace("assistant", start, frame.payload.index(b'"', start), base64=True)


def wave_file(samples=SAMPLES, rate=24_000, channels=1, width=2, extra=b"", length=None):
    """A WAV file; ``extra`` stands before the data chunk, ``length`` is what its header says."""
    head = wav.header(Pcm(rate, channels, width), len(samples))
    size = len(samples) if length is None else length
    return head[:36] + extra + b"data" + struct.pack("<I", size) + samples


def audio_message(blob, encode=base64.b64encode):
    """A received message that carries audio."""
    return b'{"type":"audio_output","id":"x","index":0,"data":"' + encode(blob) + b'"}'


def wrapped(every, line_break):
    """An encoder that breaks lines."""

    def encode(blob):
        text = base64.b64encode(blob)
        return line_break.join(text[at : at + every] for at in range(0, len(text), every))

    return encode


TEXTS = {
    "key order": b'{"z":1,"a":2}',
    "spacing": b'{ "a" : [ 1 , 2 ] }',
    "space around": b' {"a":1} ',
    "tab inside": b'{\t"a":1}',
    "newline inside": b'{\n"a":1\n}',
    "unicode escape": b'{"a":"\\u00e9\\u0041"}',
    "unicode raw": '{"a":"é😀\u2028"}'.encode(),
    "lone surrogate": b'{"a":"\\ud800"}',
    "pair of escapes": b'{"a":"\\ud83d\\ude00"}',
    "repeated names": b'{"a":1,"a":2}',
    "null": b'{"a":null}',
    "bare null": b"null",
    "bare number": b"-0.0e10",
    "NaN": b'{"a":NaN}',
    "huge number": b'{"a":1e999,"b":123456789012345678901234567890}',
    "64 deep": b"[" * 64 + b"]" * 64,
    "65 deep": b"[" * 65 + b"]" * 65,
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "brackets in strings": b'{"a":"' + b"[" * 100 + b'"}',
    "no JSON": b"hello, world",
    "broken JSON": b'{"a":',
    "control bytes": b"\x00\x01\x1f\x7f",
    "not UTF-8": b"\xff\xfe",
    "empty": b"",
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "5 MB": b'{"a":"' + b"x" * 5_000_000 + b'"}',
    "9 MB of JSON": b'{"a":"' + b"x" * 9_000_000 + b'"}',
    "9 MB of escapes": b'"' + b"\x00" * 9_000_000,
}

AUDIO = {
    "plain": wave_file(),
    "48 kHz stereo": wave_file(rate=48_000, channels=2),
    "8 kHz": wave_file(rate=8_000),
    "odd size": wave_file(SAMPLES + b"\x07"),
    "no samples": wave_file(b""),
    "extra chunks": wave_file(extra=b"LIST" + struct.pack("<I", 5) + b"abcde\x00"),
    "length 0": wave_file(length=0),
    "length unknown": wave_file(length=0xFFFFFFFF),
    "length too small": wave_file(length=10),
    "length too large": wave_file(length=10**6),
    "trailing chunk": wave_file() + b"LIST\x04\x00\x00\x00abcd",
    "24 bit": wave_file(b"\x01\x02\x03" * 100, width=3),
    "8 bit": wave_file(width=1),
    "large header": wave_file(extra=b"LIST" + struct.pack("<I", 9000) + bytes(9000)),
    "cut header": wave_file()[:30],
    "mp3": b"ID3\x04" + bytes(300),
    "webm": b"\x1aE\xdf\xa3" + bytes(300),
    "noise": bytes(range(256)),
    "one byte": b"\x00",
}

ENCODERS = {
    "padded": base64.b64encode,
    "unpadded": lambda blob: base64.b64encode(blob).rstrip(b"="),
    "url-safe": base64.urlsafe_b64encode,
    "escaped slash": lambda blob: base64.b64encode(blob).replace(b"/", b"\\/"),
    "wrapped": wrapped(76, b"\\n"),
    "wrapped with returns": wrapped(64, b"\\r\\n"),
    "wrapped with a last break": lambda blob: wrapped(76, b"\\n")(blob) + b"\\n",
    "wrapped and escaped": lambda blob: wrapped(60, b"\\u000a")(blob).replace(b"/", b"\\/"),
    "uneven lines": lambda blob: base64.b64encode(blob)[:10] + b"\\n" + base64.b64encode(blob)[10:],
    "left-over bits": lambda blob: base64.b64encode(blob).rstrip(b"=")[:-1] + b"9==",
    "spaces": lambda blob: b" " + base64.b64encode(blob),
    "not base64": lambda blob: b"***" + base64.b64encode(blob),
}


def assert_same(folder, frames):
    """The folder gives back exactly these frames, and nothing is wrong with it."""
    session = read_session(folder)
    assert session.missing == ()
    stored = [event.frame for event in session.events[1:]]
    assert [frame.opcode for frame in stored] == [frame.opcode for _, frame in frames]
    for got, (_, expected) in zip(stored, frames):
        assert got.payload == expected.payload
        assert got.size == len(expected.payload)
    assert check_folder(folder, EVI) == []


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["sent", "received"])
def test_a_text_frame_comes_back_byte_for_byte(record, name, kind):
    """Whatever a text frame holds, reading gives back its bytes."""
    frames = [(kind, Frame(TEXT, TEXTS[name]))]
    assert_same(record(frames), frames)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xff" * 641, b'{"a":1}', wave_file(), bytes(5_000_000)])
@pytest.mark.parametrize("kind", ["sent", "received"])
def test_a_binary_frame_comes_back_byte_for_byte(record, payload, kind):
    """Binary frames come back in both directions, odd and empty ones too."""
    frames = [(kind, Frame(BINARY, payload)), (kind, Frame(BINARY, b"\x01")), (kind, Frame(BINARY, b"\x02\x03"))]
    assert_same(record(frames), frames)
    assert_same(record(frames, dialect=AnyDialect()), frames)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("blob", AUDIO)
def test_audio_in_a_message_comes_back_character_for_character(record, blob, encoder):
    """Base64 in every form, of audio of every kind, comes back as it was written."""
    message = audio_message(AUDIO[blob], ENCODERS[encoder])
    frames = [("received", Frame(TEXT, message)), ("received", Frame(TEXT, audio_message(wave_file())))]
    assert_same(record(frames), frames)


@pytest.mark.parametrize("encoder", ["padded", "unpadded", "url-safe", "escaped slash", "wrapped", "wrapped and escaped"])
def test_audio_is_cut_out_of_its_line(record, encoder):
    """Base64 of samples is stored once, in the track's WAV file, and no longer in the line."""
    samples = random.Random(1).randbytes(3000)
    folder = record([("received", Frame(TEXT, audio_message(wave_file(samples), ENCODERS[encoder])))])
    assert (folder / "assistant.wav").read_bytes() == wave_file(samples)
    line = json.loads((folder / "events.jsonl").read_text().splitlines()[1])
    assert line["json"]["data"] == ""
    assert line["audio"]["length"] == 3000


def test_the_track_is_one_wav_file_and_a_change_of_format_begins_another(record):
    """Samples of one format are joined; another rate or other channels go to the next file."""
    blobs = [wave_file(), wave_file(), wave_file(rate=48_000), wave_file(channels=2), wave_file()]
    frames = [("received", Frame(TEXT, audio_message(blob))) for blob in blobs]
    folder = record(frames)
    assert_same(folder, frames)
    assert (folder / "assistant.wav").read_bytes() == wave_file(SAMPLES * 2)
    assert [(track.file, track.rate, track.channels, track.n_bytes) for track in read_session(folder).header.tracks] == [
        ("assistant.wav", 24_000, 1, 2000),
        ("assistant.2.wav", 48_000, 1, 1000),
        ("assistant.3.wav", 24_000, 2, 1000),
        ("assistant.4.wav", 24_000, 1, 1000),
    ]


def test_a_full_track_goes_on_in_another_file(record):
    """No file of a track grows beyond its bound, unless one frame does."""
    frames = [("sent", Frame(BINARY, bytes(size))) for size in (400, 400, 400, 1500, 10)]
    folder = record(frames, dialect=AnyDialect(), max_track_bytes=1000)
    assert_same(folder, frames)
    assert [(track.file, track.n_bytes) for track in read_session(folder).header.tracks] == [
        ("user.wav", 800),
        ("user.2.wav", 400),
        ("user.3.wav", 1500),
        ("user.4.wav", 10),
    ]


def test_a_stream_in_a_container_is_one_file(record):
    """What follows a container's header belongs to the same file; another header begins another."""
    webm = b"\x1aE\xdf\xa3"
    frames = [("sent", Frame(BINARY, data)) for data in (webm + b"one", b"two", b"three", webm + b"four")]
    folder = record(frames, dialect=AnyDialect(pcm=None))
    assert_same(folder, frames)
    assert (folder / "payloads" / "user.1.webm").read_bytes() == webm + b"onetwothree"
    assert (folder / "payloads" / "user.2.webm").read_bytes() == webm + b"four"


def test_a_stream_that_begins_with_a_wav_header_is_one_track(record):
    """A WAV header in the first binary frame, with headerless samples behind it, makes one WAV file."""
    frames = [("sent", Frame(BINARY, data)) for data in (wave_file(SAMPLES, 16_000, length=0), SAMPLES, b"\x01", b"\x02")]
    folder = record(frames, dialect=AnyDialect())
    assert_same(folder, frames)
    assert (folder / "user.wav").read_bytes() == wave_file(SAMPLES * 2 + b"\x01\x02", 16_000)


def test_a_frame_with_a_body_beside_its_raw_audio_comes_back(record):
    """A binary frame of which only a part is audio is cut and put together again."""

    class Framed(AnyDialect):
        def find(self, kind, frame):
            return AudioPlace("user", 4, frame.size - 1, base64=False, pcm=PCM)

    frames = [("sent", Frame(BINARY, b"\xff\x00\x00\x01" + SAMPLES + b"!"))]
    folder = record(frames, dialect=Framed())
    assert_same(folder, frames)
    assert (folder / "user.wav").stat().st_size == 44 + len(SAMPLES)


@pytest.mark.parametrize("place", [(0, 0), (5, 2), (-1, 3), (0, 99)])
def test_an_impossible_place_leaves_the_frame_whole(record, place):
    """A dialect that is wrong about where the audio is costs nothing but the cut."""

    class Wrong(AnyDialect):
        def find(self, kind, frame):
            return AudioPlace("user", *place, base64=False, pcm=PCM)

    frames = [("sent", Frame(BINARY, b"abcd"))]
    assert_same(record(frames, dialect=Wrong()), frames)


FRAMES = st.one_of(
    st.builds(lambda data: ("sent", Frame(BINARY, data)), st.binary(max_size=40)),
    st.builds(lambda data: ("received", Frame(BINARY, data)), st.binary(max_size=40)),
    st.builds(lambda text: ("received", Frame(TEXT, text.encode())), st.text(max_size=30)),
    st.builds(lambda data: ("sent", Frame(TEXT, data)), st.binary(max_size=30)),
    st.builds(
        lambda data, encoder: ("received", Frame(TEXT, audio_message(data, ENCODERS[encoder]))),
        st.one_of(st.binary(max_size=200), st.sampled_from(list(AUDIO.values())), st.binary(max_size=60).map(wave_file)),
        st.sampled_from(sorted(ENCODERS)),
    ),
    st.builds(
        lambda value, kind, indent: (kind, Frame(TEXT, json.dumps(value, indent=indent).encode())),
        st.recursive(
            st.none() | st.floats() | st.text(max_size=6), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
        ),
        st.sampled_from(["sent", "received"]),
        st.sampled_from([None, 1]),
    ),
)


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=8), st.booleans())
def test_what_is_written_is_what_is_read(record, frames, knows_the_format):
    """Frames without secrets come back byte for byte, whatever the dialect says of their audio."""
    assert_same(record(frames, dialect=AnyDialect(PCM if knows_the_format else None)), frames)


def test_the_other_events_come_back(new_folder, header):
    """Opening, close, notes and events of an unknown kind come back with all their fields."""
    events = (
        Opened(0, 0, Handshake("/v0/evi/chat", (("a", "1"), ("a", "2")), (("X", ""),)), {"new": {"deep": [1]}}),
        Sent(1, 5, Frame(TEXT, b"{}"), took_ns=7, outcome="cancelled", extra={"more": None}),
        Received(2, 9, Frame(TEXT, b"{}"), taken_ns=12),
        Note(3, 10, "due", 2, {"ns": 1, "list": [1.5, None, "é"]}),
        Unknown(4, 11, "hologram", {"event": "hologram", "seq": 4, "at_ns": 11, "beam": "blue"}),
        Closed(5, 12, "service", 1008, "no"),
        Closed(6, 13, "network"),
    )
    folder = write_session(new_folder(), Session(header, events), EVI)
    session = read_session(folder)
    assert session.events == events
    assert [event.extra for event in session.events] == [event.extra for event in events]
    again = read_session(write_session(new_folder(), session, EVI))
    assert again.events == events
    assert [event.extra for event in again.events] == [event.extra for event in events]


ODD_DATA = [
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    (Path("x"), "x"),
    ("\udcff", "\\udcff"),
    ({5: (1, 2), "\ud800": True}, {"5": [1, 2], "\\ud800": True}),
    (2**64, str(2**64)),
    (-(2**64) + 1, -(2**64) + 1),
    (-(10**5000), hex(-(10**5000))),
    (b"ab", "YWI="),
]


@pytest.mark.parametrize(("value", "read"), ODD_DATA, ids=range(len(ODD_DATA)))
def test_note_data_that_is_no_json_is_written_as_text(new_folder, header, value, read):
    """A recorder is never stopped by what a note holds: what JSON has no form for is its text, a lone surrogate its escape."""
    with SessionWriter(new_folder(), header, EVI) as writer:
        writer.write(Note(0, 0, "odd", None, {"value": value}, extra={"more": value}))
    (note,) = read_session(writer.folder).events
    assert (note.data, note.extra) == ({"value": read}, {"more": read})


@pytest.mark.parametrize(("depth", "is_cut"), [(63, False), (64, True), (900, True)])
def test_note_data_that_is_nested_deep_is_cut(new_folder, header, depth, is_cut):
    """Where no reader would follow; a list within itself, too."""
    ring = []
    ring.append(ring)
    with SessionWriter(new_folder(), header, EVI) as writer:
        writer.write(Note(0, 0, "odd", None, {"value": json.loads("[" * depth + "]" * depth)}))
        writer.write(Note(1, 0, "odd", None, {"value": ring}))
    first, second = read_session(writer.folder).events
    assert ("nested too deep" in str(first.data)) is is_cut
    assert "nested too deep" in str(second.data)
    assert check_folder(writer.folder, EVI) == []


def test_the_folder_is_its_owners_alone(record):
    """Folders are 0700 and files 0600, whatever the umask."""
    old = os.umask(0)
    try:
        folder = record([("sent", Frame(BINARY, b"1")), ("received", Frame(TEXT, audio_message(wave_file())))], dialect=AnyDialect(None))
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert stat.S_IMODE((folder / "payloads").stat().st_mode) == 0o700


def test_the_header_is_there_from_the_start_and_completed_at_the_end(new_folder, header):
    """Before close the header says that the session is not complete; close adds counts, digests, tracks and what it is given."""
    writer = SessionWriter(new_folder(), header, EVI)
    assert not read_session(writer.folder).header.complete
    writer.write(Sent(0, 0, Frame(BINARY, b"12")))
    writer.close(end=Anchor(5, "2026-11-22T12:00:05Z"), counts={"dropped": 3})
    writer.close()
    header = read_session(writer.folder).header
    assert (header.complete, header.end, header.counts) == (True, Anchor(5, "2026-11-22T12:00:05Z"), {"dropped": 3, "sent": 1})
    assert sorted(header.digests) == ["events.jsonl", "payloads/user.1.bin"]
    with pytest.raises(SessionUnwritable, match="complete"):
        writer.write(Sent(1, 0, Frame(BINARY, b"12")))


def test_the_disk_is_asked_at_most_once_a_second_and_for_audio_first(new_folder, header, monkeypatch):
    """Within a second nothing is synced; after it the audio, then the lines."""
    now, asked = [0], []
    monkeypatch.setattr(writer_module.time, "monotonic_ns", lambda: now[0])
    writer = SessionWriter(new_folder(), header, AnyDialect())
    monkeypatch.setattr(append.os, "fsync", lambda fd: asked.append(Path(f"/proc/self/fd/{fd}").resolve().name))
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc on this system tells which file is synced")
    for seq, now[0] in enumerate([1, 999_999_999, 1_000_000_000, 1_999_999_999, 2_000_000_000]):
        writer.write(Sent(seq, 0, Frame(BINARY, b"ab")))
        asked.append("-")
    once = ["user.wav", "events.jsonl"]
    assert asked == ["-", "-", "user.wav", writer.folder.name, "events.jsonl", "-", "-", *once, "-"]
    writer.abandon("enough")


def test_a_writer_that_does_not_sync_on_writing_does_when_it_is_tended(new_folder, header, monkeypatch):
    """Then as rarely as ever: a thread for the folder alone asks the disk, and one that writes many folders never does."""
    now, asked = [0], []
    monkeypatch.setattr(writer_module.time, "monotonic_ns", lambda: now[0])
    writer = SessionWriter(new_folder(), header, AnyDialect(), syncs_on_write=False)
    monkeypatch.setattr(append.os, "fsync", asked.append)
    for seq, now[0] in enumerate([1, 1_000_000_000, 5_000_000_000]):
        writer.write(Sent(seq, 0, Frame(TEXT, b"{}")))
    assert asked == []
    for now[0] in (5_000_000_001, 5_999_999_999):
        writer.tend()
    assert len(asked) == 1
    writer.abandon("enough")


def refuses_once(monkeypatch):
    """Have the next fsync fail and all later ones succeed, as Linux does; gives the inodes that were asked for."""
    real, asked = os.fsync, []

    def fsync(fd):
        asked.append(os.fstat(fd).st_ino)
        if len(asked) == 1:
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(append.os, "fsync", fsync)
    return asked


@pytest.mark.parametrize("act", ["sync", "write", "tend", "close"])
def test_a_sync_that_fails_ends_the_session_for_good(new_folder, header, monkeypatch, act):
    """Whoever asked gets our error, which says what nobody knows; the file is not asked again, and no later call succeeds."""
    now = [0]
    monkeypatch.setattr(writer_module.time, "monotonic_ns", lambda: now[0])
    writer = SessionWriter(new_folder(), header, EVI)
    writer.write(Note(0, 0, "x"))
    writer.sync()
    writer.write(Note(1, 0, "y"))
    asked = refuses_once(monkeypatch)
    now[0] = 2_000_000_000
    acts = {"sync": writer.sync, "write": lambda: writer.write(Note(2, 0, "z")), "tend": writer.tend, "close": writer.close}
    n_written = 3 if act == "write" else 2
    unsure = f"whether {n_written - 1} events are on the disk"
    with pytest.raises(SessionUnwritable, match=f"Input/output error; {n_written} events are kept.*{unsure}"):
        acts[act]()
    lines = asked[0]
    for again in acts.values():
        with pytest.raises(SessionUnwritable, match="Input/output error"):
            again()
    assert lines not in asked[1:]
    found = read_session(writer.folder)
    assert not found.header.complete
    assert unsure in found.header.abandoned
    assert len(found.events) == n_written


def test_a_failure_that_is_passed_over_in_a_block_is_raised_at_its_end(new_folder, header, monkeypatch):
    """Nobody takes the session for complete."""

    def recorded():
        with SessionWriter(new_folder(), header, EVI) as writer:
            writer.write(Note(0, 0, "x"))
            refuses_once(monkeypatch)
            with contextlib.suppress(SessionUnwritable):
                writer.sync()

    with pytest.raises(SessionUnwritable, match="no event"):
        recorded()


def test_a_session_that_is_over_is_not_synced(new_folder, header):
    """Complete, it is on the disk already."""
    writer = SessionWriter(new_folder(), header, EVI)
    writer.close()
    with pytest.raises(SessionUnwritable, match="complete"):
        writer.sync()


def test_an_exception_leaves_the_session_incomplete_and_says_why(new_folder, header):
    """Leaving the context by an exception abandons the session; what was written stays."""
    writer = SessionWriter(new_folder(), header, EVI)
    writer.write(Note(0, 0, "x"))
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt
    session = read_session(writer.folder)
    assert re.match(r"session\.json: .*\bKeyboardInterrupt\b", session.missing[0])
    assert len(session.events) == 1


def test_an_abandoned_session_says_why(new_folder, header):
    """abandon puts its reason into the header; close does nothing afterwards, and once more adds what is known later."""
    writer = SessionWriter(new_folder(), header, EVI)
    writer.write(Note(0, 0, "x"))
    writer.abandon("disk too slow")
    writer.abandon("again", counts={"dropped": 5})
    writer.close()
    found = read_session(writer.folder).header
    assert (found.abandoned, dict(found.counts), found.complete) == ("disk too slow", {"note": 1, "dropped": 5}, False)


def test_a_complete_session_is_not_abandoned(new_folder, header):
    """Whoever abandons behind the close changes nothing."""
    writer = SessionWriter(new_folder(), header, EVI)
    writer.close()
    writer.abandon("too late", counts={"dropped": 5})
    assert check_folder(writer.folder, EVI) == []


def test_a_header_that_cannot_be_replaced_at_the_end_leaves_the_session_incomplete(new_folder, header, monkeypatch):
    """close says so; what is known is said in the header as soon as it can be written again."""
    writer = SessionWriter(new_folder(), header, EVI)
    writer.write(Note(0, 0, "x"))
    with monkeypatch.context() as patch:
        patch.setattr(append, "write_new", full)
        with pytest.raises(SessionUnwritable, match="No space left; 1 events are kept"):
            writer.close()
    assert read_session(writer.folder).header.abandoned is None
    writer.abandon("", counts={})
    found = read_session(writer.folder).header
    assert (found.complete, found.abandoned) == (False, "writing failed: No space left")


def full(*_):
    """What a full disk does."""
    raise OSError(28, "No space left")


@pytest.mark.parametrize("seq", [0, 1])
def test_a_seq_that_does_not_grow_is_refused(new_folder, header, seq):
    """The events' own seqs are kept; one that is not larger than the last is a mistake of the caller's, and nothing is written."""
    with SessionWriter(new_folder(), header, EVI) as writer:
        assert writer.write(Note(1, 0, "x")) == 1
        with pytest.raises(ValueError, match=f"seq {seq}"):
            writer.write(Note(seq, 0, "x"))
    (missing,) = read_session(writer.folder).missing
    assert re.fullmatch(r"events\.jsonl, line 1: 1 event .* 1\.", missing)


def test_what_is_no_event_is_refused(new_folder, header):
    """write names what it was given instead of an event."""
    event = Note(0, 0, "x")
    object.__setattr__(event, "__class__", type("Strange", (Note.__mro__[1],), {}))
    with SessionWriter(new_folder(), header, EVI) as writer, pytest.raises(TypeError, match="Strange"):
        writer.write(event)


def _full(path):
    path.mkdir()
    (path / "x").write_text("")


@pytest.mark.parametrize(
    "prepare",
    [_full, lambda path: path.write_text(""), lambda path: path.symlink_to("/"), lambda path: path.symlink_to("nowhere")],
    ids=["a folder with something in it", "a file", "a link", "a dead link"],
)
def test_nothing_is_written_over(new_folder, header, prepare):
    """Where something is already, the writer refuses, and leaves no trace."""
    path = new_folder()
    prepare(path)
    before = sorted(path.parent.iterdir())
    with pytest.raises(SessionUnwritable, match=str(path)):
        SessionWriter(path, header, EVI)
    assert sorted(path.parent.iterdir()) == before


def test_an_empty_folder_is_taken(new_folder, header):
    """An empty folder may be there already; missing parents are made."""
    path = new_folder() / "deep" / "down"
    path.mkdir(parents=True)
    SessionWriter(path, header, EVI).close()
    assert read_session(path).missing == ()


@pytest.mark.parametrize("parent", ["/proc/self", "/dev/null"])
def test_a_place_that_cannot_be_written_is_named(parent, header):
    """Where no folder can be made, the error names the folder and what to do."""
    if not Path(parent).exists():
        pytest.skip(f"no {parent} on this system")
    with pytest.raises(SessionUnwritable, match=f"^{re.escape(parent)}/x: ") as raised:
        SessionWriter(Path(parent) / "x", header, EVI)
    assert raised.value.where == f"{parent}/x"
    assert raised.value.hint


CHILD = """
import sys
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import *
from evi_harness.session.header import Header
from evi_harness.storage.writer import SessionWriter
import base64
from evi_harness.session import wav
blob = wav.header(wav.Pcm(24000, 1), 600) + bytes(600)
spoken = b'{"type":"audio_output","id":"x","index":0,"data":"' + base64.b64encode(blob) + b'"}'
def event(seq):
    if seq == 0:
        return Sent(0, 0, Frame(TEXT, b'{"audio":{"channels":1,"encoding":"linear16","sample_rate":16000},"type":"session_settings"}'))
    if seq % 3:
        return Sent(seq, seq, Frame(BINARY, bytes([seq % 256]) * (320 + seq % 7)))
    return Received(seq, seq, Frame(TEXT, spoken))
"""

KILLED = (
    CHILD
    + """
writer = SessionWriter(sys.argv[1], Header(id="1", made_by="script", created="", dialect="evi"), EVI)
seq = 0
while True:
    sys.stdout.write(f"{writer.write(event(seq))}\\n")
    sys.stdout.flush()
    seq += 1
"""
)

FILLED = (
    CHILD
    + """
import resource, signal
from evi_harness.errors import SessionUnwritable
writer = SessionWriter(sys.argv[1], Header(id="1", made_by="script", created="", dialect="evi"), EVI)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
seq = 0
try:
    while True:
        writer.write(event(seq))
        seq += 1
except SessionUnwritable as error:
    print(seq)
    print(error)
"""
)


def child_event(seq):
    """The event that the child writes as the seq-th."""
    names = {}
    exec(CHILD, names)
    return names["event"](seq)


def run_child(source, *arguments):
    """Start a child with the project on its path."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", source, *map(str, arguments)], stdout=subprocess.PIPE, env=environment)


@pytest.mark.parametrize("n_lines", [1, 2, 3, 40, 200, 333])
def test_a_killed_writer_loses_nothing_that_write_returned_for(new_folder, n_lines):
    """Every seq that was reported before SIGKILL is read back, frame for frame."""
    folder = new_folder()
    with run_child(KILLED, folder) as child:
        reported = [child.stdout.readline() for _ in range(n_lines)]
        child.send_signal(signal.SIGKILL)
        reported += child.stdout.read().splitlines(keepends=True)
    n_reported = len([line for line in reported if line.endswith(b"\n")])
    session = read_session(folder)
    assert len(session.events) >= n_reported >= n_lines
    for seq, event in enumerate(session.events):
        assert event == child_event(seq)
    assert re.match(r"session\.json: .*\bnot complete\b", session.missing[0])
    used = {event.frame.used.file for event in session.events if event.frame.used is not None}
    assert [track.file for track in session.header.tracks] == sorted(used)


@pytest.mark.parametrize("limit", [200, 2_000, 10_000, 30_001])
def test_a_full_disk_ends_the_recording_and_keeps_what_was_written(new_folder, limit):
    """A disk that is full gives SessionUnwritable that says what was kept; all of it is read back."""
    folder = new_folder()
    with run_child(FILLED, folder, limit) as child:
        n_written, message = child.stdout.read().decode().split("\n", 1)
    session = read_session(folder)
    assert [event == child_event(seq) for seq, event in enumerate(session.events)] == [True] * int(n_written)
    assert f"{n_written} events are kept" in message
    assert str(folder) in message
    assert not session.header.complete


SECRET = 'sk/te"st+é\\4242'
OTHER = "0123456789abcdefghij"


def forms(value):
    """Ways in which a value may be written."""
    raw = value.encode()
    yield raw
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].replace("/", "\\/").encode()
    yield "".join(f"\\u{unit:04x}" for (unit,) in struct.iter_unpack(">H", value.encode("utf-16-be"))).encode()
    yield json.dumps(json.dumps(value))[1:-1].encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "".join(f"%{byte:02x}" if byte > 127 or not chr(byte).isalnum() else chr(byte) for byte in raw).encode()
    for before in (b"", b"a", b"ab"):
        yield base64.b64encode(before + raw + b":x")
        yield base64.urlsafe_b64encode(before + raw)


def leaks(folder, value):
    """The files of a folder in which a value stands in any form, base64 looked at inside."""
    found = []
    inner = {base64.b64encode(b"\0" * shift + value.encode())[first:-4] for shift, first in ((0, 0), (1, 4), (2, 4))}
    needles = {*list(forms(value))[:7], *inner, *(one.translate(bytes.maketrans(b"+/", b"-_")) for one in inner)}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes() + path.name.encode()
            found += [(path.name, needle) for needle in needles if needle in data]
    return found


PLACES = {
    "json member": lambda form: [("sent", Frame(TEXT, b'{"a":[{"b":"x' + form + b'y"}]}'))],
    "json name": lambda form: [("sent", Frame(TEXT, b'{"' + form + b'":1}'))],
    "broken json": lambda form: [("received", Frame(TEXT, b'{"a":"' + form))],
    "text": lambda form: [("received", Frame(TEXT, b"<p>" + form + b"</p>"))],
    "binary received": lambda form: [("received", Frame(BINARY, b"\x00\xff" + form + b"\x80"))],
    "microphone": lambda form: [("sent", Frame(BINARY, b"\x00" * 11 + form + b"\x00" * 12))],
    "not pcm": lambda form: [("sent", Frame(BINARY, b"\x1aE\xdf\xa3" + form))],
    "base64 audio": lambda form: [("received", Frame(TEXT, audio_message(wave_file(b"\x00" * 7 + form + b"\x00" * 8))))],
    "base64 audio's header": lambda form: [
        ("received", Frame(TEXT, audio_message(wave_file(extra=b"LIST" + struct.pack("<I", len(form)) + form + b"\0" * (len(form) % 2)))))
    ],
    "base64 that is none": lambda form: [("received", Frame(TEXT, audio_message(form, lambda blob: b"*" + base64.b64encode(blob))))],
    "a large frame": lambda form: [("received", Frame(TEXT, b'{"a":"' + form + b"x" * 9_000_000 + b'"}'))],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_value_is_found_wherever_it_stands(record, place):
    """A known value is on no byte of the disk, in whatever form and place it crossed the wire."""
    many = list(forms(SECRET))
    if place == "a large frame":
        many = many[:2]
    frames = [frame for form in many for frame in PLACES[place](form)]
    folder = record(frames, dialect=AnyDialect(), secrets=[SECRET])
    assert leaks(folder, SECRET) == []
    assert read_session(folder).missing == ()


@pytest.mark.parametrize(
    "events",
    [
        [Opened(0, 0, Handshake("/x/" + OTHER, (("q", OTHER), (OTHER, "x"), ("api_key", OTHER)), (("h", "a " + OTHER),)))],
        [Opened(0, 0, Handshake("/x", (("api_key", OTHER),))), Sent(1, 1, Frame(TEXT, OTHER.encode()))],
        [Opened(0, 0, Handshake("/x", (("apiKey", OTHER),), (("Referer", f"https://x/?api_key={OTHER}"),)))],
        [Opened(0, 0, Handshake("/x", (("session_settings[language_model_api_key]", OTHER),)))],
        [Opened(0, 0, Handshake("/x", (("session_settings", f"language_model_api_key='{OTHER}'"),)))],
        [Opened(0, 0, Handshake("/x", (("session_settings", json.dumps({"a": {"Language_Model_API_key": OTHER}})),)))],
        [Opened(0, 0, Handshake("/x", (), (("X-HUME-API-KEY", OTHER),))), Closed(1, 1, "app", 1000, "bad key " + OTHER)],
        [Opened(0, 0, Handshake("/x", (), (("Authorization", f"Bearer {OTHER}"),))), Note(1, 1, "raised", None, {"text": OTHER})],
        [
            Opened(0, 0, Handshake("/x", (), (("Authorization", "Basic " + base64.b64encode(f"k3y-k3y-k3y:{OTHER}".encode()).decode()),))),
            Sent(1, 1, Frame(TEXT, json.dumps({"text": f"it is {OTHER}"}).encode())),
        ],
        [Sent(0, 0, Frame(TEXT, b'{"a":{"b":[{"\\u0061pi_key":"' + OTHER.encode() + b'"}]}}'))],
        [Sent(0, 0, Frame(TEXT, b'{"api_key":{"deep":["' + OTHER.encode() + b'"]}}')), Sent(1, 1, Frame(TEXT, OTHER.encode()))],
        [Sent(0, 0, Frame(BINARY, b'{"type":"session_settings","language_model_api_key":"' + OTHER.encode() + b'"}'))],
        [Received(0, 0, Frame(TEXT, f"401: api_key={OTHER} is wrong".encode()))],
        [Received(0, 0, Frame(TEXT, f"{{'X-Hume-Api-Key': '{OTHER}'}}".encode()))],
        [Received(0, 0, Frame(TEXT, json.dumps({"parameters": json.dumps({"api_key": OTHER})}).encode()))],
        [Received(0, 0, Frame(TEXT, json.dumps({"url": f"wss://x/chat?config_id=1&apiKey={OTHER}"}).encode()))],
        [Note(0, 0, "raised", None, {"text": f"headers: {{'x-hume-api-key': '{OTHER}'}}"})],
        [Note(0, 0, "x", None, {"api_key": OTHER, "list": [{"url": f"https://user:{OTHER}@host/"}]})],
        [Note(0, 0, "x", None, {}, {"api_key": OTHER})],
    ],
)
def test_a_secret_name_hides_its_value(new_folder, header, events):
    """A value is found by its name in every place that has names, and from then on wherever it stands."""
    folder = write_session(new_folder(), Session(header, tuple(events)), EVI)
    assert leaks(folder, OTHER) == []
    assert any("redacted" in event.extra for event in read_session(folder).events)
    assert [problem for problem in check_folder(folder, EVI) if "secret" in problem.what] == []


def test_the_header_holds_no_secret(new_folder, header):
    """Endpoint, software, app, ids, source and relations are redacted too, by value and in the user part of a URL."""
    free = {"text": OTHER, "api_key": "k"}
    told = Header(
        id="1",
        made_by="script",
        created="",
        dialect="evi",
        endpoint=f"wss://me:passw0rd@host/chat?api_key={OTHER}",
        software={"x": OTHER},
        app=free,
        ids={"x": OTHER},
        source=free,
        related={"x": OTHER},
        extra=free,
    )
    folder = write_session(new_folder(), Session(told, ()), EVI, secrets=[OTHER])
    assert leaks(folder, OTHER) == []
    assert read_session(folder).header.endpoint == "wss://[redacted]@host/chat?api_key=[redacted]"


def test_only_what_redaction_replaced_differs(record):
    """All around a secret stays byte for byte, audio keeps its length, and the line says what was redacted."""
    blob = wave_file(b"\x01" * 10 + OTHER.encode() + b"\x02" * 10)
    frames = [
        ("sent", Frame(TEXT, b'{ "b":1, "api_key" : "' + OTHER.encode() + b'" ,"z":"\\u00e9"}')),
        ("received", Frame(TEXT, audio_message(blob, ENCODERS["escaped slash"]))),
    ]
    session = read_session(record(frames))
    first, second = (event for event in session.events[1:])
    assert first.frame.payload == b'{ "b":1, "api_key" : "[redacted]" ,"z":"\\u00e9"}'
    assert first.extra["redacted"] == ("api_key",)
    silenced = blob.replace(OTHER.encode(), bytes(len(OTHER)))
    assert second.frame.payload == audio_message(silenced, ENCODERS["escaped slash"])
    assert second.extra["redacted"] == ("value in audio",)


@pytest.fixture(scope="session")
def innocent(record):
    """All bytes of a folder without secrets: words that are not secret wherever they stand."""
    folder = record([frame for place in PLACES.values() for frame in place(b"x")])
    return b"[redacted]".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@settings(max_examples=40)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=10, max_size=24),
    st.lists(st.tuples(st.sampled_from(sorted(set(PLACES) - {"a large frame"})), st.integers(0, 12)), min_size=1, max_size=6),
)
def test_any_secret_in_any_place_is_gone(record, innocent, value, planted):
    """Whatever the value, wherever and however it is planted, no byte of any file holds it."""
    raw = value.encode()
    assume(len(set(value)) > 2 and raw not in innocent)
    many = list(forms(value))
    frames = [frame for place, index in planted for frame in PLACES[place](many[index % len(many)])]
    handshake = Handshake("/", (("api_key", value),), (("X-Hume-Api-Key", value),))
    folder = record(frames, handshake=handshake)
    for path in folder.rglob("*"):
        assert path.is_dir() or raw not in path.read_bytes()
    assert leaks(folder, value) == []


def test_a_line_of_an_unknown_kind_says_what_was_redacted_too(new_folder, header):
    """As every other, and again in a copy."""
    session = Session(header, (Unknown(0, 0, "hologram", {"api_key": "a secret of ours"}),))
    for _ in range(2):
        session = read_session(write_session(new_folder(), session, EVI))
        assert session.events[0].extra["api_key"] == "[redacted]"
        assert session.events[0].extra["redacted"] == ["api_key"]


def test_a_short_value_is_redacted_by_name_and_not_searched_for(record):
    """A value of fewer than eight characters would be found in innocent places."""
    session = read_session(record([("sent", Frame(TEXT, b'{"api_key":"abc","text":"abc"}'))], secrets=["abc"]))
    assert session.events[1].frame.payload == b'{"api_key":"[redacted]","text":"abc"}'


def test_a_copy_keeps_what_was_redacted_and_says_so(record, new_folder):
    """Writing a session that was read changes no frame, and the list of what was redacted survives."""
    session = read_session(record([("sent", Frame(TEXT, b'{"api_key":"' + OTHER.encode() + b'"}'))]))
    copy = read_session(write_session(new_folder(), session, EVI))
    assert copy.events == session.events
    assert copy.events[1].extra == session.events[1].extra == {"redacted": ("api_key",)}


def test_a_copy_of_an_incomplete_session_is_incomplete(new_folder, header):
    """A copy never looks more whole than what it was made of."""
    with contextlib.suppress(KeyError), SessionWriter(new_folder(), header, EVI) as writer:
        raise KeyError
    copy = read_session(write_session(new_folder(), read_session(writer.folder), EVI))
    assert copy.header.abandoned == "KeyError ended it"


def begun(new_folder, header):
    """A writer with audio in its folder."""
    writer = SessionWriter(new_folder(), header, AnyDialect())
    writer.write(Opened(0, 0, Handshake("/")))
    writer.write(Sent(1, 1, Frame(BINARY, SAMPLES)))
    return writer


@pytest.mark.parametrize("with_stranger", [False, True])
def test_a_folder_that_is_moved_is_gone_on_with(new_folder, header, with_stranger):
    """What comes later is where it is now, new files too; a stranger in its place is left alone. The move is told once."""
    writer = begun(new_folder, header)
    place, there = writer.folder, new_folder()
    place.rename(there)
    if with_stranger:
        place.mkdir()
    notice = writer.tend()
    assert str(there) in notice
    assert ("another folder" in notice) is with_stranger
    assert (writer.tend(), writer.folder, writer.is_there) == (None, there, True)
    writer.write(Received(2, 2, Frame(TEXT, audio_message(wave_file()))))
    writer.write(Received(3, 3, Frame(TEXT, b'"' + b"x" * 9_000_000)))
    writer.close()
    assert check_folder(there, EVI) == []
    assert len(read_session(there).events) == 4
    assert list(place.iterdir() if with_stranger else []) == []


def test_a_folder_that_is_moved_unnoticed_is_completed(new_folder, header):
    """Nobody has looked since."""
    writer = begun(new_folder, header)
    there = new_folder()
    writer.folder.rename(there)
    writer.close()
    assert (writer.folder, check_folder(there, EVI)) == (there, [])


@pytest.mark.parametrize("look", [SessionWriter.tend, SessionWriter.close])
@pytest.mark.parametrize(
    "act", [shutil.rmtree, lambda folder: (folder / "events.jsonl").unlink(), lambda folder: (shutil.rmtree(folder), folder.mkdir())]
)
def test_a_session_that_is_deleted_is_lost(new_folder, header, act, look):
    """It is said to be, and nothing is written in its place."""
    writer = begun(new_folder, header)
    act(writer.folder)
    left = sorted(writer.folder.rglob("*"))
    with pytest.raises(SessionUnwritable, match=r"lost: .*deleted"):
        look(writer)
    assert not writer.is_there
    writer.abandon("it failed", counts={"dropped": 7})
    assert sorted(writer.folder.rglob("*")) == left
    with pytest.raises(SessionUnwritable, match="no event"):
        writer.write(Sent(2, 2, Frame(TEXT, b"")))


def test_a_write_that_fails_since_the_session_is_deleted_says_so(new_folder, header):
    """Nobody has looked since, and a new file cannot be made."""
    writer = begun(new_folder, header)
    shutil.rmtree(writer.folder)
    with pytest.raises(SessionUnwritable, match=r"lost: .*deleted"):
        writer.write(Received(2, 2, Frame(TEXT, audio_message(wave_file()))))
    assert not writer.is_there


@pytest.mark.parametrize(
    ("name", "act", "what"),
    [
        ("user.wav", Path.unlink, "user.wav was deleted"),
        ("user.wav", lambda path: path.rename(path.with_name("mine.wav")), "user.wav was deleted"),
        ("user.wav", lambda path: path.write_bytes(b""), "user.wav was changed"),
        ("events.jsonl", lambda path: path.write_bytes(path.read_bytes() + b"\n"), "events.jsonl was changed"),
    ],
)
def test_what_another_program_does_to_its_files_ends_the_session(new_folder, header, name, act, what):
    """The header says what was done, and the rest stays."""
    writer = begun(new_folder, header)
    act(writer.folder / name)
    with pytest.raises(SessionUnwritable, match=what):
        writer.tend()
    assert writer.is_there
    written = json.loads((writer.folder / "session.json").read_text())
    assert (written["complete"], what in written["abandoned"]) == (False, True)


def test_a_file_that_is_missing_at_the_end_is_named(new_folder, header):
    """One that was full and closed long ago is needed for its digest."""
    writer = SessionWriter(new_folder(), header, AnyDialect(), max_track_bytes=100)
    writer.write(Opened(0, 0, Handshake("/")))
    for seq in (1, 2):
        writer.write(Sent(seq, seq, Frame(BINARY, bytes(100))))
    writer.sync()
    (writer.folder / "user.wav").unlink()
    with pytest.raises(SessionUnwritable, match=r"user\.wav: No such file"):
        writer.close()


def test_a_tended_session_is_on_the_disk_within_a_second(new_folder, header, monkeypatch):
    """Though nothing is written any more."""
    now_ns = [0]
    monkeypatch.setattr(writer_module.time, "monotonic_ns", lambda: now_ns[0])
    writer, calls = begun(new_folder, header), []
    monkeypatch.setattr(append.os, "fsync", calls.append)
    writer.tend()
    assert calls == []
    now_ns[0] = 1_000_000_000
    writer.tend()
    assert len(calls) >= 2


@pytest.mark.parametrize(
    "odd",
    [
        Note(1, -1, "x"),
        Note(1, 2**63, "x"),
        Note(1, 0, "x", of=-1),
        Sent(1, 1, Frame(BINARY, SAMPLES), took_ns=-1),
        Sent(1, 1, Frame(BINARY, SAMPLES), outcome="perhaps"),
        Received(1, 1, Frame("ping", b"")),
        Closed(1, 1, "somebody"),
        Unknown(1, 1, "note", {"name": "x"}),
        Note(1, 1, "x", data={"value": "x" * (64 << 20)}),
    ],
    ids=lambda event: f"{event.kind} {event.seq}",
)
def test_an_event_that_nobody_could_read_is_refused(new_folder, header, odd):
    """Nothing of it is written, and what comes before and behind it is read as if it had not been."""
    with SessionWriter(new_folder(), header, AnyDialect()) as writer:
        writer.write(Sent(0, 0, Frame(BINARY, SAMPLES)))
        with pytest.raises(ValueError, match="read again"):
            writer.write(odd)
        writer.write(Sent(1, 1, Frame(BINARY, SAMPLES)))
    assert check_folder(writer.folder, EVI) == []
    assert [event.frame.payload for event in read_session(writer.folder).events] == [SAMPLES, SAMPLES]


@pytest.mark.parametrize("changes", [{"software": {"python": 3}}, {"recorded": None}, {"start": Anchor("now", "then")}])
def test_a_header_that_nobody_could_read_is_refused(new_folder, header, changes):
    """At the beginning there is no folder; at the end the session is incomplete, and says why."""
    place = new_folder()
    with pytest.raises(SessionUnwritable, match="read again"):
        SessionWriter(place, dataclasses.replace(header, **changes), EVI)
    assert not place.exists()
    writer = SessionWriter(place, header, EVI)
    with pytest.raises(SessionUnwritable, match="read again"):
        writer.close(**changes)
    assert "read again" in read_session(place).header.abandoned


@pytest.mark.parametrize("pcm", [Pcm(999_999_999, 999_999_999), Pcm(0xFFFFFFFF, 2), Pcm(48_000, 40_000)])
def test_a_format_that_no_wav_file_has_room_for_is_kept_verbatim(record, pcm):
    """Whatever an app says of its audio, and a service in a header of its own."""
    frames = [("sent", Frame(BINARY, SAMPLES)), ("sent", Frame(BINARY, SAMPLES))]
    folder = record(frames, dialect=AnyDialect(pcm))
    assert_same(folder, frames)
    assert not (folder / "user.wav").exists()
    if pcm.rate == 0xFFFFFFFF:
        head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 2, pcm.rate, 0, 4, 16, b"data", 0)
        frames = [("received", Frame(TEXT, audio_message(head + SAMPLES)))]
        assert_same(record(frames), frames)
