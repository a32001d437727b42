from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.replay.judging.turn_alignment import SaidTurn, align_turns, plain_words


def turns(text):
    """A turn for each word; a dash is a greeting."""
    return [SaidTurn(None, "Hello.") if word == "-" else SaidTurn(SAID.get(word, word), f"answer {word}") for word in text.split()]


# Longer things to say, some of which are alike.
SAID = {
    "bath": "What's the weather in Bath?",
    "Bath": "what is the weather like in Bath",
    "oslo": "Tell me about Oslo, please.",
    "bye": "Goodbye!",
}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "", []),
        ("a", "", [(0, None)]),
        ("", "a", [(None, 0)]),
        ("a b c", "a b c", [(0, 0), (1, 1), (2, 2)]),
        # One is missing, at each place; one comes in between.
        ("a b c", "b c", [(0, None), (1, 0), (2, 1)]),
        ("a b c", "a c", [(0, 0), (1, None), (2, 1)]),
        ("a b c", "a b", [(0, 0), (1, 1), (2, None)]),
        ("a c", "a b c", [(0, 0), (None, 1), (1, 2)]),
        ("- a", "a", [(0, None), (1, 0)]),
        ("a", "- a", [(None, 0), (0, 1)]),
        # One that changed stays itself, between others and alone.
        ("a x c", "a y c", [(0, 0), (1, 1), (2, 2)]),
        ("x", "y", [(0, 0)]),
        # Nearly the same words, and others before them.
        ("bath bye", "oslo Bath bye", [(None, 0), (0, 1), (1, 2)]),
        ("oslo bath", "Bath", [(0, None), (1, 0)]),
        # A greeting is never a turn of the user's.
        ("-", "a", [(0, None), (None, 0)]),
    ],
)
def test_turns_meet_by_what_was_said(first, second, expected):
    """Not by their number: what is missing moves no other."""
    assert align_turns(turns(first), turns(second)) == expected


def test_of_turns_that_say_the_same_the_reply_tells_which_is_missing():
    """The user said "yes" three times, and once less."""
    first = [SaidTurn("yes", reply) for reply in ("one apple", "two pears", "three plums")]
    assert align_turns(first, [first[0], first[2]]) == [(0, 0), (1, None), (2, 1)]
    assert align_turns([first[1], first[2]], first) == [(None, 0), (0, 1), (1, 2)]


@given(*[st.lists(st.sampled_from(["a", "b", "bath", "Bath", "-", "oslo"]), max_size=8)] * 2)
def test_every_turn_is_there_once_and_in_order(first, second):
    """On both sides; a session is its own like."""
    one, other = turns(" ".join(first)), turns(" ".join(second))
    pairs = align_turns(one, other)
    assert [i for i, _ in pairs if i is not None] == list(range(len(one)))
    assert [j for _, j in pairs if j is not None] == list(range(len(other)))
    assert (None, None) not in pairs
    assert align_turns(one, one) == [(i, i) for i in range(len(one))]


def test_very_many_turns_that_are_all_alike_cost_little():
    """Of more pairs than can be looked at, turns are paired in order."""
    first, second = ([SaidTurn("yes", f"{side} {i}") for i in range(n)] for side, n in (("a", 700), ("b", 600)))
    pairs = align_turns(first, second)
    assert len(pairs) == 700
    assert [i for i, _ in pairs if i is not None] == list(range(700))


def test_words_have_neither_case_nor_punctuation():
    """Of any script."""
    assert plain_words("What's  THE weather, in Zürich? 雨!") == ["what's", "the", "weather", "in", "zürich", "雨"]
