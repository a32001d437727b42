"""Tests of evi_harness.report.surroundings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.report.surroundings import surroundings
from evi_harness.session.events import Note, order


def replayed(session, d_ns=0):
    """A session as a replay yields it: later, with other seqs, and with a due note for each received event."""
    events = [replace(event, seq=2 * event.seq, at_ns=event.at_ns + d_ns) for event in session.events]
    notes = [
        Note(2 * event.seq + 1, event.at_ns + d_ns, "due", of=2 * event.seq, data={"due_ns": 0, "recorded_seq": event.seq})
        for event in session.received
    ]
    return replace(session, events=tuple(sorted([*events, *notes], key=order)))


@pytest.mark.parametrize(
    ("recorded_seq", "live_seq", "recorded", "live"),
    [
        (15, 30, [13, 14, 15, 16, 17, 18], [26, 28, 30, 32, 34, 36]),
        # A side without a place: behind the last received event that both have.
        (15, None, [13, 14, 15, 16, 17, 18], [6, 26, 28, 30, 32, 34]),
        (None, 30, [3, 13, 14, 15, 16, 17], [26, 28, 30, 32, 34, 36]),
        # At the ends there are fewer.
        (0, 0, [0, 1, 2, 3], [0, 2, 4, 6]),
        (29, 58, [27, 28, 29], [54, 56, 58]),
        (None, 0, [0, 1, 2, 3], [0, 2, 4, 6]),
        # Frames of audio are one row, wherever in them the place is.
        (8, 16, [1, 2, 3, 13, 14, 15], [2, 4, 6, 26, 28, 30]),
        (None, None, [], []),
        (99, None, [], []),
    ],
)
def test_rows_on_both_sides(weather, recorded_seq, live_seq, recorded, live):
    """Up to three before and behind, notes left out."""
    deviation = Deviation("different", "x", recorded_seq, live_seq)
    there, here = surroundings(deviation, weather, replayed(weather, 7_000_000), EVI)
    assert [row.seq for row in there] == recorded
    assert [row.seq for row in here] == live
