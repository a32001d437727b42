from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from evi_harness.sdk.hume.parsing import parse
from evi_harness.sdk.hume.quickstart import Quickstart, top_emotions


def lines_of(session):
    """What the built-in handler prints of a session."""
    written = []
    handler = Quickstart(written.append)

    async def run():
        for event in session.received:
            await handler.on_message(parse(event.frame.payload))

    asyncio.run(run())
    return written


def test_it_prints_who_said_what_with_the_strongest_emotions(weather):
    """One line a message; audio, metadata and ends of replies print nothing."""
    assert lines_of(weather) == [
        "user: What's the weather like?  [interest 0.90, admiration 0.01, adoration 0.01]",
        'tool call: get_weather({"place": "Oslo"})',
        "assistant: It is sunny.  [joy 0.90, admiration 0.01, adoration 0.01]",
        "user: Thank you.  [interest 0.90, admiration 0.01, adoration 0.01]",
        "assistant: You are welcome.  [joy 0.90, admiration 0.01, adoration 0.01]",
    ]


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ({"type": "user_interruption", "time": 5}, ["user interrupts"]),
        ({"type": "error", "code": "E0101", "slug": "payload_parse", "message": "no"}, ["error: E0101 payload_parse: no"]),
        ({"type": "assistant_end"}, []),
    ],
    ids=lambda one: one["type"] if isinstance(one, dict) else "",
)
def test_other_messages_print_what_they_say(session_of, message, lines):
    """Errors and interruptions are told; what says nothing to people is not."""
    assert lines_of(session_of([("received", 0, message)])) == lines


def test_an_interim_transcript_prints_nothing(session_of, weather):
    """Only the final one is said."""
    message = json.loads(weather.received[1].frame.payload)
    assert lines_of(session_of([("received", 0, {**message, "interim": True})])) == []


def test_a_message_without_scores_has_no_emotions():
    """Typed text has none."""
    assert top_emotions(SimpleNamespace(models=None)) == []
    assert top_emotions(SimpleNamespace()) == []
