"""Tests of evi_harness.measure.assumed."""

from __future__ import annotations

import pytest

from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.session.protocols import Told


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Told(), Assumed(5, 7)),
        (Told(end_of_turn_ns=200), Assumed(200, 7, states_end_of_turn=True)),
        (Told(min_interruption_ns=0), Assumed(5, 0, states_min_interruption=True)),
        (Told(5, 7), Assumed(5, 7, states_end_of_turn=True, states_min_interruption=True)),
    ],
)
def test_what_a_session_states_replaces_what_is_assumed(told, expected):
    """Each of the two by itself, and the rest stays as it was."""
    assert Assumed(5, 7).unless_told(told) == expected


def test_nothing_is_stated_where_nobody_says():
    """EVI's own values are assumed."""
    assert not DEFAULT.states_end_of_turn
    assert not DEFAULT.states_min_interruption
