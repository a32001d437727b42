"""Tests of evi_harness.replay.judging.alignment."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.alignment import DIFFERENT, EQUAL, MISSING, MOVED, UNEXPECTED, align
from evi_harness.replay.judging.pairing import comparable
from evi_harness.session.protocols import Message


def message(spec):
    """A message by a short name: a small letter is said, ``+1x`` answers call 1 with x, ``-1`` fails it, ``P`` pauses."""
    if spec == "P":
        fields = {"type": "pause_assistant_message"}
    elif spec[0] == "+":
        fields = {"type": "tool_response", "tool_call_id": spec[1], "content": spec[2:]}
    elif spec[0] == "-":
        fields = {"type": "tool_error", "tool_call_id": spec[1], "error": "none"}
    else:
        fields = {"type": "user_input", "text": spec}
    return comparable(Message(fields["type"], fields), EVI)


def aligned(recorded, live):
    """The pairs of two sequences of short names."""
    return [(pair.outcome, pair.recorded, pair.live) for pair in align([*map(message, recorded)], [*map(message, live)])]


def outcomes(recorded, live):
    """What became of all that is not equal."""
    return [pair[0] for pair in aligned(recorded, live) if pair[0] != EQUAL]


CASES = {
    "nothing": ("", "", []),
    "nothing recorded": ("", "a", [(UNEXPECTED, None, 0)]),
    "nothing sent": ("a", "", [(MISSING, 0, None)]),
    "equal": ("ab", "ab", [(EQUAL, 0, 0), (EQUAL, 1, 1)]),
    "altered": ("abc", "axc", [(EQUAL, 0, 0), (DIFFERENT, 1, 1), (EQUAL, 2, 2)]),
    "all altered": ("ab", "xy", [(DIFFERENT, 0, 0), (DIFFERENT, 1, 1)]),
    "of another family": ("aPc", "axc", [(EQUAL, 0, 0), (UNEXPECTED, None, 1), (MISSING, 1, None), (EQUAL, 2, 2)]),
    "swapped": ("ab", "ba", [(MOVED, 0, 1), (EQUAL, 1, 0)]),
    "moved to the end": ("abcd", "bcda", [(MOVED, 0, 3), (EQUAL, 1, 0), (EQUAL, 2, 1), (EQUAL, 3, 2)]),
    "one too many": ("ab", "axb", [(EQUAL, 0, 0), (UNEXPECTED, None, 1), (EQUAL, 1, 2)]),
    "sent twice": ("ab", "aab", [(EQUAL, 0, 0), (UNEXPECTED, None, 1), (EQUAL, 1, 2)]),
    "one of two equal ones missing": ("aab", "ab", [(EQUAL, 0, 0), (MISSING, 1, None), (EQUAL, 2, 1)]),
    "an error for an answer": (["a", "+1x"], ["a", "-1"], [(EQUAL, 0, 0), (DIFFERENT, 1, 1)]),
    "an answer to another call": (["+1x"], ["+2x"], [(DIFFERENT, 0, 0)]),
    "identity goes before place": (["+1x", "+2x"], ["+2y", "+1y"], [(DIFFERENT, 0, 1), (DIFFERENT, 1, 0)]),
    "altered at a place of its own, no more": ("abc", "bxc", [(MISSING, 0, None), (EQUAL, 1, 0), (UNEXPECTED, None, 1), (EQUAL, 2, 2)]),
}

TEXTS = st.text("abcP", max_size=9)


@pytest.mark.parametrize(("recorded", "live", "expected"), CASES.values(), ids=CASES)
def test_cases(recorded, live, expected):
    """Each message of both sides is told once, in recorded order, what is unexpected behind what went before it."""
    assert aligned(recorded, live) == expected


def longest(recorded, live):
    """The length of the longest common subsequence, the slow way."""
    rows = [[0] * (len(live) + 1) for _ in range(len(recorded) + 1)]
    for r, one in enumerate(recorded):
        for l_, other in enumerate(live):
            rows[r + 1][l_ + 1] = rows[r][l_] + 1 if one == other else max(rows[r][l_ + 1], rows[r + 1][l_])
    return rows[-1][-1]


@given(TEXTS, TEXTS)
def test_every_message_is_told_once(recorded, live):
    """Every index of each side stands in exactly one pair."""
    pairs = aligned(recorded, live)
    assert sorted(r for _, r, _ in pairs if r is not None) == [*range(len(recorded))]
    assert sorted(l_ for _, _, l_ in pairs if l_ is not None) == [*range(len(live))]


@given(TEXTS, TEXTS)
def test_as_many_as_possible_are_equal(recorded, live):
    """What is equal keeps its order, and no other choice would leave more equal."""
    equal = [(r, l_) for outcome, r, l_ in aligned(recorded, live) if outcome == EQUAL]
    assert all(recorded[r] == live[l_] for r, l_ in equal)
    assert [l_ for _, l_ in equal] == sorted(l_ for _, l_ in equal)
    assert len(equal) == longest(recorded, live)


@given(TEXTS, TEXTS)
def test_both_ways_the_same(recorded, live):
    """With the sides exchanged as many are equal, and as many moved."""
    there, back = aligned(recorded, live), aligned(live, recorded)
    for outcome in (EQUAL, MOVED):
        assert sum(pair[0] == outcome for pair in there) == sum(pair[0] == outcome for pair in back)


@given(TEXTS)
def test_identical_sides_are_equal(texts):
    """Nothing is found where nothing differs."""
    assert outcomes(texts, texts) == []


@given(TEXTS.filter(bool), st.data())
def test_one_change_is_one_finding(texts, data):
    """One message left out, put in, altered or moved is one finding that says so."""
    at = data.draw(st.integers(0, len(texts) - 1))
    rest = texts[:at] + texts[at + 1 :]
    assert outcomes(texts, rest) == [MISSING]
    assert outcomes(rest, texts) == [UNEXPECTED]
    to = data.draw(st.integers(0, len(rest)))
    moved = rest[:to] + texts[at] + rest[to:]
    assert outcomes(texts, moved) == ([MOVED] if moved != texts else [])


@given(TEXTS, TEXTS)
def test_one_altered_message_is_one_difference(before, behind):
    """It is told at its own place, whatever stands around it."""
    assume("P" not in before + behind)
    pairs = aligned(before + "a" + behind, before + "x" + behind)
    assert [pair for pair in pairs if pair[0] != EQUAL] == [(DIFFERENT, len(before), len(before))]


@pytest.mark.slow
def test_long_sides():
    """Two thousand messages, with one missing near the start and one altered near the end, or all of a few kinds."""
    texts = [f"m{number}" for number in range(2000)]
    live = [*texts[:10], *texts[11:1990], "x", *texts[1991:]]
    assert outcomes(texts, texts) == []
    assert outcomes(texts, live) == [MISSING, DIFFERENT]
    assert outcomes(texts, texts[::-1]).count(MOVED) == 1999
    assert outcomes("ab" * 1000, "ba" * 1000) == [MOVED]
