"""Tests of evi_harness.audio.mixing."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio.mixing import Part, Voice, frame_at, mono, n_frames, stereo
from evi_harness.session.wav import Pcm

MS = 1_000_000
RATE = 1000
MONO = Pcm(RATE, 1)


def pcm16(*values):
    """Samples as bytes."""
    return struct.pack(f"<{len(values)}h", *values)


def voice(*parts):
    """A voice of parts, each (milliseconds or None, samples), at the rate of the mix: a frame a millisecond."""
    made, at_ns, ends_ns = [], None, Fraction(0)
    for at_ms, values in parts:
        begins_ns = None if at_ms is None else Fraction(round(at_ms * MS))
        at_ns = begins_ns if at_ns is None else at_ns
        ends_ns = (ends_ns if begins_ns is None else begins_ns) + len(values) * MS
        made.append(Part(MONO, Fraction(RATE), pcm16(*values), begins_ns))
    return Voice(at_ns, ends_ns, lambda: iter(made))


def mixed(left=(), right=(), lasts_ms=0, rate=RATE):
    """Both channels of a mix, as two lists of numbers."""
    data = b"".join(stereo(left, right, rate, round(lasts_ms * MS)))
    values = struct.unpack(f"<{len(data) // 2}h", data)
    return list(values[::2]), list(values[1::2])


@pytest.mark.parametrize(
    ("at_ns", "rate", "frame"),
    [(0, 8000, 0), (62_499, 8000, 0), (62_500, 8000, 1), (125_000, 8000, 1), (-62_500, 8000, 0), (-62_501, 8000, -1), (10**9, 1, 1)],
)
def test_a_time_is_the_nearest_frame(at_ns, rate, frame):
    """To the nanosecond; half of a frame counts as a whole one."""
    assert frame_at(Fraction(at_ns), rate) == frame


def test_each_side_has_its_channel_and_each_sample_its_frame():
    """At the rate of the mix samples come out as they went in, where they belong; what is silent is zero, to the end of the session."""
    left, right = mixed([voice((2, [1, 2, 3]), (8, [4]))], [voice((3, [-5, 32767, -32768]))], lasts_ms=10)
    assert left == [0, 0, 1, 2, 3, 0, 0, 0, 4, 0]
    assert right == [0, 0, 0, -5, 32767, -32768, 0, 0, 0, 0]


def test_what_sounds_behind_the_end_makes_the_mix_longer():
    """The session's end cuts nothing off; the mix lasts as long as either side."""
    assert mixed([voice((2, [1]))], [voice((4, [2, 3]))], lasts_ms=3) == ([0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 2, 3])
    assert mixed(lasts_ms=2.5) == ([0, 0, 0], [0, 0, 0])
    assert mixed() == ([], [])


def test_what_sounds_before_the_axis_is_left_out():
    """Of a voice that began before time 0 the rest is heard, at its time."""
    assert mixed([], [voice((-2, [1, 2, 3, 4])), voice((-3, [9]))], lasts_ms=3)[1] == [3, 4, 0]


def test_voices_add_up_and_are_clipped():
    """Any number sounds at once; the sum stays at the ends of 16 bits and does not wrap."""
    voices = [voice((0, [30_000, -30_000, 1])), voice((0, [30_000, -30_000, 2])), voice((1, [-30_000, 3]))]
    assert mixed([], voices)[1] == [32_767, -32_768, 6]


def test_parts_that_follow_at_once_are_one_stretch():
    """A part without a time stands right behind the one before it, over the borders of blocks, too."""
    values = [number % 251 for number in range(2500)]
    parts = [(700, values[:1]), *((None, values[at : at + 7]) for at in range(1, 2500, 7))]
    assert mixed([voice(*parts)], [], lasts_ms=4000)[0] == [0] * 700 + values + [0] * 800


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 900), st.lists(st.integers(-32768, 32767), max_size=1500)), max_size=4), max_size=3),
    st.integers(0, 3000),
)
def test_a_mix_is_the_sum_of_its_voices(gaps_and_values, lasts_ms):
    """Whatever sounds when: each frame is the sum of what is there, clipped."""
    voices, expected = [], {}
    for rows in gaps_and_values:
        at, parts = 0, []
        for gap, values in rows:
            parts.append((at + gap, values))
            for offset, value in enumerate(values):
                expected[at + gap + offset] = expected.get(at + gap + offset, 0) + value
            at += gap + len(values)
        if parts:
            voices.append(voice(*parts))
    length = max([lasts_ms, *(frame + 1 for frame in expected)])
    total = [min(max(expected.get(frame, 0), -32768), 32767) for frame in range(length)]
    assert mixed([], voices, lasts_ms)[1] == total


def tone(rate, seconds, channels=1, hertz=100):
    """A sine, the same in every channel."""
    values = (round(8000 * math.sin(2 * math.pi * hertz * place / rate)) for place in range(int(rate * seconds)))
    return b"".join(struct.pack("<h", value) * channels for value in values)


@pytest.mark.parametrize("rate", [4000, 8000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_another_rate_comes_out_where_it_was(rate, channels):
    """A tone of any rate and number of channels is the same tone in the mix: nothing is shifted, and it lasts as long."""
    part = Part(Pcm(rate, channels), Fraction(rate), tone(rate, 1.5, channels), Fraction(250 * MS))
    _, right = mixed([], [Voice(part.begins_ns, Fraction(1750 * MS), lambda: iter([part]))], rate=8000)
    expected = struct.unpack("<12000h", tone(8000, 1.5))
    assert abs(len(right) - 14_000) <= 1
    assert right[:2000] == [0] * 2000
    assert max(abs(a - b) for a, b in zip(right[2200:13_800], expected[200:])) < 80


@pytest.mark.parametrize("speed", [Fraction(2), Fraction(1, 2), Fraction(3, 2)])
def test_what_goes_by_faster_keeps_its_samples(speed):
    """At so many times the rate on the axis, a mix of that rate has the samples as they are."""
    samples = tone(8000, 0.5)
    part = Part(Pcm(8000, 1), 8000 * speed, samples, Fraction(0))
    data = b"".join(stereo([Voice(Fraction(0), Fraction(1), lambda: iter([part]))], [], int(8000 * speed), 0))
    assert b"".join(data[at : at + 2] for at in range(0, len(data), 4)) == samples


def test_other_widths_become_16_bits():
    """A voice of 8 or 24 bits is as loud as it was."""
    parts = {Pcm(RATE, 1, 1): bytes([128, 192, 0]), Pcm(RATE, 1, 3): b"\x00\x00\x00\x00\x00\x40\x00\x00\x80"}
    for pcm, samples in parts.items():
        made = Part(pcm, Fraction(RATE), samples, Fraction(0))
        assert mixed([Voice(Fraction(0), Fraction(1), lambda made=made: iter([made]))])[0] == [0, 16_384, -32_768]


def test_a_change_of_format_makes_no_gap():
    """What follows at once in another format begins where the other one ended."""
    parts = [Part(MONO, Fraction(RATE), pcm16(1, 2), Fraction(MS)), Part(Pcm(RATE, 2), Fraction(RATE), pcm16(10, 20, 30, 30), None)]
    assert mixed([Voice(Fraction(MS), Fraction(5 * MS), lambda: iter(parts))])[0] == [0, 1, 2, 15, 30]


def test_a_block_is_a_second_and_nothing_is_read_ahead_of_it():
    """An hour needs no more memory than a second: each block is made of what is due in it."""
    read = []

    def hour():
        for second in range(3600):
            read.append(second)
            yield Part(MONO, Fraction(RATE), pcm16(second) * RATE, Fraction(0) if second == 0 else None)

    blocks = stereo([], [Voice(Fraction(0), Fraction(3600 * 1000 * MS), hour)], RATE, 0)
    for second in range(5):
        assert next(blocks) == pcm16(0, second) * RATE
        assert len(read) <= second + 2


def test_a_few_frames_of_a_low_rate_are_resampled_a_second_at_a_time():
    """Samples that would last for days do not become days of samples at once."""
    part = Part(Pcm(1, 1), Fraction(1), pcm16(*range(1000)), Fraction(0))
    blocks = stereo([Voice(Fraction(0), Fraction(10**12), lambda: iter([part]))], [], 8000, 0)
    assert [len(next(blocks)) for _ in range(3)] == [32_000] * 3


def test_how_long_a_mix_will_be_is_known_before():
    """From the ends of the voices and the session; never less than what comes."""
    voices = [voice((2, [1, 2, 3])), voice((900, [1] * 1200))]
    assert n_frames(voices, RATE, 500 * MS) - 1 == len(mixed(voices, lasts_ms=500)[0]) == 2100
    assert n_frames(voices, RATE, 5000 * MS) - 1 == len(mixed(voices, lasts_ms=5000)[0]) == 5000
    assert n_frames((), RATE, 0) >= 0


def test_one_channel_alone_is_that_channel_of_both():
    """To the sample, and as long."""
    voices = (voice((5, [1, 2, 3]), (None, [4])), voice((6, [40_000 - 7233, 9])))
    both = b"".join(stereo(voices, (), RATE, 20 * MS))
    assert b"".join(mono(voices, RATE, 20 * MS)) == b"".join(both[at : at + 2] for at in range(0, len(both), 4))
