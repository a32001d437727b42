"""Tests of evi_harness.replay.judging.endings."""

from __future__ import annotations

import re

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.endings import SessionEnding, ending_of

UNKNOWN = SessionEnding()
APP = SessionEnding("app", 1000)
NORMAL = SessionEnding("service", 1000)
INACTIVE = SessionEnding("service", 1000, "E0714")
LOST = SessionEnding("network", 1006)


def error(code):
    """An error message of the service's."""
    return ("received", 50, {"type": "error", "code": code, "slug": "s", "message": "m"})


@pytest.mark.parametrize(
    ("rows", "ending"),
    [
        ([], UNKNOWN),
        ([("closed", 90, ("app", 1000, ""))], APP),
        ([("closed", 90, ("service", 1000, "bye"))], NORMAL),
        ([("closed", 90, ("service", None, ""))], SessionEnding("service", 1005)),
        ([("closed", 90, ("network", None, ""))], LOST),
        ([("closed", 90, ("network", 1006, ""))], LOST),
        ([error("E0714"), ("closed", 90, ("service", 1000, ""))], INACTIVE),
        # An error that ends nothing is no part of the ending, and one that nobody knows is not known to end anything.
        ([error("E0712"), ("closed", 90, ("service", 1000, ""))], NORMAL),
        ([error("E9999"), ("closed", 90, ("service", 1000, ""))], NORMAL),
        ([error(714), ("closed", 90, ("service", 1000, ""))], NORMAL),
        ([error("E0714"), error("E0101"), ("closed", 90, ("service", 1000, ""))], INACTIVE),
    ],
)
def test_how_a_session_ended(session_of, rows, ending):
    """By whom, with which code, behind which error."""
    assert ending_of(session_of(rows), EVI) == ending


@pytest.mark.parametrize(
    ("recorded", "live", "is_like"),
    [
        *((one, one, True) for one in (APP, NORMAL, INACTIVE, LOST, SessionEnding("service", 1011), SessionEnding("service", 4000))),
        (NORMAL, SessionEnding("service", 1005), True),
        (SessionEnding("service", 1005), NORMAL, True),
        (NORMAL, SessionEnding("service", 1001), False),
        (NORMAL, SessionEnding("service", 1011), False),
        (SessionEnding("service", 1011), NORMAL, False),
        (SessionEnding("service", 1011), SessionEnding("service", 1012), False),
        # A limit that ended the one is no normal end of the other, though the close looks the same.
        (INACTIVE, NORMAL, False),
        (NORMAL, INACTIVE, False),
        (INACTIVE, SessionEnding("service", 1000, "E0715"), False),
        (LOST, NORMAL, False),
        (NORMAL, LOST, False),
        (APP, NORMAL, False),
        (NORMAL, APP, False),
        # Of a recording that does not say, nothing but an ordinary end is taken for one.
        (UNKNOWN, NORMAL, True),
        (UNKNOWN, APP, True),
        (UNKNOWN, INACTIVE, False),
        (UNKNOWN, SessionEnding("service", 1011), False),
        (UNKNOWN, LOST, False),
    ],
    ids=str,
)
def test_what_is_the_same_ending(recorded, live, is_like):
    """Side, code and error count; reasons do not."""
    assert live.is_like(recorded) is is_like


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (UNKNOWN, "not say how"),
        (INACTIVE, "the service closed .* 1000 .*E0714"),
        (SessionEnding("service", 1005), "the service closed .*without a code"),
        (LOST, "connection was lost"),
    ],
)
def test_an_ending_in_words(ending, words):
    """As reports have it."""
    assert re.search(words, str(ending))
