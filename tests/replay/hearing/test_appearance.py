"""Tests of evi_harness.replay.hearing.appearance."""

from __future__ import annotations

import base64
import struct
from array import array

import pytest

from evi_harness.audio.resampling import convert
from evi_harness.replay.hearing.appearance import _LOOKS, HEADER, Suspect, appearance, has_header, rate_as
from evi_harness.replay.hearing.streams import Chunk, Piece, PlayedAudio, ReceivedAudio
from evi_harness.session import wav
from evi_harness.session.wav import Pcm

MONO = Pcm(24000, 1)
STEREO = Pcm(24000, 2)


def samples_of(data):
    """Bytes as samples."""
    values = array("h")
    values.frombytes(data[: len(data) // 2 * 2])
    return values


def suspect(data, received, pcm=MONO, there=MONO):
    """Bytes that were played in one format, beside audio that was received in another, in chunks of 100 ms."""
    size = there.rate // 10 * there.frame_bytes
    chunks = [Chunk(seq, 0, there, received[at : at + size]) for seq, at in enumerate(range(0, len(received), size), 1)]
    stream = PlayedAudio([Piece(0, 0, pcm, data)])
    audio = ReceivedAudio(chunks)
    return Suspect(stream, 0, stream.n_samples, audio, 0, audio.n_samples)


def looks(one):
    """Which of the looks recognises something, by its name; None where none does."""
    return next((each.__name__.strip("_") for each in _LOOKS if each(one)), None)


def floats(data, scale=32768):
    """Samples as 32-bit floats."""
    values = samples_of(data)
    return struct.pack(f"<{len(values)}f", *(value / scale for value in values))


def exchanged(data):
    """The two bytes of each sample the other way round."""
    values = samples_of(data)
    values.byteswap()
    return values.tobytes()


def twice(data):
    """Each sample two times."""
    return array("h", [value for value in samples_of(data) for _ in range(2)]).tobytes()


# What was played of speech, and the format in which it was.
SLIPS = {
    "base64": ("text", base64.b64encode, MONO),
    "base64 in lines": ("text", base64.encodebytes, MONO),
    "base64 for URLs": ("text", base64.urlsafe_b64encode, MONO),
    "base64 of a WAV": ("text", lambda data: base64.b64encode(wav.header(MONO, len(data)) + data), MONO),
    "base64 in stereo": ("text", base64.b64encode, STEREO),
    "hex": ("text", lambda data: data.hex().encode(), MONO),
    "hex in capitals": ("text", lambda data: data.hex().upper().encode(), MONO),
    "zeros": ("zeros", lambda data: bytes(len(data)), MONO),
    "a header": ("header", lambda data: wav.header(MONO, len(data)) + data, MONO),
    "a header between": ("header", lambda data: data[:9000] + wav.header(MONO, len(data)) + data[9000:], MONO),
    "a byte too much": ("shifted", lambda data: b"\x01" + data, MONO),
    "a byte too few": ("shifted", lambda data: data[1:], MONO),
    "bytes exchanged": ("exchanged", exchanged, MONO),
    "doubled": ("doubled", twice, MONO),
    "doubled, from the second on": ("doubled", lambda data: twice(data)[2:], MONO),
    "thinned": ("thinned", lambda data: samples_of(data)[::2].tobytes(), MONO),
    "thinned, the others": ("thinned", lambda data: samples_of(data)[1::2].tobytes(), MONO),
    "mono as stereo": ("channels", bytes, STEREO),
    "mono as six channels": ("channels", bytes, Pcm(24000, 6)),
    "floats": ("floats", floats, MONO),
    "floats as stereo": ("floats", floats, STEREO),
    "24 kHz as 48": ("rate", lambda data: array("h", [value // 2 for value in samples_of(data)]).tobytes(), Pcm(48000, 1)),
    "24 kHz as 16": ("rate", lambda data: array("h", [value // 2 for value in samples_of(data)]).tobytes(), Pcm(16000, 1)),
    "made 16 kHz, played at 24": ("rate", lambda data: convert(data, MONO, Pcm(16000, 1)), MONO),
    "made 48 kHz, played at 24": ("rate", lambda data: convert(data, MONO, Pcm(48000, 1)), MONO),
}


@pytest.mark.parametrize("name", ["springs", "assistant-3"])
@pytest.mark.parametrize(("look", "slip", "pcm"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_recognised(speech, name, look, slip, pcm):
    """Each as itself, and in words."""
    one = suspect(slip(speech(name)), speech(name), pcm)
    assert looks(one) == look
    assert appearance(one)


OTHERS = {
    "somebody else": lambda data, other: other,
    "backwards": lambda data, other: samples_of(data)[::-1].tobytes(),
    "what was received": lambda data, other: data,
    "half as loud": lambda data, other: array("h", [value // 2 for value in samples_of(data)]).tobytes(),
    "a constant": lambda data, other: b"\x77\x17" * 20000,
    "a few bytes": lambda data, other: b"\x01\xf0\x20\x05",
    "very quiet": lambda data, other: array("h", [value % 7 - 3 for value in range(20000)]).tobytes(),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_nothing_is_guessed(speech, change):
    """What none recognises has no appearance."""
    one = suspect(change(speech("springs"), speech("goodbye")), speech("springs"))
    assert (looks(one), appearance(one)) == (None, "")


@pytest.mark.parametrize(("slip", "look"), [(exchanged, "exchanged"), (lambda data: data[1:], "shifted"), (twice, "doubled")])
def test_a_slip_is_recognised_in_a_stereo_recording(speech, slip, look):
    """What was received is folded, and so is what was played."""
    one = suspect(slip(speech("water")), array("h", [value for value in samples_of(speech("water")) for _ in "lr"]).tobytes(), there=STEREO)
    assert looks(one) == look


def test_nothing_is_recognised_where_nothing_was_received():
    """Of text and zeros it is known all the same."""
    assert looks(suspect(bytes(4000), b"\x01\x02" * 2400)) == "zeros"
    assert looks(suspect(b"abcd" * 4000, b"\x01\x02" * 2400)) == "text"


def test_only_what_is_suspect_is_looked_at(speech):
    """From where to where it is."""
    text = base64.b64encode(speech("water"))[:20000]
    stream = PlayedAudio([Piece(0, 0, MONO, bytes(20000)), Piece(0, 0, MONO, text)])
    received = ReceivedAudio([Chunk(1, 0, MONO, speech("water"))])
    assert looks(Suspect(stream, 0, 10000, received, 0, received.n_samples)) == "zeros"
    whole = Suspect(stream, 10000, 20000, received, 0, received.n_samples)
    assert (looks(whole), whole.raw) == ("text", text)


def test_nothing_at_all_looks_like_nothing_but_zeros_at_most(speech):
    """No sample: no look fails for it."""
    stream = PlayedAudio([Piece(0, 0, MONO, b"")])
    received = ReceivedAudio([Chunk(1, 0, MONO, speech("water"))])
    assert looks(Suspect(stream, 0, 0, received, 0, received.n_samples)) in (None, "zeros")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", False),
        (b"RIFF", False),
        (b"RIFF\0\0\0\0WAVE", True),
        (b"\x01" * 33 + wav.header(MONO, 10), True),
        (b"RIFF\0\0\0\0AVI ", False),
        (b"a RIFF" + b"\x02" * 30 + wav.header(MONO, 10), True),
        (b"WAVE\0\0\0\0RIFF", False),
    ],
    ids=["nothing", "cut off", "least", "at an odd place", "another file", "the letters before one", "the other way round"],
)
def test_a_header_is_found_wherever_it_is(raw, expected):
    """By its first twelve bytes."""
    assert has_header(raw) is expected


def test_a_header_that_is_played_has_words_of_its_own(speech):
    """They are told without looking for more."""
    data = speech("water")
    assert appearance(suspect(wav.header(MONO, len(data)) + data, data)) == HEADER


@pytest.mark.parametrize(
    ("rate", "played", "figures"),
    [
        (24000, 48000, ("24 kHz", "48 kHz", "2 ")),
        (44100, 22050, ("44.1 kHz", "22.05 kHz", "2 ")),
        (24000, 16000, ("24 kHz", "16 kHz", "1.5 ")),
    ],
)
def test_a_wrong_rate_is_told_in_figures(rate, played, figures):
    """Both rates, and how many times as fast or as slow."""
    assert all(figure in rate_as(rate, played) for figure in figures)
