"""Tests of evi_harness.storage.frames."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.evi.audio_frames import EviReader
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.wav import Pcm
from evi_harness.storage.reader import read_session

BLOB = wav.header(Pcm(24_000, 1), 40) + b"\xff\xfe" * 20
FRAMES = [
    ("sent", Frame(TEXT, b'{"type":"user_input","text":"hi"}')),
    ("sent", Frame(TEXT, "é".encode())),
    ("sent", Frame(BINARY, b"\x01\x02\x03")),
    ("received", Frame(BINARY, b"\xff")),
    ("received", Frame(TEXT, b'{"type":"audio_output","data":"' + base64.b64encode(BLOB).replace(b"/", b"\\/") + b'"}')),
    ("received", Frame(TEXT, b'{"a":"' + b"x" * 9_000_000 + b'"}')),
]


@pytest.fixture(scope="module")
def stored(record):
    """The frames as a reader gives them."""
    return [event.frame for event in read_session(record(FRAMES)).events[1:]]


def test_a_stored_frame_is_the_frame(stored):
    """Opcode, payload, size, equality and hash are those of a frame in memory."""
    for got, (_, frame) in zip(stored, FRAMES):
        assert (got.opcode, got.is_text, got.payload, got.size) == (frame.opcode, frame.is_text, frame.payload, frame.size)
        assert got == frame
        assert hash(got) == hash(frame)
    assert stored[0] != stored[1]


def test_the_outline_is_the_message_without_its_sound(stored):
    """Audio is an empty string, or nothing; a frame without audio is its own outline."""
    assert stored[4].outline == b'{"type":"audio_output","data":""}'
    assert stored[2].outline == b""
    assert stored[0].outline == stored[0].payload
    assert stored[5].outline == stored[5].payload


def test_what_a_frame_needs_of_the_folder_is_told(stored):
    """Audio and large bodies are in files, small bodies are not."""
    assert [frame.used.file if frame.used else None for frame in stored] == [
        None,
        None,
        "payloads/user.1.bin",
        None,
        "assistant.wav",
        "payloads/frame.1.json",
    ]


def test_repr_needs_no_file(stored):
    """A frame in a log is its opcode and size."""
    assert repr(stored[2]) == "<StoredFrame binary 3 bytes>"


def blob(pcm, n_bytes, tail=b""):
    """A WAV file of samples that are not silent."""
    return wav.header(pcm, n_bytes) + b"\x01\x02" * (n_bytes // 2) + b"\x01" * (n_bytes % 2) + tail


LIST = b"LIST\x04\0\0\0INFO"
# What an app may send as audio: files and pieces of them, in one format or another, plain samples, containers and nothing.
HEARD = {
    "samples": b"\x01\x02" * 160,
    "half a sample": b"\x01\x02\x03",
    "nothing": b"",
    "16 kHz": blob(Pcm(16_000, 1), 640),
    "48 kHz, stereo": blob(Pcm(48_000, 2), 640),
    "8 bits": blob(Pcm(8_000, 1, 1), 81),
    "24 bits": blob(Pcm(8_000, 1, 3), 240),
    "empty": blob(Pcm(8_000, 1), 0),
    "a header of a stream": wav.header(Pcm(8_000, 1), 0xFFFFFFFF) + b"\x01\x02" * 80,
    "no length": wav.header(Pcm(8_000, 1), 0) + b"\x01\x02" * 80,
    "half a sample behind a header": blob(Pcm(8_000, 1), 161),
    "a chunk behind": blob(Pcm(8_000, 1), 160, LIST),
    "an empty one, with a chunk behind": blob(Pcm(8_000, 1), 0, LIST),
    "a chunk before": blob(Pcm(8_000, 1), 160).replace(b"fmt ", LIST + b"fmt "),
    "a long chunk before": blob(Pcm(8_000, 1), 160).replace(b"fmt ", b"LIST\x88\x13\0\0" + bytes(5000) + b"fmt "),
    "floats": blob(Pcm(8_000, 1, 4), 160).replace(b"fmt \x10\0\0\0\x01", b"fmt \x10\0\0\0\x03"),
    "a header alone, cut": blob(Pcm(8_000, 1), 160)[:30],
    "webm": b"\x1aE\xdf\xa3webm",
}


def known(audio):
    """All that is known of the audio of a frame."""
    return None if audio is None else (audio.places, audio.length_ns, audio.pcm, audio.has_header)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(HEARD)), max_size=12), st.booleans())
def test_a_stored_frame_plays_as_long_as_it_did(record, names, has_settings):
    """Whatever was sent before it: a stored frame comes back as it was, and has the length and the format of the frame in memory."""
    told = Frame(TEXT, b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}')
    frames = [*([told] if has_settings else []), *(Frame(BINARY, HEARD[name]) for name in names)]
    read = [event.frame for event in read_session(record([("sent", frame) for frame in frames])).events[1:]]
    assert [frame.payload for frame in read] == [frame.payload for frame in frames]
    before, after = EviReader(), EviReader()
    assert [known(after.read("sent", frame)) for frame in read] == [known(before.read("sent", frame)) for frame in frames]


def test_the_head_of_a_frame_needs_no_audio(record):
    """What stands before the samples is in the line, nothing where nothing does; audio that is kept verbatim is read."""
    told = Frame(TEXT, b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}')
    sent = [told, *(Frame(BINARY, HEARD[name]) for name in ("samples", "16 kHz", "webm"))]
    folder = record([("sent", frame) for frame in sent])
    _, *heard = (event.frame for event in read_session(folder).events[1:])
    for file in folder.glob("*.wav"):
        file.unlink()
    assert [frame.head for frame in heard] == [b"", wav.header(Pcm(16_000, 1), 640), HEARD["webm"]]


def test_the_audio_is_had_without_its_base64(stored):
    """Header, samples and what stands behind them; nothing where a frame holds no audio."""
    found = [frame.audio for frame in stored]
    assert found[2] == b"\x01\x02\x03"
    assert found[4] == BLOB
    assert [found[0], found[1], found[5]] == [None, None, None]
    assert Frame(BINARY, b"\x01").audio is None
