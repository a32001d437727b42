"""Tests of evi_harness.replay.hearing.likeness."""

from __future__ import annotations

import math
from array import array
from math import pi, sin, sqrt
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.audio.resampling import convert
from evi_harness.replay.hearing.likeness import (
    ALIKE,
    FAINT,
    N_WINDOWS,
    Likeness,
    RatedSamples,
    _best,
    _correlations,
    _means,
    _products,
    likeness,
    loud_places,
    resampled,
    similarity,
)
from evi_harness.session.wav import Pcm

RATE = 24000
SPOKEN = ("springs", "water", "assistant-1")
NOTHING = array("h")


def sound(data, rate=RATE):
    """Bytes as a sound."""
    values = array("h")
    values.frombytes(data)
    return RatedSamples(values, rate)


def wave(*hertz, n=RATE, rate=RATE, peak=6000):
    """A sum of sines."""
    return array("h", [round(sum(peak / len(hertz) * sin(2 * pi * each * at / rate) for each in hertz)) for at in range(n)])


def noise(n, seed=1, peak=9000):
    """Noise, the same every time."""
    values, state = array("h"), seed
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        values.append((state >> 12) % (2 * peak) - peak)
    return values


# The sums that are done by one multiplication.

SAMPLES = st.integers(-32768, 32767)


@given(st.lists(st.integers(-65536, 65535), min_size=1, max_size=12), st.lists(SAMPLES, min_size=1, max_size=40))
def test_one_multiplication_gives_every_sum_of_products(window, region):
    """At each place where the window fits; where it never does, there is none."""
    expected = [sum(a * b for a, b in zip(window, region[at:])) for at in range(len(region) - len(window) + 1)]
    assert list(_products(window, region)) == expected


@pytest.mark.parametrize("value", [-65535, 65535])
def test_the_largest_sums_do_not_run_over(value):
    """A window of 50 ms at the highest rate, all extremes."""
    assert list(_products([value] * 4800, [-32768] * 4801)) == [value * -32768 * 4800] * 2


def pearson(one, other):
    """The correlation as it stands in books; 0 where it is negative or not defined."""
    n = len(one)
    mean, others = sum(one) / n, sum(other) / n
    product = sum((a - mean) * (b - others) for a, b in zip(one, other))
    energy = sum((a - mean) ** 2 for a in one) * sum((b - others) ** 2 for b in other)
    return max(0.0, product / sqrt(energy)) if energy > 0 else 0.0


@given(st.lists(SAMPLES, min_size=1, max_size=12), st.lists(SAMPLES, min_size=1, max_size=30))
def test_a_correlation_is_pearsons(window, region):
    """At each place where the window fits."""
    found = list(_correlations(window, region))
    expected = [pearson(window, region[at : at + len(window)]) for at in range(len(region) - len(window) + 1)]
    assert len(found) == len(expected)
    assert all(math.isclose(one, other, abs_tol=1e-6) for one, other in zip(found, expected))
    assert all(0 <= one <= 1.000001 for one in found)


@pytest.mark.parametrize("offset", [0, 1, 350, 700])
def test_the_best_place_is_where_the_window_was_taken(offset):
    """Whatever constant offset either has."""
    region = noise(900)
    window = [value // 2 + 3000 for value in region[offset : offset + 200]]
    assert _best(window, [value + 5000 for value in region]) == offset


@pytest.mark.parametrize(
    ("window", "region"),
    [([], [1, 2]), ([1, 2], [1]), ([500] * 50, noise(100)), (noise(50), [0] * 100), (noise(50), [900] * 100)],
    ids=["no window", "a short region", "a constant window", "silence", "a constant region"],
)
def test_there_is_no_best_place_where_there_is_nothing_to_find(window, region):
    """Where it does not fit, or either stands still."""
    assert _best(window, region) is None


@given(st.lists(SAMPLES, max_size=40).map(lambda values: array("h", values)), st.integers(1, 6))
def test_means_are_those_of_each_so_many_samples(samples, factor):
    """A rest is left out."""
    assert _means(samples, factor) == [sum(samples[at : at + factor]) // factor for at in range(0, len(samples) // factor * factor, factor)]


# Another rate.


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 24000, 44100, 48000])
def test_a_sine_is_itself_at_another_rate(rate):
    """As long as before, and alike."""
    found = resampled(RatedSamples(wave(310, 530), RATE), rate)
    assert abs(len(found) - rate) <= 3
    n = min(len(found), rate)
    assert similarity(found[:n], wave(310, 530, n=n, rate=rate)) > 0.97


def test_a_sound_at_its_own_rate_is_left_alone():
    """As is none at all."""
    samples = noise(100)
    assert resampled(RatedSamples(samples, RATE), RATE) is samples
    assert len(resampled(RatedSamples(NOTHING, RATE), 8000)) == 0
    assert len(resampled(RatedSamples(array("h", [5]), 48000), 8000)) == 0


@given(SAMPLES, st.sampled_from([8000, 16000, 22050, 48000]))
def test_what_stands_still_stands_still_at_any_rate(value, rate):
    """Extremes do not run over."""
    assert set(resampled(RatedSamples(array("h", [value] * 500), RATE), rate)) == {value}


# Short sounds.


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ([], [], 0, 0),
        ([], noise(100), 0, 0),
        (noise(100), noise(100), 1, 1),
        (noise(100), [value // 2 for value in noise(100)], 0.99, 1),
        (noise(100), [-value for value in noise(100)], 0, 0),
        (noise(100), noise(104), 1, 1),
        (noise(100), noise(106), 0, 0),
        (noise(100), noise(100, 2), 0, 0.4),
        ([0] * 100, [0] * 100, 0, 0),
        ([700] * 100, [700] * 100, 0, 0),
        (noise(1), noise(1), 0, 0),
    ],
    ids=[
        "nothing",
        "one of them is nothing",
        "the same",
        "half as loud",
        "upside down",
        "a little longer",
        "too much longer",
        "something else",
        "silence",
        "what stands still",
        "one sample",
    ],
)
def test_how_alike_two_short_sounds_are(one, other, least, most):
    """Of about one length, from beginning to end."""
    assert least <= similarity(one, other) <= most + 1e-9


# Where it is loud.


def test_the_loudest_window_of_each_part_is_taken():
    """In order, and each within its part."""
    samples = array("h", [0] * 8000)
    for at in (800, 2600, 6400):
        samples[at : at + 200] = wave(700, n=200)
    places = loud_places(samples, 200, 4)
    assert len(places) == 3
    assert [at // 2000 for at in places] == [0, 1, 3]
    assert all(any(abs(samples[index]) > 1000 for index in range(at, at + 200)) for at in places)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [(NOTHING, []), (noise(99), []), (noise(100), [0]), (array("h", [0] * 500), []), (array("h", [5000] * 500), [])],
    ids=["nothing", "too short", "just one window", "silence", "constant"],
)
def test_there_is_no_window_where_there_is_no_sound(samples, expected):
    """A constant offset is no sound."""
    assert loud_places(samples, 100, 8) == expected


@pytest.mark.parametrize(("peak", "n"), [(FAINT, 0), (FAINT * 2, 1)])
def test_faint_windows_are_left_out(peak, n):
    """The level is a root mean square: of a sine, 0.7 of its peak."""
    assert len(loud_places(wave(300, n=1200, peak=peak), 1200, 8)) == n


@given(st.integers(0, 3000), st.integers(1, 300), st.integers(1, 9))
def test_windows_are_within_the_sound(n, length, n_most):
    """At most so many, in order."""
    places = loud_places(noise(n), length, n_most)
    assert places == sorted(set(places))
    assert len(places) <= n_most
    assert all(0 <= at <= n - length for at in places)


# Likeness.


def pauses(samples):
    """20 ms of silence behind every 200."""
    return array("h", [value for at in range(0, len(samples), 4800) for value in (*samples[at : at + 4800], *[0] * 480)])


def faded(samples):
    """In and out within 300 ms."""
    n = len(samples)
    return array("h", [round(value * min(1.0, at / 7200, (n - 1 - at) / 7200)) for at, value in enumerate(samples)])


def softened(samples):
    """The mean of 6 samples each: a low-pass."""
    return array("h", [sum(samples[max(0, at - 5) : at + 1]) // 6 for at in range(len(samples))])


def swapped(samples):
    """The two bytes of each sample exchanged."""
    found = array("h", samples)
    found.byteswap()
    return found


SAME = {
    "unchanged": lambda samples: RatedSamples(samples, RATE),
    "half as loud": lambda samples: RatedSamples(array("h", [value // 2 for value in samples]), RATE),
    "twice as loud, clipped": lambda samples: RatedSamples(array("h", [max(-32768, min(32767, 2 * value)) for value in samples]), RATE),
    "at 48 kHz": lambda samples: RatedSamples(array("h", convert_to(samples, 48000)), 48000),
    "at 16 kHz": lambda samples: RatedSamples(array("h", convert_to(samples, 16000)), 16000),
    "at 44.1 kHz": lambda samples: RatedSamples(array("h", convert_to(samples, 44100)), 44100),
    "faded": lambda samples: RatedSamples(faded(samples), RATE),
    "with pauses": lambda samples: RatedSamples(pauses(samples), RATE),
    "softened": lambda samples: RatedSamples(softened(samples), RATE),
    "with a hum": lambda samples: RatedSamples(array("h", [a // 2 + b for a, b in zip(samples, wave(50, n=len(samples), peak=300))]), RATE),
    "with an offset": lambda samples: RatedSamples(array("h", [value // 2 + 2000 for value in samples]), RATE),
    "half a second later": lambda samples: RatedSamples(array("h", [0] * 12000) + samples, RATE),
    "without its beginning": lambda samples: RatedSamples(samples[7200:], RATE),
}


def convert_to(samples, rate):
    """Resampled as an app would."""
    data = convert(samples.tobytes(), Pcm(RATE, 1), Pcm(rate, 1))
    return memoryview(data).cast("h").tolist()


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_speech_that_was_changed_is_alike(speech, name, change):
    """Whatever its volume, rate, beginning and pauses."""
    there = sound(speech(name))
    found = likeness(change(there.samples), there)
    assert found.is_alike
    assert found.median >= ALIKE
    assert found.n_voiced >= 2


OTHER = {
    "backwards": lambda samples: samples[::-1],
    "its bytes exchanged": swapped,
    "shifted by a byte": lambda samples: sound(samples.tobytes()[1:-1]).samples,
    "at twice the rate": lambda samples: samples[::2],
    "at half the rate": lambda samples: array("h", [value for value in samples for _ in range(2)]),
    "noise": lambda samples: noise(len(samples)),
    "a tone": lambda samples: wave(440, n=len(samples)),
}


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_was_made_unlike_is_unlike(speech, name, change):
    """Where there should be voice, this is known for sure."""
    there = sound(speech(name))
    found = likeness(RatedSamples(change(there.samples), RATE), there)
    assert not found.is_alike
    assert found.n_voiced >= 2


@pytest.mark.parametrize(("name", "other"), [(name, other) for name in SPOKEN for other in SPOKEN if name != other])
def test_other_speech_is_unlike(speech, name, other):
    """Of the same voice too."""
    found = likeness(sound(speech(name)), sound(speech(other)))
    assert not found.is_alike
    assert found.n_voiced >= 2


@pytest.mark.parametrize(
    ("played", "received", "n"),
    [
        (NOTHING, noise(RATE), 0),
        (array("h", [0] * RATE), noise(RATE), 0),
        (array("h", [9000] * RATE), noise(RATE), 0),
        (wave(300, peak=30), noise(RATE), 0),
        (noise(1199), noise(RATE), 0),
        (noise(RATE), NOTHING, N_WINDOWS),
        (noise(RATE), noise(1000), N_WINDOWS),
        (noise(RATE), array("h", [0] * RATE), N_WINDOWS),
    ],
    ids=["nothing", "silence", "constant", "faint", "too short", "against nothing", "against too little", "against silence"],
)
def test_where_there_is_nothing_to_compare_nothing_is_alike(played, received, n):
    """Without a window there is no correlation; where there is nothing to find it in, it is 0, and no voice."""
    found = likeness(RatedSamples(played, RATE), RatedSamples(received, RATE))
    assert len(found.correlations) <= n
    assert bool(found.correlations) == bool(n)
    assert set(found.correlations) <= {0.0}
    assert (found.median, found.is_alike, found.n_voiced) == (0.0, False, 0)


@pytest.mark.parametrize("n_windows", [1, 3, 8])
def test_no_more_windows_than_wanted_are_compared(speech, n_windows):
    """One in each part."""
    there = sound(speech("springs"))
    assert len(likeness(there, there, n_windows).correlations) == n_windows


def test_windows_are_compared_until_the_median_is_known(speech):
    """As soon as most are unlike, the others need not be looked for."""
    there = sound(speech("springs"))
    found = likeness(RatedSamples(there.samples[::-1], RATE), there)
    assert len(found.correlations) == N_WINDOWS // 2 + 1
    assert max(found.correlations) < ALIKE


def test_a_long_pause_is_looked_behind_where_that_is_wanted(speech):
    """What is far from where it should be is found by looking far."""
    there = sound(speech("springs"))
    samples = array("h", there.samples)
    first = samples[: RATE // 2]
    later = RatedSamples(first + array("h", [0] * RATE) + samples[RATE // 2 :], RATE)
    assert likeness(later, there).is_alike
    assert not likeness(later, there, is_far_tried=False).is_alike


@given(st.lists(st.floats(0, 1), max_size=9))
def test_the_likeness_is_the_median(correlations):
    """0 where there is none; from ``ALIKE`` on it is the same sound."""
    found = Likeness(tuple(correlations))
    assert found.median == (median(correlations) if correlations else 0)
    assert found.is_alike == (found.median >= ALIKE)


def test_noise_holds_no_voice():
    """However alike it is."""
    samples = noise(RATE)
    found = likeness(RatedSamples(samples, RATE), RatedSamples(samples, RATE))
    assert (found.is_alike, found.n_voiced) == (True, 0)
