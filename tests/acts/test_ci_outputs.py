"""Tests of evi_harness.acts.ci_outputs."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evi_harness.acts.ci_outputs import CiOptions, cases_of_result, ci_for, handler_file, is_unattended, replay_case, tell_ci, without_ci
from evi_harness.acts.corpus import Task, replay_one
from evi_harness.acts.repeating import replay_repeatedly
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError
from evi_harness.report.ci import Case
from evi_harness.report.corpus_report import CorpusReport, Outcome
from evi_harness.runs.replay_options import ReplayOptions

WEATHER = Path(__file__).resolve().parents[2] / "sessions" / "weather"


def crash(message):
    """A handler that is wrong."""
    raise RuntimeError("no")


def test_where_to_tell(tmp_path):
    """What is asked for; on GitHub Actions also marks, and the summary where its variable says."""
    assert ci_for(environment={}) == CiOptions()
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "s.md", "PATH": "p"}
    assert ci_for(environment=github) == CiOptions(None, Path("s.md"), annotate=True)
    assert ci_for(tmp_path / "j.xml", tmp_path / "s.md", github) == CiOptions(tmp_path / "j.xml", tmp_path / "s.md", annotate=True)
    assert without_ci(github) == {"PATH": "p"}


def test_a_replay_is_a_case():
    """With its verdict, its report and the handler's file."""
    passed = replay_case(replay_session(WEATHER, write=lambda _: None))
    assert (passed.name, passed.outcome) == ("weather", "passed")
    assert passed.what.startswith("passed, ")
    failed = replay_case(replay_session(WEATHER, handler=crash, write=lambda _: None), file="app.py")
    assert (failed.outcome, failed.file) == ("failed", "app.py")
    assert failed.what.startswith("failed: ")
    assert re.search("; raised: crash .*RuntimeError: no", failed.what)
    assert any("RuntimeError" in line for line in failed.detail)
    assert passed.marked is None


def test_the_line_that_failed_is_marked(monkeypatch):
    """As seen from the folder of the repository; whoever replays it."""
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    line = ("tests/acts/test_ci_outputs.py", crash.__code__.co_firstlineno + 2)
    failed = replay_session(WEATHER, handler=crash, write=lambda _: None)
    assert replay_case(failed, file="app.py").marked == line
    outcome = replay_one(Task(str(WEATHER), ReplayOptions(handler=crash)))
    assert [case.marked for case in cases_of_result(CorpusReport((outcome,)), "app.py:App")] == [line]


def test_several_replays_are_several_cases():
    """Of one session by the run, of many by the folder."""
    repeated = cases_of_result(replay_repeatedly(WEATHER, 2, write=lambda _: None), "app.py:App")
    assert [(case.name, case.file) for case in repeated] == [("weather run 1", "app.py"), ("weather run 2", "app.py")]
    outcomes = (Outcome("a", 0, "passed"), Outcome("b", 1, "failed: 1 finding", ("x",)), Outcome("c", 3, "could not run"))
    many = cases_of_result(CorpusReport(outcomes), None)
    assert [(case.name, case.outcome) for case in many] == [("a", "passed"), ("b", "failed"), ("c", "error")]


@pytest.mark.parametrize(
    ("handler", "file"), [("a/app.py:App", "a/app.py"), ("package.module:App", None), ("recorded", None), (None, None)]
)
def test_the_file_of_a_handler(handler, file):
    """Only of a SPEC that names one."""
    assert handler_file(handler) == file


def test_all_is_told(tmp_path):
    """The JUnit file is written anew, the summary added to, marks are printed; nothing where nothing is asked."""
    options = CiOptions(tmp_path / "j.xml", tmp_path / "s.md", annotate=True)
    (tmp_path / "s.md").write_text("# mine\n", encoding="utf-8")
    (tmp_path / "j.xml").write_text("old", encoding="utf-8")
    printed = []
    tell_ci(options, [Case("replay", "demo", "failed", "failed")], write=printed.append)
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "1"
    assert (tmp_path / "s.md").read_text(encoding="utf-8").startswith("# mine\n## evi-harness\n")
    assert printed == ["::error title=replay%3A demo::failed"]
    assert tell_ci(CiOptions(), write=printed.append) == []
    assert len(printed) == 1


def test_what_cannot_be_written_is_an_error(tmp_path):
    """A report that is missing would look like one that passed."""
    with pytest.raises(EviHarnessError, match="cannot be written"):
        tell_ci(CiOptions(junit=tmp_path / "gone" / "j.xml"))


@pytest.mark.parametrize(
    ("environment", "is_one"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": "1"}, True),
        ({"CI": "false"}, False),
        ({"CI": ""}, False),
        ({"GITHUB_ACTIONS": "true"}, True),
        ({"BUILD_NUMBER": "12"}, True),
        ({"PYTEST_CURRENT_TEST": "test_x.py::test (call)"}, True),
        ({"PYTEST_VERSION": "8.2"}, True),
        ({"HOME": "x"}, False),
    ],
)
def test_where_nobody_is_to_be_asked(environment, is_one):
    """On a CI server, and in pytest."""
    assert is_unattended(environment) is is_one


def test_pytest_is_seen_by_itself():
    """In this process it runs."""
    assert is_unattended()
