"""Where the audio is."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import AudioMissing
from evi_harness.evi.audio_frames import Places
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake, Received, Sent
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.wav import Pcm, header
from evi_harness.strategies import frames, sessions

MONO_16K = Pcm(16_000, 1)
MS = 1_000_000


def text(**fields) -> Frame:
    """A message as a text frame."""
    return Frame(TEXT, json.dumps(fields).encode())


def settings(**audio) -> Frame:
    """A session_settings with an audio configuration."""
    return text(type="session_settings", audio=audio)


def wav(pcm: Pcm, n_bytes: int) -> bytes:
    """A WAV of so many silent bytes."""
    return header(pcm, n_bytes) + bytes(n_bytes)


def binary(payload: bytes) -> Frame:
    """A binary frame."""
    return Frame(BINARY, payload)


def in_text(payload: bytes, change=lambda letters: letters) -> Frame:
    """The same audio in a message, its base64 as it is or changed."""
    body = change(base64.b64encode(payload).decode())
    return Frame(TEXT, ('{"type":"audio_input","data":"' + body + '"}').encode())


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a WAV file."""
    return struct.pack("<4sI", name, len(body)) + body


def wav_of(tag: int, channels: int, rate: int, bits: int, n_bytes: int, before: bytes = b"") -> bytes:
    """A WAV of any encoding, with chunks before its samples."""
    block = channels * bits // 8
    form = chunk(b"fmt ", struct.pack("<HHIIHHH", tag, channels, rate, rate * block, block, bits, 0))
    body = b"WAVE" + before + form + before + chunk(b"data", bytes(n_bytes))
    return chunk(b"RIFF", body)


LINEAR = settings(encoding="linear16", sample_rate=16_000, channels=1)
LIST = chunk(b"LIST", b"INFOISFT" + bytes(6))
FLOATS = wav_of(3, 1, 16_000, 32, 64)
MU_LAW = wav_of(7, 1, 8_000, 8, 160)


@pytest.mark.parametrize(
    ("before", "pcm"),
    [
        ([], None),
        ([LINEAR], MONO_16K),
        ([LINEAR, settings(encoding="linear16", sample_rate=8_000, channels=2)], Pcm(8_000, 2)),
        ([LINEAR, text(type="session_settings", system_prompt="p")], MONO_16K),
        ([LINEAR, text(type="session_settings", audio=None)], MONO_16K),
        ([settings(format="linear16", sample_rate=16_000, channels=1)], MONO_16K),
        ([settings(encoding="mulaw", sample_rate=8_000, channels=1)], None),
        ([settings(encoding="linear16", sample_rate=0, channels=1)], None),
        ([settings(encoding="linear16", sample_rate=16_000)], None),
        ([settings(encoding="linear16", sample_rate=16_000.0, channels=1)], MONO_16K),
        ([Frame(BINARY, wav(Pcm(8_000, 1), 20))], Pcm(8_000, 1)),
        ([LINEAR, Frame(BINARY, wav(Pcm(8_000, 1), 20))], Pcm(8_000, 1)),
        ([LINEAR, Frame(BINARY, bytes(4)), Frame(BINARY, wav(Pcm(8_000, 1), 20))], Pcm(8_000, 1)),
        ([LINEAR, Frame(BINARY, bytes(4)), Frame(BINARY, wav(Pcm(8_000, 1), 20)), LINEAR], MONO_16K),
        ([LINEAR, Frame(BINARY, bytes(4)), in_text(wav(Pcm(8_000, 2), 20))], Pcm(8_000, 2)),
        ([LINEAR, Frame(BINARY, bytes(4)), Frame(BINARY, FLOATS)], None),
        ([LINEAR, Frame(BINARY, bytes(4)), Frame(BINARY, b"OggS" + bytes(40))], None),
        ([LINEAR, Frame(BINARY, bytes(4)), Frame(BINARY, b"RIFF" + bytes(40))], MONO_16K),
        ([LINEAR, Frame(BINARY, b""), Frame(BINARY, b"ID3" + bytes(40))], None),
        ([LINEAR, Frame(BINARY, b"\x1aE\xdf\xa3webm")], None),
        ([LINEAR, Frame(BINARY, b"RIFFshort")], None),
        ([text(type="audio_input", data=base64.b64encode(wav(Pcm(8_000, 1), 0)).decode())], Pcm(8_000, 1)),
        ([Frame(BINARY, wav(Pcm(8_000, 1), 20)), LINEAR], MONO_16K),
    ],
)
def test_format_in_force(before, pcm):
    """The format of headerless audio is that of the last session_settings with audio, or of the last header in the audio."""
    places = Places()
    for frame in before:
        places.find("sent", frame)
    place = places.find("sent", Frame(BINARY, bytes(8)))
    assert place is not None
    assert place == AudioPlace("user", 0, 8, base64=False, pcm=pcm, has_header=False)


def test_format_in_the_handshake():
    """The query may give the format, in the bracket form of the SDK or as JSON; what gives half of it gives none."""
    settings = '{"audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}'
    assert Places(Handshake("/v0/evi/chat", (("session_settings", settings),))).pcm == Pcm(16000, 1)
    assert Places(Handshake("/v0/evi/chat", (("session_settings", settings.replace("linear16", "mulaw")),))).pcm is None
    query = (("session_settings[audio][channels]", "1"), ("session_settings[audio][encoding]", "linear16"))
    handshake = Handshake("/v0/evi/chat", (*query, ("session_settings[audio][sample_rate]", "16000")))
    assert Places(handshake).length_ns("sent", Frame(BINARY, bytes(3200))) == 100 * MS
    assert Places(Handshake("/v0/evi/chat", query)).length_ns("sent", Frame(BINARY, bytes(3200))) is None


@pytest.mark.parametrize(
    ("kind", "payload", "audio"),
    [
        ("received", b'{"type":"audio_output","id":"a","index":0,"data":"AAAA"}', b"AAAA"),
        ("received", b'{ "data" : "AA\\/A", "type" : "audio_output" }', b"AA\\/A"),
        ("received", b'{"type":"audio_output","data":"AAAA","data":"BBBB"}', b"BBBB"),
        ("received", b'{"type":"audio_output","data":""}', b""),
        ("received", b'{"type":"audio\\u005foutput","data":"AAAA"}', b"AAAA"),
        ("sent", b'{"data": "AAAA", "type": "audio_input"}', b"AAAA"),
        ("received", b'{"type":"audio_output","x":{"data":"AAAA"}}', None),
        ("received", b'{"type":"audio_output","data":null}', None),
        ("received", b'{"type":"audio_input","data":"AAAA"}', None),
        ("sent", b'{"type":"audio_output","data":"AAAA"}', None),
        ("received", b'{"type":"tool_response","data":"AAAA"}', None),
        ("received", b"audio_output", None),
    ],
)
def test_audio_in_text(kind, payload, audio):
    """The audio of a text frame is the value of its top-level data, by type and direction; finding and asking agree."""
    frame = Frame(TEXT, payload)
    place = Places().find(kind, frame)
    assert (None if place is None else payload[place.start : place.stop]) == audio
    assert Places().is_audio(kind, frame) == (audio is not None)
    if place is not None:
        assert place.base64
        assert place.track == ("user" if kind == "sent" else "assistant")


def test_binary_frames_of_the_service_are_no_audio():
    """A binary frame received is at most a message."""
    frame = Frame(BINARY, b'{"type":"audio_output","data":"AAAA"}')
    assert Places().find("received", frame) is None
    assert not Places().is_audio("received", frame)


@pytest.mark.parametrize(
    ("frames_", "lengths"),
    [
        ([LINEAR, Frame(BINARY, bytes(3200)), Frame(BINARY, b"")], [None, 100 * MS, 0]),
        ([Frame(BINARY, bytes(3200))], [None]),
        ([Frame(BINARY, wav(MONO_16K, 3200)), Frame(BINARY, bytes(320))], [100 * MS, 10 * MS]),
        ([Frame(BINARY, wav(MONO_16K, 0)[:44]), Frame(BINARY, bytes(320))], [0, 10 * MS]),
        ([LINEAR, text(type="audio_input", data=base64.b64encode(bytes(3200)).decode())], [None, 100 * MS]),
        ([LINEAR, text(type="audio_input", data="!")], [None, None]),
        ([text(type="user_input", text="a")], [None]),
        ([Frame(BINARY, b""), text(type="audio_input", data="")], [0, 0]),
    ],
)
def test_lengths(frames_, lengths):
    """A frame plays as long as its samples at the rate in force; what has no known rate, or no audio, has no length."""
    places = Places()
    assert [places.length_ns("sent", frame) for frame in frames_] == lengths


# The audio of frames that follow one another, and how many milliseconds each plays.
HEADED = {
    "a file each": ([wav(MONO_16K, 640)] * 3, [20, 20, 20]),
    "changing rates": ([wav(MONO_16K, 640), wav(Pcm(8_000, 1), 640), wav(Pcm(48_000, 1), 960)], [20, 40, 10]),
    "changing channels": ([wav(MONO_16K, 640), wav(Pcm(16_000, 2), 640), wav(MONO_16K, 640)], [20, 10, 20]),
    "8, 24 and 32 bits": ([wav(Pcm(8_000, 1, width), 80 * width) for width in (1, 3, 4)], [10, 10, 10]),
    "a header, then none": ([wav(MONO_16K, 640), bytes(640), bytes(320)], [20, 20, 10]),
    "a header in the middle": ([bytes(640), wav(Pcm(8_000, 1), 640), bytes(640)], [20, 40, 40]),
    "an empty file": ([bytes(640), wav(Pcm(8_000, 1), 0), bytes(640)], [20, 0, 40]),
    "an empty frame": ([b"", wav(Pcm(8_000, 1), 160), b"", bytes(160)], [0, 10, 0, 10]),
    "a stream": ([header(MONO_16K, 0xFFFFFFFF) + bytes(640), bytes(640)], [20, 20]),
    "a stream of unknown length": ([header(MONO_16K, 0) + bytes(640), bytes(640)], [20, 20]),
    "a header alone": ([header(MONO_16K, 640), bytes(640)], [0, 20]),
    "other chunks before the samples": ([wav_of(1, 1, 8_000, 16, 160, LIST)] * 2, [10, 10]),
    "other chunks behind them": ([wav(MONO_16K, 640) + LIST] * 2, [20, 20]),
    "half a sample": ([wav(MONO_16K, 641), wav(MONO_16K, 640)], [20, 20]),
    "floats": ([bytes(640), FLOATS, bytes(640), wav(MONO_16K, 640)], [20, None, None, 20]),
    "mu-law": ([MU_LAW, MU_LAW], [None, None]),
    "64-bit lengths": ([b"RF64\xff\xff\xff\xffWAVE" + bytes(80), bytes(640)], [None, None]),
    "a header cut in two": ([wav(MONO_16K, 640)[:30], wav(MONO_16K, 640)[30:]], [None, None]),
    "a container in the middle": ([bytes(640), b"\x1aE\xdf\xa3" + bytes(60), bytes(640)], [20, None, None]),
}


@pytest.mark.parametrize("put", [binary, in_text], ids=["binary", "in messages"])
@pytest.mark.parametrize(("pieces", "lengths_ms"), HEADED.values(), ids=HEADED)
def test_a_header_in_the_audio_is_no_sound(put, pieces, lengths_ms):
    """A frame plays as long as its samples in its own format, which holds for what follows; without one that is known it has no length."""
    places, lengths = Places(), Places()
    lengths.find("sent", LINEAR)
    places.find("sent", LINEAR)
    frames_ = [put(piece) for piece in pieces]
    assert [lengths.length_ns("sent", frame) for frame in frames_] == [None if ms is None else ms * MS for ms in lengths_ms]
    found = [places.find("sent", frame) for frame in frames_]
    assert [place.has_header for place in found] == [piece[:4] in (b"RIFF", b"RF64", b"\x1aE\xdf\xa3") for piece in pieces]


@pytest.mark.parametrize(
    "change",
    [
        lambda letters: "\\n" + letters,
        lambda letters: " " + letters[:2] + "\\r\\n" + letters[2:],
        lambda letters: "\\u0055" + letters[1:],
        lambda letters: letters[:-1] + f"\\u{ord(letters[-1]):04x}",
    ],
    ids=["a newline first", "broken lines", "an escaped letter", "an escape at the end"],
)
def test_a_header_is_seen_in_base64_of_any_form(change):
    """White space and escapes hide nothing."""
    places = Places()
    place = places.find("sent", in_text(wav(Pcm(8_000, 1), 160), change))
    assert (place.has_header, place.pcm) == (True, Pcm(8_000, 1))
    assert places.length_ns("sent", in_text(wav(Pcm(16_000, 2), 640), change)) == 10 * MS


def test_a_frame_whose_audio_is_lost_has_no_length():
    """Nobody can tell whether it had a header; the format of those behind it stays what it was."""

    class Lost(Frame):
        @property
        def head(self) -> bytes:
            raise AudioMissing("it is gone")

    places = Places()
    places.find("sent", LINEAR)
    assert places.length_ns("sent", Lost(BINARY, bytes(320))) is None
    assert places.length_ns("sent", binary(bytes(320))) == 10 * MS


def test_length_of_what_the_assistant_says():
    """A chunk plays as long as its own WAV header says; one without a header has no length, whatever the user's format is."""
    places = Places()
    places.find("sent", LINEAR)
    said = base64.b64encode(wav(Pcm(24_000, 1), 4_800)).decode()
    assert places.length_ns("received", text(type="audio_output", data=said)) == 100 * MS
    assert places.length_ns("received", text(type="audio_output", data="AAAA")) is None


class Sized(Frame):
    """A frame of which only the beginning and the size can be had."""

    def __init__(self, head: bytes, size: int) -> None:
        super().__init__(BINARY, head)
        self._size = size

    @property
    def payload(self) -> bytes:
        raise AssertionError("the payload was loaded")

    @property
    def size(self) -> int:
        return self._size


def test_length_needs_no_payload():
    """A frame of the microphone is measured by its size and what stands before its samples."""
    places = Places()
    places.find("sent", LINEAR)
    assert places.length_ns("sent", Sized(b"", 3200)) == 100 * MS
    assert places.length_ns("sent", Sized(header(Pcm(8_000, 1), 160), 204)) == 10 * MS
    assert places.length_ns("sent", Sized(b"", 160)) == 10 * MS


@given(st.sampled_from(("sent", "received")), frames())
def test_no_frame_raises_and_every_place_is_inside(kind, frame):
    """Whatever a frame holds, its audio lies within it and finding agrees with asking where the text is strict JSON."""
    place = Places().find(kind, frame)
    Places().length_ns(kind, frame)
    if place is not None:
        assert 0 <= place.start <= place.stop <= frame.size
        assert Places().is_audio(kind, frame)


@given(sessions(audio=True))
def test_length_and_place_keep_the_same_state(session):
    """One finder asked for places and one asked for lengths come to the same format at every frame."""
    places, lengths = Places(session.opened.handshake), Places(session.opened.handshake)
    for event in session.events:
        if isinstance(event, (Sent, Received)):
            place = places.find(event.kind, event.frame)
            length_ns = lengths.length_ns(event.kind, event.frame)
            assert (length_ns is None) == (place is None)
            if place is not None and not place.base64:
                assert length_ns == place.pcm.length_ns(event.frame.size)
