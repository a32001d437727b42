"""Tests of evi_harness.guard.ending."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.ending import AppEnds, Ending, UsersInterrupt, ends_app
from evi_harness.session.events import Handshake
from evi_harness.session.notes import EXITS, STOPS_LOOP

# A place in an app, as it is captured, and as a note holds it.
F = ("app.py", 1, "f")
PLACE = {"file": "app.py", "line": 1, "function": "f", "source": []}


def noted(act, *, is_over=False):
    """What is noted of what an act tells an ending, and how often the run was told to end."""
    ends = []

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        ending = Ending(lambda text: text.replace("k9Jq", "[redacted]"))
        ending.follow(loop, journal, lambda: 7)
        ending.ends(lambda: ends.append(True))
        ending.is_over = is_over
        act(ending)
        ending.over()
        return [(note.name, note.of, note.data) for note in journal.events[1:]]

    return run_virtual(main), len(ends)


@pytest.mark.parametrize(
    ("error", "is_over", "name", "n_ends"),
    [
        (SystemExit("k9Jq"), False, "exits", 1),
        (SystemExit(), True, "exits_at_end", 0),
        (KeyboardInterrupt(), False, "exits", 1),
        (KeyboardInterrupt(), True, "exits", 1),
    ],
)
def test_an_exit_is_a_finding(error, is_over, name, n_ends):
    """About the event that the handler is busy with, without secrets; and it ends the run, unless the run is over."""
    ((found, of, data),), ends = noted(lambda ending: ending.take(error, "on_message", stack=(F,)), is_over=is_over)
    said = f"{type(error).__name__}{': [redacted]' if str(error) else ''}"
    assert (found, of) == (name, 7)
    assert re.fullmatch(f"on_message raised {re.escape(said)}, .*", data["what"])
    assert (data["detail"], data["places"], data["ended"], ends) == (["app.py:1 in f"], [PLACE], bool(n_ends), n_ends)


def test_where_the_exception_went_through_is_told_with_its_source():
    """Not where it was taken, as soon as it has a place of its own."""

    def leaves():
        raise SystemExit(2)

    def act(ending):
        try:
            leaves()
        except SystemExit as error:
            ending.take(error, stack=(F,))

    ((_, _, data),), _ = noted(act)
    assert [place["function"] for place in data["places"]] == ["leaves", "act"]
    assert any("raise SystemExit(2)" in one["text"] for one in data["places"][0]["source"])


def test_only_the_first_end_counts():
    """The same exception comes by more than one way, and an app that has ended does nothing any more."""
    error = SystemExit()

    def act(ending):
        for each in (error, error, SystemExit(2), AppEnds(3)):
            ending.take(each)
        ending.tell(STOPS_LOOP, "again", ())
        ending.cancels((("app.py", 2, "g"),))

    notes, ends = noted(act)
    assert ([name for name, _, _ in notes], ends) == (["exits"], 1)


def test_ctrl_c_is_the_users():
    """It is raised on, and noted by nobody."""
    with pytest.raises(UsersInterrupt):
        noted(lambda ending: ending.take(UsersInterrupt()))


def test_what_was_cancelled_is_told_once_for_each_place():
    """With the time at which it happened, and whether it ended the conversation, also where only what waited for it knows."""

    def act(ending):
        for _ in range(3):
            ending.cancels((F,))
        ending.cancels((), ended=True)

    ((name, of, data),), ends = noted(act)
    assert (name, of, data["detail"], data["ended"], data["at_ns"], ends) == ("cancels_tasks", 7, ["app.py:1 in f"], True, 0, 0)
    assert data["places"] == [PLACE]


def test_from_another_thread_and_before_there_is_a_journal():
    """Notes wait for the loop's thread, and for the journal."""

    async def main(loop):
        ending, ends = Ending(), []
        ending.tell(EXITS, "early", (F,))
        journal = Journal(loop)
        ending.follow(loop, journal)
        ending.ends(lambda: ends.append(True))
        other = Ending()
        other.follow(loop, journal)
        thread = threading.Thread(target=other.tell, args=(EXITS, "late", ()))
        thread.start()
        thread.join()
        n_before = len(journal.events)
        await loop.run_in_executor(None, int)
        return [note.data["what"] for note in journal.events], n_before, ends

    assert run_virtual(main) == (["early", "late"], 1, [True])


class Own(BaseException):
    """An app's."""


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (SystemExit(), True),
        (KeyboardInterrupt(), True),
        (GeneratorExit(), True),
        (Own(), True),
        (ValueError(), False),
        (asyncio.CancelledError(), False),
        (pytest.fail.Exception("a time limit"), False),
        (pytest.skip.Exception("later"), False),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_ends_an_app(error, ends):
    """What is no Exception, unless it is for whoever runs a library: pytest ends a test by such."""
    assert ends_app(error) is ends
