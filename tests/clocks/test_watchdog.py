from __future__ import annotations

import itertools
import signal
import threading
from types import SimpleNamespace

import pytest

from evi_harness.clocks import watchdog
from evi_harness.clocks.virtual import run_virtual
from evi_harness.clocks.watchdog import N_IN_VAIN, SIGNAL, Watchdog
from evi_harness.errors import StuckError

SECOND = 1_000_000_000


def test_it_reports_once_and_interrupts_until_things_move(monkeypatch):
    """Looked at by hand: nothing before the timeout, one report at it, an interrupt every second, and all anew after progress."""
    interrupts, stacks, progress = [], [], [0]
    dog = Watchdog(lambda: progress[0], stacks.append, timeout_s=60)
    monkeypatch.setattr(dog, "_interrupt", lambda: interrupts.append(True))
    dog._watched = threading.get_ident()

    def looks(second):
        dog.look(second * SECOND)
        return len(stacks), len(interrupts)

    assert looks(0) == (0, 0)
    assert looks(59) == (0, 0)
    assert looks(60) == (1, 1)
    assert looks(60.5) == (1, 1)
    assert looks(61) == (1, 2)
    progress[0] += 1
    assert looks(62) == (1, 2)
    assert looks(121) == (1, 2)
    assert looks(122) == (2, 3)
    assert "test_it_reports_once" in stacks[0]


def test_what_takes_interrupts_for_its_own_errors_is_told(monkeypatch):
    """Behind as many as that it will not end by itself; what moves again has ended by one."""
    vain, progress = [], [0]
    dog = Watchdog(lambda: progress[0], lambda _: None, timeout_s=60, in_vain=lambda: vain.append(True))
    monkeypatch.setattr(dog, "_interrupt", lambda: None)
    for _ in range(2):
        dog.look(0)
        for second in range(60, 60 + N_IN_VAIN):
            dog.look(second * SECOND)
        assert vain == []
        progress[0] += 1
    dog.look(100 * SECOND)
    for second in range(160, 161 + N_IN_VAIN):
        dog.look(second * SECOND)
    assert vain == [True]


def test_a_block_that_takes_too_long_in_all(monkeypatch):
    """Is told so once, however it moves; what has not ended five seconds later is reported and interrupted every second."""
    interrupts, stacks, told, progress = [], [], [], [0]
    dog = Watchdog(lambda: progress[0], stacks.append, timeout_s=60, total_s=100, on_over=lambda: told.append(True))
    monkeypatch.setattr(dog, "_interrupt", lambda: interrupts.append(True))
    dog._watched = threading.get_ident()
    dog._ends_ns = 100 * SECOND

    def looks(second):
        progress[0] += 1
        dog.look(second * SECOND)
        return len(told), len(stacks), len(interrupts)

    assert looks(0) == looks(99) == (0, 0, 0)
    assert not dog.is_over
    assert looks(100) == looks(104) == (1, 0, 0)
    assert dog.is_over
    assert looks(105) == (1, 1, 1)
    assert looks(106) == (1, 1, 2)


def test_a_block_that_moves_for_ever_is_told_when_its_time_is_over():
    """By the thread that watches it; it has then not been interrupted."""
    over, count = threading.Event(), [0]

    def progress():
        count[0] += 1
        return count[0]

    with Watchdog(progress, lambda _: None, timeout_s=60, total_s=0.02, on_over=over.set) as dog:
        over.wait()
    assert dog.is_over


class Moving:
    """A count that grows until things stand: however long it takes to get there, nobody is interrupted before."""

    def __init__(self):
        self.stands = False
        self._n = 0

    def __call__(self):
        self._n += not self.stands
        return self._n


def test_a_process_that_was_stopped_is_not_stuck(monkeypatch):
    """An hour passes between any two looks, as behind Ctrl+Z; that nothing moved in it says nothing."""
    hours, stacks, looked = itertools.count(), [], threading.Semaphore(0)
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic_ns=lambda: next(hours) * 3600 * SECOND))
    with Watchdog(lambda: 0, stacks.append, timeout_s=60, beside=looked.release, every_s=0.001):
        for _ in range(5):
            looked.acquire()
    assert stacks == []


def test_a_lock_that_nobody_frees_is_broken_in_the_main_thread():
    """The blocked thread gets StuckError, and the report says where it stood."""
    stacks, lock, moving = [], threading.Lock(), Moving()
    lock.acquire()

    def blocks():
        moving.stands = True
        lock.acquire()

    with pytest.raises(StuckError), Watchdog(moving, stacks.append, timeout_s=0.1):
        blocks()
    assert "lock.acquire()" in stacks[0]


def test_a_handler_that_blocks_ends_a_virtual_run():
    """A loop that makes no step any more ends with StuckError; time is not what counts."""
    stacks, lock, moving = [], threading.Lock(), Moving()

    async def blocks(loop):
        lock.acquire()
        moving.stands = True
        lock.acquire()

    with pytest.raises(StuckError), Watchdog(moving, stacks.append, timeout_s=0.1):
        run_virtual(blocks)
    assert "in blocks" in stacks[0]


def test_a_busy_loop_in_another_thread_is_broken():
    """Running Python code is interrupted in any thread."""
    caught = []

    def spins():
        try:
            with Watchdog(lambda: 0, lambda stack: None, timeout_s=0.02):
                while True:
                    pass
        except StuckError as error:
            caught.append(error)

    thread = threading.Thread(target=spins)
    thread.start()
    thread.join(60)
    assert len(caught) == 1


def test_signals_are_as_before():
    """Ctrl+C's handler is never touched; the watchdog's own signal goes back to whom it belonged and is handed on meanwhile."""
    heard = []
    before = signal.signal(SIGNAL, lambda number, frame: heard.append(number))
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        mine = signal.getsignal(SIGNAL)
        with Watchdog(lambda: 0, lambda stack: None):
            assert signal.getsignal(signal.SIGINT) is interrupt
            signal.raise_signal(SIGNAL)
        assert signal.getsignal(SIGNAL) is mine
        signal.raise_signal(SIGNAL)
    finally:
        signal.signal(SIGNAL, before)
    assert heard == [SIGNAL, SIGNAL]


def test_ctrl_c_works_while_it_watches():
    """KeyboardInterrupt comes out of the block as ever."""
    with pytest.raises(KeyboardInterrupt), Watchdog(lambda: 0, lambda stack: None):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_comes_late_is_dropped():
    """Behind the block nothing is raised, in the main thread or another."""
    dog = Watchdog(lambda: 0, lambda stack: None)
    with dog:
        pass
    dog._is_stuck = True
    dog._on_signal(SIGNAL, None)

    class Late:
        """The watchdog's thread, which interrupts once more as it ends."""

        def __init__(self, dog):
            self.thread, self.interrupts = dog._thread, [dog._interrupt]

        def join(self):
            self.thread.join()
            while self.interrupts:
                self.interrupts.pop()()

    def other():
        with Watchdog(lambda: 0, lambda stack: None) as here:
            here._thread = late = Late(here)
        ended.append(not late.interrupts)

    ended = []
    thread = threading.Thread(target=other)
    thread.start()
    thread.join(60)
    assert ended == [True]


def test_a_thread_that_has_ended_has_no_stack():
    """The report says so instead of failing."""
    dog = Watchdog(lambda: 0, lambda stack: None)
    dog._watched = -1
    assert dog._stack().endswith(" ended\n")
