"""Tests of evi_harness.acts.repeating: does a replay pass every time?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evi_harness.acts.repeating import RepeatedReplay, replay_repeatedly
from evi_harness.acts.replay import ReplayResult
from evi_harness.errors import UsageError
from evi_harness.runs.replay_options import ReplayOptions

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "sessions" / "typed"
GUIDE = f"{ROOT}/fixtures/handlers/guide.py:App"

# Sends what was recorded, but for one seed.
BY_CHANCE = """
import random
import sys

sys.path.insert(0, {folder!r})
from guide import App as Guide

class App(Guide):
    def __init__(self, typed):
        super().__init__(typed=typed if random.random() > {luck} else "something else")
"""


@pytest.fixture
def by_chance(tmp_path):
    """Makes a handler that fails for the first of so many numbers below ``luck`` that chance gives it."""

    def make(luck):
        (tmp_path / "chance.py").write_text(BY_CHANCE.format(folder=str(ROOT / "fixtures" / "handlers"), luck=luck))
        return {"handler": f"{tmp_path}/chance.py:App", "arguments": {"typed": "What's the weather in Bath?"}}

    return make


def test_once_is_a_replay_like_any_other():
    """Nothing is summed up."""
    assert isinstance(replay_repeatedly(TYPED, 1, ReplayOptions(handler="recorded")), ReplayResult)


def test_all_runs_pass():
    """The verdict says how many."""
    repeated = replay_repeatedly(TYPED, 3, ReplayOptions(handler="recorded"))
    assert isinstance(repeated, RepeatedReplay)
    assert repeated.exit_code == 0
    assert re.fullmatch("verdict +passed: 3 of 3 runs", repeated.lines()[-1])
    assert repeated.json()["n_failed"] == 0


def test_what_was_heard_in_each_run_is_not_held_in_memory(by_chance, tmp_path):
    """A hundred runs of half an hour would be gigabytes: of the shown run alone, for its page; where a folder is named, it is on disk."""
    repeated = replay_repeatedly(TYPED, 2, ReplayOptions(seed=1, out=tmp_path / "out", **by_chance(0)))
    assert [result.heard is None for result in repeated.results] == [False, True]
    assert len({result.report.heard for result in repeated.results}) == 2
    assert all(Path(result.report.heard).is_file() for result in repeated.results)


def test_a_handler_that_fails_by_chance_is_flaky(by_chance):
    """Each run has a seed of its own; what is shown is the first that failed, with the seed that brings it again."""
    options = by_chance(0.5)
    repeated = replay_repeatedly(TYPED, 4, ReplayOptions(seed=1, **options))
    outcomes = [result.passed for result in repeated.results]
    assert set(outcomes) == {True, False}
    assert repeated.exit_code == 1
    assert repeated.seeds == (1, 2, 3, 4)
    failed = outcomes.index(False)
    assert [number for number, result in enumerate(repeated.results) if result.heard is not None] == [failed]
    lines = repeated.lines()
    assert lines[-1] == f"verdict    failed: flaky, {outcomes.count(False)} of 4 runs"
    assert any(re.match(rf"next +--seed {failed + 1}\b", line) for line in lines)
    assert not replay_repeatedly(TYPED, 1, ReplayOptions(seed=failed + 1, **options)).passed


def test_a_handler_that_always_fails_is_not_flaky(by_chance):
    """All runs failed."""
    assert re.fullmatch("verdict +failed: all 2 runs", replay_repeatedly(TYPED, 2, ReplayOptions(**by_chance(1.0))).lines()[-1])


def test_what_cannot_be_meant_is_told():
    """No runs; several that would each update what is expected."""
    with pytest.raises(UsageError, match=r"^invalid value for n_runs: "):
        replay_repeatedly(TYPED, 0)
    with pytest.raises(UsageError, match="update"):
        replay_repeatedly(TYPED, 2, ReplayOptions(update=True))
