from __future__ import annotations

import re

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import ReadySteps, Step
from evi_harness.replay.judging.findings import findings, weighed
from evi_harness.session.events import Handshake, Note
from evi_harness.session.header import Header
from evi_harness.session.notes import HANDLER_ENTERED, HANDLER_RETURNED
from evi_harness.session.session import Session
from evi_harness.watch import long_steps
from evi_harness.watch.long_steps import LongSteps, busiest

MS = 1_000_000
HEADER = Header("live", "replay", "2026-01-01T00:00:00Z", "evi")


class Clock:
    """A clock that is set."""

    at_ns = 0

    def now_ns(self):
        return self.at_ns


def callbacks(*rows):
    """Notes of callbacks: (entered or returned, milliseconds, name)."""
    return [Note(seq, ms * MS, f"handler_{what}", seq, {"callback": name}) for seq, (what, ms, name) in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "began_ms", "ended_ms", "name"),
    [
        ([], 0, 10, None),
        ([("entered", 1, "a"), ("returned", 2, "a")], 5, 10, None),
        ([("entered", 1, "a"), ("returned", 2, "a"), ("entered", 2, "b"), ("returned", 9, "b")], 0, 10, "b"),
        ([("entered", 1, "a"), ("returned", 7, "a"), ("entered", 7, "b"), ("returned", 9, "b")], 0, 10, "a"),
        ([("entered", 1, "a")], 5, 10, "a"),
        ([("entered", 1, "a"), ("entered", 6, "on_error"), ("returned", 9, "on_error"), ("returned", 9, "a")], 6, 9, "on_error"),
    ],
    ids=["none", "all before", "second", "first", "still running", "within another"],
)
def test_the_callback_that_took_most_of_a_step_is_found(rows, began_ms, ended_ms, name):
    """By when callbacks began and ended; one that still runs counts until now."""
    found = busiest(callbacks(*rows), began_ms * MS, ended_ms * MS)
    assert (None if found is None else found.data["callback"]) == name


def test_a_long_step_of_the_handlers_names_its_callback():
    """With the message that it was about, as a sample."""
    clock, steps = Clock(), ReadySteps()
    journal = Journal(clock)
    observer = LongSteps(journal, steps)
    journal.opened(Handshake("/"))
    journal.note(HANDLER_ENTERED, of=5, callback="on_message")
    clock.at_ns = 400 * MS
    observer.take(Step(1, "_Run.read", 300 * MS, 260 * MS, file=long_steps.__file__, hosts_app=True))
    observer.take(Step(2, "App.poll", 300 * MS, 260 * MS, file="app.py"))
    ours, theirs = journal.events[2:]
    assert (ours.name, ours.of, ours.data["sample"], ours.data["blocked_ns"]) == ("blocked", 5, True, 300 * MS)
    assert re.search(r"\bblocked\b.* 0\.100 .* 0\.400 s \(300 ms\) in on_message \(varies per run\)$", ours.data["what"])
    assert re.findall(r"\d+ ms \w+", *ours.data["detail"]) == ["260 ms computing", "0 ms in", "40 ms unexplained"]
    # A task of the app's own is no callback, though one waits meanwhile.
    assert theirs.of is None
    assert "in App.poll" in theirs.data["what"]


@pytest.mark.parametrize(
    ("cpu_ms", "waited_ms", "kind", "fails"),
    [
        (0, 0, "maybe_blocked", False),
        (249, 0, "maybe_blocked", False),
        (250, 0, "blocked", True),
        (0, 249, "maybe_blocked", False),
        (0, 250, "blocked", True),
        (125, 125, "blocked", True),
        (125, 124, "maybe_blocked", False),
    ],
)
def test_a_step_is_judged_by_what_it_computed_and_waited(cpu_ms, waited_ms, kind, fails):
    """Both together; what the wall clock alone says is a warning, which can be made an error."""
    clock = Clock()
    journal = Journal(clock)
    observer = LongSteps(journal, ReadySteps())
    journal.opened(Handshake("/"))
    clock.at_ns = 900 * MS
    observer.take(Step(1, "App.poll", 900 * MS, cpu_ms * MS, file="app.py", waited_ns=waited_ms * MS))
    (finding,) = findings(Session(HEADER, tuple(journal.events)))
    assert (finding.kind, finding.fails) == (kind, fails)
    assert ("may have been" in finding.what) is not fails
    (weighed_finding,) = weighed([finding], {"maybe_blocked": "error"})
    assert weighed_finding.fails


def test_the_threshold_is_that_of_the_run():
    """Of processor time as of the wall clock."""
    journal = Journal(Clock())
    observer = LongSteps(journal, ReadySteps(), threshold_ns=50 * MS)
    journal.opened(Handshake("/"))
    observer.take(Step(1, "App.poll", 90 * MS, 50 * MS, file="app.py"))
    assert [note.name for note in journal.events[1:]] == ["blocked"]


def test_a_step_of_the_harness_is_nobodys():
    """Unless it is of a task in which the handler's code runs: what the harness does behind the last callback is not that callback's."""
    clock = Clock()
    journal = Journal(clock)
    observer = LongSteps(journal, ReadySteps())
    journal.opened(Handshake("/"))
    clock.at_ns = 100 * MS
    journal.note(HANDLER_ENTERED, callback="on_close")
    journal.note(HANDLER_RETURNED, callback="on_close")
    clock.at_ns = 400 * MS
    observer.take(Step(1, "_RealRun._main", 300 * MS, 300 * MS, file=long_steps.__file__))
    assert [event.name for event in journal.events[1:]] == ["handler_entered", "handler_returned"]


def test_what_ran_before_the_opening_is_not_the_apps():
    """Imports take long."""
    journal = Journal(Clock())
    steps = ReadySteps()
    steps.worst, steps.longest_ns = Step(1, "main", 900 * MS, 9 * MS), 900 * MS
    observer = LongSteps(journal, steps)
    observer.take(Step(1, "main", 900 * MS, 0))
    observer.finish()
    assert journal.events == []


def test_the_longest_steps_are_told_at_the_end():
    """The one that took longest, and the one that computed longest; both are samples."""
    journal, steps = Journal(Clock()), ReadySteps()
    journal.opened(Handshake("/"))
    steps.worst, steps.longest_ns = Step(1, "main", 9 * MS, 7 * MS), 11 * MS
    LongSteps(journal, steps).finish()
    _, blocked, computed = journal.events
    assert (blocked.name, dict(blocked.data)) == ("longest_block", {"sample": True, "blocked_ns": 11 * MS})
    assert (computed.name, dict(computed.data)) == ("longest_step", {"sample": True, "what": "main", "real_ms": 9, "cpu_ms": 7})
