"""Tests of evi_harness.clocks.parking: what the clock makes of threads that wait for its time."""

from __future__ import annotations

import queue
import threading
from typing import Callable, List, Tuple

import pytest

from evi_harness.clocks.jobs import Job
from evi_harness.clocks.parking import ParkedThreads

# A guard, no measure: nothing here waits for so long.
GUARD_S = 60


class Loop:
    """Keeps what it is to stand still for."""

    def __init__(self) -> None:
        self.out: List[Tuple[str, Callable[[], bool]]] = []
        self.n_woken = 0
        self.has_ended = False

    def wait_for(self, name: str, is_out: Callable[[], bool]) -> None:
        self.out.append((name, is_out))

    def wake(self) -> None:
        self.n_woken += 1

    def is_closed(self) -> bool:
        return self.has_ended


class Waiter:
    """A thread that parks, then does what it is told."""

    def __init__(self, threads: ParkedThreads, then: Callable[[], object] = lambda: None) -> None:
        self.is_parked = threading.Event()
        self.was_resumed: List[bool] = []

        def run() -> None:
            self.parked = threads.park()
            self.is_parked.set()
            self.was_resumed.append(self.parked.wait())
            then()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        assert self.is_parked.wait(GUARD_S)

    def join(self) -> None:
        """Wait for its end."""
        self.thread.join(GUARD_S)
        assert not self.thread.is_alive()


def test_the_clock_goes_on_while_a_thread_is_parked() -> None:
    """And stands still from when it goes on until it is at its end; a loop that waits looks again."""
    loop, gate = Loop(), shut()
    threads = ParkedThreads(loop)
    waiter = Waiter(threads, then=gate.acquire)
    threads.count()
    assert (loop.out, loop.n_woken, bool(threads), threads.has_own, waiter.thread.ident in threads) == ([], 1, True, True, True)
    waiter.parked.resume()
    ((_, is_out),) = loop.out
    assert (is_out(), bool(threads)) == (True, False)
    gate.release()
    waiter.join()
    assert (is_out(), waiter.was_resumed) == (False, [True])


@pytest.mark.parametrize("wakes", ["queue", "event", "condition"])
def test_a_thread_that_waits_in_a_condition_is_not_at_work(wakes: str) -> None:
    """Until it is notified: from then on it counts, before it can have run."""
    loop = Loop()
    threads = ParkedThreads(loop)
    waiting: queue.Queue[int] = queue.Queue()
    event, condition = threading.Event(), threading.Condition()

    def in_condition() -> None:
        with condition:
            condition.wait(GUARD_S)

    gate = shut()
    wait, wake = {
        "queue": (waiting.get, lambda: waiting.put(1)),
        "event": (event.wait, event.set),
        "condition": (in_condition, lambda: notify(condition)),
    }[wakes]

    def then() -> None:
        wait()
        gate.acquire()

    waiter = Waiter(threads, then=then)
    waiter.parked.resume()
    ((_, is_out),) = loop.out
    for _ in iter(is_out, False):
        pass
    threads.count()
    assert len(loop.out) == 1
    wake()
    threads.count()
    assert [name for name, _ in loop.out] == [loop.out[0][0]] * 2
    assert loop.out[1][1]() is True
    gate.release()
    waiter.join()


def shut() -> threading.Lock:
    """A lock that somebody has: who takes it is at work, as far as can be seen, until it is released."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def notify(condition: threading.Condition) -> None:
    """Wake who waits."""
    with condition:
        condition.notify()


def test_a_job_is_waited_for_anew() -> None:
    """By what says whether it is out, and under its own name; it is no thread of the app's own."""
    loop = Loop()
    threads = ParkedThreads(loop)
    parked = []

    def work() -> None:
        parked.append(threads.park())
        ready.set()
        assert parked[0].wait()

    ready, job = threading.Event(), Job(work, threads.in_jobs)
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    assert ready.wait(GUARD_S)
    assert (job.thread, threads.in_jobs, threads.has_own) == (thread.ident, {thread.ident: job}, False)
    parked[0].resume()
    ((name, is_out),) = loop.out
    assert (name.endswith("work"), is_out) == (True, job.is_out)
    thread.join(GUARD_S)
    assert threads.in_jobs == {}


def test_where_time_ends_nobody_waits_on() -> None:
    """The thread is told that it was not resumed."""
    loop = Loop()
    threads = ParkedThreads(loop)
    waiter = Waiter(threads)
    loop.has_ended = True
    waiter.join()
    assert (waiter.was_resumed, bool(threads)) == ([False], False)
