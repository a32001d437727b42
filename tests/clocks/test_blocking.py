from __future__ import annotations

import threading
import time

import pytest

from evi_harness.clocks.blocking import caller, virtual_sleep

HERE = __file__


class Loop:
    def __init__(self) -> None:
        self.charged = []
        self.thread = threading.get_ident()
        self.is_running = True

    def charge(self, took_ns, where):
        self.charged.append((took_ns, where))

    def runs_here(self):
        return self.is_running and threading.get_ident() == self.thread


@pytest.mark.parametrize(("seconds", "took_ns"), [(2, 2_000_000_000), (0.1, 100_000_000), (0, 0), (1e-9, 1)])
def test_a_sleep_on_the_loops_thread_is_a_charge(seconds, took_ns):
    """The charge is exact in nanoseconds and names the line that slept."""
    loop = Loop()
    with virtual_sleep(loop):
        time.sleep(seconds)
    ((charged_ns, where),) = loop.charged
    assert charged_ns == took_ns
    assert where.rpartition(":")[0] == HERE


def test_a_negative_sleep_is_refused_as_ever():
    """time.sleep raises ValueError for it, and so does this."""
    with virtual_sleep(Loop()), pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)


def test_other_threads_sleep_really():
    """Another thread's sleep charges nothing."""
    loop = Loop()
    with virtual_sleep(loop):
        thread = threading.Thread(target=lambda: time.sleep(0))
        thread.start()
        thread.join()
    assert loop.charged == []


def test_a_sleep_that_was_imported_by_name_is_real_once_the_loop_has_stopped():
    """What the app kept of the replacement does no harm behind it."""
    loop = Loop()
    with virtual_sleep(loop):
        kept = time.sleep
    loop.is_running = False
    kept(0)
    assert loop.charged == []


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_real_sleep_comes_back(error):
    """However the block ends, time.sleep is what it was."""
    real = time.sleep
    try:
        with virtual_sleep(Loop()):
            assert time.sleep is not real
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert time.sleep is real


def test_the_caller_is_outside_the_package():
    """Called from here, the caller is here."""
    assert caller().rpartition(":")[0] == HERE
