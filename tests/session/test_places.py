"""Tests of evi_harness.session.places."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.events import Note
from evi_harness.session.places import Place, SourceLine, Sources, place_json, places_in

LINES = st.integers(1, 10**6)
SOURCE = st.lists(st.builds(SourceLine, LINES, st.text(max_size=20)), max_size=5).map(tuple)
PLACES = st.builds(Place, st.text(max_size=20), st.none() | LINES, st.text(max_size=20), SOURCE)


@given(st.lists(PLACES, max_size=4))
def test_what_a_note_holds_is_read_back(places):
    """Through JSON, in order."""
    data = json.loads(json.dumps({"places": [place_json(place) for place in places]}))
    assert places_in(data) == tuple(places)


def test_a_place_as_text():
    """As tracebacks and notes have named one all along."""
    assert str(Place("app.py", 3, "f", (SourceLine(3, "x"),))) == "app.py:3 in f"


SHOWN = (SourceLine(3, "x"),)
GOOD = {"file": "app.py", "line": 3, "function": "f", "source": [{"line": 3, "text": "x"}]}


@pytest.mark.parametrize(
    ("places", "read"),
    [
        (None, ()),
        ("app.py:3 in f", ()),
        ({}, ()),
        ([None, 3, "x", [], {}], ()),
        ([{**GOOD, "file": 3}, {**GOOD, "line": "3"}, {**GOOD, "line": True}, {**GOOD, "function": None}], ()),
        ([{**GOOD, "source": None}, {**GOOD, "source": [], "line": None}], (Place("app.py", 3, "f"), Place("app.py", None, "f"))),
        ([{**GOOD, "source": ["x", {"line": 3}, {"line": "3", "text": "x"}, *GOOD["source"]]}], (Place("app.py", 3, "f", SHOWN),)),
    ],
    ids=["null", "text", "an object", "no places", "of other types", "no source", "a source of other forms"],
)
def test_what_has_not_the_form_of_a_place_is_passed_over(places, read):
    """A note may come from a stranger's session."""
    assert places_in({"places": places}) == read


def test_most_notes_have_no_places():
    """And need none."""
    assert places_in({"what": "x"}) == ()


def bare(line):
    """A note of a place whose source stands elsewhere."""
    return {"places": [{"file": "app.py", "line": line, "function": "f", "source": []}]}


def test_the_source_of_a_place_may_stand_in_another_note():
    """Before it or behind it; of a place that no note has the source of it is empty."""
    notes = [Note(1, 0, "a", data=bare(3)), Note(2, 0, "b", data={"places": [GOOD]}), Note(3, 0, "c", data=bare(4))]
    sources = Sources(notes)
    assert [[place.source for place in sources.of(note.data)] for note in notes] == [[(SourceLine(3, "x"),)], [(SourceLine(3, "x"),)], [()]]
