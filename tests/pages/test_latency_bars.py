"""Tests of evi_harness.pages.latency_bars."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.measure.measuring import measure
from evi_harness.measure.session_times import Reading
from evi_harness.pages.latency_bars import latency_bars, samples_by_metric
from evi_harness.session.events import Note, order

MS = 1_000_000


@pytest.mark.parametrize(
    ("unmet_ms", "is_measured"), [([], [True, True]), ([2500], [True, True]), ([3500], [True, False])], ids=["none", "before", "waited"]
)
def test_what_was_due_while_the_replay_waited_in_vain_is_not_measured(session_of, weather_rows, unmet_ms, is_measured):
    """It came all at once then. What was held for another reason is measured as ever."""
    session = session_of(
        weather_rows, made_by="replay", service="player", source={"clock": "virtual", "handler": "h", "deterministic": True}
    )
    held = next(event.seq for event in session.events if event.at_ns == 3600 * MS)
    due = {"due_ns": 2600 * MS, "held_ns": 1000 * MS, "cause_ns": 0, "recorded_seq": held}
    notes = [Note(1000, 3600 * MS, "due", held, due)]
    notes += [Note(1001, at_ms * MS, "unmet", None, {"awaited": 4, "skipped": []}) for at_ms in unmet_ms]
    session = replace(session, events=tuple(sorted([*session.events, *notes], key=order)))
    measured = measure(session, EVI)
    bars = latency_bars(measured, Reading(session, EVI), samples_by_metric(measured))
    assert [one["total_ms"] is not None for one in bars["turns"]] == is_measured
    assert [bool(one["why"] and "the replay waited" in one["why"]) for one in bars["turns"]] == [not one for one in is_measured]
