"""Tests of evi_harness.measure.turn_latency: two metrics of each turn, as a live replay compares them."""

from __future__ import annotations

from dataclasses import replace

from evi_harness.evi.dialect import EVI
from evi_harness.measure.turn_latency import TurnLatency, turn_latencies

MS = 1_000_000


def test_each_turn_of_the_users_has_its_latencies(weather_rows, session_of):
    """From the final message, and from where the service says that the speech ended."""
    weather_rows = [*weather_rows]
    thanks = next(index for index, row in enumerate(weather_rows) if row[1] == 3200)
    weather_rows[thanks] = ("received", 3200, {**weather_rows[thanks][2], "time": {"begin": 2500, "end": 2600}})
    # The first frame of 100 ms is sent at 100: so what stands at 900 was heard at 900.
    assert turn_latencies(session_of(weather_rows), EVI) == [
        TurnLatency(1, 900 * MS, 1200 * MS),
        TurnLatency(2, 400 * MS, 1000 * MS),
    ]


def test_what_is_told_of_a_place_where_nothing_was_sent_is_not_believed(weather):
    """A service that counts what was sent, and not the time, says 1500 for what came at 2900."""
    assert turn_latencies(weather, EVI)[1] == TurnLatency(2, 400 * MS, None)


def test_what_is_not_there_is_none(weather):
    """A reply without audio took nobody knows how long."""
    events = tuple(event for event in weather.events if event.kind != "received" or b"audio_output" not in event.frame.payload)
    assert turn_latencies(replace(weather, events=events), EVI) == [TurnLatency(1, None, None), TurnLatency(2, None, None)]
