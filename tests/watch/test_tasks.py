"""Tests of evi_harness.watch.tasks."""

from __future__ import annotations

import asyncio
import gc
import re
import runpy

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.stepping import run_stepping
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.tasks import AppTasks

HERE = __file__


async def waits():
    """Wait for ever."""
    await asyncio.Event().wait()


async def fails():
    """Raise at once."""
    raise ValueError("secret")


def line(function, offset):
    """A place in a function, as notes give it."""
    return f"{HERE}:{function.__code__.co_firstlineno + offset} in {function.__name__}"


def notes(handler, *, run=run_virtual, is_over=False, end_s=1.0):
    """What is noted of a handler that is called once, with an event."""

    async def main(loop):
        journal = Journal(loop if run is run_virtual else Clock())
        journal.opened(Handshake("/"))
        tasks = AppTasks(journal, lambda text: text.replace("secret", "[redacted]"), lambda: is_over)
        ours = asyncio.ensure_future(waits())
        with tasks:
            with on_behalf("on_message", 7):
                await handler()
            await tasks.wait(end_s)
            tasks.finish()
        ours.cancel()
        return [(note.name, note.of, note.data["what"], note.data["detail"]) for note in journal.events[1:]]

    return run(main)


class Clock:
    """Stands still."""

    def now_ns(self):
        return 0


@pytest.mark.parametrize("run", [run_virtual, run_stepping], ids=["virtual", "real"])
def test_a_task_that_is_left_over(run):
    """Told with who started it, where, and where it waits; tasks of the same place together, and ours not at all."""
    kept = []

    async def handler():
        for _ in range(2):
            kept.append(asyncio.create_task(waits()))  # noqa: PERF401 - the line is told

    (note,) = notes(handler, run=run, end_s=0.01)
    assert note[:2] == ("leaked_task", 7)
    assert re.fullmatch(rf"2 tasks waits, .*\bon_message at {re.escape(line(handler, 2))}, .*", note[2])
    assert note[3][0] == f"waits at {line(waits, 2)}"


async def ends():
    """A moment later."""
    await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    "start",
    [
        lambda: asyncio.ensure_future(ends()),
        lambda: asyncio.ensure_future(waits()).cancel(),
        lambda: asyncio.get_running_loop().create_task(ends()),
    ],
    ids=["ends by itself", "was cancelled", "by the loop"],
)
def test_a_task_that_ends_is_none(start):
    """It has a second for it, in the loop's time."""
    kept = []

    async def handler():
        kept.append(start())

    assert notes(handler) == []


def test_a_task_that_a_library_started_is_not_the_developers(tmp_path):
    """The SDK's microphone leaves its playback pending: told is only what the developer's own code started."""
    module = tmp_path / "site-packages" / "library.py"
    module.parent.mkdir()
    module.write_text("import asyncio\n\ndef start(coro):\n    return asyncio.ensure_future(coro)\n")
    library = runpy.run_path(str(module))
    kept = []

    async def handler():
        kept.append(library["start"](asyncio.sleep(100)))
        kept.append(asyncio.ensure_future(asyncio.sleep(100)))

    [note] = notes(handler)
    assert note[0] == "leaked_task"
    assert f"{__file__}:" in note[2]


def test_a_task_that_nothing_refers_to():
    """Freed while it was pending: it never ends, and nobody will know."""

    async def handler():
        asyncio.ensure_future(waits())  # noqa: RUF006 - that is what is tested
        await asyncio.sleep(0)
        gc.collect()

    ((name, of, what, _),) = notes(handler)
    assert (name, of) == ("leaked_task", 7)
    assert "was destroyed while" in what


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_exception_that_nobody_looks_at(is_kept):
    """Told once, whether the task is freed or still held, with where it was raised and where the task was started."""
    kept = []

    async def handler():
        task = asyncio.ensure_future(fails())
        kept.extend([task] if is_kept else [])

    ((name, of, what, places),) = notes(handler)
    assert (name, of, places) == ("swallowed", 7, [line(fails, 2), f"started at {line(handler, 1)}"])
    assert re.fullmatch(r"a task .*never awaited, .*\bon_message, raised ValueError: \[redacted\]", what)


def test_an_exception_that_somebody_looks_at():
    """Awaited, gathered or asked for: the handler's own affair."""

    async def handler():
        task = asyncio.ensure_future(fails())
        await asyncio.gather(task, fails(), return_exceptions=True)

    assert notes(handler) == []


def test_an_exception_in_a_callback_of_the_loop():
    """It is about the event in whose callback it was scheduled."""

    async def handler():
        asyncio.get_running_loop().call_soon(int, "x")
        await asyncio.sleep(0)

    ((name, of, what, _),) = notes(handler)
    assert (name, of) == ("swallowed", 7)
    assert re.match(r"a callback .*\bon_message, raised ValueError: invalid literal", what)


@pytest.mark.parametrize("is_over", [True, False])
def test_who_sends_to_a_closed_connection_is_told_so(is_over):
    """That is how a session ends; while it lasts it is another connection's end, and a fault."""
    from websockets.exceptions import ConnectionClosedOK

    async def sends():
        raise ConnectionClosedOK(None, None)

    async def handler():
        asyncio.ensure_future(sends())  # noqa: RUF006 - that is what is tested
        await asyncio.sleep(0)

    assert [note[0] for note in notes(handler, is_over=is_over)] == ([] if is_over else ["swallowed"])


def test_what_is_no_exception_goes_where_it_went():
    """asyncio's own handler logs it."""

    async def main(loop):
        journal = Journal(loop)
        told = []
        loop.default_exception_handler = told.append
        AppTasks(journal).unhandled(loop, {"message": "odd"})
        return told, journal.events

    assert run_virtual(main) == ([{"message": "odd"}], [])


def test_the_task_factory_comes_back():
    """One that was there before makes the tasks; one that the app has set since stays."""

    async def main(loop):
        made = []

        def earlier(loop, coro, **options):
            made.append(coro.__name__)
            return asyncio.Task(coro, loop=loop, **options)

        def later(loop, coro, **options):
            return asyncio.Task(coro, loop=loop, **options)

        loop.set_task_factory(earlier)
        with AppTasks(Journal(loop)):
            await asyncio.ensure_future(ends())
        found = [loop.get_task_factory() is earlier]
        with AppTasks(Journal(loop)):
            loop.set_task_factory(later)
        return made, [*found, loop.get_task_factory() is later]

    assert run_virtual(main) == (["ends"], [True, True])
