"""Tests of evi_harness.storage.frames."""

from __future__ import annotations

import base64

import pytest

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
