"""Tests of evi_harness.replay.judging.spoken_words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.replay.judging.spoken_words import spoken_words


@pytest.mark.parametrize(
    "forms",
    [
        ("What's the weather in Bath?", "what's THE weather, in bath", "What’s the weather in Bath"),
        ("It is eleven degrees.", "it is 11 degrees", "It is 11°"),
        ("Twenty-one", "twenty one", "21", "21.0", "021"),
        ("a hundred and five", "one hundred five", "105"),
        ("1,000", "a thousand", "1000"),
        ("two hundred and five thousand", "205,000"),
        ("one million two hundred thousand thirty", "1,200,030"),
        ("twenty-one hundred", "2100"),
        ("ten percent & rising", "10% and rising"),
        ("ﬁve", "five", "5"),
    ],
    ids=lambda forms: forms[0],
)
def test_one_thing_said_has_one_form(forms):
    """However it is written."""
    assert len({tuple(spoken_words(form)) for form in forms}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("eleven", "twelve"),
        ("one two", "twelve"),
        ("nineteen ninety", "109"),
        ("two and three", "five"),
        ("1.5", "15"),
        ("a thousand", "thousand"),
        ("zero", ""),
        ("-", "minus"),
    ],
)
def test_two_things_said_have_two_forms(one, other):
    """What sounds otherwise is otherwise."""
    assert spoken_words(one) != spoken_words(other)


@given(st.integers(0, 999_999))
def test_digits_are_themselves(number):
    """With separators of thousands or without."""
    assert spoken_words(f"{number:,}") == spoken_words(str(number)) == [str(number)]


@given(st.text(max_size=80))
def test_any_text_has_words(text):
    """And their words are their own."""
    words = spoken_words(text)
    assert spoken_words(" ".join(words)) == words or any(word.isdigit() for word in words)
