"""Tests of evi_harness.session.plausible_times."""

from __future__ import annotations

import pytest

from evi_harness.session.header import Anchor, Header
from evi_harness.session.plausible_times import (
    BEHIND_THE_END_NS,
    LONGEST_SILENCE_NS,
    PlausibleTimes,
    anchors_problem,
    epoch_ns,
    expected_problem,
)

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
WEEK = LONGEST_SILENCE_NS
MOST = 2**63 - 1
NOON = "2026-01-02T12:00:00.000000Z"


def header(end=None):
    """A header of a session that began at noon."""
    return Header(id="x", made_by="record", created=NOON, dialect="evi", start=Anchor(0, NOON), end=end)


@pytest.mark.parametrize(
    ("end", "is_plausible"),
    [
        (Anchor(0, NOON), True),
        (Anchor(60 * SECOND, "2026-01-02T12:01:00Z"), True),
        # The machine came up in 1970, and was told the time.
        (Anchor(60 * SECOND, "2056-01-02T12:01:00Z"), True),
        # The time of day was set back while it was recorded.
        (Anchor(2 * HOUR, "2026-01-02T09:00:00Z"), True),
        (Anchor(WEEK, NOON), True),
        (Anchor(WEEK + 1, NOON), False),
        (Anchor(5 * WEEK, "2026-02-06T12:00:00Z"), True),
        (Anchor(5 * WEEK, "2026-01-30T11:59:59Z"), False),
        (Anchor(MOST, "9999-12-31T23:59:59.999999Z"), True),
        (Anchor(60 * SECOND, "never"), True),
        (Anchor(WEEK + 1, "never"), False),
        (Anchor(WEEK + 1, "2026-01-02T12:00:00"), False),
    ],
)
def test_two_clocks(end, is_plausible):
    """What the one says to have gone by, the other bears out, but for a week."""
    assert (anchors_problem(Anchor(0, NOON), end) is None) is is_plausible


def test_one_clock_is_not_judged():
    """Where an instant is not known there is nothing to hold against."""
    assert anchors_problem(None, Anchor(MOST, NOON)) is None
    assert anchors_problem(Anchor(MOST, NOON), None) is None


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_end_of_a_session(beyond):
    """Nothing happens, and nothing is over, more than a minute after it; all up to there is as it may be, however long before."""
    end_ns = 4 * WEEK
    times = PlausibleTimes(header(Anchor(end_ns, "2026-01-30T12:00:00Z")))
    last_ns = end_ns + BEHIND_THE_END_NS
    assert times.problem(end_ns, end_ns) is None
    assert (times.problem(last_ns + beyond, last_ns + beyond) is None) is not beyond
    assert (times.problem(0, last_ns + beyond) is None) is not beyond


@pytest.mark.parametrize("known", [header(), None])
def test_a_session_whose_end_is_not_known(known):
    """Nobody is silent for more than a week; that goes by the latest event, wherever its line stands."""
    times = PlausibleTimes(known)
    assert times.problem(WEEK, WEEK) is None
    assert times.problem(0, 0) is None
    assert times.problem(2 * WEEK, 3 * WEEK) is None
    assert times.problem(2 * WEEK, 3 * WEEK + 1) is not None
    assert times.problem(3 * WEEK + 1, 3 * WEEK + 1) is not None
    # What was refused counts for nothing.
    assert times.problem(3 * WEEK + 2, 3 * WEEK + 2) is not None
    assert times.problem(3 * WEEK, 3 * WEEK) is None


def test_what_is_expected_of_replays():
    """May be later than anything was recorded, by a week."""
    assert expected_problem(WEEK + 5, 5) is None
    assert expected_problem(WEEK + 6, 5) is not None
    assert expected_problem(MOST, 0) is not None


def test_a_time_of_day():
    """Is UTC, and says so."""
    assert epoch_ns("1970-01-01T00:00:00.000001Z") == 1000
    for wall in ("1970-01-01T00:00:00", "", "Z", "\0", "9" * 400):
        with pytest.raises(ValueError):
            epoch_ns(wall)
