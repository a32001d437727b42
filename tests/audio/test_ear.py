from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio.ear import TOLERANCE_NS, Ear
from evi_harness.session.wav import Pcm

MS = 1_000_000
LOUD = b"\x10\x27"


class Loudness:
    """A detector that tells whether a block holds anything."""

    name, rate, block = "loudness 1", 16_000, 160

    def __init__(self):
        self.n_blocks = 0

    def probability(self, samples):
        self.n_blocks += 1
        assert len(samples) == 320
        return float(any(samples))


def hear(*pieces):
    """Marks of pieces (start in ms, samples, format)."""
    ear, marks = Ear(Loudness()), []
    for start_ms, samples, pcm in pieces:
        marks += ear.hear(samples, pcm, start_ms * MS)
    return marks


def in_ms(marks):
    """Marks as (start, end, probability), neighbours of one probability joined."""
    joined = []
    for mark in marks:
        if joined and joined[-1][2] == mark.probability:
            joined[-1][1] = mark.end_ns / MS
        else:
            joined.append([mark.start_ns / MS, mark.end_ns / MS, mark.probability])
    return [tuple(one) for one in joined]


MONO = Pcm(16_000, 1)


def silence(length_ms, pcm=MONO):
    """So much silence."""
    return bytes(pcm.rate * length_ms // 1000 * pcm.frame_bytes)


def sound(length_ms, pcm=MONO):
    """So much of a sound."""
    return LOUD * (pcm.rate * length_ms // 1000 * pcm.channels)


def test_a_mark_covers_what_was_judged_and_no_more():
    """A block that is not whole yet has no mark."""
    assert in_ms(hear((0, sound(25), MONO))) == [(0, 20, 1.0)]
    assert in_ms(hear((0, sound(25), MONO), (25, silence(14), MONO))) == [(0, 30, 1.0)]
    assert in_ms(hear((0, sound(5), MONO))) == []


@given(st.lists(st.integers(1, 900), max_size=30), st.sampled_from([Pcm(16_000, 1), Pcm(48_000, 2), Pcm(44_100, 1), Pcm(8_000, 1)]))
@settings(max_examples=40)
def test_marks_leave_no_hole_and_stay_within_the_audio(sizes, pcm):
    """Whatever the pieces, marks join one another from 0 on and never lie beyond what was heard."""
    ear, marks, n_bytes = Ear(Loudness()), [], 0
    for size in sizes:
        samples = LOUD * size
        marks += ear.hear(samples, pcm, pcm.length_ns(n_bytes))
        n_bytes += len(samples)
        if marks:
            assert marks[-1].end_ns <= pcm.length_ns(n_bytes) + MS
    assert [mark.start_ns for mark in marks] == [0, *(mark.end_ns for mark in marks)][: len(marks)]


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_speech_of_any_rate_lies_where_it_was_spoken(rate):
    """A sound from 200 to 300 ms is heard there, within a block at each side."""
    pcm = Pcm(rate, 1)
    samples = silence(200, pcm) + sound(100, pcm) + silence(400, pcm)
    loud = [mark for mark in hear((0, samples, pcm)) if mark.probability]
    assert loud[0].start_ns / MS == pytest.approx(200, abs=20)
    assert loud[-1].end_ns / MS == pytest.approx(300, abs=20)


def test_what_was_never_sent_is_silence():
    """A gap is marked as silence from the end of the audio on, and what follows it lies behind it."""
    assert in_ms(hear((0, sound(105), MONO), (500, sound(100), MONO))) == [(0, 105, 1.0), (105, 500, 0.0), (500, 600, 1.0)]


def test_audio_that_begins_late_has_silence_before_it():
    """From position 0 on there are marks."""
    assert in_ms(hear((300, sound(20), MONO))) == [(0, 300, 0.0), (300, 320, 1.0)]


def test_jitter_is_no_gap():
    """A piece that is placed a little late, as a microphone's are, goes on where the one before ended."""
    late = TOLERANCE_NS // MS
    assert in_ms(hear((0, sound(100), MONO), (100 + late, sound(100), MONO), (200, sound(100), MONO))) == [(0, 300, 1.0)]
    assert len(in_ms(hear((0, sound(100), MONO), (101 + late, sound(100), MONO)))) == 3


def test_a_new_format_goes_on_where_the_old_one_ended():
    """The rate may change within a session."""
    stereo = Pcm(48_000, 2)
    marks = hear((0, sound(100), MONO), (100, sound(300, stereo), stereo))
    assert marks[9].end_ns == 100 * MS
    (only,) = in_ms(marks)
    assert only[0] == 0
    assert only[1] == pytest.approx(400, abs=40)


@pytest.mark.parametrize("rates", [(16_000, 16_000), (8_000, 16_000), (44_100, 48_000), (22_050, 44_100), (12_000, 32_000)])
def test_a_format_for_each_piece(rates):
    """Where pieces are shorter than a block, blocks are judged out of several, and they lie where they were spoken after a minute too."""
    ear, marks = Ear(Loudness()), []
    for number in range(3000):
        pcm = Pcm(rates[number % 2], 1 + number % 2)
        is_loud = number % 100 >= 50
        marks += ear.hear((sound if is_loud else silence)(20, pcm), pcm, number * 20 * MS)
    assert [mark.start_ns for mark in marks] == [0, *(mark.end_ns for mark in marks)][: len(marks)]
    told = in_ms(marks)
    assert len(told) == 60
    for number, (start_ms, end_ms, probability) in enumerate(told[:-1]):
        assert probability == number % 2
        assert start_ms == pytest.approx(1000 * number, abs=25)
        assert end_ms == pytest.approx(1000 * (number + 1), abs=25)


def test_a_detector_forgets_over_a_gap():
    """It is given silence, however long the gap is, and not more than it needs."""
    detector = Loudness()
    ear = Ear(detector)
    ear.hear(sound(100), MONO, 0)
    before = detector.n_blocks
    ear.hear(sound(10), MONO, 3_600_000 * MS)
    assert before + 2 <= detector.n_blocks <= before + 20


def test_the_name_is_the_detectors():
    """Reports name the detector behind a hearing."""
    assert Ear(Loudness()).name == "loudness 1"
