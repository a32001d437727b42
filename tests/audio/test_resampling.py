from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio.resampling import Resampler, convert
from evi_harness.errors import UsageError
from evi_harness.session.wav import Pcm


def tone(rate, seconds=0.5, hertz=440, channels=1, level=8000):
    """A sine, 16-bit, the same in every channel."""
    values = (round(level * math.sin(2 * math.pi * hertz * place / rate)) for place in range(int(rate * seconds)))
    return b"".join(struct.pack("<h", value) * channels for value in values)


def values(samples):
    """16-bit samples as numbers."""
    return struct.unpack(f"<{len(samples) // 2}h", samples)


def worst(one, other, edge=400):
    """The largest difference but at the edges, where a filter has nothing to go by."""
    return max(abs(a - b) for a, b in list(zip(values(one), values(other)))[edge:-edge])


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_goes_out_is_where_it_came_in(rate, channels):
    """A tone of any rate becomes the tone of 16 kHz, sample by sample: nothing is shifted, and nothing is missing at the end."""
    resampler = Resampler(Pcm(rate, channels), 16_000)
    given_, step = tone(rate, channels=channels), rate // 50 * 2 * channels
    out = b"".join(resampler.push(given_[start : start + step]) for start in range(0, len(given_), step)) + resampler.finish()
    assert abs(len(out) // 2 - 8_000) <= 1
    assert worst(out, tone(16_000)) < 80


@given(st.lists(st.integers(1, 700), max_size=20))
@settings(max_examples=30)
def test_pieces_do_not_matter(sizes):
    """Cut anywhere, also within a frame, a stream gives the same."""
    samples = tone(24_000, 0.1, channels=2)
    whole = Resampler(Pcm(24_000, 2), 16_000)
    expected = whole.push(samples) + whole.finish()
    resampler, out, start = Resampler(Pcm(24_000, 2), 16_000), b"", 0
    for size in sizes:
        out += resampler.push(samples[start : start + size])
        start += size
    assert out + resampler.push(samples[start:]) + resampler.finish() == expected


def test_a_stream_of_the_right_rate_passes_unchanged():
    """16-bit mono of the rate asked for is given out at once, to the bit."""
    samples = tone(16_000, 0.05)
    resampler = Resampler(Pcm(16_000, 1), 16_000)
    assert resampler.push(samples) == samples
    assert resampler.finish() == b""


@pytest.mark.parametrize(
    ("width", "samples", "expected"),
    [
        (1, bytes([0, 128, 255]), [-32768, 0, 32512]),
        (2, struct.pack("<3h", -32768, 0, 32767), [-32768, 0, 32767]),
        (3, bytes([0, 0, 0x80, 0, 0, 0, 0, 0xFF, 0x7F]), [-32768, 0, 32767]),
        (4, struct.pack("<3i", -(2**31), 0, 0x7FFF0000), [-32768, 0, 32767]),
    ],
)
def test_any_width_becomes_16_bit(width, samples, expected):
    """The upper 16 bits of each sample come out."""
    assert list(values(convert(samples, Pcm(8_000, 1, width), Pcm(8_000, 1)))) == expected


def test_channels_are_mixed_by_their_mean():
    """Two channels become one; one becomes two that are the same."""
    assert values(convert(struct.pack("<4h", 100, 300, -100, -300), Pcm(8_000, 2), Pcm(8_000, 1))) == (200, -200)
    assert values(convert(struct.pack("<2h", 5, 6), Pcm(8_000, 1), Pcm(8_000, 2))) == (5, 5, 6, 6)


@pytest.mark.parametrize("to", [24_000, 48_000])
def test_a_whole_piece_is_converted(to):
    """A tone stays the tone at another rate."""
    assert worst(convert(tone(16_000), Pcm(16_000, 1), Pcm(to, 1)), tone(to)) < 20


def test_nothing_becomes_nothing_and_a_cut_frame_is_dropped():
    """The edges: no samples, and half a sample too many."""
    assert convert(b"", Pcm(16_000, 1), Pcm(24_000, 1)) == b""
    assert convert(b"\1\0\2", Pcm(16_000, 1), Pcm(16_000, 1)) == b"\1\0"


@pytest.mark.parametrize(("pcm", "to"), [(Pcm(8_000, 2), Pcm(8_000, 3)), (Pcm(8_000, 1), Pcm(8_000, 1, 3))])
def test_what_cannot_be_meant_is_refused(pcm, to):
    """Channels that do not follow, and a width nobody plays."""
    with pytest.raises(UsageError, match="cannot be converted"):
        convert(bytes(12), pcm, to)


def test_a_width_that_is_none_is_refused():
    """Five bytes a sample are no PCM."""
    with pytest.raises(UsageError, match="5 bytes a sample"):
        convert(bytes(10), Pcm(8_000, 1, 5), Pcm(8_000, 1))
