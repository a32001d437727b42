"""Where the audio is."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.audio import Places, base64_bytes
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake, Received, Sent
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


LINEAR = settings(encoding="linear16", sample_rate=16_000, channels=1)


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
        ([LINEAR, Frame(BINARY, bytes(4)), Frame(BINARY, wav(Pcm(8_000, 1), 20))], MONO_16K),
        ([LINEAR, Frame(BINARY, b"\x1aE\xdf\xa3webm")], None),
        ([LINEAR, Frame(BINARY, b"RIFFshort")], None),
        ([text(type="audio_input", data=base64.b64encode(wav(Pcm(8_000, 1), 0)).decode())], Pcm(8_000, 1)),
        ([Frame(BINARY, wav(Pcm(8_000, 1), 20)), LINEAR], MONO_16K),
    ],
)
def test_format_in_force(before, pcm):
    """The format of headerless audio is that of the last session_settings with audio, or of the header that the stream began with."""
    places = Places()
    for frame in before:
        places.find("sent", frame)
    place = places.find("sent", Frame(BINARY, bytes(8)))
    assert place is not None
    assert (place.track, place.start, place.stop, place.base64, place.pcm) == ("user", 0, 8, False, pcm)


def test_format_in_the_handshake():
    """The query may give the format, in the bracket form of the SDK."""
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
    ],
)
def test_lengths(frames_, lengths):
    """A frame plays as long as its samples at the rate in force; what has no known rate, or no audio, has no length."""
    places = Places()
    assert [places.length_ns("sent", frame) for frame in frames_] == lengths


def test_length_of_what_the_assistant_says():
    """A chunk plays as long as its own WAV header says; one without a header has no length, whatever the user's format is."""
    places = Places()
    places.find("sent", LINEAR)
    said = base64.b64encode(wav(Pcm(24_000, 1), 4_800)).decode()
    assert places.length_ns("received", text(type="audio_output", data=said)) == 100 * MS
    assert places.length_ns("received", text(type="audio_output", data="AAAA")) is None


class Sized(Frame):
    @property
    def payload(self) -> bytes:
        raise AssertionError("the payload was loaded")

    @property
    def size(self) -> int:
        return 3200


def test_length_needs_no_payload():
    """Behind the first, a frame of the microphone is measured by its size alone."""
    places = Places()
    places.find("sent", LINEAR)
    places.find("sent", Frame(BINARY, bytes(2)))
    assert places.length_ns("sent", Sized(BINARY, b"")) == 100 * MS


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


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"AAEC", b"\0\1\2"),
        (b"-_-_", b"\xfb\xff\xbf"),
        (b"AA", b"\0"),
        (b"AA==", b"\0"),
        (b"AA\\/\\u0041", b"\0\x0f\xc0"),
        (b"AA\\nEC\\r\\n", b"\0\1\2"),
        (b"", b""),
        (b"A", None),
        (b"not base64!", None),
        (b"\\x", None),
        ("é".encode(), None),
    ],
)
def test_base64_in_json(raw, data):
    """Base64 is read in every form that servers write; what is none is None."""
    assert base64_bytes(raw) == data
