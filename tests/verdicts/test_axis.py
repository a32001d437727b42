"""Tests of evi_harness.verdicts.axis, and of replays at another pace or of a part, through the SDK."""

from __future__ import annotations

from pathlib import Path

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.errors import UsageError
from evi_harness.session.events import Received
from evi_harness.verdicts.axis import Axis
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
WEATHER, DEMO = ROOT / "sessions" / "weather", ROOT / "sessions" / "demo"
APP = f"{ROOT}/fixtures/handlers/weather.py:WeatherApp"
MS = 1_000_000


def replayed(session=WEATHER, handler=APP, **options):
    """The result of a replay that says nothing."""
    return replay_session(session, handler=handler, write=lambda line: None, **options)


def test_nothing_said_changes_nothing():
    """The recording itself, and nothing for a header to tell."""
    axis, session = Axis.of(), load_session(WEATHER)
    assert axis.recording(session).session is session
    assert axis.told() == {}
    assert not axis.is_part


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"speed": 4},
        {"speed": "0.5"},
        {"speed": "max"},
        {"max_gap": 0.5},
        {"max_gap": "100ms", "speed": 3},
        {"first": "t2"},
        {"last": "turn 1"},
        {"first": "#147", "speed": 4},
        {"last": 7.5, "max_gap": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("handler", [APP, "recorded", None])
@pytest.mark.parametrize("session", [WEATHER, DEMO], ids=["weather", "demo"])
def test_a_good_handler_passes_at_every_pace_and_in_every_part(session, handler, options):
    """Causality is kept: the answer to the call, the interruption, the close."""
    if session == DEMO and handler == APP and options.get("last") == 7.5:
        pytest.skip("between a call and its answer")
    result = replayed(session, handler, **options)
    assert result.passed, "\n".join(result.lines())


def test_time_goes_by_as_fast_as_said():
    """At twice the speed every message comes in half the time, and the replay's header says so."""
    plain, fast = replayed(handler="recorded"), replayed(handler="recorded", speed=2)
    times = [[event.at_ns for event in result.session.events if isinstance(event, Received)] for result in (plain, fast)]
    for then, now in zip(*times):
        # Half of a block of audio by which a position may be reached later.
        assert abs(then // 2 - now) <= 1 * MS
    assert fast.session.header.source["axis"] == {"speed": "2"}


def test_a_part_holds_what_lies_in_it():
    """The second turn alone: its message, its reply, and what sets the session up."""
    [turn] = [one for one in replayed(first="t2").session.events if isinstance(one, Received) and b'"user_message"' in one.frame.payload]
    assert b"dry tomorrow" in turn.frame.payload


def test_a_part_cannot_say_what_is_expected_of_the_whole():
    """An update needs all of it."""
    with pytest.raises(UsageError, match="first and last"):
        replayed(update=True, last="t1")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"speed": 0}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"max_gap": -1}, "max_gap"),
        ({"first": "t9"}, "turn"),
        ({"last": "#99999"}, "#99999"),
        ({"first": "whenever"}, "first"),
        ({"first": 9, "last": 3}, "last"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_told(options, says):
    """Before anything runs."""
    with pytest.raises(UsageError, match=says):
        replayed(**options)
