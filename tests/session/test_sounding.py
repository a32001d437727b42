"""Tests of evi_harness.session.sounding: a speaker that plays what came, as soon as it can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.sounding import sounding

arrivals = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=8).map(
    lambda rows: [(sum(gap for gap, _ in rows[: index + 1]), length) for index, (_, length) in enumerate(rows)]
)


@pytest.mark.parametrize(
    ("pieces", "silenced", "spans"),
    [
        ([], None, []),
        ([(5, 10)], None, [(5, 15)]),
        ([(5, 10), (6, 10)], None, [(5, 15), (15, 25)]),
        ([(5, 10), (20, 10)], None, [(5, 15), (20, 30)]),
        ([(5, 10), (6, 10)], 18, [(5, 15), (15, 18)]),
        ([(5, 10), (6, 10)], 15, [(5, 15)]),
        ([(5, 10), (6, 10)], 2, []),
        ([(5, 0)], None, [(5, 5)]),
    ],
)
def test_when_pieces_sound(pieces, silenced, spans):
    """One behind the other, not before they came, and not after an interruption."""
    assert sounding(pieces, silenced) == spans


@given(pieces=arrivals)
def test_all_of_it_is_heard_in_order(pieces):
    """As long as it is, never before it came, never two at a time."""
    spans = sounding(pieces)
    assert [end - begin for begin, end in spans] == [length for _, length in pieces]
    assert all(begin >= came for (begin, _), (came, _) in zip(spans, pieces))
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:]))


@given(pieces=arrivals, silenced=st.integers(0, 300))
def test_an_interruption_only_takes_away(pieces, silenced):
    """What was heard before it stays as it was."""
    expected = [(begin, min(end, silenced)) for begin, end in sounding(pieces) if begin < silenced]
    assert sounding(pieces, silenced) == expected
