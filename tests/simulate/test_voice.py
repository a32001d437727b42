"""Tests of evi_harness.simulate.voice: what is made is like speech, and the same everywhere."""

from __future__ import annotations

import ast
import hashlib
import inspect
from itertools import combinations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.audio.detectors import make_detector
from evi_harness.audio.ear import Ear
from evi_harness.session.wav import Pcm
from evi_harness.simulate import voice
from evi_harness.simulate.voice import length_ms, spoken

MS = 1_000_000
RATE = 24_000
MONO = Pcm(RATE, 1)
TEXTS = (
    "It's raining in Bath, at eleven degrees. Take an umbrella.",
    "I don't know, I was made by a script and by nobody else.",
    "Simulator: the script expects speech here, turn 2; text came.",
    "The Romans built them around the hot springs, almost two thousand years ago.",
)


def heard(text, seed=0, pcm=MONO):
    """Its samples, as floats."""
    return np.frombuffer(spoken(text, seed, pcm), "<i2").astype(float)


def rms(samples):
    """How loud they are."""
    return np.sqrt(np.mean(samples * samples))


def likeness(one, other):
    """The median, over stretches of 50 ms in which there is sound, of the best correlation within 100 ms: 1 for the same, however loud."""
    size, lag, found = RATE // 20, RATE // 10, []
    for at in range(lag, min(len(one), len(other)) - size - lag, size):
        window, around = one[at : at + size], other[at - lag : at + size + lag]
        if rms(window) > 300:
            power = np.sqrt(np.convolve(around * around, np.ones(size), "valid") * np.sum(window * window))
            found.append(np.max(np.correlate(around, window, "valid") / (power + 1e-9)))
    assert len(found) > 10
    return np.median(found)


@pytest.mark.parametrize(
    ("text", "seed", "pcm", "digest"),
    [
        (TEXTS[0], 0, MONO, "f9c20fdecae413ae"),
        (TEXTS[0], 1, MONO, "181101757b852559"),
        (TEXTS[3], 0, Pcm(48_000, 1), "e336c18d2b7cb4cd"),
        ("Größe, 日本 \ud800", 7, Pcm(16_000, 2), "69f1efa4f11377f1"),
        ("", 0, Pcm(8_000, 1), "bee0f6192b0a20ed"),
    ],
    ids=["a text", "another seed", "another rate", "odd letters, stereo", "none"],
)
def test_it_is_the_same_on_every_machine(text, seed, pcm, digest):
    """To the byte: who changes the voice changes every session that is made with it."""
    assert hashlib.sha256(spoken(text, seed, pcm)).hexdigest()[:16] == digest


def test_there_are_whole_numbers_alone():
    """Nothing in the module can round otherwise on another machine, or draw otherwise on another Python."""
    tree = ast.parse(inspect.getsource(voice))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Div, ast.Pow))]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex))]
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"hashlib", "struct"}


@given(st.text(max_size=200), st.integers(0, 2**40), st.sampled_from([1, 100, 8_000, 11_025, 24_000]), st.integers(1, 3))
def test_any_text_is_spoken(text, seed, rate, n_channels):
    """As long as it has letters, all channels alike, never silent as a whole, never at full scale."""
    pcm = Pcm(rate, n_channels)
    found = spoken(text, seed, pcm)
    assert len(found) == rate * length_ms(text) // 1000 * pcm.frame_bytes
    samples = np.frombuffer(found, "<i2").reshape(-1, n_channels).astype(int)
    assert not np.ptp(samples, axis=1).any()
    assert (np.abs(samples) < 12_000).all()
    assert samples.any() or rate < 8_000


@given(
    st.text("abcdefghijklmnopqrstuvwxyz ,.", min_size=1, max_size=150),
    st.integers(0, 99),
    st.sampled_from([8_000, 16_000, 24_000, 44_100, 48_000]),
)
def test_no_ten_milliseconds_are_like_others(text, seed, rate):
    """But for silence: wherever sound is cut, each piece can be told from all others."""
    found, size = spoken(text, seed, Pcm(rate, 1)), rate // 100 * 2
    blocks = [found[at : at + size] for at in range(0, len(found) - size + 1, size)]
    blocks = [block for block in blocks if any(block)]
    assert len(set(blocks)) == len(blocks)


def test_it_is_itself_whatever_becomes_of_it():
    """Quieter, clipped, at another rate and back, with another sound in it: it stays alike."""
    one = heard(TEXTS[0])
    hum = 200 * np.sin(np.arange(len(one)) / 50)
    for changed in (np.rint(one / 2), np.clip(4 * one, -32768, 32767), one + hum):
        assert likeness(one, changed) > 0.95
    for rate in (8_000, 16_000, 48_000):
        assert likeness(one, soxr.resample(soxr.resample(one, RATE, rate), rate, RATE)) > 0.95


def test_it_is_not_like_another():
    """Another text or seed; and what is played backwards, at twice the rate, off by a byte, or with its bytes exchanged."""
    for text, other in combinations(TEXTS, 2):
        assert likeness(heard(text), heard(other)) < 0.6
    one, as_bytes = heard(TEXTS[0]), spoken(TEXTS[0], 0, MONO)
    assert likeness(one, heard(TEXTS[0], seed=1)) < 0.6
    assert likeness(one, one[::-1].copy()) < 0.6
    assert likeness(one, one[::2].copy()) < 0.6
    assert likeness(one, np.frombuffer(b"\0" + as_bytes[:-1], "<i2").astype(float)) < 0.6
    assert likeness(one, np.frombuffer(as_bytes, ">i2").astype(float)) < 0.6


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_voiced_as_speech_is(text):
    """It crosses zero as often as a voice, repeats itself at a pitch, goes up and down, and is silent where there is a space."""
    samples, size = heard(text), RATE // 25
    windows = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
    windows = [window for window in windows if rms(window) > 300]
    crossings = [np.sum(np.diff(np.sign(window)) != 0) * RATE / size for window in windows]
    assert 500 < np.median(crossings) < 4000
    alike, pitches = [], []
    for window in windows:
        shifted = np.correlate(window, window, "full")[size - 1 :] / np.sum(window * window)
        alike.append(np.max(shifted[RATE // 250 : RATE // 70]))
        pitches.append(RATE / (RATE // 250 + np.argmax(shifted[RATE // 250 : RATE // 70])))
    assert np.median(alike) > 0.4
    assert np.percentile(pitches, 90) > 1.1 * np.percentile(pitches, 10)
    for place, letter in enumerate(text):
        stretch = samples[RATE * 60 * place // 1000 : RATE * 60 * (place + 1) // 1000]
        # The last period of a letter may go on a little into the pause behind it.
        assert bool(stretch[RATE // 60 :].any()) is (letter not in " .,:;'")


def test_vowels_sound_as_their_formants_have_it():
    """Most of the sound of an a is near its first formant, and of an i far below, with a second one far above."""

    def power(letter, low_hz, high_hz):
        spectrum = np.abs(np.fft.rfft(heard(letter * 20))) ** 2
        hz = np.fft.rfftfreq(2 * (len(spectrum) - 1), 1 / RATE)
        return np.sum(spectrum[(hz >= low_hz) & (hz < high_hz)]) / np.sum(spectrum)

    assert power("a", 600, 1300) > 0.6 > power("i", 600, 1300)
    assert power("i", 0, 500) > 0.6 > power("a", 0, 500)
    assert power("i", 1900, 3300) > 5 * power("u", 1900, 3300)


def test_a_speech_detector_takes_it_for_speech():
    """The one that the simulator itself listens with."""
    ear, samples = Ear(make_detector()), spoken(TEXTS[0], 0, MONO)
    marks = [*ear.hear(samples, MONO, 0), *ear.hear(bytes(2 * RATE), MONO, MONO.length_ns(len(samples)))]
    spoken_ns = sum(mark.end_ns - mark.start_ns for mark in marks if mark.probability >= 0.5)
    assert spoken_ns > MONO.length_ns(len(samples)) // 2
