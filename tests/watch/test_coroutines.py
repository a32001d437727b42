"""Tests of evi_harness.watch.coroutines."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings

import pytest
import typing_extensions

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.coroutines import NeverAwaited

HERE = __file__


async def answer():
    """What should have been awaited."""


def notes(handler):
    """What is noted of a handler that is called once, with an event."""

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        with NeverAwaited(journal) as coroutines:
            with on_behalf("on_message", 7):
                await handler()
            coroutines.finish()
        return [(note.name, note.of, note.data["what"]) for note in journal.events[1:]]

    return run_virtual(main)


def place(handler, offset):
    """A line of a handler, as notes give it."""
    return f"{HERE}:{handler.__code__.co_firstlineno + offset} in {handler.__name__}"


def test_a_forgotten_await():
    """Told when the coroutine is freed, with where it was made and the event that was handled; Python's own warning is not needed."""

    async def handler():
        answer()

    what = f"the coroutine answer, created at {place(handler, 1)}, was never awaited: it did nothing"
    assert notes(handler) == [("never_awaited", 7, what)]


def test_a_call_through_a_decorator_is_where_it_is_called():
    """As of the SDK's methods that are deprecated: their wrapper stands in a library, and has made nothing."""
    old = typing_extensions.deprecated("there is a newer one", category=None)(answer)

    async def handler():
        old()

    ((_, _, what),) = notes(handler)
    assert place(handler, 1) in what


def test_a_coroutine_that_something_holds():
    """Told at the end, once: then it is closed."""
    kept = []

    async def handler():
        kept.append(answer())

    ((name, _, what),) = notes(handler)
    assert (name, place(handler, 1) in what) == ("never_awaited", True)
    kept.clear()
    gc.collect()


def test_what_is_awaited_by_whatever_means():
    """At once, later, or by a task that has not come to run yet."""
    kept = []

    async def handler():
        later = answer()
        await answer()
        await asyncio.gather(later, answer())
        kept.append(asyncio.ensure_future(answer()))

    assert notes(handler) == []


def test_a_coroutine_from_before_is_pythons():
    """Its origin is not known, and it is none of this run's."""
    before = [answer()]

    async def handler():
        before.clear()

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        assert notes(handler) == []


@pytest.mark.parametrize("depth", [0, 5])
def test_what_python_does_comes_back(depth):
    """How deep origins are tracked, and the warning; one that somebody has put there since stays."""
    real = warnings._warn_unawaited_coroutine
    sys.set_coroutine_origin_tracking_depth(depth)
    try:
        with NeverAwaited(Journal(None)):
            assert sys.get_coroutine_origin_tracking_depth() == max(2, depth)
            assert warnings._warn_unawaited_coroutine is not real
        assert sys.get_coroutine_origin_tracking_depth() == depth
        assert warnings._warn_unawaited_coroutine is real
        with NeverAwaited(Journal(None)):
            warnings._warn_unawaited_coroutine = print
        assert warnings._warn_unawaited_coroutine is print
    finally:
        warnings._warn_unawaited_coroutine = real
        sys.set_coroutine_origin_tracking_depth(0)
