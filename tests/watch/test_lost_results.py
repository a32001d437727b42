"""Tests of evi_harness.watch.lost_results."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.lost_results import LostResults


def fails():
    """A job that fails."""
    raise ValueError("k9Jq is wrong")


def lost(app):
    """What is noted of an app: sentences, and where jobs were given out."""

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        with LostResults(journal, lambda text: text.replace("k9Jq", "[redacted]")) as results:
            with on_behalf("on_message", 7):
                await app(loop)
            results.finish()
            results.finish()
        for note in journal.events[1:]:
            # Where it was raised comes first, and last who gave it out.
            assert f"given out at {last(note)}" == note.data["detail"][-1]
        return [(note.name, note.of, note.data["what"], note.data["detail"][-1]) for note in journal.events[1:]]

    return run_virtual(main)


def last(note):
    """The place of a note's that is told last and holds the call, as text."""
    given = [place for place in note.data["places"] if any("append(" in one["text"] for one in place["source"])]
    return "{file}:{line} in {function}".format_map(given[0])


async def done(future):
    """Wait until a future is done, and do not look at it."""
    while not future.done():  # noqa: ASYNC110 - a future of no loop has no event
        await asyncio.sleep(0)


@pytest.mark.parametrize("of_loop", [True, False], ids=["the loop's", "the app's own"])
def test_a_job_whose_failure_nobody_looks_at(of_loop):
    """It is told once, with where it was given out, without secrets."""
    kept = []

    async def gives(loop):
        with ThreadPoolExecutor() as pool:
            kept.append(loop.run_in_executor(pool, fails) if of_loop else pool.submit(fails))
            await done(kept[0])

    ((name, of, what, place),) = lost(gives)
    assert (name, of) == ("swallowed", 7)
    assert re.search(r"fails, .* executor .*\bon_message, raised ValueError: \[redacted\] is wrong$", what)
    assert place.startswith(f"given out at {__file__}:")
    assert place.endswith(" in gives")


@pytest.mark.parametrize("looks", [Future.result, Future.exception, lambda future: future.add_done_callback(Future.exception)])
def test_a_job_that_somebody_looks_at(looks):
    """Is the app's own affair, and so is one that does not fail."""

    async def gives(loop):
        with ThreadPoolExecutor() as pool:
            future, other = pool.submit(fails), pool.submit(int)
            wait([future, other])
            try:
                type(future).result(future) if looks is Future.result else looks(
                    future
                ) if looks is not Future.exception else future.exception()
            except ValueError:
                return

    assert lost(gives) == []


def test_a_job_that_is_awaited():
    """Its failure comes out where it is awaited."""

    async def gives(loop):
        with pytest.raises(ValueError, match="wrong"):
            await loop.run_in_executor(None, fails)
        with pytest.raises(ValueError, match="wrong"):
            await asyncio.wrap_future(pool.submit(fails))

    with ThreadPoolExecutor() as pool:
        assert lost(gives) == []


def test_jobs_of_others_are_not_watched():
    """What is given out on nobody's behalf is nobody's finding, and executors are as they were."""
    real = ThreadPoolExecutor.submit

    async def nothing(loop):
        return

    async def main(loop):
        with LostResults(Journal(loop)) as results, ThreadPoolExecutor() as pool:
            future = pool.submit(fails)
            wait([future])
            results.finish()
            return type(future)

    assert lost(nothing) == []
    assert run_virtual(main) is Future
    assert ThreadPoolExecutor.submit is real


@pytest.mark.parametrize("looks", [False, True], ids=["lost", "looked at"])
def test_a_coroutine_that_a_thread_gives_to_the_loop(looks):
    """As threads that hear audio do. asyncio itself asks for nothing but whether the future is cancelled; that is no looking."""
    kept = []

    async def raises():
        fails()

    async def gives(loop):
        kept.append(asyncio.run_coroutine_threadsafe(raises(), loop))
        await done(kept[0])
        if looks:
            assert isinstance(kept[0].exception(), ValueError)

    told = [(name, of, *re.findall(r"raises, given to the (.*) by (\w+), raised (.*)", what)) for name, of, what, _ in lost(gives)]
    assert told == ([] if looks else [("swallowed", 7, ("event loop", "on_message", "ValueError: [redacted] is wrong"))])
