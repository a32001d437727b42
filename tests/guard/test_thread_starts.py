from __future__ import annotations

import threading
from contextlib import contextmanager

from evi_harness.guard.thread_starts import THREAD_STARTS


def started():
    """A thread that was started and has ended."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return thread


def test_all_are_told_of_a_thread_before_it_starts():
    """In the order in which they came; whoever gives a context has the start stand in it."""
    log, real = [], threading.Thread.start

    def tells(thread):
        log.append(("tells", thread, thread.ident))

    @contextmanager
    def stands(thread):
        log.append(("stands", thread, thread.ident))
        yield
        log.append(("stood", thread, thread.ident is None))

    THREAD_STARTS.join(tells)
    THREAD_STARTS.join(stands)
    try:
        thread = started()
        THREAD_STARTS.leave(tells)
        started()
    finally:
        THREAD_STARTS.leave(stands)
    started()
    assert log[:3] == [("tells", thread, None), ("stands", thread, None), ("stood", thread, False)]
    assert [name for name, *_ in log[3:]] == ["stands", "stood"]
    assert threading.Thread.start is real
