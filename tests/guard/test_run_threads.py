from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from evi_harness.guard.run_threads import RunThreads


def on_a_thread(call):
    """What a call gives on a thread of its own."""
    got = []
    thread = threading.Thread(target=lambda: got.append(call()))
    thread.start()
    thread.join()
    return got[0]


def test_what_a_run_starts_is_the_runs():
    """The thread that enters, those it starts, and those that they start."""
    with RunThreads() as run:
        assert run.here()
        assert on_a_thread(run.here)
        assert on_a_thread(lambda: on_a_thread(run.here))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(run.here).result()


def test_what_was_there_before_is_not():
    """Neither a thread that ran before, nor what it starts meanwhile."""
    with ThreadPoolExecutor(1) as earlier:
        earlier.submit(int).result()
        with RunThreads() as run:
            assert not earlier.submit(run.here).result()
            assert not earlier.submit(on_a_thread, run.here).result()


def test_two_runs_do_not_know_one_another():
    """Each has its own threads, whichever ends first, and at last threads start as they always did."""
    real = threading.Thread.start
    one, entered, over = RunThreads(), threading.Event(), threading.Event()
    seen = {}

    def other_run():
        with RunThreads() as other:
            entered.set()
            over.wait(60)
            seen["other"] = other.here(), one.here(), on_a_thread(other.here)

    thread = threading.Thread(target=other_run)
    thread.start()
    entered.wait(60)
    with one:
        seen["one"] = one.here(), on_a_thread(one.here)
    over.set()
    thread.join()
    assert seen == {"one": (True, True), "other": (True, False, True)}
    assert threading.Thread.start is real
