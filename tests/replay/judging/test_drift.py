"""Tests of evi_harness.replay.judging.drift: how a conversation with a live service differs from the recorded one."""

from __future__ import annotations

import copy

from hypothesis import given

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.drift import TextDrift, TypeDrift, drift_of
from evi_harness.strategies import sessions


@given(sessions())
def test_a_session_has_not_drifted_from_itself(session):
    """Of any session: no type, no field, no text."""
    drift = drift_of(session, session, EVI)
    assert drift.n_turns[0] == drift.n_turns[1]
    assert (drift.types, drift.texts) == ((), ())


def changed(session_of, rows, change):
    """The session of rows whose received messages went through ``change``; one for which it is None is left out."""
    found = []
    for kind, at_ms, what in copy.deepcopy(rows):
        after = change(what) if kind == "received" else what
        if after is not None:
            found.append((kind, at_ms, after))
    return session_of(found)


def test_types_that_are_new_or_gone(session_of, weather, weather_rows):
    """With how often they came."""

    def rename(message):
        return {**message, "type": "assistant_done"} if message["type"] == "assistant_end" else message

    types = drift_of(weather, changed(session_of, weather_rows, rename), EVI).types
    n_ends = sum(1 for _, _, what in weather_rows if isinstance(what, dict) and what["type"] == "assistant_end")
    assert types == (TypeDrift("assistant_end", n_ends, 0), TypeDrift("assistant_done", 0, n_ends))


def test_fields_that_are_new_or_gone(session_of, weather, weather_rows):
    """By path, within a type that both sides have."""

    def edit(message):
        if message["type"] != "user_message":
            return message
        del message["time"]
        return {**message, "message": {**message["message"], "mood": "good"}}

    [drift] = drift_of(weather, changed(session_of, weather_rows, edit), EVI).types
    assert drift.type == "user_message"
    assert drift.new_fields == ("message.mood",)
    assert drift.gone_fields == ("time",), "what is below it goes without saying"


def test_a_field_that_only_some_had_is_not_gone(session_of, weather_rows):
    """Optional fields come and go."""

    def optional(message):
        return {**message, "language": "en"} if message.get("id") == "s-1" else message

    some = changed(session_of, weather_rows, optional)
    assert drift_of(some, session_of(weather_rows), EVI).types == ()


def test_what_was_said_and_asked_for_differently(session_of, weather, weather_rows):
    """Turn by turn: what was understood, the tools, the reply."""

    def reword(message):
        if message["type"] == "tool_call":
            return {**message, "parameters": '{"place": "Bergen"}', "tool_call_id": "other"}
        if message.get("id") == "s-1" and "message" in message:
            return {**message, "message": {"role": "assistant", "content": "It rains."}}
        return message

    texts = drift_of(weather, changed(session_of, weather_rows, reword), EVI).texts
    assert texts == (
        TextDrift(1, "tools", 'get_weather {"place": "Oslo"}', 'get_weather {"place": "Bergen"}'),
        TextDrift(1, "assistant", "It is sunny.", "It rains."),
    )


def test_a_turn_that_came_in_between_moves_no_other(session_of, weather, weather_rows):
    """The texts of a turn are held against those of the turn that says the same."""
    rows = [row for row in weather_rows if row[1] > 2300 or row[1] < 100]
    drift = drift_of(weather, session_of(rows), EVI)
    assert (drift.n_turns, drift.texts) == ((2, 1), ())
