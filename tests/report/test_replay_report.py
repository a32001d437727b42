from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import DEVIATIONS, Deviation, Late
from evi_harness.replay.judging.differences import ABSENT, Difference
from evi_harness.replay.judging.findings import FINDINGS, WARNING, Finding
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.report.expected_changes import ExpectationReport
from evi_harness.report.explaining.remedies import DEVIATION_REMEDIES, explained_deviation, explained_finding
from evi_harness.report.invocation import Invocation
from evi_harness.report.next_steps import MAY_BE_MEANT
from evi_harness.report.replay_report import SCHEMA as SCHEMA_VERSION
from evi_harness.report.replay_report import ReplayReport, as_json, as_text, found_lines, remarks
from evi_harness.session.events import Note
from evi_harness.session.header import Anchor, Recorded
from evi_harness.session.places import Place, SourceLine

SECOND = 1_000_000_000


def report(session, *found, live=None, **changes):
    """A report with these deviations and findings, of a session that was replayed to itself."""
    deviations = tuple(one for one in found if isinstance(one, Deviation))
    findings = tuple(one for one in found if isinstance(one, Finding))
    verdict = Verdict(deviations, findings)
    return ReplayReport(
        session, live or session, handler="app.py:App", sdk="0.14.1", package="hume", verdict=verdict, real_s=0.25, **changes
    )


def text(told):
    """The report's lines."""
    return as_text(told, EVI)


SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "reference" / "replay-report.schema.json").read_text())


def closed(schema):
    """A schema that forbids members it does not name."""
    if isinstance(schema, dict):
        schema = {name: closed(inner) for name, inner in schema.items()}
        return {**schema, "additionalProperties": False} if "properties" in schema and "title" in schema else schema
    return [closed(inner) for inner in schema] if isinstance(schema, list) else schema


VALIDATOR = jsonschema.Draft202012Validator(closed(SCHEMA))


def data(told, dialect=EVI):
    """The report's JSON, through a strict encoder and back; as its schema says, with no member more."""
    found = json.loads(json.dumps(as_json(told, dialect), allow_nan=False))
    VALIDATOR.validate(found)
    return found


def test_a_replay_that_passed_is_three_lines(weather):
    """What was replayed, with what, and the verdict."""
    session, replayed, verdict = text(report(weather))
    assert re.fullmatch(r"session    made: 2 turns, 30 events, 4\.500 s", session)
    assert verdict == "verdict    passed"
    assert re.fullmatch(r"replayed +with app\.py:App on hume 0\.14\.1, in virtual time \(0\.25 s .*\)", replayed)
    told = data(report(weather))
    assert (told["passed"], told["deviations"], told["findings"], told["twice"]) == (True, [], [], None)
    assert (told["n_sent"], told["n_received"], told["duration_ns"]) == (18, 10, weather.duration_ns)
    assert (told["clock"], told["times"], told["sent_compared"]) == ("virtual", "measured", True)


@pytest.mark.parametrize("kind", sorted(DEVIATIONS))
def test_a_deviation_is_told_with_both_places(weather, kind):
    """Its kind, its places in both sessions with their times, the sentence, and what only follows from it."""
    deviation = Deviation(kind, "it happened", recorded_seq=15, live_seq=16, detail=("more",), consequences=(17, 18))
    lines = text(report(weather, deviation))
    assert re.fullmatch(rf"DEVIATION  {kind}: recorded #15 .*\b1\.600 s, .*\breplay #16 .*\b2\.000 s", lines[2])
    assert lines[3:5] == ["           it happened", "             more"]
    assert re.match(r" {13}2 .*: 0\.10 s .* 1 message; end of .* \(#17 to #18\)$", lines[5])
    assert lines[-1] == "verdict    failed: 1 deviation"
    (told,) = data(report(weather, deviation))["deviations"]
    audio, end = [one["what"] for one in told["lost"]]
    assert re.fullmatch(r"0\.10 s .*audio .*\b1 message", audio)
    assert end.startswith("end of ")
    assert told == {
        **explained_deviation(deviation, weather.events[15], weather.events[16], None, EVI)._asdict(),
        "kind": kind,
        "what": "it happened",
        "recorded_seq": 15,
        "recorded_at_ns": 1_600_000_000,
        "live_seq": 16,
        "live_at_ns": 2_000_000_000,
        "nearest_seq": None,
        "differences": [],
        "late_ns": None,
        "detail": ["more"],
        "places": [],
        "consequences": [17, 18],
        "lost": [
            {"seq": 17, "last_seq": 17, "at_ns": 2_100_000_000, "kind": "received", "what": audio},
            {"seq": 18, "last_seq": 18, "at_ns": 2_300_000_000, "kind": "received", "what": end},
        ],
    }


@pytest.mark.parametrize(
    ("recorded_seq", "live_seq", "place"),
    [
        (15, None, ": recorded #15 at 1.600 s"),
        (None, 16, ": in the replay #16 at 2.000 s"),
        (None, None, ""),
        (999, 999, ""),
    ],
)
def test_a_place_that_is_not_there_is_not_told(weather, recorded_seq, live_seq, place):
    """One side, the other, or none."""
    told = report(weather, Deviation("missing", "it happened", recorded_seq, live_seq))
    assert text(told)[2] == f"DEVIATION  missing{place}"
    (deviation,) = data(told)["deviations"]
    assert [deviation["recorded_at_ns"] is None, deviation["live_at_ns"] is None] == ["recorded" not in place, "replay" not in place]


@pytest.mark.parametrize("kind", sorted(FINDINGS))
def test_a_finding_is_told_with_the_message_it_is_about(weather, kind):
    """Its time, and what the recorded message says."""
    finding = Finding(
        kind, "it happened", at_ns=3 * SECOND // 2, live_seq=5, recorded_seq=13, ended=True, detail=("app.py:3",), consequences=(14,)
    )
    lines = text(report(weather, finding))
    assert re.fullmatch(rf'FINDING    {kind} at 1\.500 s, .*\brecorded #13 user: "What.*\?"', lines[2])
    assert lines[3:5] == ["           it happened", "             app.py:3"]
    assert lines[6:] == ["verdict    failed: 1 finding"]
    assert re.match(r" {13}1 .*: tool call call-1: get_weather .*Oslo.* \(#14\)$", lines[5])
    (told,) = data(report(weather, finding))["findings"]
    assert re.fullmatch('user: "What.*"', told["recorded_what"])
    assert told == {
        **explained_finding(finding)._asdict(),
        "kind": kind,
        "severity": "error",
        "what": "it happened",
        "at_ns": 3 * SECOND // 2,
        "recorded_seq": 13,
        "recorded_what": told["recorded_what"],
        "live_seq": 5,
        "ended": True,
        "detail": ["app.py:3"],
        "places": [],
        "consequences": [14],
        "lost": [
            {
                "seq": 14,
                "last_seq": 14,
                "at_ns": 1_400_000_000,
                "kind": "received",
                "what": 'tool call call-1: get_weather "{"place": "Oslo"}"',
            }
        ],
    }


def test_a_warning_is_told_and_fails_nothing(weather):
    """It stands there under its own label; the verdict counts it apart."""
    warning, finding = Finding("underrun", "it was dry", at_ns=0, severity=WARNING), Finding("raised", "it broke", at_ns=0)
    lines = text(report(weather, warning, warning))
    assert re.fullmatch(r"WARNING    underrun .*0\.000 s", lines[2])
    assert re.fullmatch("verdict    passed, .*2 warnings", lines[-1])
    assert data(report(weather, warning))["findings"][0]["severity"] == "warning"
    assert re.fullmatch("verdict    failed: 1 finding, 1 warning", text(report(weather, warning, finding))[-1])


def test_what_fails_comes_first(weather):
    """Findings and deviations, and then what is only a warning, whenever it was."""
    warning, finding = Finding("underrun", "it was dry", at_ns=0, severity=WARNING), Finding("raised", "it broke", at_ns=5)
    lines = text(report(weather, warning, finding, Deviation("missing", "it was not sent")))
    labels = [line.split()[0] for line in lines if line.startswith(("FINDING", "DEVIATION", "WARNING"))]
    assert labels == ["FINDING", "DEVIATION", "WARNING"]


def test_only_what_differs_is_shown(weather):
    """With both values; long ones are cut in the text and whole in the JSON; absent is no null."""
    found = (
        Difference("$.content", "sunny", "rain"),
        Difference("$.a", None, ABSENT),
        Difference("$.b", ABSENT, True),
        Difference("$.c", "x" * 500, 1),
    )
    told = report(weather, Deviation("different", "it differs", 15, 16, differences=found))
    lines = text(told)
    shown = [re.fullmatch(r" {13}\$\.([ab]|content): recorded (\S+), now (\S+)", line) for line in lines]
    assert [one.groups() for one in shown if one] == [("content", "'sunny'", "'rain'"), ("a", "null", "absent"), ("b", "absent", "true")]
    assert max(map(len, lines)) < 220
    (deviation,) = data(told)["deviations"]
    assert deviation["differences"] == [
        {"path": "$.content", "recorded": "sunny", "live": "rain"},
        {"path": "$.a", "recorded": None},
        {"path": "$.b", "live": True},
        {"path": "$.c", "recorded": "x" * 500, "live": 1},
    ]


def test_what_json_has_no_number_for_is_a_string(weather):
    """NaN and Infinity at any depth; the output is strict."""
    difference = Difference("$.a", math.nan, {"b": [math.inf, 1.5, -math.inf]})
    (deviation,) = data(report(weather, Deviation("different", "it differs", 15, 16, differences=(difference,))))["deviations"]
    assert deviation["differences"] == [{"path": "$.a", "recorded": "nan", "live": {"b": ["inf", 1.5, "-inf"]}}]


def test_several_lines_of_an_exception_stay_several(weather):
    """As many as a screen takes."""
    lines = text(report(weather, Finding("raised", "on_message raised X: one\ntwo\n" + "more\n" * 50, at_ns=0)))
    assert lines[3:5] == ["           on_message raised X: one", "           two"]
    assert len(lines) < 20


def test_counts_are_in_the_verdict(weather):
    """Findings, deviations, and two runs that differ."""
    found = (Finding("raised", "a", 0), Finding("raised", "b", 0), Deviation("missing", "c"))
    lines = text(report(weather, *found, twice=("one", "other")))
    assert re.fullmatch("verdict    failed: 2 findings, 1 deviation, .*runs differ", lines[-1])
    assert lines[-4].startswith("twice ")
    assert lines[-3:-1] == ["             one", "             other"]


def test_two_identical_runs_are_told(weather):
    """They pass."""
    told = report(weather, twice=())
    assert re.match("twice .*identical", text(told)[-2])
    assert text(told)[-1] == "verdict    passed"
    assert data(told)["twice"] == {"identical": True, "first_difference": []}


def test_what_was_added_hinted_written_and_not_waited_for_is_told(weather):
    """Each in a line of its own, and in the JSON."""
    told = report(
        weather,
        upgraded=((16, ("a: 1",)), (26, ("a: 1", "b: 2"))),
        hints=("do this",),
        overdue_jobs=("app.work",),
        folder="sessions/x",
    )
    lines = text(told)
    assert any(re.fullmatch("upgraded   2 messages: .*a: 1, b: 2", line) for line in lines)
    assert "next       do this" in lines
    assert any(re.match(r"note +not deterministic: .*\bapp\.work\b", line) for line in lines)
    assert "written    sessions/x" in lines
    assert data(told)["upgraded"] == [{"recorded_seq": 16, "added": ["a: 1"]}, {"recorded_seq": 26, "added": ["a: 1", "b: 2"]}]
    assert (data(told)["overdue_jobs"], data(told)["folder"]) == (["app.work"], "sessions/x")


def test_made_up_times_and_unknown_sends_are_told_first(session_of):
    """Nobody takes them for measured."""
    told = report(session_of([], recorded=Recorded(sent=False, closed=False, times="synthesised")))
    assert re.search(r"\(times .*; .*\bsent\b.*\)$", text(told)[0])
    assert (data(told)["times"], data(told)["sent_compared"]) == ("synthesised", False)


def test_remarks_are_told_and_are_no_fault(weather):
    """What the player put up with, in sentences with units."""
    notes = (
        Note(90, 1, "audio_patience", data={"position_ns": 900_000_000, "waited_until_ns": 2_900_000_000}),
        Note(91, 2, "closed_by_grace"),
        Note(92, 3, "end_unknown"),
        Note(93, 4, "due", of=1, data={"due_ns": 0, "held_ns": 0, "recorded_seq": 1}),
        Note(94, 5, "due", of=1, data={"due_ns": 0, "held_ns": 1_500_000, "recorded_seq": 13}),
        Note(95, 6, "due", of=1, data={"due_ns": 0, "held_ns": 500_000, "recorded_seq": 14}),
        Note(96, 7, "handler_entered", data={"callback": "x"}),
    )
    live = replace(weather, events=(*weather.events, *notes))
    told = remarks(live)
    assert re.search(r"\b900 ms\b.*\b2900 ms\b", told[0])
    assert "service" in told[1]
    assert re.match(r"2 events .* 1\.5 ms \(recorded #13\)", told[3])
    assert len(told) == 4
    assert report(weather, live=live).passed


def test_remarks_of_one_kind_are_told_a_few_times(weather):
    """Else what failed is no longer on the screen."""
    facts = {"position_ns": 900_000_000, "waited_until_ns": 2_900_000_000}
    notes = (*(Note(90 + number, number, "audio_patience", data=facts) for number in range(9)), Note(99, 9, "end_unknown"))
    live = replace(weather, events=(*weather.events, *notes))
    told = remarks(live, 3)
    assert len(told) == 3 + 1 + 1
    assert told[0] == told[1] == told[2]
    assert told[3].startswith("6 more ")
    assert len(data(report(weather, live=live))["notes"]) == 9 + 1


def test_consequences_are_told_by_what_they_say_and_then_by_number(weather):
    """The three that tell most, and how many more; numbers alone or from to."""
    lines = text(report(weather, Deviation("missing", "x", 2, consequences=(18, 13, 14, 25, 26, 27))))
    said = ['assistant: "You are welcome."', 'tool call call-1: get_weather "{"place": "Oslo"}"', 'user: "What\'s the weather like?"']
    assert lines[4].split(": ", 1)[1] == "; ".join([*said, "3 more (#13 to #14, #18, #25 to #27)"])
    assert lines[4].strip().startswith("6 ")


SOURCE = (SourceLine(1, "def f(x):"), SourceLine(2, "\treturn g(x)"), SourceLine(3, ""))
PLACE = Place(str(Path(os.sep, "project", "app.py")), 2, "f", SOURCE)
OUTER = replace(PLACE, line=9, function="main", source=())
HERE = Invocation(cwd=str(Path(os.sep, "project")))
BLOCK = ["                 1  def f(x):", "               > 2          return g(x)"]


@pytest.mark.parametrize(
    ("what", "detail", "lines"),
    [
        ("it broke", (), ["           it broke", "             app.py:2 in f", *BLOCK]),
        (
            "it broke",
            (str(PLACE), str(OUTER)),
            ["           it broke", "             app.py:2 in f", *BLOCK, "             app.py:9 in main"],
        ),
        (f"it broke at {PLACE}", ("more",), ["           it broke at app.py:2 in f", *BLOCK, "             more"]),
        ("it broke", (f"started at {PLACE}",), ["           it broke", "             started at app.py:2 in f", *BLOCK]),
        (
            "it broke",
            (f"{PLACE.file}:21 in g",),
            ["           it broke", "             app.py:21 in g", "             app.py:2 in f", *BLOCK],
        ),
    ],
    ids=["nobody names it", "the detail is it", "the sentence names it", "the detail names it", "another line is named"],
)
def test_the_innermost_place_is_shown_with_its_source(weather, what, detail, lines):
    """Once, below where it is named; its file as seen from the working directory. The JSON has all places as they are."""
    told = report(weather, Finding("swallowed", what, 0, detail=detail, places=(PLACE, OUTER)), invocation=HERE)
    assert text(told)[3:-1] == lines
    (finding,) = data(told)["findings"]
    source = [{"line": 1, "text": "def f(x):"}, {"line": 2, "text": "\treturn g(x)"}, {"line": 3, "text": ""}]
    assert finding["places"][0] == {"file": PLACE.file, "line": 2, "function": "f", "source": source}
    assert (len(finding["places"]), finding["detail"]) == (2, list(detail))


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (Deviation("missing", "x", 15, places=(PLACE,)), "handled at app.py:2 in f"),
        (Deviation("missing", "x", 15, 16, places=(PLACE,)), "sent at app.py:2 in f"),
        (Deviation("unexpected", "x", None, 16, places=(PLACE,)), "sent at app.py:2 in f"),
        (Deviation("late", "x", 15, 16, places=(PLACE,)), "sent at app.py:2 in f"),
        (Deviation("closed_early", "x", 16, 29, places=(PLACE,)), "closed at app.py:2 in f"),
        (Deviation("stuck", "x", 16, 29, detail=('File "app.py", line 2',), places=(PLACE,)), "app.py:2 in f"),
        (Finding("rejected", "x", 0, places=(PLACE,)), "sent at app.py:2 in f"),
        (Finding("unparseable", "x", 0, places=(PLACE,)), "to .*handled at app.py:2 in f"),
    ],
    ids=["missing", "too late", "unexpected", "late", "closed", "stuck", "rejected", "unparseable"],
)
def test_a_place_says_what_was_done_there(weather, found, line):
    """Who had the message, who sent it, who closed."""
    lines = text(report(weather, found, invocation=HERE))
    assert re.fullmatch(f" {{13}}{line}", lines[4])
    assert lines[5:7] == BLOCK


def test_the_same_source_is_shown_once(weather):
    """A second finding names its place alone."""
    found = (Finding("raised", "a", 0, places=(PLACE,)), Finding("raised", "b", 1, places=(PLACE,)))
    lines = text(report(weather, *found, invocation=HERE))
    assert [line in lines for line in BLOCK] == [True, True]
    assert (lines.count(BLOCK[0]), lines.count("             app.py:2 in f")) == (1, 2)


def test_a_file_elsewhere_is_named_in_full(weather):
    """So is every file where nobody knows the working directory."""
    elsewhere = replace(PLACE, file=str(Path(os.sep, "projects", "app.py")))
    found = Finding("raised", "a", 0, places=(elsewhere,))
    assert f"             {elsewhere}" in text(report(weather, found, invocation=HERE))
    assert f"             {PLACE}" in text(report(weather, replace(found, places=(PLACE,))))


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ((), None),
        ((Finding("raised", "a", 0),), None),
        ((Finding("raised", "a", 0, places=(PLACE,)),), ("app.py", 2)),
        ((Finding("raised", "a", 0, severity=WARNING, places=(PLACE,)),), None),
        ((Deviation("missing", "a", places=(replace(PLACE, file="/other/x.py"), OUTER)),), ("app.py", 9)),
        ((Finding("raised", "a", 0, severity=WARNING, places=(OUTER,)), Deviation("late", "b", places=(PLACE,))), ("app.py", 2)),
    ],
    ids=["nothing", "no place", "a finding", "a warning", "the first below the folder", "a deviation"],
)
def test_the_line_that_is_to_be_marked(weather, found, line):
    """That of the first thing that fails, in a file below the working directory."""
    assert report(weather, *found, invocation=HERE).first_line == line


@pytest.mark.parametrize(
    ("found", "options", "cause"),
    [
        ((), {}, ""),
        ((Finding("underrun", "a", 0, severity=WARNING),), {}, ""),
        ((Finding("underrun", "a", 0, severity=WARNING), Deviation("late", "b")), {}, f"late: {DEVIATIONS['late']}"),
        ((Finding("raised", "a", 0, places=(PLACE,)), Deviation("late", "b")), {}, f"raised: {FINDINGS['raised'].says}; app.py:2"),
        ((Deviation("late", "b"),), {"is_incomplete": True}, "incomplete recording"),
        ((), {"twice": ("one line", "another")}, "two runs differ"),
    ],
)
def test_a_cause_is_the_same_in_every_session(weather, found, options, cause):
    """The kind of what failed first, and the developer's line; nothing that one session alone says."""
    assert report(weather, *found, invocation=HERE, **options).cause == cause


def test_how_it_was_asked_for_is_in_the_json(weather):
    """The command, the recording, the handler, and what was set; null where nobody knows."""
    asked = Invocation(
        cwd="folder",
        argv=("evi-harness", "replay", "s"),
        again=("evi-harness", "replay", "s"),
        path="s",
        sha256="0" * 64,
        spec="app.py:App",
        arguments={"place": "Bath"},
        severities={"raised": "off"},
        options={"strict": True},
    )
    live = replace(weather, header=replace(weather.header, software={"hume": "0.14.1"}))
    told = data(report(weather, live=live, invocation=asked))
    words = ["evi-harness", "replay", "s"]
    assert told["command"] == {"argv": words, "cwd": "folder", "call": None, "test": None, "again": words, "is_redacted": False}
    assert (told["recording"], told["handler_spec"]) == ({"path": "s", "sha256": "0" * 64}, "app.py:App")
    assert (told["arguments"], told["severities"], told["options"]) == ({"place": "Bath"}, {"raised": "off"}, {"strict": True})
    assert told["versions"] == {"hume": "0.14.1"}
    nobody = data(report(weather))
    assert (set(nobody["command"].values()), nobody["recording"]) == ({None, False}, {"path": None, "sha256": None})


def test_a_strangers_words_never_reach_the_terminal(session_of):
    """Whatever the session, the exception or the file is called."""
    evil = "\x1b[2J\x9b\u202e\x07"
    session = session_of([("received", 1, {"type": "error", "code": evil, "slug": evil, "message": evil})], name=evil)
    found = (
        Finding("raised", evil, 0, recorded_seq=1, detail=(evil,)),
        Deviation("different", evil, 1, 1, differences=(Difference(evil, evil, {evil: evil}),), detail=(evil,)),
    )
    told = report(session, *found, hints=(evil,), twice=(evil, evil), overdue_jobs=(evil,), folder=evil)
    assert [line for line in text(replace(told, handler=evil, upgraded=((1, (evil,)),))) if not line.isprintable()] == []


def test_what_is_around_the_first_divergence(weather):
    """A few rows of both sides, the place itself marked, once; the JSON has them as rows."""
    found = (Deviation("different", "a", 15, 15), Deviation("different", "b", 16, 16))
    lines = text(report(weather, *found))
    (start,) = [number for number, line in enumerate(lines) if re.fullmatch(" {11}around .*recorded:", line)]
    patterns = [
        r' {19}1\.200 s  #13    ← received  user: "What.*"',
        r' {19}1\.400 s  #14    ← received  tool call call-1: get_weather .*"Oslo".*',
        r' {13}> {5}1\.600 s  #15    → sent {6}tool response call-1: "sunny, 21 .*"',
        r' {19}2\.000 s  #16    ← received  assistant: "It is sunny\."',
        r" {19}2\.100 s  #17    ← received  audio 0\.10 s, chunk 0",
        r" {19}2\.300 s  #18    ← received  end .*\breply",
    ]
    assert [one for one, pattern in zip(lines[start + 1 :], patterns) if not re.fullmatch(pattern, one)] == []
    assert re.fullmatch(" {11}around .*replay:", lines[start + 7])
    assert sum("around it" in line for line in lines) == 2
    around = data(report(weather, *found))["first_divergence"]
    assert [row["seq"] for row in around["recorded"]] == [row["seq"] for row in around["live"]] == [13, 14, 15, 16, 17, 18]
    row = around["live"][2]
    assert row == {"seq": 15, "last_seq": 15, "at_ns": 1_600_000_000, "kind": "sent", "what": row["what"]}
    assert re.fullmatch('tool response call-1: "sunny, 21 .*"', row["what"])
    assert data(report(weather))["first_divergence"] is None


def test_what_differs_from_the_nearest_message_stands_under_it(weather):
    """Behind its name."""
    deviation = Deviation("unexpected", "x", None, 15, (Difference("$.a", 1, 2),), ("nearest expected message: #15",), nearest_seq=15)
    lines = text(report(weather, deviation))
    assert [line.strip() for line in lines[4:6]] == ["nearest expected message: #15", "$.a: recorded 1, now 2"]
    assert data(report(weather, deviation))["deviations"][0]["nearest_seq"] == 15


def test_many_differences_are_not_all_shown(weather):
    """The JSON has them."""
    deviation = Deviation("different", "x", 15, 15, tuple(Difference(f"$.a[{n}]", n, 0) for n in range(1, 100)))
    lines = text(report(weather, deviation))
    assert [re.fullmatch(r" +and .*\b87 more .*; --json .*", line) is not None for line in lines if "more" in line] == [True]
    assert len(data(report(weather, deviation))["deviations"][0]["differences"]) == 99


def late(*late_ns):
    """Messages that were sent so much later than due."""
    return tuple(Late(f"message {seq}", seq, seq + 100, ns) for seq, ns in enumerate(late_ns, 1))


@pytest.mark.parametrize(
    ("late_ns", "told"),
    [
        ((), None),
        ((999_999,), None),
        ((2_500_000,), r"1 message .*\blater .*: .*#1 by 2\.5 ms"),
        ((1_000_000, 3_000_000), r"2 messages .*\blater .*: .*#2 by 3 ms, .*#1 by 1 ms"),
        (
            (5_000_000, 1_000_000, 9_000_000, 7_000_000, 8_000_000),
            r"5 messages .*\blater .*, most .*#3 by 9 ms, .*#5 by 8 ms, .*#4 by 7 ms",
        ),
    ],
)
def test_what_was_sent_late_is_a_note(weather, late_ns, told):
    """From 1 ms on, the worst by name; the JSON has all, and the replay passes."""
    found = replace(report(weather), verdict=Verdict((), (), late(*late_ns)))
    said = [line[11:] for line in text(found) if line.startswith("note")]
    assert said == [] if told is None else [bool(re.fullmatch(told, line)) for line in said] == [True]
    assert [one["late_ns"] for one in data(found)["late"]] == [*late_ns]
    assert data(found)["passed"]


def test_what_is_too_late_is_not_noted_too(weather):
    """It is a deviation, with how late it was."""
    deviation = Deviation("late", "x", 1, 101, late_ns=5_000_000)
    found = replace(report(weather), verdict=Verdict((deviation,), (), late(5_000_000)), max_late_ns=1)
    assert not any(line.startswith("note") for line in text(found))
    assert data(found)["deviations"][0]["late_ns"] == 5_000_000
    assert data(found)["max_late_ns"] == 1


def test_how_it_was_compared_is_told(weather):
    """A path that matched nothing in a note; all of it in the JSON."""
    found = report(weather, ignored=(("$.a", True), ("$.b", False)), strict=True, handshake_by="app")
    (note,) = [line for line in text(found) if line.startswith("note")]
    assert note.startswith("note       --ignore $.b ")
    told = data(found)
    assert told["ignored"] == [{"path": "$.a", "matched": True}, {"path": "$.b", "matched": False}]
    assert (told["strict"], told["handshake_by"], told["schema"]) == (True, "app", 1)


def test_what_is_expected_stands_before_the_verdict(weather):
    """With its changes; null where nothing is."""
    expectation = ExpectationReport("expected.jsonl", "written", 2, weather, weather, (Deviation("missing", "x", 15),))
    lines = text(report(weather, expectation=expectation))
    assert re.match(r"expected +expected\.jsonl .*: 2 messages\b", lines[2])
    assert re.match(r" {13}- #15 .*\b1\.600 s tool response call-1\b", lines[3])
    assert data(report(weather, expectation=expectation))["expectation"]["n_messages"] == 2
    assert data(report(weather))["expectation"] is None


EXPECTED = ExpectationReport("expected.jsonl", "compared", 2, None, None)
ANOTHER = Difference("$.content", "rain", "sunny")


@pytest.mark.parametrize(
    ("deviation", "told"),
    [
        (Deviation("missing", "x", 15), "missing: expected #15 at 1.600 s"),
        (Deviation("different", "x", 15, 15), "different: expected #15 at 1.600 s, in the replay #15 at 1.600 s"),
        # Who opens the connection asks for something, too.
        (Deviation("different", "x", 0, 0), "different: expected #0 at 0.000 s, in the replay #0 at 0.000 s"),
        (Deviation("closed_early", "x", 16, 29), "closed_early: recorded #16 at 2.000 s, in the replay #29 at 4.500 s"),
        (Deviation("closed_early", "x", 29, None), "closed_early: recorded #29 at 4.500 s"),
    ],
)
def test_what_was_to_be_sent_is_expected_where_an_expectation_is(weather, deviation, told):
    """Its place says so, and what was received stays recorded; without an expectation all of it is recorded."""
    assert text(report(weather, deviation, expectation=EXPECTED))[2] == f"DEVIATION  {told}"
    assert text(report(weather, deviation))[2] == f"DEVIATION  {told.replace('expected', 'recorded')}"


def test_with_an_expectation_nothing_that_was_to_be_sent_is_called_recorded(weather):
    """Neither what differs, nor what was around it, what hung on it, what was late or what is left out."""
    deviation = Deviation("different", "x", 15, 15, (ANOTHER,), consequences=(16, 17))
    late_ones = Verdict((deviation,), (), late(2_500_000))
    told = replace(report(weather, expectation=EXPECTED, ignored=(("$.b", False),)), verdict=late_ones)
    lines = [line.strip() for line in text(told)]
    for pattern in (
        r"\$\.content: expected 'rain', now 'sunny'$",
        r"around .*\bexpected:$",
        r'2 events .*: assistant: "It is sunny\."; 0\.10 s of audio in 1 message \(#16 to #17\)',
        r"note +1 message .*: expected #1 by 2\.5 ms",
        r"note +--ignore \$\.b .*\bexpected\b",
    ):
        assert any(re.fullmatch(pattern, line) or re.match(pattern, line) for line in lines), pattern
    assert any(re.match(r"expected +compared .*\bexpected\.jsonl, 2 messages, ", line) for line in lines)
    assert not any("recorded" in line for line in lines)


def test_a_finding_is_on_what_was_recorded(weather):
    """Also where other messages are expected: what reached the app is the recording's."""
    lines = text(report(weather, Finding("raised", "x", 0, recorded_seq=13), expectation=EXPECTED))
    assert "on recorded #13" in lines[2]


@pytest.mark.parametrize(
    ("axis", "told"),
    [
        ({}, r"4\.500 s"),
        ({"speed": "2"}, r"4\.500 s .*--speed 2; 9\.000 s .*recorded"),
        ({"speed": "max"}, r"as fast .*--speed max; 9\.000 s .*recorded"),
        ({"speed": " MAX"}, r"as fast .*--speed  MAX; 9\.000 s .*recorded"),
        ({"max_gap": "250ms"}, r"4\.500 s .*--max-gap 250ms; 9\.000 s .*recorded"),
        ({"until": "t2", "from": "#3"}, r"4\.500 s .*--from #3 --until t2; 9\.000 s .*recorded"),
    ],
)
def test_the_recorded_length_stands_beside_that_on_the_axis(weather, axis, told):
    """Where there is another axis than the recorded one, with what made it; the JSON has both."""
    recorded = replace(weather, header=replace(weather.header, end=Anchor(9 * SECOND, "")))
    live = replace(weather, header=replace(weather.header, source={"axis": axis}))
    found = report(recorded, live=live)
    assert re.fullmatch(rf"session    made: 2 turns, 30 events, {told}", text(found)[0])
    told_ns = data(found)["recorded"]
    assert told_ns == {
        "n_turns": 2,
        "n_events": 30,
        "duration_ns": 4_500_000_000,
        "whole_duration_ns": 9 * SECOND if axis else 4_500_000_000,
        "axis": axis,
        "missing": [],
    }


def test_a_recorded_length_that_nobody_knows_is_not_told(weather):
    """A recording that was cut off has no end in its header."""
    recorded = replace(weather, header=replace(weather.header, end=None))
    found = report(recorded, live=replace(weather, header=replace(weather.header, source={"axis": {"speed": "2"}})))
    assert re.fullmatch(r"session    made: 2 turns, 30 events, 4\.500 s .*--speed 2", text(found)[0])
    assert data(found)["recorded"]["whole_duration_ns"] is None
    known = replace(found, recorded_ns=9 * SECOND)
    assert re.search(r" 4\.500 s .*--speed 2; 9\.000 s .*recorded$", text(known)[0])
    assert data(known)["recorded"]["whole_duration_ns"] == 9 * SECOND


def test_all_that_people_are_told_is_there_for_programs(weather):
    """What is missing in the folder, what may be done next, how long it took."""
    found = data(report(replace(weather, missing=("the end",)), hints=("do this",)))
    assert (found["recorded"]["missing"], found["hints"], found["real_s"]) == (["the end"], ["do this"], 0.25)


def test_what_was_found_alone(weather):
    """Without what was around it; the rest of the report is left out."""
    found = report(weather, Deviation("missing", "x", 15), Finding("rejected", "y", 0), expectation=EXPECTED, hints=("do this",))
    finding, what, deviation, *rest = found_lines(found, EVI)
    assert re.fullmatch(r"FINDING    rejected .*0\.000 s", finding)
    assert what == "           y"
    assert re.fullmatch(r"DEVIATION  missing: expected #15 .*1\.600 s", deviation)
    assert rest == ["           x", f"             try: {DEVIATION_REMEDIES['missing'].to_try}"]
    assert found_lines(report(weather), EVI) == []


def test_what_was_found_says_where_nothing_was_compared(session_of):
    """Nobody takes it for one on what was sent."""
    told = found_lines(report(session_of([], recorded=Recorded(sent=False))), EVI)
    (note,) = told
    assert re.match(r"note .*\bsent\b.*\bnot compared", note)


def test_the_schema_is_of_this_version():
    """And allows members that it does not name, so that one more breaks nobody."""
    assert SCHEMA["properties"]["schema"] == {"const": SCHEMA_VERSION}
    assert "additionalProperties" not in json.dumps(SCHEMA)
    kinds = SCHEMA["$defs"]["deviation"]["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(DEVIATIONS)


def test_exceptions_from_one_line_are_told_once(weather):
    """They quote what they were about; another type of exception is another finding."""
    found = [Finding("raised", f"on_message raised ValueError: {n}", n, places=(PLACE,)) for n in range(60)]
    other = Finding("raised", "on_message raised KeyError: 'a'", 61, places=(PLACE,))
    lines = text(report(weather, *found, other))
    assert sum(line.startswith("FINDING") for line in lines) == 2
    assert any(re.search(r"\b59 times more\b", line) for line in lines)
    assert lines[-1] == "verdict    failed: 61 findings"
    assert len(data(report(weather, *found, other))["findings"]) == 61


def test_deviations_of_one_cause_are_told_a_few_times(weather):
    """The rest is counted and named; of another kind, or from another line, each is told. Programs get all."""
    alike = [Deviation("missing", "it was not sent", number) for number in range(100, 160)]
    others = [Deviation("late", "it was late", 15, 16), Deviation("missing", "it was not sent", 17, places=(PLACE,))]
    lines = text(report(weather, *alike, *others))
    assert sum(line.startswith("DEVIATION") for line in lines) == 6
    assert any(re.match(r"DEVIATION  missing: 57 more .*, #103, #104, #105, #106, #107, …; --json ", line) for line in lines)
    assert lines[-1] == "verdict    failed: 62 deviations"
    assert len(data(report(weather, *alike, *others))["deviations"]) == 62


@pytest.mark.parametrize(
    ("notes", "has_microphone"), [((), True), ((Note(90, 1, "microphone_off", data={"what": "x", "ended": False}),), False)]
)
def test_a_pass_says_what_of_the_app_did_not_run(weather, notes, has_microphone):
    """Of a handler, not of the recording itself; it is no fault, and a replay that failed has other things to say."""
    told = report(weather, live=replace(weather, events=(*weather.events, *notes)), has_app=True)
    (row,) = [line for line in text(told) if line.startswith("not seen ")]
    assert "main()" in row
    assert ("microphone" in row) is has_microphone
    assert (text(told)[-1], data(told)["unseen"], data(told)["handshake_by"]) == ("verdict    passed", [], "harness")
    assert not any("main()" in line for line in text(report(weather, Deviation("missing", "x", 15), has_app=True)))


@pytest.mark.parametrize("kind", sorted(DEVIATIONS))
def test_what_to_try_is_told_once_a_kind(weather, kind):
    """Of what may be meant the line that says how to accept it stands there instead."""
    found = text(report(weather, *(Deviation(kind, f"it happened {name}", seq) for seq, name in ((15, "here"), (16, "there")))))
    tried = [line for line in found if line.startswith("             try: ")]
    assert len(tried) == (kind not in MAY_BE_MEANT)


@pytest.mark.parametrize(("given_up_ns", "due_ns", "is_why"), [(SECOND, 0, True), (SECOND, SECOND, False), (3 * SECOND, 0, False)])
def test_why_an_event_was_held_back(weather, given_up_ns, due_ns, is_why):
    """A message that was awaited meanwhile and did not come, by its number; else only what comes before it."""
    notes = (
        Note(90, given_up_ns, "unmet", data={"awaited": 15, "skipped": [16]}),
        Note(91, 2 * SECOND, "due", of=1, data={"due_ns": due_ns, "held_ns": SECOND, "recorded_seq": 19}),
    )
    (told,) = remarks(replace(weather, events=(*weather.events, *notes)))
    assert ("until 1.000 s for #15" in told) is is_why


@pytest.mark.parametrize("kind", ["raised", "swallowed", "never_awaited", "blocked"])
def test_a_missing_answer_is_short_where_handling_its_message_failed(weather, kind):
    """The finding above says it all; JSON has the whole. One on another message, or with which nothing breaks off, explains nothing."""
    call = EVI.prompts(weather.events)[15].seq
    for on, is_short in ((call, kind != "blocked"), (call + 1, False)):
        told = report(
            weather, Finding(kind, "it failed", SECOND, recorded_seq=on), Deviation("missing", "waited for", 15, consequences=(16,))
        )
        lines = text(told)
        assert any(f"(#{call})" in line for line in lines) is is_short
        assert any("waited for" in line for line in lines) is not is_short
        assert any("around it" in line for line in lines) is not is_short
        assert data(told)["deviations"][0]["what"] == "waited for"
