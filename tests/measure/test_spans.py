"""Tests of evi_harness.measure.spans: time as a set of instants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evi_harness.measure.spans import covered_ns, merged, shared, without

one = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda ends: (min(ends), max(ends)))
many = st.lists(one, max_size=6)


def instants(spans):
    """The whole nanoseconds in them."""
    return {at for begin, end in spans for at in range(begin, end)}


@given(spans=many)
def test_merged_spans_are_the_same_time(spans):
    """In order, apart from one another, none of them empty."""
    found = merged(spans)
    assert instants(found) == instants(spans)
    assert covered_ns(spans) == len(instants(spans))
    assert all(before[1] < after[0] for before, after in zip(found, found[1:]))
    assert all(begin < end for begin, end in found)


@given(some=many, others=many)
def test_shared_time_is_in_both(some, others):
    """And all of it."""
    assert instants(shared(some, others)) == instants(some) & instants(others)


@given(span=one, others=many)
def test_what_is_left_is_in_none_of_the_others(span, others):
    """And all of it."""
    assert instants(without(span, others)) == instants([span]) - instants(others)
