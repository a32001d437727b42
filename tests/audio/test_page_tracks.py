"""Tests of evi_harness.audio.page_tracks."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy
import pytest
import soundfile

from evi_harness.audio.mixing import Part, Voice
from evi_harness.audio.page_tracks import FLAC, MIME_TYPES, OGG, right_side, track_of
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import Pcm

RATE = 16_000
SECOND_NS = 1_000_000_000


def clicks(*at_ms, lasts_ms=1000):
    """A voice of silence with a click of 10 ms at each time."""
    samples = numpy.zeros(RATE * lasts_ms // 1000, "<i2")
    for at in at_ms:
        samples[at * RATE // 1000 :][: RATE // 100] = 20_000
    part = Part(Pcm(RATE, 1), Fraction(RATE), samples.tobytes(), Fraction(0))
    return Voice(Fraction(0), Fraction(lasts_ms * 1_000_000), lambda: iter([part]))


def test_a_track_is_as_long_as_the_session_and_drawn_where_it_sounds():
    """At every zoom, the bins of a click are not silent, and those beside it are."""
    track = track_of([clicks(500)], RATE, 2 * SECOND_NS, None)
    assert (track.length_ns, track.sound) == (2 * SECOND_NS, None)
    assert [one.bin_ms for one in track.drawn] == [10, 80, 640]
    finest, middle, coarsest = (one.peaks for one in track.drawn)
    assert [at for at, peak in enumerate(finest) if peak] == [50]
    assert [at for at, peak in enumerate(middle) if peak] == [6]
    assert [at for at, peak in enumerate(coarsest) if peak] == [0]
    assert (len(finest), finest[50], len(middle), len(coarsest)) == (200, 156, 25, 4)


def test_full_scale_and_the_faintest_sample_are_both_drawn():
    """255 for the one, and more than 0 for the other."""
    part = Part(Pcm(RATE, 1), Fraction(RATE), struct.pack("<320h", *[1] * 160, *[-32768] * 160), Fraction(0))
    track = track_of([Voice(Fraction(0), Fraction(20_000_000), lambda: iter([part]))], RATE, 0, None)
    assert list(track.drawn[0].peaks) == [1, 255]


@pytest.mark.parametrize("form", [OGG, FLAC])
def test_the_sound_is_where_it_was(form):
    """Each click is found in the decoded file within 5 ms, however many blocks were written."""
    at_ms = (40, 3210, 11_990, 24_500)
    track = track_of([clicks(*at_ms, lasts_ms=25_000)], RATE, 0, form)
    assert track.sound is not None
    decoded, rate = soundfile.read(io.BytesIO(track.sound))
    assert rate == RATE
    assert abs(len(decoded) - 25 * RATE) <= 1
    for at in at_ms:
        window = numpy.abs(decoded[at * RATE // 1000 - 480 : at * RATE // 1000 + 480])
        assert abs(int(numpy.argmax(window > 0.3)) - 480) <= 80
    assert MIME_TYPES[form].startswith("audio/")


def test_seconds_are_counted_and_what_sounds_the_same_is_known():
    """A callback for each second; the digest is of the samples and the rate."""
    seconds = []
    one = track_of([clicks(10)], RATE, 3 * SECOND_NS, None, lambda: seconds.append(1))
    assert len(seconds) == 3
    assert one.digest == track_of([clicks(10)], RATE, 3 * SECOND_NS, OGG).digest
    assert one.digest != track_of([clicks(20)], RATE, 3 * SECOND_NS, None).digest


def test_of_what_was_heard_the_right_side_is_taken():
    """The left one is the user."""
    frames = numpy.array([[100, 7], [200, 8], [300, 9]], "<i2").tobytes()
    voice = right_side(Pcm(RATE, 2), len(frames) + 1, lambda at, n: frames[at : at + n])
    assert b"".join(part.samples for part in voice.parts()) == struct.pack("<3h", 7, 8, 9)
    with pytest.raises(EviHarnessError, match="not 16-bit stereo"):
        right_side(Pcm(RATE, 1), 10, lambda at, n: b"")
