from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.repairing import repair_session
from evi_harness.acts.sessions import check_sessions
from evi_harness.errors import ReportError
from evi_harness.evi.dialect import EVI
from evi_harness.measure.comparison import Comparison
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import judge_threshold, parse_threshold
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.findings import WARNING, Finding
from evi_harness.replay.judging.unseen import Unseen
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.report.comparison_report import ComparisonReport
from evi_harness.report.corpus_report import CorpusReport, Outcome
from evi_harness.report.explaining.told_causes import read_report_json
from evi_harness.report.gate_report import GateCommand, GateReport
from evi_harness.report.invocation import Invocation
from evi_harness.report.replay_report import ReplayReport, as_json
from evi_harness.session.places import Place

ROOT = Path(__file__).resolve().parents[3]
HERE = Place("/p/app.py", 12, "on_message")
THERE = Place("/p/app.py", 30, "feed")
RAISED = Finding("raised", "on_message raised KeyError: 'x'", at_ns=2_000_000_000, places=(HERE,))
SLOW = Finding("underrun", "the speaker ran dry", at_ns=1_000_000_000, severity=WARNING)
MISSING = Deviation("missing", "it was waited for", recorded_seq=15, places=(THERE,), consequences=(16, 17))


@pytest.fixture
def report(weather):
    """Makes the JSON of a replay's report with these findings and deviations."""

    def report_(*found, **changes):
        verdict = Verdict(
            tuple(one for one in found if isinstance(one, Deviation)), tuple(one for one in found if isinstance(one, Finding))
        )
        asked = Invocation(cwd="/p", again=("evi-harness", "replay", "sessions/made", "--handler", "app.py:App"))
        told = ReplayReport(weather, weather, "app.py:App", "0.14.1", "hume", verdict, invocation=asked)
        return as_json(replace(told, **changes), EVI)

    return report_


def read(value):
    """What a report tells."""
    return read_report_json(value, "report.json")


def test_a_replay_that_passed_has_no_cause(report):
    """It has its headline, its command and its folder."""
    told = read(report())
    assert re.fullmatch(r"replay .*\bmade .*\bapp\.py:App: passed", told.headline)
    assert told.causes == ()
    assert (told.again[:2], told.cwd, told.is_of_many, told.page) == (("evi-harness", "replay"), "/p", False, None)


def test_what_was_not_seen_stands_beside_the_verdict(report):
    """By its kinds, each once."""
    told = read(report(unseen=(Unseen("silence", "x"), Unseen("silence", "y"), Unseen("own_audio", "z"))))
    assert re.fullmatch(r"replay .*\bmade .*\bapp\.py:App: passed; not seen: silence, own_audio", told.headline)


def test_what_fails_comes_before_a_warning(report):
    """Findings, deviations, then warnings; each with what was observed and expected, when and where."""
    told = read(report(SLOW, RAISED, MISSING))
    assert [(one.what, one.kind, one.place) for one in told.causes] == [
        ("finding", "raised", HERE),
        ("deviation", "missing", THERE),
        ("warning", "underrun", None),
    ]
    raised, missing, _ = told.causes
    assert (raised.observed, raised.when, raised.fails) == ("on_message raised KeyError: 'x'", "at 2.000 s", True)
    assert "2 events" in missing.observed
    assert re.fullmatch(r'tool response call-1: "sunny, 21 .*", .*\b1\.600 s', missing.expected)
    assert re.fullmatch(r".*\b1\.600 s, recorded #15", missing.when)


def test_one_cause_is_told_once(report):
    """What comes from one line is one cause, whatever it says; what has no line is one by its kind, or a deviation by its words."""
    again = replace(RAISED, what="on_message raised KeyError: 'y'")
    elsewhere = replace(RAISED, places=(THERE,))
    lost = [replace(MISSING, places=(), what=what) for what in ("a", "a", "b")]
    causes = read(report(RAISED, again, elsewhere, *lost)).causes
    assert [(one.kind, one.place, one.n) for one in causes] == [
        ("raised", HERE, 2),
        ("raised", THERE, 1),
        ("missing", None, 2),
        ("missing", None, 1),
    ]


def test_a_replay_fails_also_for_what_is_no_finding(report):
    """A recording that is not whole, two runs that differ, and what it does not say."""
    told = read(report(is_incomplete=True, twice=("first: a", "second: b")))
    recording, determinism = told.causes
    assert (recording.what, determinism.what) == ("recording", "determinism")
    assert determinism.observed.split("; ") == ["first: a", "second: b"]
    assert "incomplete" in recording.observed
    assert [(one.what, one.observed) for one in read({**report(), "passed": False, "verdict": "failed: so"}).causes] == [
        ("replay", "failed: so")
    ]


def test_the_runs_of_one_session_are_counted(report):
    """One cause in each of them is one cause."""
    told = read(
        {"passed": False, "n_failed": 2, "runs": [{"seed": None, "report": one} for one in (report(RAISED), report(), report(RAISED))]}
    )
    assert re.fullmatch(r"replay .*\bmade: 2 of 3 runs failed", told.headline)
    assert [(one.kind, one.n) for one in told.causes] == [("raised", 2)]


def test_the_commonest_cause_of_many_sessions_comes_first(report):
    """By sessions, each named by its folder; one that could not run is one too. The command is that of the first cause."""
    told_of = [("a", 1, report(MISSING)), ("b", 1, report(RAISED)), ("c", 1, report(RAISED, RAISED)), ("d", 0, report())]
    outcomes = [Outcome(f"s/{name}", code, "failed", json=one) for name, code, one in told_of]
    outcomes += [Outcome("s/e", 3, "this is not a session", json=None), Outcome("s/f", 1, "failed: 1 finding", json=None)]
    outcomes[1].json["command"]["again"] = ["evi-harness", "replay", "s/b"]
    told = read(CorpusReport(tuple(outcomes)).json())
    assert re.fullmatch(r"replay .*\b6 sessions: 1 passed, 4 failed, 1 could not run", told.headline)
    assert [(one.kind, one.session, one.n, one.n_sessions) for one in told.causes] == [
        ("raised", "s/b", 3, 2),
        ("missing", "s/a", 1, 1),
        ("could not run", "s/e", 1, 1),
        ("failed", "s/f", 1, 1),
    ]
    assert (told.again, told.is_of_many) == (("evi-harness", "replay", "s/b"), True)


GATE = {
    "verdict": "failed",
    "thresholds": [
        {"threshold": "queue: max<50", "metric": "queue", "statistic": "max", "verdict": "failed", "value": 80.5, "n": 3, "why": ""},
        {"threshold": "handle: max<50", "metric": "handle", "verdict": "passed", "value": 1, "n": 3, "why": ""},
        {"threshold": "stall: max<50", "metric": "stall", "verdict": "inconclusive", "value": None, "n": 0, "why": "there are too few"},
    ],
    "comparisons": [
        {"metric": "to_speaker", "unit": "ms", "verdict": "regressed", "old": 10, "new": 20, "least": 1, "why": ""},
        {"metric": "cpu", "unit": "ms", "verdict": "improved", "old": 10, "new": 20, "least": 1, "why": ""},
    ],
}


def test_a_gate_is_told_by_what_does_not_hold(report):
    """Alone, as ab writes it, beside what was measured, and beside a replay that passed."""
    expected = [
        ("queue", "failed: max is 80.5 of 3 values", "queue: max<50"),
        ("stall", "inconclusive: there are too few", "stall: max<50"),
        ("to_speaker", "regressed: 20 ms, before 10 ms", "no more than before, within 1 ms"),
    ]
    for value, headline in (
        (GATE, "gate: failed"),
        ({"metrics": [], "gate": GATE}, "gate: failed"),
        ({**report(), "gate": GATE}, "replay of made with app.py:App: passed; gate: failed"),
    ):
        told = read(value)
        assert [(one.kind, one.observed, one.expected) for one in told.causes] == expected
        assert told.headline == headline


def judged_gate(*, gate=(), **with_baseline):
    """A gate's report of made-up values, with its JSON as a command writes it."""
    queue, fast = Sample("queue", 80.5, "made", 2, 7, "", 1_500_000_000, "tool_call"), Sample("queue", 10.0, "made", 2, 7)
    thresholds = tuple(judge_threshold(parse_threshold(text), [queue, fast]) for text in gate)
    return GateReport(thresholds, command=GateCommand(("evi-harness", "replay", "x", "--gate", "y"), "/p"), **with_baseline).json()


def test_a_threshold_says_where_and_against_what(report):
    """The session, the turn, the time and the message of the worst value; the limit with its unit and what gave it; the gate's command."""
    gate = judged_gate(gate=("queue: max<50", "queue: count<1"), thresholds_from="--gate")
    told = read({**report(), "gate": gate})
    worst, counted = told.causes
    assert re.fullmatch(r".*\bmade, turn 2, .*\b1\.500 s, #7 tool_call", worst.when)
    assert re.fullmatch(r"failed: max .*\b80\.5 ms .*\b2 values", worst.observed)
    assert re.fullmatch(r"queue: max<50; .*limit .*\b50 ms, .*--gate", worst.expected)
    assert re.fullmatch(r"failed: count .*\b2 .*\b2 values", counted.observed)
    assert re.fullmatch(r"queue: count<1; .*limit .*\b1, .*--gate", counted.expected)
    assert "--html" in worst.to_try
    assert (told.again, told.cwd) == (("evi-harness", "replay", "x", "--gate", "y"), "/p")


@pytest.mark.parametrize(("given", "said"), [("--baseline", "--save-baseline"), ("pyproject.toml", "the baseline again"), ("", "")])
def test_a_regression_says_how_its_baseline_is_written_again(report, given, said):
    """By the option, where an option gave it; not at all where two versions ran side by side."""
    worst = Sample("queue", 20.0, "made", 1, 3, "", 250_000_000, "tool_call")
    slower = Comparison("queue", "each", "regressed", 10.0, 20.0, 10.0, 10.0, n_runs=1, n_pairs=1, why="1 of 1 slower", worst=worst)
    cause = read({**report(), "gate": judged_gate(comparisons=(slower,), old="b.json" if given else "", baseline_from=given)}).causes[0]
    assert re.fullmatch(r".*\bmade, turn 1, .*\b0\.250 s, #3 tool_call", cause.when)
    assert cause.expected.endswith(f" before in b.json ({given})" if given else " before")
    assert said in cause.to_try
    assert ("If this is" in cause.to_try) is bool(given)


def test_a_replay_that_fails_before_its_gate_is_repeated_alone(report):
    """What is first in the text is what its command shows."""
    told = read({**report(MISSING), "gate": judged_gate(gate=("queue: max<50",))})
    assert [one.what for one in told.causes] == ["deviation", "gate"]
    assert "--gate" not in told.again


def test_a_live_replay_is_told_by_its_faults():
    """With the command that held it."""
    value = {
        "session": "made",
        "endpoint": "http://127.0.0.1:1",
        "faults": ["no reply came"],
        "drift": {},
        "command": {"argv": ["evi-harness", "replay", "x", "--live"], "again": None, "cwd": "/p", "call": None, "test": None},
    }
    told = read(value)
    assert told.headline.startswith("made, ")
    assert told.headline.endswith("http://127.0.0.1:1: failed: 1 fault")
    assert ([one.observed for one in told.causes], told.again[-1]) == (["no reply came"], "--live")


def test_a_check_is_told_by_its_problems(tmp_path):
    """With places, what to do, the session, and the command that checks the first one again; what is sound has no cause."""
    shutil.copytree(ROOT / "sessions" / "typed", tmp_path / "typed")
    sound = read(check_sessions([tmp_path / "typed"], write=id).json())
    assert re.fullmatch("check .*1 session: 1 .*nothing wrong", sound.headline)
    assert (sound.causes, sound.again) == ((), ())
    (tmp_path / "typed" / "events.jsonl").write_bytes(b"x\n")
    report = check_sessions([ROOT / "sessions" / "typed", tmp_path / "typed"], write=id).json()
    told = read(report)
    assert re.fullmatch("check .*2 sessions: 1 .*nothing wrong, 1 .*problems", told.headline)
    assert [(one.what, one.kind, one.session) for one in told.causes] == [
        ("problem", one["kind"], str(tmp_path / "typed")) for one in report["sessions"][1]["problems"]
    ]
    damaged = next(one for one in told.causes if one.kind == "line_damaged")
    assert damaged.when == "in events.jsonl, line 1"
    assert all(one.to_try for one in told.causes)
    assert told.again == ("evi-harness", "check", str(tmp_path / "typed"))


def test_a_repair_is_told_by_what_was_lost(tmp_path):
    """And that nothing was; there is no command, for it is done."""
    shutil.copytree(ROOT / "sessions" / "typed", tmp_path / "typed")
    lines = (tmp_path / "typed" / "events.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "typed" / "events.jsonl").write_bytes(b"".join([*lines[:3], b"x\n", *lines[4:]]))
    report = repair_session(tmp_path / "typed", tmp_path / "out").json()
    told = read(report)
    assert told.headline.startswith(f"repair of {tmp_path / 'typed'} into {tmp_path / 'out'}: lost 1 event")
    assert [(one.what, one.kind) for one in told.causes] == [("loss", one["kind"]) for one in report["losses"]]
    assert told.again == ()
    assert read({**report, "losses": []}).headline.endswith(": nothing was lost")


def test_a_comparison_is_refused_by_name():
    """With what says the same."""
    with pytest.raises(ReportError, match="a comparison") as raised:
        read(ComparisonReport("a", "b", (), is_of_folders=True).json())
    assert "evi-harness compare" in raised.value.hint


@pytest.mark.parametrize(
    ("command", "again", "instead"),
    [
        ({"again": None, "argv": None, "test": "tests/t.py::test_x", "call": "replay_session('x')"}, ("pytest", "tests/t.py::test_x"), ""),
        ({"again": None, "argv": None, "test": None, "call": "replay_session('x')"}, (), "replay_session('x')"),
        ({"again": ["a"], "argv": ["b"], "test": None, "call": None}, ("a",), ""),
        ({}, (), ""),
        (None, (), ""),
    ],
)
def test_what_runs_it_again(report, command, again, instead):
    """The command, else the test, else the call from Python is named."""
    told = read({**report(RAISED), "command": command})
    assert (told.again, told.instead) == (again, instead)


def test_the_page_is_named_where_the_report_names_it(report):
    """Also in that of one session of many, which comes first."""
    assert read({**report(RAISED), "page": "out/made.html"}).page == "out/made.html"
    many = CorpusReport((Outcome("s/a", 1, "failed", json={**report(RAISED), "page": "out/a.html"}),)).json()
    assert read(many).page == "out/a.html"
    assert read({**many, "sessions": [], "page": "out/index.html"}).page == "out/index.html"


def breakages():
    """Changes of a report that make it none, with the place that is named."""
    yield "deviations", 5, "deviations"
    yield "deviations", [5], "deviations[0]"
    yield "deviations", [{"kind": 5}], "deviations[0].what"
    yield "findings", [{"kind": "raised", "what": "x", "at_ns": "now"}], "findings[0].at_ns"
    yield "findings", [{"kind": "raised", "what": "x", "at_ns": True}], "findings[0].at_ns"
    yield "findings", [{"kind": "raised", "what": "x", "at_ns": 10**400}], "findings[0].at_ns"
    yield "session", None, "session"
    yield "handler", ["x"], "handler"
    yield "verdict", {}, "verdict"
    yield "gate", [], "gate"
    yield "gate", {"thresholds": {}}, "gate.thresholds"
    yield "twice", "no", "twice"
    yield "expectation", 1, "expectation"
    yield "page", 1, "page"
    yield "command", {"again": [1]}, "command.again"
    yield "command", {"again": "ls"}, "command.again"


@pytest.mark.parametrize(("member", "value", "place"), list(breakages()))
def test_what_has_not_the_form_is_refused_with_its_place(report, member, value, place):
    """In one sentence, with the file."""
    with pytest.raises(ReportError) as raised:
        read({**report(RAISED), member: value})
    assert place in raised.value.what
    assert (raised.value.where, raised.value.exit_code, bool(raised.value.hint)) == ("report.json", 3, True)


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"sessions": [], "schema": 1}, {"format": "evi-harness baseline"}])
def test_what_is_no_report_is_refused(value):
    """Whatever it is."""
    with pytest.raises(ReportError):
        read(value)
