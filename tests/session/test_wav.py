"""Tests of evi_harness.session.wav."""

from __future__ import annotations

import io
import struct
import wave

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evi_harness.session.wav import Pcm, data_chunk, header, is_wave, samples_in, split

MONO = Pcm(24_000, 1)
FORMATS = st.builds(Pcm, st.integers(400, 192_000), st.integers(1, 8), st.sampled_from((1, 2, 3, 4)))


def chunk(name, body, length=None):
    """A chunk, padded to an even length; with a length that lies where one is given."""
    return struct.pack("<4sI", name, len(body) if length is None else length) + body + b"\0" * (len(body) % 2)


def fmt(tag=1, channels=1, rate=24_000, bits=16, block=None, more=b""):
    """A format chunk."""
    block = channels * bits // 8 if block is None else block
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def riff(*chunks, length=None):
    """A RIFF/WAVE blob of these chunks."""
    body = b"".join(chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body) if length is None else length, b"WAVE") + body


def reader(blob):
    """Reads a blob as one reads a file."""
    return lambda at, n_bytes: blob[at : at + n_bytes]


def extensible(tag):
    """What an extensible format has behind the sixteen bytes of a plain one."""
    return struct.pack("<HHIH", 22, 16, 4, tag) + b"\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


# A blob, its format, its samples and its tail.
READ = {
    "plain": (riff(fmt(), chunk(b"data", b"abcd")), MONO, b"abcd", b""),
    "empty": (riff(fmt(), chunk(b"data", b"")), MONO, b"", b""),
    "8 bit": (riff(fmt(bits=8), chunk(b"data", b"abc")), Pcm(24_000, 1, 1), b"abc", b"\0"),
    "24 bit, stereo": (riff(fmt(channels=2, bits=24), chunk(b"data", b"abcdef")), Pcm(24_000, 2, 3), b"abcdef", b""),
    "32 bit": (riff(fmt(bits=32), chunk(b"data", b"abcd")), Pcm(24_000, 1, 4), b"abcd", b""),
    "extensible": (riff(fmt(tag=0xFFFE, more=extensible(1)), chunk(b"data", b"ab")), MONO, b"ab", b""),
    "a chunk before, of odd length": (riff(chunk(b"LIST", b"abc"), fmt(), chunk(b"data", b"ab")), MONO, b"ab", b""),
    "a chunk behind": (riff(fmt(), chunk(b"data", b"ab"), chunk(b"LIST", b"xy")), MONO, b"ab", chunk(b"LIST", b"xy")),
    "a broken last frame": (riff(fmt(), chunk(b"data", b"abc")), MONO, b"ab", b"c\0"),
    "length unknown: all ones": (riff(fmt(), chunk(b"data", b"abcd", 0xFFFFFFFF), length=0xFFFFFFFF), MONO, b"abcd", b""),
    "length unknown: zero": (riff(fmt(), chunk(b"data", b"abcd", 0), length=0), MONO, b"abcd", b""),
    "empty, with a chunk behind": (riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"xy")), MONO, b"", chunk(b"LIST", b"xy")),
    "empty, with chunks behind": (
        riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"xy"), chunk(b"id3 ", b"xyz"))[:-1],
        MONO,
        b"",
        (chunk(b"LIST", b"xy") + chunk(b"id3 ", b"xyz"))[:-1],
    ),
    "length unknown: zero, of what is no chunk": (riff(fmt(), chunk(b"data", b"LIST\4\0\0\0abcdef", 0)), MONO, b"LIST\4\0\0\0abcdef", b""),
    "length unknown: zero, behind a chunk": (
        riff(chunk(b"LIST", b"x"), fmt(more=b"\0\0"), chunk(b"data", b"abcd", 0), length=0),
        MONO,
        b"abcd",
        b"",
    ),
    "length unknown: the largest signed": (riff(fmt(), chunk(b"data", b"abcd", 0x7FFFFFFF)), MONO, b"abcd", b""),
    "length beyond the end": (riff(fmt(), chunk(b"data", b"abcd", 400)), MONO, b"abcd", b""),
    "wrong length of the whole": (riff(fmt(), chunk(b"data", b"ab"), length=7), MONO, b"ab", b""),
    "cut in the samples": (riff(fmt(), chunk(b"data", b"abcdefgh"))[:-3], MONO, b"abcd", b"e"),
}

# What is no WAV of linear PCM with samples.
NOT_READ = {
    "nothing": b"",
    "too short": b"RIFF\0\0\0\0WAV",
    "another container": b"OggS" + bytes(40),
    "big-endian": b"RIFX" + riff(fmt(), chunk(b"data", b"ab"))[4:],
    "RIFF, but no WAVE": riff(fmt(), chunk(b"data", b"ab")).replace(b"WAVE", b"AVI "),
    "no format": riff(chunk(b"data", b"ab")),
    "the format behind the samples": riff(chunk(b"data", b"ab"), fmt()),
    "no samples": riff(fmt(), chunk(b"LIST", b"ab")),
    "a format cut short": riff(chunk(b"fmt ", b"\x01\x00\x01\x00"), chunk(b"data", b"ab")),
    "floats": riff(fmt(tag=3, bits=32), chunk(b"data", b"abcd")),
    "extensible floats": riff(fmt(tag=0xFFFE, bits=32, more=extensible(3)), chunk(b"data", b"abcd")),
    "extensible, cut short": riff(fmt(tag=0xFFFE, more=b"\0\0"), chunk(b"data", b"ab")),
    "mu-law": riff(fmt(tag=7, bits=8), chunk(b"data", b"ab")),
    "12 bit": riff(fmt(bits=12, block=2), chunk(b"data", b"ab")),
    "no rate": riff(fmt(rate=0), chunk(b"data", b"ab")),
    "no channels": riff(fmt(channels=0), chunk(b"data", b"ab")),
    "a frame that does not fit its channels": riff(fmt(channels=2, block=2), chunk(b"data", b"abcd")),
}

CHUNKS = st.builds(
    chunk,
    st.sampled_from((b"data", b"LIST", b"fmt ", b"junk")),
    st.binary(max_size=30),
    st.one_of(st.none(), st.integers(0, 40), st.sampled_from((0x7FFFFFFF, 0xFFFFFFFF))),
)


@pytest.mark.parametrize(("blob", "pcm", "samples", "tail"), READ.values(), ids=READ)
def test_split_reads(blob, pcm, samples, tail):
    """Linear PCM of any width is read, whatever stands around it and whatever its lengths say."""
    wav = split(blob)
    assert (wav.pcm, wav.samples, wav.tail) == (pcm, samples, tail)
    assert wav.head + wav.samples + wav.tail == blob


@pytest.mark.parametrize("blob", NOT_READ.values(), ids=NOT_READ)
def test_split_refuses(blob):
    """What is no WAV of linear PCM with samples is None, and no error."""
    assert split(blob) is None


@pytest.mark.parametrize(("blob", "pcm", "samples", "tail"), READ.values(), ids=READ)
def test_samples_are_found_by_what_stands_before_them(blob, pcm, samples, tail):
    """Where they are follows from the header and the length of the whole, unless there is something behind them too."""
    head = split(blob).head
    assert samples_in(blob if tail else head, len(blob)) == (pcm, len(head), len(samples))


@pytest.mark.parametrize("name", ["floats", "mu-law"])
def test_the_data_of_another_encoding_is_found_too(name):
    """With the length that its header states, and the one that it has."""
    blob = NOT_READ[name]
    start = blob.index(b"data") + 8
    for stated in (0, 0xFFFFFFFF, 2, 1000):
        changed = blob[: start - 4] + struct.pack("<I", stated) + blob[start:]
        there = 2 if stated == 2 else len(blob) - start
        assert data_chunk(reader(changed), len(changed)) == (start, stated, there)


@pytest.mark.parametrize("name", ["nothing", "another container", "RIFF, but no WAVE", "no samples"])
def test_what_has_no_data_has_none(name):
    """It is no RIFF/WAVE, or has no such chunk."""
    blob = NOT_READ[name]
    assert data_chunk(reader(blob), len(blob)) is None


def test_a_wave_file_of_any_form_is_known_by_its_beginning():
    """Big-endian ones and those with lengths of 64 bits are no samples either, though they are not read."""
    assert [name for name, blob in NOT_READ.items() if not is_wave(blob)] == [
        "nothing",
        "too short",
        "another container",
        "RIFF, but no WAVE",
    ]
    assert all(is_wave(blob) for blob, *_ in READ.values())
    assert is_wave(b"RF64\xff\xff\xff\xffWAVEds64")


@pytest.mark.parametrize(("width", "silence"), [(1, b"\x80\x80\x80"), (2, b"\0\0\0"), (3, b"\0\0\0"), (4, b"\0\0\0")])
def test_silence(width, silence):
    """Zeros; samples of one byte have no sign, and their silence lies in the middle."""
    assert Pcm(8_000, 1, width).silence(3) == silence


@given(st.one_of(st.binary(max_size=80), st.lists(CHUNKS, max_size=4).map(lambda chunks: riff(fmt(), *chunks))), st.integers(0, 80))
@example(riff(fmt(), chunk(b"data", b"abc")), 80)
def test_split_never_loses_a_byte(blob, cut):
    """Head, samples and tail are what was given, and the samples are whole frames; whole or cut anywhere."""
    for data in (blob, blob[:cut]):
        wav = split(data)
        if wav is not None:
            assert wav.head + wav.samples + wav.tail == data
            assert len(wav.samples) % wav.pcm.frame_bytes == 0


@given(FORMATS, st.binary(max_size=60), st.binary(max_size=7))
def test_header_and_split_undo_one_another(pcm, data, rest):
    """Samples under their header are read back, with whatever follows them as the tail."""
    samples = data[: len(data) - len(data) % pcm.frame_bytes]
    wav = split(header(pcm, len(samples)) + samples + (rest if samples else b""))
    assert (wav.pcm, wav.head, wav.samples, wav.tail) == (pcm, header(pcm, len(samples)), samples, rest if samples else b"")


def test_header_is_what_the_standard_library_writes():
    """The 44 bytes are those of wave."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(12))
    assert header(Pcm(44_100, 2), 12) + bytes(12) == stream.getvalue()


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (1, 1), (399, 1), (768_001, 1), (0xFFFFFFFF, 1), (8_000, 257), (8_000, 0xFFFF)])
def test_a_format_that_no_sound_has(rate, channels):
    """Is none that is known: a few bytes at a frame a second would be hours."""
    for width in (1, 2):
        head = struct.pack("<HHIIHH", 1, channels, rate, 0, min(channels * width, 0xFFFF), width * 8)
        assert split(riff(chunk(b"fmt ", head), chunk(b"data", bytes(2000)))) is None


def test_header_of_more_than_fits():
    """Lengths are capped at what 32 bits hold."""
    assert struct.unpack_from("<I", header(MONO, 2**40), 4) == (0xFFFFFFFF,)
    assert struct.unpack_from("<I", header(MONO, 2**40), 40) == (0xFFFFFFFF - 36,)


@pytest.mark.parametrize(
    ("pcm", "n_bytes", "length_ns"),
    [
        (MONO, 48_000, 10**9),
        (MONO, 0, 0),
        (Pcm(44_100, 2), 4, 22_675),
        (Pcm(8_000, 1, 1), 1, 125_000),
        (MONO, 1, 20_833),
    ],
)
def test_length_of_bytes(pcm, n_bytes, length_ns):
    """Bytes play as long as their format says, rounded down to a nanosecond."""
    assert pcm.length_ns(n_bytes) == length_ns
