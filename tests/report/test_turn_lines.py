from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.measure.measuring import measure
from evi_harness.measure.speech_marks import HeardSpeech
from evi_harness.report.turn_lines import as_json, as_lines, shown_turns
from evi_harness.session.events import Note
from evi_harness.session.turn import Speech

MS = 1_000_000


def shown(session, heard=None):
    """The turns of a session and what was measured; by the service's word alone where nobody is said to have heard."""
    measured = measure(session, EVI, HeardSpeech(why="nobody listened") if heard is None else heard)
    return shown_turns(measured, session, EVI), measured


def lines_of(session, heard=None, width=None):
    """The same for people."""
    return list(as_lines(*shown(session, heard), width))


def test_a_turn_is_bars_what_was_said_and_how_long_it_took(weather):
    """In order; the second turn begins where its user does."""
    lines = lines_of(weather)
    assert [line.split()[1] for line in lines if line.startswith("turn ")] == ["1", "2"]
    assert [line.split()[0] for line in lines if line.startswith("  ") and "·" in line] == ["user", "assistant"] * 2
    who = [line.split()[2] for line in lines if line[5:6] == "."]
    assert who == ["user", "tool", "assistant", "user", "assistant", "closed"]
    (tool,) = (line for line in lines if "  tool  " in line)
    assert "ms tool response" in tool
    assert any(line.startswith("  latency ") for line in lines)
    assert lines[-1].startswith("* assumed, not measured")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_bar_ends_with_the_terminal(weather, width):
    """And has 60 places where there is none."""
    for columns, bar in ((width, width - 13), (None, 60)):
        bars = [line[13:] for line in lines_of(weather, width=columns) if "█" in line]
        assert {len(one) for one in bars} == {bar}
        assert not "".join(bars).strip("█▄·")


def test_the_detector_is_asked_before_the_service(weather):
    """Where nobody heard and nobody says, there is a sentence in place of the bar."""
    heard = HeardSpeech((Speech(100 * MS, 200 * MS),), "x", "1", 0.5)
    turns, _ = shown(weather, heard)
    assert sum(end - begin for begin, end in turns[0].user) == 100 * MS
    turns, measured = shown(replace(weather, events=tuple(event for event in weather.events if event.kind != "received")))
    assert [turn.number for turn in turns] == [None]
    lines = list(as_lines(turns, measured))
    assert lines[0].startswith("no turns ")
    assert re.fullmatch("  user       not known: .*listened", lines[1])


def test_what_is_wrong_is_told_in_its_turn(weather):
    """A finding of a replay, with its sentence; other notes are not."""
    notes = (Note(97, 500 * MS, "raised", None, {"what": "ValueError: no"}), Note(98, 500 * MS, "due", None, {}))
    lines = lines_of(replace(weather, events=(*weather.events, *notes)))
    found = [line for line in lines if "  found " in line]
    assert [line.split("  found")[1].strip() for line in found] == ["raised: ValueError: no"]
    assert lines.index(found[0]) < next(index for index, line in enumerate(lines) if line.startswith("turn 2"))


def test_programs_get_the_same(weather):
    """Spans in nanoseconds, samples with their reasons."""
    turns, _ = shown(weather)
    told = as_json(turns)
    assert [one["number"] for one in told] == [1, 2]
    assert all(one["begin_ns"] <= a < b <= one["end_ns"] for one in told for a, b in one["assistant_ns"])
    assert all((one["value"] is None) == bool(one["why"]) for turn in told for one in turn["latency"])
