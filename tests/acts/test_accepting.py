"""Tests of evi_harness.acts.accepting: what is shown, asked and written, of one session and of many."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evi_harness.acts.accepting import accept_if_agreed
from evi_harness.acts.corpus import replay_corpus
from evi_harness.acts.replay import replay_session
from evi_harness.runs.replay_options import ReplayOptions

ROOT = Path(__file__).resolve().parents[2]
WRONG, RIGHT = (f"{ROOT / 'fixtures' / 'handlers' / name}" for name in ("wrong_answer.py:App", "weather.py:WeatherApp"))
CHANGED = "~ #158 at 3.110 s tool response"


@pytest.fixture
def folders(tmp_path):
    """Two copies of a session."""
    for name in ("a", "b"):
        shutil.copytree(ROOT / "sessions" / "weather", tmp_path / name)
    return [tmp_path / "a", tmp_path / "b"]


def many(folders, handler=WRONG, **options):
    """Replays of all, in this process, with what is to be accepted left open."""
    return replay_corpus(folders, ReplayOptions(handler=handler, update=True, defer=True), n_jobs=1, **options)


def one(folders, handler=WRONG):
    """The same of the first."""
    return replay_session(folders[0], handler=handler, update=True, defer=True)


def written(folders):
    """Which of them expect something of their own."""
    return [folder.name for folder in folders if (folder / "expected.jsonl").exists()]


def asked(result, answer):
    """What comes of a result: itself, what was asked, and the lines that were shown."""
    questions, lines = [], []

    def agree(what):
        questions.append(what)
        return answer

    return accept_if_agreed(result, agree, lines.append), questions, lines


@pytest.mark.parametrize(
    ("replay", "n_sessions", "question"), [(one, 1, "Accept this?"), (many, 2, "Accept these, in 2 sessions?")], ids=["one", "many"]
)
def test_what_is_agreed_to_is_written(folders, replay, n_sessions, question):
    """Every change of every session is shown once, and asked for once."""
    result, questions, lines = asked(replay(folders), True)
    assert questions == [question]
    assert len([line for line in lines if CHANGED in line]) == n_sessions
    assert written(folders) == ["a", "b"][:n_sessions]
    assert result.exit_code == 0
    assert not [line for line in result.lines() if CHANGED in line]
    assert len([line for line in result.lines() if "expected.jsonl is written: 2 messages" in line]) == n_sessions
    assert all(replay_session(folder, handler=WRONG).passed for folder in folders[:n_sessions])


@pytest.mark.parametrize("replay", [one, many])
def test_what_is_not_agreed_to_is_not(folders, replay):
    """The replay fails, as it does without an update."""
    result, questions, _ = asked(replay(folders), False)
    assert (len(questions), written(folders), result.exit_code) == (1, [], 1)
    assert [line for line in result.lines() if "DEVIATION  different" in line]


@pytest.mark.parametrize("replay", [one, many])
def test_where_there_is_nothing_to_accept_nobody_is_asked(folders, replay):
    """The result is as it was."""
    result, questions, lines = asked(replay(folders, RIGHT), False)
    assert (questions, lines, result.exit_code) == ([], [], 0)


def test_programs_are_told_all_the_same(folders):
    """What people have seen stands in the JSON."""
    result, _, _ = asked(one(folders), True)
    assert [change["change"] for change in result.json()["expectation"]["changes"]] == ["changed"]
    report, _, _ = asked(many(folders[1:], keep_json=True), True)
    told = report.json()["sessions"][0]["report"]["expectation"]
    assert (told["outcome"], len(told["changes"])) == ("written", 1)


def test_a_folder_that_cannot_be_written_is_the_fault_of_its_session_alone(folders):
    """It could not run, and the other is written."""
    report = many(folders)
    shutil.rmtree(folders[0])
    result, _, _ = asked(report, True)
    assert [outcome.exit_code for outcome in result.outcomes] == [3, 0]
    assert written(folders) == ["b"]
    assert result.exit_code == 3
