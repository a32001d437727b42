"""Tests of evi_harness.evi.sayings."""

from __future__ import annotations

import pytest

from evi_harness.evi.sayings import saying
from evi_harness.session.protocols import Message, Saying

SCORES = {"models": {"prosody": {"scores": {"Joy": 0.5, "Awe": "high", "Calmness": True, "Fear": float("nan"), "Anger": 10**400}}}}


def said(name, kind="received", **fields):
    """What a message of a type says."""
    return saying(kind, Message(name, fields))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("user_message", {"message": {"content": "Hi"}, "interim": True}), Saying("user", "Hi", is_interim=True)),
        (("assistant_message", {"id": "a", "message": {"content": "Ho"}, **SCORES}), Saying("assistant", "Ho", False, "a", {"Joy": 0.5})),
        (("assistant_prosody", {"id": "a", **SCORES}), Saying("assistant", "", False, "a", {"Joy": 0.5})),
        (("tool_response", {"content": "rain"}), Saying("tool", "rain")),
        (("tool_error", {"error": "no rain"}), Saying("tool", "no rain")),
        (("tool_response", {"content": 3}), None),
        (("user_message", {"message": 3, "models": [], "id": 4}), Saying("user", "")),
        (("audio_output", {"data": ""}), None),
        ((None, {}), None),
    ],
)
def test_a_message_says_its_words_and_what_was_heard_in_them(given, expected):
    """What is no text is no word, and what is no finite number no score."""
    name, fields = given
    assert said(name, **fields) == expected


def test_only_the_service_speaks_for_the_two():
    """What an app sends under such a name is no part of the transcript."""
    assert said("user_message", kind="sent", message={"content": "Hi"}) is None
