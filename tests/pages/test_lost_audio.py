"""Tests of evi_harness.pages.lost_audio: audio that came and was not heard as it came."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.measure.session_times import Reading
from evi_harness.pages.lost_audio import lost_audio
from evi_harness.session.events import Note, order

MS = 1_000_000


@pytest.fixture
def lost(session_of, weather_rows):
    """What is lost of ``weather``, whose pieces of 100 ms come at 2100 and 3600 ms, with notes: name, of which message, from, until.

    ``interrupted_ms`` is when the user interrupts, ``closed_ms`` when it is over.
    """

    def found(*noted, interrupted_ms=None, closed_ms=4500):
        interruption = [] if interrupted_ms is None else [("received", interrupted_ms, {"type": "user_interruption", "time": 3})]
        rows = [row for row in weather_rows[:-1] if row[1] < closed_ms]
        rows = sorted([*rows, *interruption], key=lambda row: row[1])
        session = session_of([*rows, ("closed", closed_ms, ("app", 1000, ""))])
        seqs = {event.at_ns // MS: event.seq for event in session.events}
        notes = [
            Note(
                seq=1000 + index,
                at_ns=begin * MS,
                name=name,
                of=seqs[came],
                data={"at_ns": begin * MS, "until_ns": end * MS} if name == "heard" else {"what": "x"},
            )
            for index, (name, came, begin, end) in enumerate(noted)
        ]
        session = replace(session, events=tuple(sorted([*session.events, *notes], key=order)))
        return [(one["kind"], one["begin_ms"], one["end_ms"], one["turn"]) for one in lost_audio(Reading(session, EVI))]

    return found


FIRST = ("heard", 2100, 2150, 2250)
SECOND = ("heard", 3600, 3650, 3750)


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ((FIRST, SECOND), []),
        ((FIRST,), [("skipped", 3600, 3700, 2)]),
        ((SECOND,), [("skipped", 2100, 2200, 1)]),
        ((("heard", 2100, 2150, 2190), SECOND), [("cut", 2190, 2250, 1)]),
        ((("heard", 2100, 2300, 2400), SECOND), [("late", 2100, 2300, 1)]),
        ((("heard", 2100, 2150, 2240), SECOND), []),
        # Nothing is known where nothing was noted, or the app changed it; of an app that plays nothing it is.
        ((), []),
        ((FIRST, ("changed_audio", 3600, 3600, 3600)), []),
        ((("plays_nothing", 2100, 2100, 2100),), [("skipped", 2100, 2200, 1), ("skipped", 3600, 3700, 2)]),
    ],
)
def test_what_is_lost(lost, noted, expected):
    """A piece that was never heard, one that was cut, one that was late; what is shorter than anybody misses is none."""
    assert lost(*noted) == expected


def test_what_the_user_interrupted_or_the_end_left_over_is_told_apart(lost):
    """As it should be, and marked so."""
    assert lost(FIRST, interrupted_ms=3650) == [("dropped", 3600, 3700, 2)]
    assert lost(FIRST, closed_ms=3650) == [("ended", 3600, 3650, 2)]
