"""Tests of evi_harness.runs.quiet_end."""

from __future__ import annotations

import pytest

from evi_harness.runs.quiet_end import Quiet


@pytest.mark.parametrize(
    ("looks", "quiet_s"),
    [
        ([], []),
        ([(5.0, True)], [0.0]),
        ([(5.0, True), (5.125, True), (5.25, True)], [0.0, 0.125, 0.25]),
        ([(5.0, True), (5.125, True), (5.25, False), (5.375, True), (5.5, True)], [0.0, 0.125, 0.0, 0.0, 0.125]),
        # Nobody could look for nine seconds: what came meanwhile is still to be seen.
        ([(5.0, True), (14.0, True), (14.125, True)], [0.0, 0.2, 0.325]),
        ([(5.0, False), (5.125, True)], [0.0, 0.0]),
    ],
)
def test_how_long_it_has_been_quiet(looks, quiet_s):
    """From the first look that found it so; a look counts for no longer than a late one takes."""
    quiet = Quiet()
    assert [quiet.look(*look) for look in looks] == pytest.approx(quiet_s)
