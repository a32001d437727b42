from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.session.wav import Pcm, split
from evi_harness.simulate.plausibility import Plausibility

MONO = Pcm(16_000, 1)
RANDOM = random.Random(1)


def shorts(values):
    """Numbers from -1 to 1 as 16-bit samples."""
    numbers = [round(max(-1, min(1, value)) * 32767) for value in values]
    return struct.pack(f"<{len(numbers)}h", *numbers)


def voiced(n_frames, level=0.3):
    """Something like a vowel."""
    return [level * sum(math.sin(2 * math.pi * 140 * part * place / 16_000) / part for part in (1, 2, 3)) for place in range(n_frames)]


NOISE = bytes(RANDOM.getrandbits(8) for _ in range(64_000))
VOICE = voiced(32_000)

NO_SOUND = {
    "compressed": NOISE,
    "floats": b"".join(struct.pack("<f", value + RANDOM.gauss(0, 0.01)) for value in VOICE[:16_000]),
    "byte order": b"".join(struct.pack(">h", round(value * 32767 + RANDOM.gauss(0, 50))) for value in VOICE),
    "text": (b"The quick brown fox jumps over the lazy dog.\r\n\t" * 2000)[:64_000],
    "base64": (b"UklGRkQsAABXQVZFZm10IBAAAAABAAEA" * 2000)[:64_000],
    "behind silence": bytes(320_000) + NOISE,
}
SOUND = {
    "silence": bytes(320_000),
    "voice": shorts(VOICE),
    "loud voice": shorts(voiced(32_000, 2.0)),
    "hiss": shorts(RANDOM.gauss(0, 0.15) for _ in range(32_000)),
    "faint hiss": shorts(RANDOM.gauss(0, 0.0001) for _ in range(32_000)),
    "hum": shorts(math.sin(place / 50) for place in range(32_000)),
    "shout, then noise": shorts(voiced(1_600, 2.0)) + NOISE,
    "noise for less than a second": NOISE[: 2 * 14_400] + shorts(VOICE),
}


def doubt(samples, pcm=MONO, step=640):
    """The first doubt about a stream, sent in pieces."""
    plausibility = Plausibility()
    doubts = (plausibility.doubt(samples[start : start + step], pcm) for start in range(0, len(samples), step))
    return next((one for one in doubts if one is not None), None)


@pytest.mark.parametrize("name", NO_SOUND)
def test_what_can_be_no_sound_is_told(name):
    """Each is found within the stream, with what it seems to be."""
    expected = "it is text" if name in ("text", "base64") else "it is noise at full scale"
    assert doubt(NO_SOUND[name]) == expected


@pytest.mark.parametrize("name", SOUND)
def test_what_may_be_sound_is_heard(name):
    """Silence, voices, noises of this world."""
    assert doubt(SOUND[name]) is None


def test_real_voices_are_heard(shared_data):
    """Every recording of a voice passes, and one in two channels."""
    for path in sorted((shared_data / "speech").glob("*.wav")):
        wav = split(path.read_bytes())
        assert doubt(wav.samples, wav.pcm) is None
        pairs = b"".join(wav.samples[at : at + 2] * 2 for at in range(0, 64_000, 2))
        assert doubt(pairs, Pcm(16_000, 2)) is None


@given(st.integers(1, 5000).map(lambda n: 2 * n), st.sampled_from(sorted([*NO_SOUND, *SOUND])))
@settings(max_examples=30)
def test_pieces_do_not_matter(step, name):
    """However it is cut, the same is said of it."""
    samples = {**NO_SOUND, **SOUND}[name]
    assert doubt(samples, step=step) == doubt(samples)


def test_it_takes_a_whole_second():
    """Nine tenths of noise say nothing yet."""
    assert doubt(NOISE[: 2 * 15_999]) is None
    assert doubt(NOISE[: 2 * 16_000]) is not None


def test_other_widths_are_not_judged():
    """Only 16-bit audio can come headerless, and a header is no accident."""
    assert doubt(NOISE, Pcm(16_000, 1, 1)) is None
