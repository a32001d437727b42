from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import UsageError
from evi_harness.session.protocols import Mark
from evi_harness.simulate.turn_detection import Listener, Speaking, Spoken, TurnDetection

MS = 1_000_000


def marks(*lengths_ms, block_ms=10, probability=1.0):
    """Marks of silence and speech by turns."""
    found, at_ms = [], 0
    for turn, length_ms in enumerate(lengths_ms):
        for _ in range(length_ms // block_ms):
            found.append(Mark(at_ms * MS, (at_ms + block_ms) * MS, probability if turn % 2 else 0.0))
            at_ms += block_ms
    return found


def spoken(detection, heard):
    """The utterances, in ms."""
    found = [one for one in Listener(detection).hear(heard) if isinstance(one, Spoken)]
    return [(one.begin_ns / MS, one.end_ns / MS, one.over_ns / MS) for one in found]


tens = st.integers(10, 60).map(lambda n: 10 * n)


@given(st.integers(0, 50).map(lambda n: 10 * n), tens, st.integers(1, 200), st.sampled_from([10, 32, 500]))
def test_a_turn_is_over_exactly_the_silence_after_its_speech(before_ms, speech_ms, silence_ms, block_ms):
    """Its end is where the speech ended and it is over that and the silence, whatever the blocks are."""
    detection = TurnDetection(end_of_turn_silence_ms=silence_ms)
    begin_ms, end_ms = before_ms, before_ms + speech_ms
    heard = marks(before_ms, speech_ms) + [
        Mark((end_ms + at) * MS, (end_ms + at + block_ms) * MS, 0.0) for at in range(0, silence_ms + block_ms, block_ms)
    ]
    assert spoken(detection, heard) == [(begin_ms, end_ms, end_ms + silence_ms)]


@given(st.lists(st.tuples(tens, st.integers(1, 79).map(lambda n: 10 * n)), min_size=1, max_size=6))
def test_pauses_shorter_than_the_silence_end_no_turn(parts):
    """One utterance from its first speech to its last."""
    lengths = [length for pair in parts for length in pair][:-1]
    assert spoken(TurnDetection(), marks(0, *lengths, 800)) == [(0, sum(lengths), sum(lengths) + 800)]


def test_nothing_is_over_before_the_silence_is():
    """At 799 ms of it, and while it lasts, nothing; then once."""
    assert spoken(TurnDetection(), marks(0, 200, 790)) == []
    assert spoken(TurnDetection(), marks(0, 200, 800)) == [(0, 200, 1000)]
    assert spoken(TurnDetection(), marks(0, 200, 5000)) == [(0, 200, 1000)]


@pytest.mark.parametrize("blip_ms", [10, 50, 90])
def test_a_noise_is_no_utterance(blip_ms):
    """What is too short to be a word neither begins nor makes an utterance."""
    assert spoken(TurnDetection(), marks(100, blip_ms, 2000)) == []
    assert spoken(TurnDetection(), marks(100, blip_ms, 300, 200, 900)) == [(400 + blip_ms, 600 + blip_ms, 1400 + blip_ms)]


def test_silence_says_nothing():
    """No utterance, no speaking."""
    assert list(Listener(TurnDetection()).hear(marks(10_000))) == []


def test_who_speaks_is_told_with_each_mark():
    """From the first moment at which it is an utterance, with where it began and how far it got."""
    speaking = [one for one in Listener(TurnDetection()).hear(marks(50, 150)) if isinstance(one, Speaking)]
    assert [(one.begin_ns / MS, one.end_ns / MS) for one in speaking] == [(50, 50 + end) for end in range(100, 160, 10)]


@pytest.mark.parametrize(("probability", "n_found"), [(0.49, 0), (0.5, 1), (1.0, 1)])
def test_speech_begins_at_the_threshold(probability, n_found):
    """The threshold itself is speech."""
    assert len(spoken(TurnDetection(), marks(0, 200, 800, probability=probability))) == n_found


@pytest.mark.parametrize(
    "wrong",
    [
        {"speech_detection_threshold": 0},
        {"speech_detection_threshold": 1.1},
        {"end_of_turn_silence_ms": 0},
        {"prefix_padding_ms": -1},
        {"min_interruption_ms": -1},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong):
    """The error names the figure."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TurnDetection(**wrong)


def test_the_defaults_are_evis():
    """As the types of the SDK document them."""
    detection = TurnDetection()
    assert (detection.speech_detection_threshold, detection.prefix_padding_ms) == (0.5, 300)
    assert (detection.end_of_turn_silence_ms, detection.min_interruption_ms) == (800, 800)
