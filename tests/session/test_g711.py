"""Tests of evi_harness.session.g711."""

from __future__ import annotations

import struct

import pytest

from evi_harness.session.g711 import encoded_samples, linear_samples
from evi_harness.session.wav import A_LAW, LINEAR, MU_LAW, Pcm


def decoded(codes: bytes, encoding: str):
    """The values of some codes."""
    samples, pcm = linear_samples(codes, Pcm(8_000, 1, 1, encoding))
    assert pcm == Pcm(8_000, 1)
    return struct.unpack(f"<{len(codes)}h", samples)


@pytest.mark.parametrize(
    ("encoding", "values"),
    [
        # From the tables of ITU-T G.711, in the 16 bits that all implementations give.
        (MU_LAW, {0x00: -32124, 0x0F: -16764, 0x7F: 0, 0x80: 32124, 0x8F: 16764, 0xFE: 8, 0xFF: 0}),
        (A_LAW, {0x55: -8, 0xD5: 8, 0x2A: -32256, 0xAA: 32256, 0x54: -24, 0x80: 5504, 0x00: -5504}),
    ],
)
def test_codes_of_the_standard(encoding, values):
    """A code has the value that the standard gives it."""
    assert dict(zip(values, decoded(bytes(values), encoding))) == values


@pytest.mark.parametrize("encoding", [MU_LAW, A_LAW])
def test_all_codes(encoding):
    """Positive and negative codes mirror each other, and the larger a code is, the louder it is."""
    values = decoded(bytes(range(256)), encoding)
    lower, upper = values[:128], values[128:]
    assert [-value for value in lower] == list(upper)
    keys = range(128) if encoding == MU_LAW else [code ^ 0x55 for code in range(128)]
    by_size = [abs(value) for _, value in sorted(zip(keys, lower))]
    assert by_size == sorted(by_size, reverse=encoding == MU_LAW)
    assert len(set(by_size)) == 128


@pytest.mark.parametrize("encoding", [MU_LAW, A_LAW])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_same_as_the_old_standard_library(encoding):
    """Python had these tables up to 3.12."""
    audioop = pytest.importorskip("audioop")
    decode = audioop.ulaw2lin if encoding == MU_LAW else audioop.alaw2lin
    assert linear_samples(bytes(range(256)), Pcm(8_000, 1, 1, encoding))[0] == decode(bytes(range(256)), 2)


def test_silence_is_silent():
    """What is put in as silence is decoded as next to nothing."""
    for encoding in (MU_LAW, A_LAW):
        pcm = Pcm(8_000, 1, 1, encoding)
        assert all(abs(value) <= 8 for value in decoded(pcm.silence(4), encoding))
        assert pcm.length_ns(8_000) == 1_000_000_000


def test_linear_samples_stay_as_they_are():
    """Whatever their width."""
    for width in (1, 2, 3, 4):
        pcm = Pcm(8_000, 1, width, LINEAR)
        assert linear_samples(b"abcd", pcm) == (b"abcd", pcm)
        assert pcm.linear is pcm


@pytest.mark.parametrize("encoding", [MU_LAW, A_LAW])
def test_what_is_encoded_is_the_nearest_value_that_there_is(encoding):
    """Each code's own value stays what it is, what lies between goes to the nearer one, and what is louder than all to the loudest."""
    pcm = Pcm(8_000, 1, 1, encoding)
    linear, _ = linear_samples(bytes(range(256)), pcm)
    assert linear_samples(encoded_samples(linear, pcm), pcm)[0] == linear
    values = sorted({value for (value,) in struct.iter_unpack("<h", linear)})
    for value in (-32768, -1000, -3, 0, 1, 7, 12345, 32767):
        ((found,),) = struct.iter_unpack("<h", linear_samples(encoded_samples(struct.pack("<h", value), pcm), pcm)[0])
        assert abs(found - value) == min(abs(one - value) for one in values)
    assert encoded_samples(b"\1\2", Pcm(8_000, 1)) == b"\1\2"
