from __future__ import annotations

import pytest

from evi_harness.simulate.replies import ERROR, RESPONSE, Answer, Sentence, ToolCall


def answer(text, **fields):
    """An answer of one sentence."""
    return Answer((Sentence(text),), **fields)


CALL = ToolCall(
    "get_weather",
    answers=(
        answer("Take an umbrella.", contains="Rain"),
        answer("It failed: {content}.", to=ERROR),
        answer("It is {content}.", to=RESPONSE),
    ),
)


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (RESPONSE, "sunny", "It is sunny."),
        (RESPONSE, "heavy rain", "Take an umbrella."),
        (ERROR, "rain", "Take an umbrella."),
        (ERROR, "no network", "It failed: no network."),
        (RESPONSE, "", "It is ."),
    ],
)
def test_the_first_answer_that_fits_is_given(kind, content, expected):
    """By what came and what it says, in any case; its words stand for {content}."""
    assert [sentence.text for sentence in CALL.sentences(kind, content)] == [expected]


def test_where_none_fits_nothing_is_said():
    """Nor where there is none."""
    assert ToolCall("f").sentences(RESPONSE, "x") == ()
    assert ToolCall("f", answers=(answer("No.", to=ERROR),)).sentences(RESPONSE, "x") == ()
