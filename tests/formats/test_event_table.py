"""Tests of the table of events; the csv module reads it."""

from __future__ import annotations

import csv
import io

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.formats.event_table import COLUMNS, event_table
from evi_harness.measure.session_times import Reading
from evi_harness.session.events import Note, Unknown


def rows_of(session):
    """The lines of the table, by column."""
    text = "".join(event_table(Reading(session, EVI), EVI))
    reader = csv.DictReader(io.StringIO(text))
    rows = list(reader)
    assert tuple(reader.fieldnames) == COLUMNS
    return rows


def test_every_event_is_a_line(weather):
    """With what it is, when, which turn it belongs to and how long its audio is."""
    rows = rows_of(weather)
    assert [int(row["seq"]) for row in rows] == [event.seq for event in weather.events]
    assert [int(row["at_ns"]) for row in rows] == [event.at_ns for event in weather.events]
    assert [row["event"] for row in rows] == [event.kind for event in weather.events]
    (tool,) = [row for row in rows if row["type"] == "tool_call"]
    assert (tool["turn"], tool["opcode"]) == ("1", "text")
    assert {row["audio_ms"] for row in rows if row["type"] == "audio_output"} == {"100.0"}
    assert rows[-1]["text"].startswith("by app 1000")


def test_no_text_is_a_formula(session_of):
    """What a spreadsheet would compute has an apostrophe before it; commas, quotes and line breaks are text."""
    session = session_of([("received", 1, {"type": "=cmd()"}), ("received", 2, {"type": 'a,"b'})])
    events = (*session.events, Note(3, 3, "@note", of=1, data={"x": "a\nb"}), Unknown(4, 4, name="-1"))
    rows = rows_of(type(session)(session.header, events))
    assert [row["type"] for row in rows] == ["", "'=cmd()", 'a,"b', "'@note", "'-1"]
    assert (rows[3]["of"], rows[3]["text"]) == ("1", '{"x": "a\\nb"}')


HOSTILE = ["=1", "+1", "-1", "@x", "a;=1", "a|+1", "a,=1", ";@x", ";;-1", "; =1", ";'=1'", ';"=1', '"=1"', 'a",=1']
HOSTILE += ["a\t=1", "a\n=1", "a\r\n=1", 'a"\n=1', "＝1", "a;＋1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_no_cell_is_a_formula_to_whom_another_delimiter_was_told(session_of, delimiter):
    """Where a text becomes several cells, none of them begins as a formula."""
    session = session_of([("received", at, {"type": text}) for at, text in enumerate(HOSTILE, 1)])
    notes = [Note(900 + at, 10**9, text, data={"x": text, text: [text]}) for at, text in enumerate(HOSTILE)]
    text = "".join(event_table(Reading(type(session)(session.header, (*session.events, *notes)), EVI), EVI))
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    assert len(rows) == 1 + len(session.events) + len(notes)
    assert {len(row) for row in rows} == {len(COLUMNS)} or delimiter != ","
    assert not [cell for row in rows for cell in row if cell.strip(' "').startswith(("=", "+", "-", "@", "＝", "＋"))]
