"""Tests of evi_harness.session.too_large."""

from __future__ import annotations

import re

import pytest

from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Note, Received, Sent
from evi_harness.session.too_large import too_large

MIB = 1024 * 1024
SMALL, LARGE, HUGE = (Frame(TEXT, b"x" * size) for size in (100, MIB + 1, 16 * MIB + 1))
# What websockets says now, what its legacy client says, what aiohttp says.
REASONS = [
    "frame with 2000 bytes exceeds limit of 1000 bytes",
    "over size limit (2000 > 1000 bytes)",
    "Message size 2000 exceeds limit 1000",
]


def closed(by="app", reason="", code=1009):
    """An end."""
    return Closed(9, 9, by, code, reason)


def said(end, *events):
    """What is said, of messages that are called by their kind."""
    return too_large(end, events, lambda one: f"a {one.kind} one", (MIB, 16 * MIB))


@pytest.mark.parametrize(
    ("end", "events", "words"),
    [
        (
            closed(),
            [Received(1, 1, SMALL), Received(2, 2, LARGE), Received(3, 3, SMALL)],
            rf"a received one \(#2\) of {MIB + 1} bytes .* the app .*\b{MIB} bytes",
        ),
        (closed(), [Received(1, 1, HUGE)], rf"a received one \(#1\) of {16 * MIB + 1} bytes .* the app .*\b{16 * MIB} bytes"),
        (
            closed("service"),
            [Received(1, 1, LARGE), Sent(2, 2, Frame(BINARY, LARGE.payload))],
            rf"a sent one \(#2\) of {MIB + 1} bytes .* the service .*\b{MIB} bytes",
        ),
        (closed(), [Received(1, 1, SMALL), Sent(2, 2, LARGE)], r"[^\d#]* the app"),
        (closed(reason="too big"), [Note(1, 1, "due")], r"[^\d#]* the app"),
        *((closed(reason=reason), [Received(1, 1, SMALL)], r"a message of 2000 bytes .* the app .*\b1000 bytes") for reason in REASONS),
        (
            closed(reason="frame exceeds limit of 50 bytes"),
            [Received(1, 1, SMALL)],
            r"a received one \(#1\) of 100 bytes .* the app .*\b50 bytes",
        ),
        (closed(code=1000), [Received(1, 1, HUGE)], None),
        (closed(code=None), [], None),
        (None, [Received(1, 1, HUGE)], None),
    ],
)
def test_the_message_its_size_and_the_limit_are_named(end, events, words):
    """As far as they are known, from the close frame's reason or from what crossed the wire."""
    found = said(end, *events)
    assert found is None if words is None else re.fullmatch(words, found)
