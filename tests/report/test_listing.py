from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.report import listing
from evi_harness.report.listing import Listed

READ = Listed("a", "2026-11-22T12:00:00.5Z", 12_238_000_000, 2, 386, "record", is_complete=True)


def test_a_session_is_listed_as_it_is(weather):
    """Its date, length, turns, events, what made it."""
    one = listing.listed("there/weather", weather, EVI)
    assert one.folder == "there/weather"
    assert (one.created, one.made_by) == (weather.header.created, weather.header.made_by)
    assert (one.duration_ns, one.n_events) == (weather.duration_ns, len(weather.events))
    assert one.n_turns == len(EVI.turns(weather.events)) > 0


@pytest.mark.parametrize(
    ("complete", "counts", "is_complete"),
    [(True, {}, True), (False, {}, False), (True, {"dropped": 3}, False), (True, {"dropped": 0}, True)],
)
def test_what_has_holes_is_not_complete(weather, complete, counts, is_complete):
    """As show says of it alone."""
    session = replace(weather, header=replace(weather.header, complete=complete, counts=counts))
    assert listing.listed("a", session, EVI).is_complete is is_complete


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (READ, "a        2026-11-22 12:00:00Z      12.238 s      2      386  record   yes"),
        (replace(READ, is_complete=False), "a        2026-11-22 12:00:00Z      12.238 s      2      386  record   no"),
        (replace(READ, missing=("Gone.",)), "a        2026-11-22 12:00:00Z      12.238 s      2      386  record   yes       Gone."),
        (
            replace(READ, missing=("Gone.", "x", "y")),
            "a        2026-11-22 12:00:00Z      12.238 s      2      386  record   yes       Gone. And 2 more.",
        ),
        (replace(READ, created="once"), "a        once                      12.238 s      2      386  record   yes"),
        (Listed("a", refused="gone"), "a        cannot be read: gone"),
    ],
    ids=["complete", "not complete", "one thing missing", "three", "no date", "unreadable"],
)
def test_a_line_says_what_is_known(one, told):
    """In the columns of the heading, with what is missing behind them."""
    assert listing.line(one, listing.width_of(["a"])) == told
    assert listing.heading(7).split() == ["session", "created", "length", "turns", "events", "made", "by", "complete"]


def test_names_do_not_move_the_cursor():
    """A stranger names folders, and writes headers; the column is as wide as what is shown."""
    name = "a\x1b[2J"
    assert listing.width_of([name]) == len(r"a\x1b[2J")
    for one in (replace(READ, folder=name, made_by="\x1b", missing=("\x1b",)), Listed(name, refused="\x1b")):
        assert "\x1b" not in listing.line(one, 20)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "0 sessions, 0.000 s: none"),
        ([READ], "1 session, 12.238 s: 1 complete"),
        (
            [READ, replace(READ, is_complete=False), Listed("b", refused="gone"), READ],
            "4 sessions, 36.714 s: 2 complete, 1 not complete, 1 cannot be read",
        ),
    ],
    ids=["none", "one", "all kinds"],
)
def test_the_sum_is_of_all(rows, told):
    """What cannot be read is counted, and has no length."""
    assert listing.summed(rows) == told


@pytest.mark.parametrize(("columns", "narrow"), [(None, False), (200, False), (60, True)])
def test_a_narrow_terminal_has_fewer_columns(columns, narrow):
    """Those that people look for; they stand below their headings all the same."""
    width = listing.width_of(["there/a"])
    assert listing.is_narrow(width, columns) is narrow
    head, line = listing.heading(width, narrow=narrow), listing.line(replace(READ, folder="there/a"), width, narrow=narrow)
    assert head.split() == ["session", "created", "length", "turns", *([] if narrow else ["events", "made", "by"]), "complete"]
    assert line.index("yes") == head.index("complete")
    assert len(line) <= (columns or 200)
