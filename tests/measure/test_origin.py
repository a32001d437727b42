"""Tests of evi_harness.measure.origin."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.measure.origin import Origin, apart, origin_of, partners_of

WEATHER = Origin("weather", "id-w", "virtual")
DEMO = Origin("demo", "id-d", "virtual")


def test_a_replay_says_what_was_replayed_and_how(weather):
    """By its header: the recording's id, the clock and the axis; a recording says none of it."""
    assert origin_of(weather, "a") == Origin("a")
    source = {"session": "id-w", "clock": "virtual", "axis": {"--until": "t2", "--from": "t1"}}
    header = replace(weather.header, made_by="replay", source=source)
    found = origin_of(replace(weather, header=header), "b")
    assert found == Origin("b", "id-w", "virtual", (("--from", "t1"), ("--until", "t2")))
    assert found.how == "in virtual time with --from t1 with --until t2"
    assert origin_of(replace(weather, header=replace(header, source={"axis": 3})), "b") == Origin("b")


@pytest.mark.parametrize(
    ("old", "new", "partners"),
    [
        ([WEATHER, DEMO], [DEMO, WEATHER], {"weather": "weather", "demo": "demo"}),
        # A folder has another name than what has just been replayed.
        ([WEATHER, DEMO], [replace(WEATHER, session="20261122T101500Z-weather-replay")], {"20261122T101500Z-weather-replay": "weather"}),
        ([WEATHER], [DEMO], {}),
        # Which of two replays of one recording is meant, nobody can say.
        ([WEATHER], [replace(WEATHER, session="a"), replace(WEATHER, session="b")], {}),
        ([Origin("monday")], [Origin("tuesday")], {"tuesday": "monday"}),
        ([Origin("monday"), Origin("sunday")], [Origin("tuesday")], {}),
        ([Origin("monday")], [WEATHER], {}),
        ([], [WEATHER], {}),
    ],
)
def test_which_session_is_which(old, new, partners):
    """By name, else by the recording; two recordings of one conversation each are one another's."""
    assert partners_of(old, new) == partners


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        (WEATHER, WEATHER, ""),
        (WEATHER, replace(WEATHER, clock="real"), "weather .*virtual time .*real time .*: not compared"),
        (
            WEATHER,
            replace(WEATHER, axis=(("--speed", "2"),)),
            "weather .*virtual time .*virtual time .*--speed 2 .*: not compared",
        ),
        (WEATHER, replace(WEATHER, recording="id-x"), "weather .*another recording: not compared"),
        # A baseline that does not say.
        (Origin("weather"), WEATHER, ""),
        (DEMO, WEATHER, ""),
    ],
)
def test_what_is_not_of_the_same_is_not_compared(then, now, why):
    """The clock, the axis and the recording are the same on both sides."""
    found = apart([then], [now], partners_of([then], [now]))
    assert found is None if why is None else re.fullmatch(why, found)


def test_of_several_the_first_is_told():
    """And how many more there are."""
    real = [replace(one, clock="real") for one in (WEATHER, DEMO)]
    told = apart([WEATHER, DEMO], real, {"weather": "weather", "demo": "demo"})
    assert re.match(r"weather .*\breal time now, .*\b1 more: ", told)
