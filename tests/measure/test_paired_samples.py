"""Tests of evi_harness.measure.paired_samples."""

from __future__ import annotations

from evi_harness.measure.paired_samples import SamplePlace, pairs_of
from evi_harness.measure.samples import Sample


def handle(session, turn, value, of=None):
    """A sample, without a value for None."""
    return Sample("handle", value, session, turn, of, "gone" if value is None else "")


def test_by_session_turn_and_which_one():
    """Never by seq, which is another in every run."""
    old = [handle("a", 1, 1.0, 7), handle("a", 1, 2.0, 9), handle("b", 1, 3.0, 5)]
    new = [handle("b", 1, 30.0, 4), handle("a", 1, 10.0, 8), handle("a", 1, 20.0, 11)]
    found = pairs_of(old, new, {"a": "a", "b": "b"})
    assert [(pair.place, pair.old, pair.new) for pair in found.pairs] == [
        (SamplePlace("a", 1, 0), 1.0, 10.0),
        (SamplePlace("a", 1, 1), 2.0, 20.0),
        (SamplePlace("b", 1, 0), 3.0, 30.0),
    ]
    assert found.n_alone == 0


def test_what_has_no_partner_is_counted():
    """A value that is gone keeps its place, so those behind it keep theirs; its reason is told."""
    old = [handle("a", 1, 1.0), handle("a", 1, 2.0), handle("a", 2, 3.0)]
    new = [handle("a", 1, None), handle("a", 1, 20.0), handle("a", 3, 5.0)]
    found = pairs_of(old, new, {"a": "a"})
    assert [(pair.old, pair.new) for pair in found.pairs] == [(2.0, 20.0)]
    assert (found.n_old_alone, found.n_new_alone) == (2, 1)
    assert found.reasons == {"gone": 1}


def test_a_session_may_have_another_name():
    """Places are told by the old one; a session without a partner is named."""
    old, new = [handle("a", 1, 1.0), handle("c", 1, 1.0)], [handle("b", 1, 2.0), handle("d", 1, 2.0)]
    found = pairs_of(old, new, {"b": "a"})
    assert [(pair.place, pair.old, pair.new) for pair in found.pairs] == [(SamplePlace("a", 1, 0), 1.0, 2.0)]
    assert (found.gone, found.added) == (("c",), ("d",))


def test_places_read_well():
    """As reports have them."""
    places = (
        SamplePlace("a", 1, 0),
        SamplePlace("a", 2, 1),
        SamplePlace("a", None, 0),
        SamplePlace("a", None, 10),
        SamplePlace("a", 1, 22),
    )
    assert [str(place) for place in places] == ["a turn 1", "a turn 2, 2nd value", "a", "a, 11th value", "a turn 1, 23rd value"]
