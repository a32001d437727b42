"""Where the audio is."""

from __future__ import annotations

import base64
import json
import struct
from copy import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import AudioMissing
from evi_harness.evi.audio_frames import EviReader
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.wav import Pcm, header
from evi_harness.strategies import frames, sessions

MONO_16K = Pcm(16_000, 1)
MS = 1_000_000


def place_in(reader: EviReader, kind: str, frame: Frame):
    """Where the audio of the next frame is, None where there is none."""
    audio = reader.read(kind, frame)
    return audio.places[0] if audio is not None and audio.places else None


def plays_ns(reader: EviReader, kind: str, frame: Frame):
    """How long the audio of the next frame plays."""
    audio = reader.read(kind, frame)
    return None if audio is None else audio.length_ns


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
    reader = EviReader()
    for frame in before:
        place_in(reader, "sent", frame)
    place = place_in(reader, "sent", Frame(BINARY, bytes(8)))
    assert place is not None
    assert place == AudioPlace("user", 0, 8, base64=False, pcm=pcm, has_header=False)


def test_format_in_the_handshake():
    """The query may give the format, in the bracket form of the SDK or as JSON; what gives half of it gives none."""
    settings = '{"audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}'
    assert EviReader(Handshake("/v0/evi/chat", (("session_settings", settings),))).told.user == Pcm(16000, 1)
    assert EviReader(Handshake("/v0/evi/chat", (("session_settings", settings.replace("linear16", "mulaw")),))).told.user is None
    query = (("session_settings[audio][channels]", "1"), ("session_settings[audio][encoding]", "linear16"))
    handshake = Handshake("/v0/evi/chat", (*query, ("session_settings[audio][sample_rate]", "16000")))
    assert plays_ns(EviReader(handshake), "sent", Frame(BINARY, bytes(3200))) == 100 * MS
    assert plays_ns(EviReader(Handshake("/v0/evi/chat", query)), "sent", Frame(BINARY, bytes(3200))) is None


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
    """The audio of a text frame is the value of its top-level data, by type and direction; no other frame has any."""
    frame = Frame(TEXT, payload)
    place = place_in(EviReader(), kind, frame)
    assert (None if place is None else payload[place.start : place.stop]) == audio
    assert (EviReader().read(kind, frame) is not None) == (audio is not None)
    if place is not None:
        assert place.base64
        assert place.track == ("user" if kind == "sent" else "assistant")


def test_binary_frames_of_the_service_are_no_audio():
    """A binary frame received is at most a message."""
    frame = Frame(BINARY, b'{"type":"audio_output","data":"AAAA"}')
    assert place_in(EviReader(), "received", frame) is None
    assert EviReader().read("received", frame) is None


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
    reader = EviReader()
    assert [plays_ns(reader, "sent", frame) for frame in frames_] == lengths


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
    reader = EviReader()
    reader.read("sent", LINEAR)
    found = [reader.read("sent", put(piece)) for piece in pieces]
    assert [audio.length_ns for audio in found] == [None if ms is None else ms * MS for ms in lengths_ms]
    assert [audio.has_header for audio in found] == [piece[:4] in (b"RIFF", b"RF64", b"\x1aE\xdf\xa3") for piece in pieces]
    assert [audio.has_header for audio in found] == [audio.places[0].has_header for audio in found]


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
    reader = EviReader()
    place = place_in(reader, "sent", in_text(wav(Pcm(8_000, 1), 160), change))
    assert (place.has_header, place.pcm) == (True, Pcm(8_000, 1))
    assert plays_ns(reader, "sent", in_text(wav(Pcm(16_000, 2), 640), change)) == 10 * MS


def test_a_frame_whose_audio_is_lost_has_no_length():
    """Nobody can tell whether it had a header; the format of those behind it stays what it was."""

    class Lost(Frame):
        @property
        def head(self) -> bytes:
            raise AudioMissing("it is gone")

    reader = EviReader()
    place_in(reader, "sent", LINEAR)
    assert plays_ns(reader, "sent", Lost(BINARY, bytes(320))) is None
    assert plays_ns(reader, "sent", binary(bytes(320))) == 10 * MS


def test_length_of_what_the_assistant_says():
    """A chunk plays as long as its own WAV header says; one without a header has no length, whatever the user's format is."""
    reader = EviReader()
    place_in(reader, "sent", LINEAR)
    said = base64.b64encode(wav(Pcm(24_000, 1), 4_800)).decode()
    assert plays_ns(reader, "received", text(type="audio_output", data=said)) == 100 * MS
    assert plays_ns(reader, "received", text(type="audio_output", data="AAAA")) is None


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
    reader = EviReader()
    place_in(reader, "sent", LINEAR)
    assert plays_ns(reader, "sent", Sized(b"", 3200)) == 100 * MS
    assert plays_ns(reader, "sent", Sized(header(Pcm(8_000, 1), 160), 204)) == 10 * MS
    assert plays_ns(reader, "sent", Sized(b"", 160)) == 10 * MS


@given(st.sampled_from(("sent", "received")), frames())
def test_no_frame_raises_and_every_place_is_inside(kind, frame):
    """Whatever a frame holds, its audio lies within it."""
    place = place_in(EviReader(), kind, frame)
    plays_ns(EviReader(), kind, frame)
    if place is not None:
        assert 0 <= place.start <= place.stop <= frame.size
        assert EviReader().read(kind, frame) is not None


@given(sessions(audio=True))
def test_a_length_is_that_of_the_samples_in_the_place(session):
    """Where all samples have a format and no header."""
    for audio, event in ((session.audio(EVI).frames.get(event.seq), event) for event in session.sent):
        if audio is not None and not audio.places[0].base64:
            assert audio.length_ns == audio.places[0].pcm.length_ns(event.frame.size)


@given(st.binary(min_size=2, max_size=400), st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_however_a_stream_is_cut(samples, cuts, has_header):
    """Pieces of whole samples play as long as all of them, whether a header or a message gave the format, and whatever they begin with."""
    samples = samples[: len(samples) // 2 * 2].replace(b"RI", b"ri").replace(b"fL", b"fl")
    at = sorted({0, len(samples), *(cut // 2 * 2 for cut in cuts if cut < len(samples))})
    pieces = [samples[start:stop] for start, stop in zip(at, at[1:])]
    reader = EviReader()
    if has_header:
        pieces[:1] = [header(MONO_16K, 0xFFFFFFFF) + pieces[0]]
    else:
        reader.read("sent", LINEAR)
    assert sum(plays_ns(reader, "sent", binary(piece)) for piece in pieces) == sum(
        MONO_16K.length_ns(stop - start) for start, stop in zip(at, at[1:])
    )
    assert reader.told.user == MONO_16K


@given(st.lists(st.sampled_from((LINEAR, binary(wav(Pcm(8_000, 1), 160)), binary(bytes(160)), in_text(bytes(160)))), max_size=8))
def test_a_copy_reads_on_and_changes_nothing(before):
    """What failed to get out is shown to a copy."""
    reader, other = EviReader(), EviReader()
    for frame in before:
        reader.read("sent", frame), other.read("sent", frame)
        copy(other).read("sent", binary(wav(Pcm(48_000, 2), 192)))
        assert copy(other).read("sent", binary(bytes(160))) == copy(reader).read("sent", binary(bytes(160)))
    assert reader.told == other.told
