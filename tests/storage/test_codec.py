"""Tests of evi_harness.storage.codec; that frames come back through files is tested with the writer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.redacting.redaction import Redactor
from evi_harness.session import wav
from evi_harness.session.events import TEXT, Frame, Note, Received, Sent
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.wav import Pcm
from evi_harness.storage import codec
from evi_harness.storage.lines import NO_JSON, ReceivedLine, SentLine, UnknownLine

PCM = Pcm(16_000, 1)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_put_together_is_the_inverse_of_cut(payload, data):
    """A frame that is cut at any place is the same when put together."""
    start = data.draw(st.integers(0, len(payload) - 1))
    stop = data.draw(st.integers(start + 1, len(payload)))
    is_base64 = data.draw(st.booleans())
    audio = codec.cut(payload, AudioPlace("user", start, stop, is_base64))
    if audio is None:
        assert is_base64
    else:
        assert codec.put_together(audio.body, audio.at, audio.data, audio.form) == payload


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (3, 2), (-1, 2), (0, 5), (4, 9)])
def test_an_impossible_place_cuts_nothing(start, stop):
    """An empty place, one backwards, and one outside of the frame are None."""
    assert codec.cut(b"abcd", AudioPlace("user", start, stop, base64=False)) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a":1}', "json"),
        (b"null", "json"),
        (b" 1", "text"),
        (b"1 ", "text"),
        (b"[\n1]", "text"),
        (b"NaN", "text"),
        (b'"\\ud800"', "text"),
        (b"1e999", "text"),
        (b"[" * 64 + b"]" * 64, "json"),
        (b"[" * 65 + b"]" * 65, "text"),
        (b"", "text"),
        (b"hello", "text"),
        (b"\xff", "base64"),
        (b'"\xff"', "base64"),
    ],
)
def test_a_body_stands_in_the_most_readable_field_that_keeps_it(body, field):
    """json where every reader reads it, text where it is UTF-8, base64 otherwise; all give the body back."""
    fields = codec.body_fields(body)
    assert list(fields) == [field]
    line = codec.frame_line(Sent(0, 0, Frame(TEXT, body)), **fields)
    assert codec.body_of(line) == body == codec.payload_of(line, b"")


PLACE, NO_FORMAT = AudioPlace("user", 0, 1, False, PCM), AudioPlace("user", 0, 1, False)
WAV = wav.header(Pcm(8_000, 2), 8) + bytes(8)


@pytest.mark.parametrize(
    ("data", "place", "pcm", "extension"),
    [
        (b"\x01\x02\x03", PLACE, PCM, None),
        (b"\xff\xfb\x01", PLACE, PCM, None),
        (b"\x01\x02", NO_FORMAT, None, None),
        (b"\xff\xfb\x01", NO_FORMAT, None, "mp3"),
        (b"OggS", PLACE, None, "ogg"),
        (b"\x01\x02", AudioPlace("user", 0, 1, False, Pcm(8_000, 1, 1)), None, None),
        (WAV, NO_FORMAT, Pcm(8_000, 2), None),
        (WAV, PLACE, Pcm(8_000, 2), None),
        (wav.header(Pcm(8_000, 1, 3), 3) + bytes(3), PLACE, None, "wav"),
    ],
)
def test_only_16_bit_samples_go_to_a_wav_file(data, place, pcm, extension):
    """A header in the audio goes before the format in force; what is no 16-bit PCM is kept verbatim. No byte is lost."""
    parts = codec.pieces(data, place)
    assert parts.pcm == pcm
    assert (parts.container.extension if parts.container else None) == extension
    assert parts.head + parts.samples + parts.tail == data


def test_lines_of_frames_carry_what_was_seen():
    """took_ns and outcome stand in a sent line, taken_ns in a received one."""
    sent = codec.frame_line(Sent(1, 2, Frame(TEXT, b""), 3, "failed"), text="")
    assert sent == SentLine(1, 2, "text", took_ns=3, outcome="failed", json=NO_JSON, text="")
    received = codec.frame_line(Received(1, 2, Frame(TEXT, b""), 3), text="")
    assert received == ReceivedLine(1, 2, "text", taken_ns=3, json=NO_JSON, text="")


def test_an_event_of_another_class_is_refused():
    """The error names the class."""
    with pytest.raises(TypeError, match="Sent"):
        codec.other_line(Sent(0, 0), Redactor(()))


def test_what_was_redacted_is_kept_beside_the_event():
    """The list stands in extra, so that a copy has it again."""
    line, extra = codec.other_line(Note(0, 0, "x", None, {"key": "abc"}, {"redacted": ["older"], "new": 1}), Redactor({"key"}))
    assert (line.redacted, line.data, extra) == (("key", "older"), {"key": "[redacted]"}, {"new": 1})
    assert codec.event_of(line, extra, None).extra == {"new": 1, "redacted": ("key", "older")}
    assert codec.event_of(UnknownLine("x", 0, 0), {}, None).extra == {}
