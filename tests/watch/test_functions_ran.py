"""Tests of evi_harness.watch.functions_ran."""

from __future__ import annotations

import asyncio
import sys

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch import functions_ran
from evi_harness.watch.functions_ran import FunctionsRan


class App:
    """A handler: calls, awaits, and starts a task."""

    def __init__(self):
        self.tasks = []

    async def on_message(self, kind):
        if kind == "calls":
            self.plain()
            await self.awaited()
        elif kind == "starts":
            self.tasks.append(asyncio.ensure_future(self.later()))
        elif kind == "much":
            for _ in range(100):
                self.plain()
            await self.awaited()

    def plain(self):
        [kind for kind in (1, 2) if kind]

    async def awaited(self):
        await asyncio.sleep(1)
        self.inner()

    def inner(self):
        pass

    async def later(self):
        await asyncio.sleep(1)
        self.inner()


def ran(*kinds, before=None):
    """The functions that are noted of each message, by its seq."""

    async def main(loop):
        app, journal = App(), Journal(loop)
        journal.opened(Handshake("/"))
        functions = FunctionsRan(journal, app)
        for of, kind in enumerate(kinds, 1):
            with on_behalf("on_message", of):
                functions.begin(of, "on_message", app.on_message)
                await app.on_message(kind)
            functions.pause()
            # What nobody has started for a message is nobody's.
            app.plain()
        await asyncio.gather(*app.tasks)
        functions.finish()
        assert sys.getprofile() is before
        return [
            # The test itself calls, and stands for what reads the messages.
            (
                note.of,
                note.data["traced"],
                [(place["function"], place["whole"]) for place in note.data["places"] if place["function"] != "main"],
            )
            for note in journal.events[1:]
        ]

    sys.setprofile(before)
    try:
        return run_virtual(main)
    finally:
        sys.setprofile(None)


def path(*names):
    """Functions that ran, the last to begin first."""
    return [(name, "ran") for name in names]


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["calls"], [(1, True, path("inner", "awaited", "plain", "on_message"))]),
        (["nothing"], []),
        (["starts", "nothing"], [(1, True, path("inner", "later", "on_message"))]),
        (["nothing", "calls", "calls"], [(of, True, path("inner", "awaited", "plain", "on_message")) for of in (2, 3)]),
    ],
    ids=["calls", "the callback alone", "a task that goes on", "each its own"],
)
def test_which_functions_ran_for_a_message(kinds, told):
    """Those of the app, each once, the last to begin first; nothing is noted of a message for which the callback alone ran."""
    assert ran(*kinds) == told


def test_the_source_stands_in_the_first_note(monkeypatch):
    """Of the same functions; it is the whole function's."""
    told = []
    monkeypatch.setattr(
        Journal, "note", lambda self, kind, **data: told.append({one["function"]: len(one["source"]) for one in data["places"]})
    )
    ran("calls", "calls")
    assert [(lengths["awaited"], lengths["on_message"]) for lengths in told] == [(3, 10), (0, 0)]


def test_what_calls_too_often_is_looked_at_no_longer(monkeypatch):
    """What it had called by then is told."""
    monkeypatch.setattr(functions_ran, "N_CALLS", 100)
    assert ran("much", "calls") == [(1, True, path("plain", "on_message")), (2, True, path("inner", "awaited", "plain", "on_message"))]


def test_a_hook_that_is_there_already_stays():
    """Then nobody knows what ran, and what the class defines is told as such."""
    names = ["on_message", "plain", "awaited", "inner", "later"]
    assert ran("calls", before=lambda *_: None) == [(1, False, [(name, "defined") for name in names])]


def test_a_run_has_an_end_to_what_is_looked_at(monkeypatch):
    """However many messages it has."""
    monkeypatch.setattr(functions_ran, "N_CALLS_OF_RUN", 0)
    assert [traced for _, traced, _ in ran("calls")] == [False]
