"""Tests of evi_harness.report.latency_report: what people, programs and spreadsheets are told of a measurement."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.measure.measuring import measure
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.speech_marks import HeardSpeech
from evi_harness.report.latency_report import LatencyReport, assumptions
from evi_harness.session.header import Recorded
from evi_harness.session.turn import Speech

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
SCHEMA = json.loads((ROOT / "docs" / "reference" / "latency.schema.json").read_text(encoding="utf-8"))
HEARD = HeardSpeech((Speech(0, 450 * MS),), "made", "1.0", 0.5)


@pytest.fixture
def report(weather):
    """Of one session of two turns: the first was heard, the second not."""
    return LatencyReport((measure(weather, EVI, HEARD),), DEFAULT)


def line_with(report, words):
    """The first line that has these words in it."""
    return next(line for line in report.lines() if words in line)


def test_a_turn_is_a_line(report):
    """Its gap, the parts of it, and what was said; the assumed part has a star, what is not there a dash with a letter."""
    head, first, *_ = report.lines()[3:]
    assert head.split() == ["turn", "turn_gap", ".silence", ".transcription", ".response", ".app", ".audio", ".told", "response"]
    # Said until 450, answered at 1200, called a tool from 1400 to 1600, heard at 2100; EVI waited for 750 ms only.
    assert first.split()[:9] == ["1", "1650", "-a", "-a", "200", "200", "500", "1200", "900"]
    assert re.search(r'"What.*weather.*\?"$', first)
    second = line_with(report, "Thank you.")
    assert second.split()[:6] == ["2", "-b", "-b", "-b", "-b", "-b"]
    assert any(re.match("  -b  .*detector", line) for line in report.lines())


def test_what_is_assumed_is_marked(weather):
    """With a star where it stands, and a sentence that says how to set it."""
    heard = replace(HEARD, speech=(Speech(0, 300 * MS),))
    report = LatencyReport((measure(weather, EVI, heard),), DEFAULT)
    assert "800*" in report.lines()[4]
    assert re.match(r"\* assumed, .*\b800 ms .*\(--end-of-turn-ms\)", report.lines()[-1])


STATED = Assumed(200_000_000, states_end_of_turn=True)
BOTH = Assumed(500_000_000, 0, states_end_of_turn=True, states_min_interruption=True)


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ([DEFAULT, DEFAULT], [("assumed", ("800 ms of silence", "800 ms of speech"))]),
        ([STATED], [("assumed", ("800 ms of speech",)), ("stated", ("200 ms of silence",))]),
        ([BOTH, BOTH], [("stated", ("500 ms of silence", "0 ms of speech"))]),
        ([BOTH, STATED], [("assumed", ("800 ms of speech",)), ("stated", ("200 or 500 ms of silence", "0 ms of speech"))]),
        ([BOTH, DEFAULT], [("assumed", ("800 ms of silence", "800 ms of speech")), ("stated", ("500 ms of silence", "0 ms of speech"))]),
    ],
)
def test_what_sessions_state_is_not_called_assumed(used, expected):
    """Each value is in the line that is true of it, whichever service it is."""
    lines = list(assumptions(DEFAULT, used))
    assert len(lines) == len(expected)
    for line, (what, values) in zip(lines, expected):
        assert what in line
        assert [value for value in ("ms of silence", "ms of speech") if value in line] == [
            value for value in ("ms of silence", "ms of speech") if any(value in one for one in values)
        ]
        assert all(value in line for value in values)
        assert "EVI" not in line


def test_a_session_that_states_its_silence_is_measured_by_it(weather):
    """Its JSON says what it states, and fits the schema; other sessions' has nothing of it."""
    measured = measure(weather, EVI, HEARD, STATED)
    told, untold = LatencyReport((measured,), DEFAULT).json(), LatencyReport((replace(measured, assumed=DEFAULT),), DEFAULT).json()
    assert told["sessions"][0]["stated"] == {"end_of_turn_ms": 200}
    assert "stated" not in untold["sessions"][0]
    jsonschema.validate(json.loads(json.dumps(told)), SCHEMA)


def test_what_happened_in_a_turn_stands_below_it(report):
    """The tool's halves, by family; nothing that is zero."""
    assert report.lines()[5].strip() == "tool.service 400, tool.app 200"


def test_families_have_tables_of_their_own(report):
    """And what is not there is told with its reason, once."""
    lines = report.lines()
    conversation = next(index for index, line in enumerate(lines) if line.startswith("conversation, in ms"))
    client = next(index for index, line in enumerate(lines) if line.startswith("client, in ms"))
    named = {
        line.split()[0].rstrip("*"): index
        for index, line in enumerate(lines)
        if line.startswith("  ") and line.split()[0].rstrip("*") in METRICS
    }
    assert conversation < named["turn_gap"] < client < named["tool.app"]
    assert sum("evi-harness replay SESSION --handler" in line for line in lines) == 1


def test_percentiles_need_their_number(report):
    """Two values have a median, and a line says what the rest needs."""
    assert line_with(report, "  response ").split() == ["response", "2", "400", "650", "-", "-", "900"]
    assert any(re.match(r"  p95 .*\b20 .*p99 100; max and med ", line) for line in report.lines())


def test_times_that_nobody_measured_make_no_table(weather):
    """One line in place of all figures."""
    session = replace(weather, header=replace(weather.header, recorded=Recorded(times="synthesised")))
    lines = LatencyReport((measure(session, EVI, HEARD),), DEFAULT).lines()
    assert sum("not measured:" in line for line in lines) == 1
    assert not any(line.startswith("conversation, in ms") or "assumed" in line for line in lines)


def test_the_json_is_as_its_schema_says(report):
    """Strict, and every sample has a value or a reason."""
    told = report.json()
    jsonschema.validate(told, SCHEMA)
    json.dumps(told, allow_nan=False)
    assert told["sessions"][0]["speech"] == {"detector": "made", "version": "1.0", "threshold": 0.5, "why": None, "n_stretches": 1}
    broken = {**told, "samples": [{**told["samples"][0], "value": None, "why": None}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_the_csv_has_every_sample(report):
    """A line each; what is not there is empty and never 0."""
    rows = list(csv.DictReader(io.StringIO(report.csv())))
    assert len(rows) == len(report.samples)
    assert {row["family"] for row in rows} == {"conversation", "client"}
    for row, sample in zip(rows, report.samples):
        assert row["value"] == ("" if sample.value is None else repr(sample.value))
        assert row["why"] == sample.why


def test_no_cell_of_the_csv_is_a_formula(weather):
    """Nor the name of a session that somebody else has named."""
    report = LatencyReport((measure(weather, EVI, HEARD, name="=1+1"),), DEFAULT)
    assert {row["session"] for row in csv.DictReader(io.StringIO(report.csv()))} == {"'=1+1"}


def test_secrets_and_control_characters_reach_nobody(session_of, weather_rows):
    """Neither a terminal nor a file."""
    rows = [row for row in weather_rows if row[1] != 1200]
    said = {**next(row[2] for row in weather_rows if row[1] == 1200), "message": {"role": "user", "content": "key\x1b[2J sesame"}}
    session = session_of([*rows[:2], *sorted([*rows[2:], ("received", 1200, said)], key=lambda row: row[1])])
    report = LatencyReport((measure(session, EVI, HEARD),), DEFAULT, lambda text: text.replace("sesame", "[redacted]"))
    for text in ("\n".join(report.lines()), json.dumps(report.json()), report.csv()):
        assert "sesame" not in text
    assert "\x1b" not in "\n".join(report.lines())


def test_sessions_are_pooled(weather):
    """Twice the same is twice as many."""
    both = LatencyReport(tuple(measure(weather, EVI, HEARD, name=name) for name in "ab"), DEFAULT)
    assert [one.n for one in both.summaries() if one.metric == "response"] == [4]
    assert "2 sessions together" in line_with(both, "conversation, in ms")


def test_exact_and_sampled_values_have_rows_of_their_own(weather):
    """A replay in virtual time and one whose times are no clock's: no median lies between the two."""
    exact = replay_session(weather, write=lambda _: None).session
    sampled = replace(exact, header=replace(exact.header, source={**exact.header.source, "clock": "real"}))
    report = LatencyReport(tuple(measure(session, EVI, name=name) for name, session in (("a", exact), ("b", sampled))), DEFAULT)
    rows = [line.split() for line in report.lines() if line.startswith("  queue ")]
    assert [(row[1], row[-1]) for row in rows] == [("10", "exact"), ("10", "sampled")]
    summary = [one for one in report.json()["summary"] if one["metric"] == "queue"]
    assert [(one["n"], one["certainty"]) for one in summary] == [(10, "exact"), (10, "sampled")]
    jsonschema.validate(report.json(), SCHEMA)


def test_a_session_in_which_nobody_spoke(session_of):
    """Has no turns, and no table of them."""
    session = session_of([("closed", 100, ("app", 1000, ""))])
    lines = LatencyReport((measure(session, EVI, HEARD),), DEFAULT).lines()
    assert any("0 turns" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_narrow_terminal_has_no_table_of_turns(report, width):
    """A line a turn with the same figures; where there is room, and through a pipe, the table."""
    lines, table = report.lines(width), report.lines()
    if max(map(len, table[3:6])) <= width:
        assert lines == table
        return
    assert lines[3] == "  turn by turn"
    assert re.match(r' {5}1  "What.*\?": turn_gap 1650, \.silence -a, \.transcription -a, \.response 200, ', lines[4])
    assert lines[lines.index("") :] == table[table.index("") :]
