from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from evi_harness.settings.interrupts import Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt(number=signal.SIGINT):
    """What a terminal does."""
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _not_behind_nohup():
    """Where the tests run in a process that ignores SIGHUP, these do not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_told_to_the_loop(number):
    """Each once, as a call on the loop; behind the block all is as it was."""
    before = [signal.getsignal(one) for one in SIGNALS]

    async def main(interrupts):
        told = asyncio.Queue()
        interrupts.told_to(asyncio.get_running_loop(), lambda: told.put_nowait(threading.current_thread()))
        interrupt(number)
        first = await told.get()
        interrupt(number)
        return first, await told.get(), told.empty()

    with Interrupts() as interrupts:
        assert asyncio.run(main(interrupts)) == (threading.main_thread(), threading.main_thread(), True)
        assert interrupts.n == 2
    assert [signal.getsignal(one) for one in SIGNALS] == before


def test_behind_nohup_a_hangup_stays_ignored():
    """Whoever starts it so wants it to outlive the terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts:
        interrupt(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert interrupts.n == 0


def test_before_there_is_a_loop_it_interrupts():
    """As everywhere."""
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        interrupt()


def test_a_loop_that_is_blocked_is_interrupted_by_the_second():
    """The first has not been noticed when the second comes; what then ends is not interrupted by a third, unless it blocks as well."""

    async def main(interrupts):
        interrupts.told_to(asyncio.get_running_loop(), lambda: None)
        for _ in range(2):
            interrupt()
            with pytest.raises(KeyboardInterrupt):
                interrupt()

    with Interrupts() as interrupts:
        asyncio.run(main(interrupts))


def test_a_signal_wakes_a_loop_that_waits():
    """It need not find the loop running: what wakes it is in place for as long as the block, and gone behind it."""

    async def main(interrupts):
        told = asyncio.Event()
        interrupts.told_to(asyncio.get_running_loop(), told.set)
        ours = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(ours)
        # From another thread, while the loop has nothing to do.
        timer = threading.Timer(0, interrupt)
        timer.start()
        await told.wait()
        timer.join()
        return ours

    with Interrupts() as interrupts:
        assert asyncio.run(main(interrupts)) != -1
    assert signal.set_wakeup_fd(-1) == -1


def test_a_loop_that_nobody_blocks_notices_all():
    """However fast they come: each is told, and none interrupts."""

    async def main(interrupts):
        told = asyncio.Queue()
        interrupts.told_to(asyncio.get_running_loop(), lambda: told.put_nowait(None), may_block=False)
        for number in SIGNALS:
            interrupt(number)
        for _ in range(3):
            await told.get()

    with Interrupts() as interrupts:
        asyncio.run(main(interrupts))
        assert interrupts.n == 3


def test_behind_the_conversation_none_disturbs():
    """They are counted."""
    with Interrupts() as interrupts:
        interrupts.over()
        interrupt()
        interrupt(signal.SIGTERM)
        assert interrupts.n == 2


def test_behind_the_loop_none_disturbs():
    """Nobody has said yet that the conversation is over, and its loop is closed: nothing of the app's runs any more."""

    async def main(interrupts):
        interrupts.told_to(asyncio.get_running_loop(), lambda: None)

    with Interrupts() as interrupts:
        asyncio.run(main(interrupts))
        interrupt()
        interrupt()
        assert interrupts.n == 2


def test_what_comes_in_an_inner_block_has_come_in_the_outer_one():
    """Whoever pressed during the conversation has been heard by the command, too, also where nobody presses behind the conversation."""
    before = signal.getsignal(signal.SIGINT)
    try:
        with Interrupts() as outer:
            outer.over(for_good=True)
            with Interrupts() as inner:
                inner.over()
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
        assert (inner.n, outer.n, outer.last) == (2, 2, signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_takes_none():
    """Python lets only the main one."""
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run():
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize(("for_good", "presses", "is_ignored"), [(True, 1, True), (True, 0, False), (False, 1, False)])
def test_who_has_been_heard_disturbs_a_program_no_more(for_good, presses, is_ignored):
    """Where the program ends behind the block, and Ctrl+C has come; else it is as before."""
    before = signal.getsignal(signal.SIGINT)
    try:
        with Interrupts() as interrupts:
            interrupts.over(for_good=for_good)
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
        assert (interrupts.n, signal.getsignal(signal.SIGINT)) == (presses, signal.SIG_IGN if is_ignored else before)
    finally:
        signal.signal(signal.SIGINT, before)
