"""Tests of evi_harness.watch.computing."""

from __future__ import annotations

import re

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import ReadySteps, Step
from evi_harness.session.events import Handshake
from evi_harness.watch.computing import THRESHOLD_NS, Computing
from evi_harness.watch.step_sampler import StepSample

MS = 1_000_000


class Clock:
    """A clock that is set."""

    at_ns = 0

    def now_ns(self):
        return self.at_ns


class Sampler:
    """Has seen step 1."""

    def sample(self, number):
        return StepSample(("app.py:3 in inner", "app.py:9 in on_message"), 7) if number == 1 else StepSample()


def noted(*steps, is_open=True):
    """The notes of steps that end a second apart, once all is over."""
    clock = Clock()
    journal = Journal(clock)
    if is_open:
        journal.opened(Handshake("/"))
    computing = Computing(journal, ReadySteps(), Sampler())
    for step in steps:
        clock.at_ns += 1000 * MS
        computing.take(step)
    computing.finish()
    return [event for event in journal.events if event.kind == "note"]


def test_a_step_that_computes_for_long():
    """Told with where it was seen and on which event, at its own time, as a sample."""
    (note,) = noted(Step(1, "App.read", 9000 * MS, THRESHOLD_NS), Step(3, "App.read", 1, 1))
    assert (note.name, note.of, note.data["sample"], note.data["at_ns"]) == ("blocked", 7, True, 1000 * MS)
    assert re.fullmatch(r".*event loop was .* 1000 ms .* at app\.py:3 in inner \(varies per run\)", note.data["what"])
    assert note.data["detail"] == ["called at app.py:9 in on_message"]


def test_a_step_that_nobody_saw():
    """It is told by what ran."""
    (note,) = noted(Step(2, "App.read", 9000 * MS, 2 * THRESHOLD_NS))
    assert "at App.read" in note.data["what"]


def test_what_only_took_long_in_real_time():
    """The machine did something else, or the thread waited: neither is computing."""
    assert noted(Step(1, "App.read", 9000 * MS, THRESHOLD_NS - 1)) == []


def test_what_ran_before_the_opening_is_not_the_apps():
    """Imports take long."""
    assert noted(Step(1, "main", 9000 * MS, 9000 * MS), is_open=False) == []


def test_it_is_told_of_long_steps():
    """By the loop's own steps, from its threshold on."""
    steps, journal = ReadySteps(), Journal(Clock())
    journal.opened(Handshake("/"))
    computing = Computing(journal, steps, Sampler(), threshold_ns=0)
    steps.append(object())
    steps.popleft()
    steps.end()
    computing.finish()
    assert [note.name for note in journal.events[1:]] == ["blocked"]
