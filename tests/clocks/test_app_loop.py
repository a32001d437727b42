"""Tests of evi_harness.clocks.app_loop."""

from __future__ import annotations

import asyncio
import functools
import gc
import re
import sys
import threading
from contextlib import asynccontextmanager, suppress

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.app_loop import AppLoop, HostTask, host, run_app_loop, tasks_of
from evi_harness.clocks.exits import AppExits
from evi_harness.clocks.stepping import run_stepping
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import StuckError
from evi_harness.guard.ending import Ending, UsersInterrupt
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.tasks import AppTasks

RUNS = pytest.mark.parametrize("run", [run_virtual, run_stepping, run_app_loop], ids=["virtual", "real", "plain"])


class Clock:
    """Stands still."""

    def now_ns(self):
        return 0


def noted(app, run=run_virtual):
    """What is noted of an app that runs until it is done or has ended the run: names, sentences, the innermost places."""
    journal = Journal(Clock())
    journal.opened(Handshake("/"))

    async def runs():
        with on_behalf("on_message", 7):
            await app()

    async def main(loop):
        exits.follow(loop, journal)
        with AppTasks(journal) as tasks:
            await host(runs(), exits.ending)
            tasks.cancel()
            await tasks.wait(1)
            tasks.finish(has_ended=exits.ending.has_ended)

    with AppExits(Ending()) as exits:
        run(main)
    return [(note.name, note.data["what"], "".join(note.data["detail"][:1]).rpartition(" in ")[2]) for note in journal.events[1:]]


async def forever():
    """Wait for nothing."""
    await asyncio.Event().wait()


@RUNS
def test_an_exit_in_a_task_ends_the_app_and_not_the_run(run):
    """Whatever else the app waits for."""

    async def leaves():
        sys.exit(3)

    async def app():
        task = asyncio.ensure_future(leaves())
        await forever()
        del task

    ((name, what, place),) = noted(app, run)
    assert (name, place) == ("exits", "leaves")
    assert re.match("a task, .*on_message, raised SystemExit: 3, ", what)


@RUNS
@pytest.mark.parametrize("call", [sys.exit, functools.partial(sys.exit, 1)], ids=["function", "partial"])
def test_a_callback_without_a_line_of_its_own_has_the_one_that_set_it(run, call):
    """Such as ``call_later(1, sys.exit)``."""

    async def sets_it():
        asyncio.get_running_loop().call_later(0.001, call)
        await forever()

    ((name, what, place),) = noted(sets_it, run)
    assert (name, place) == ("exits", "noted.<locals>.runs" if place.startswith("noted") else "sets_it")
    assert re.match("a callback .*on_message, raised SystemExit", what)


@RUNS
def test_stopping_the_loop_ends_the_app_and_not_the_run(run):
    """At once, by a timer, or from the base class below."""

    async def stops():
        asyncio.get_running_loop().stop()
        await forever()

    async def stops_later():
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
        await forever()

    async def stops_below():
        asyncio.BaseEventLoop.stop(asyncio.get_running_loop())
        await forever()

    assert [(name, place) for name, _, place in noted(stops, run)] == [("stops_loop", "stops")]
    assert [(name, place) for name, _, place in noted(stops_later, run)] == [("stops_loop", "stops_later")]
    assert [name for name, _, _ in noted(stops_below, run)] == ["stops_loop"]


@RUNS
def test_cancelling_the_task_that_it_runs_in(run):
    """Is told where it is done, unless the app's own time limit does it."""

    async def cancels():
        asyncio.current_task().cancel()
        await forever()

    async def limits():
        try:
            await asyncio.wait_for(forever(), 0.001)
        except asyncio.TimeoutError:
            return

    assert [(name, place) for name, _, place in noted(cancels, run)] == [("cancels_tasks", "cancels")]
    assert noted(limits, run) == []


@RUNS
def test_the_harnesss_tasks_are_not_the_apps(run):
    """They are in no list of tasks that the app can have, and go on; ``tasks_of`` has them."""
    seen = []

    async def app():
        seen.append((len(asyncio.all_tasks()), len(tasks_of(asyncio.get_running_loop())) >= 2))
        for task in asyncio.all_tasks():
            task.cancel()

    assert noted(app, run) == []
    assert seen == [(0, True)]


def test_a_task_of_the_apps_is_known_however_it_is_made():
    """By ``create_task``, by the class alone, by a factory of its own."""
    kept = []

    def factory(loop, coro, **options):
        return asyncio.Task(coro, loop=loop, **options)

    async def app():
        kept.append(asyncio.create_task(fails()))
        kept.append(asyncio.Task(fails()))
        asyncio.get_running_loop().set_task_factory(factory)
        kept.append(asyncio.create_task(fails()))
        assert asyncio.get_running_loop().get_task_factory() is factory
        await asyncio.sleep(0.1)

    async def fails():
        raise ValueError("lost")

    assert [name for name, _, _ in noted(app)] == ["swallowed"] * 3


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are eager from Python 3.12 on")
def test_an_eager_task_is_known():
    """One that ends in its first step, and one that waits in it."""
    kept = []

    async def fails(waits):
        if waits:
            await asyncio.sleep(0)
        raise ValueError("lost")

    async def app():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        kept.extend(asyncio.create_task(fails(waits)) for waits in (False, True))
        await asyncio.sleep(0.1)

    assert [name for name, _, _ in noted(app)] == ["swallowed"] * 2


def test_an_exception_handler_of_the_apps_is_called_and_hides_nothing():
    """Also for a callback, and for a task that nothing holds."""
    handled = []

    async def app():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: handled.append(type(context["exception"])))
        loop.call_soon(int, "no number")
        loop.create_task(fails())  # noqa: RUF006 - nothing is to hold it
        await asyncio.sleep(0.1)

    async def fails():
        raise LookupError

    assert [name for name, _, _ in noted(app)] == ["swallowed"] * 2
    assert handled == [ValueError, LookupError]


def test_a_loop_without_an_app_is_asyncios_own():
    """Exits come out, and so does a stop."""

    async def exits(loop):
        sys.exit(3)

    async def stops(loop):
        loop.stop()
        await forever()

    with pytest.raises(SystemExit):
        run_virtual(exits)
    with pytest.raises(RuntimeError, match="stopped before"):
        run_virtual(stops)


def test_ctrl_c_comes_out():
    """Of a run with an app, too."""

    async def app():
        raise UsersInterrupt

    with pytest.raises(UsersInterrupt):
        noted(app)


@RUNS
def test_ctrl_c_above_a_generator_is_not_logged(run, caplog):
    """It is raised where the coroutine goes on that waits for the generator, which never hears of it and cannot be closed."""
    entered, kept = [], []

    async def ticks():
        while True:
            await asyncio.sleep(0.001)
            yield

    async def reads(generator):
        async for _ in generator:
            pass

    def interrupt(frame, event, arg):
        if event == "call" and frame.f_code is reads.__code__:
            entered.append(frame)
            if len(entered) == 3:
                sys.setprofile(None)
                raise UsersInterrupt

    async def main(loop):
        kept.append(ticks())
        reading = asyncio.ensure_future(reads(kept[0]))
        sys.setprofile(interrupt)
        await reading

    try:
        with pytest.raises(UsersInterrupt):
            run(main)
    finally:
        sys.setprofile(None)
    assert len(entered) == 3
    assert caplog.messages == []


def test_who_cancels_a_host_is_known():
    """The harness, or the app and where."""

    async def main(loop):
        tasks = [HostTask(forever(), loop=loop) for _ in range(2)]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return [(task.was_told, len(task.cancelled_at)) for task in tasks]

    assert run_virtual(main) == [(True, 1), (True, 1)]


def test_an_executor_that_outlives_its_loop_says_nothing(monkeypatch):
    """Its last word is for a loop that is closed; before Python 3.11 that was a traceback of a thread."""
    failures, released, before = [], threading.Event(), set(threading.enumerate())
    monkeypatch.setattr(threading, "excepthook", failures.append)
    loop = AppLoop()

    async def begins():
        loop.run_in_executor(None, released.wait)
        task = loop.create_task(loop.shutdown_default_executor())
        await asyncio.sleep(0)
        task._log_destroy_pending = False
        return task

    task = loop.run_until_complete(begins())
    loop.close()
    released.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert failures == []
    assert not task.done()


class OwnKind(BaseException):
    """No Exception: whoever takes those does not take it."""


@RUNS
@pytest.mark.parametrize("kind", [OwnKind, GeneratorExit], ids=lambda kind: kind.__name__)
def test_what_is_no_exception_ends_the_app_and_not_the_run(run, kind):
    """As in life, where it leaves the app's main."""

    async def raises():
        raise kind

    ((name, what, detail),) = noted(raises, run)
    assert name == "exits"
    assert re.match(rf"the app raised {kind.__name__}\b", what)
    assert detail == "raises"


@asynccontextmanager
async def pausing():
    """A block at whose end something is awaited."""
    try:
        yield
    finally:
        await asyncio.sleep(0.01)


@asynccontextmanager
async def within_another():
    """Another one, around it."""
    async with pausing():
        yield


@pytest.mark.parametrize("run", [run_virtual, run_stepping])
def test_what_does_not_end_is_left_behind_without_a_word(run, monkeypatch, caplog):
    """Neither when the loop ends nor when Python frees what is left: its generators are not closed under it, and it never runs again."""
    monkeypatch.setattr("evi_harness.clocks.stepping.CLEANUP_S", 0.01)
    gc.collect()
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: lost.append(repr(one.object)))
    has_run = []

    async def goes_on():
        async with within_another():
            while True:
                has_run.append(asyncio.get_running_loop())
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(1)

    async def main(loop):
        task = loop.create_task(goes_on())
        await asyncio.sleep(0)
        assert not task.done()
        raise StuckError("nothing moves")

    with pytest.raises(StuckError, match="nothing moves"):
        run(main)
    n_run = len(has_run)
    has_run.clear()
    gc.collect()
    assert (lost, caplog.messages, n_run > 0, has_run) == ([], [], True, [])
