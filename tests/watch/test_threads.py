"""Tests of evi_harness.watch.threads."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.stepping import run_stepping
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake
from evi_harness.watch.threads import AppThreads

HERE = __file__


class Clock:
    """Stands still."""

    def now_ns(self):
        return 0


class Worker:
    """Works in a thread until it is told to end, which a test does behind itself."""

    def __init__(self):
        self.over = threading.Event()
        self.begun = threading.Event()

    def work(self):
        """Wait to be told."""
        # In one line: wherever in it the thread is seen, it is at the same place.
        return self.begun.set(), self.over.wait()


@pytest.fixture
def worker():
    """A worker whose threads end with the test."""
    one = Worker()
    yield one
    one.over.set()


def line(function, offset):
    """A place in a function, as notes give it."""
    return f"{HERE}:{function.__code__.co_firstlineno + offset} in {function.__name__}"


def notes(handler, *, run=run_virtual, wait_s=0.05):
    """What is noted of a handler that is called once, with an event, while another runs that nobody watches."""

    async def main(loop):
        journal = Journal(loop if run is run_virtual else Clock())
        journal.opened(Handshake("/"))
        with AppThreads(journal) as threads:
            with on_behalf("on_message", 7):
                await handler()
            await threads.wait(wait_s)
            threads.finish()
        return [(note.name, note.of, note.data) for note in journal.events[1:]]

    return run(main)


@pytest.mark.parametrize("run", [run_virtual, run_stepping], ids=["virtual", "real"])
def test_a_thread_that_is_left_over(worker, run):
    """Told with who started it and where, and where it is; as a sample, since it moves on."""

    async def handler():
        threading.Thread(target=worker.work, name="counting").start()
        worker.begun.wait()

    ((name, of, data),) = notes(handler, run=run)
    assert (name, of, data["sample"]) == ("leaked_thread", 7, True)
    place = re.escape(line(handler, 1))
    assert re.match(rf"the thread counting, .*\bon_message at {place}, still ran\b.*\bwaits for it\b", data["what"])
    assert data["detail"][0] == f"is at {line(Worker.work, 3)}"


def test_threads_of_one_place_are_told_together(worker):
    """With how many there are."""

    async def handler():
        for _ in range(3):
            threading.Thread(target=worker.work).start()

    ((_, _, data),) = notes(handler)
    assert re.match(rf"3 threads, .*\bon_message at {re.escape(line(handler, 2))}, still ran\b", data["what"])


def test_a_thread_that_another_one_starts(worker):
    """It is the handler's as well, and told by the place that started it."""

    def starts():
        threading.Thread(target=worker.work, name="inner").start()

    async def handler():
        outer = threading.Thread(target=starts)
        outer.start()
        outer.join()

    ((_, of, data),) = notes(handler)
    assert of == 7
    assert data["what"].startswith(f"the thread inner, started by on_message at {line(starts, 1)}")


def test_a_timer_is_a_thread(worker):
    """One that nobody cancels holds the process until it goes off."""
    timers = []

    async def handler():
        timers.append(threading.Timer(60, print))
        timers[0].start()

    ((name, _, _),) = notes(handler)
    timers[0].cancel()
    assert name == "leaked_thread"


def test_a_thread_that_keeps_nobody_is_not_told(worker):
    """A daemon, one that has ended, and an idle worker of a pool or of the loop."""
    pools = []

    async def handler():
        threading.Thread(target=worker.work, daemon=True).start()
        threading.Thread(target=int).start()
        pools.append(ThreadPoolExecutor(2))
        pools[0].submit(int).result()
        await asyncio.get_running_loop().run_in_executor(None, int)

    # The one that ends may need its time for that; what keeps nobody is not waited for.
    assert notes(handler, wait_s=60) == []
    pools[0].shutdown()


def test_a_worker_of_a_pool_that_has_a_job_is_told(worker):
    """With where the job is."""
    pools = []

    async def handler():
        pools.append(ThreadPoolExecutor(1))
        pools[0].submit(worker.work)
        worker.begun.wait()

    ((_, _, data),) = notes(handler)
    worker.over.set()
    pools[0].shutdown()
    assert f"started by on_message at {line(handler, 2)}" in data["what"]
    assert data["detail"][0] == f"is at {line(Worker.work, 3)}"


def test_a_job_of_a_task_is_told_without_a_place(worker):
    """The task starts the thread in no code of the developer's; where the job is, is known."""

    async def handler():
        job = asyncio.get_running_loop().run_in_executor
        asyncio.get_running_loop().call_soon(job, None, worker.work)
        await asyncio.sleep(0)
        worker.begun.wait()

    ((_, _, data),) = notes(handler)
    worker.over.set()
    assert re.search(r"\bon_message, still ran\b", data["what"])
    assert data["detail"] == [f"is at {line(Worker.work, 3)}"]


def test_a_thread_that_ends_in_time_is_not_told(worker):
    """The loop goes on while threads are waited for, and so can what tells them to end; virtual time stands still meanwhile."""
    read = []

    async def handler():
        threading.Thread(target=worker.work).start()
        loop = asyncio.get_running_loop()
        loop.call_soon(worker.over.set)
        read.append(loop.time())
        loop.call_soon(lambda: read.append(loop.time()))

    assert notes(handler, wait_s=60) == []
    assert read[0] == read[1]


def test_what_nobody_starts_on_the_handlers_behalf_is_not_told(worker):
    """Neither the harness's own, nor one of a thread that does not belong to the run."""
    go, gone = threading.Event(), threading.Event()

    def of_another():
        go.wait()
        with on_behalf("on_message", 1):
            threading.Thread(target=worker.work).start()
        gone.set()

    threading.Thread(target=of_another).start()

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        with AppThreads(journal) as threads:
            threading.Thread(target=worker.work).start()
            go.set()
            gone.wait()
            threads.finish()
        return journal.events[1:]

    assert run_virtual(main) == []


def test_nothing_is_watched_behind_the_block():
    """What was replaced is put back, also where runs overlap."""
    real = threading.Thread.start
    one, other = AppThreads(Journal(Clock())), AppThreads(Journal(Clock()))
    one.__enter__()
    other.__enter__()
    one.__exit__()
    assert threading.Thread.start is not real
    other.__exit__()
    assert threading.Thread.start is real
