from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import evi_harness
from evi_harness.clocks.busy import busy
from evi_harness.clocks.virtual import run_virtual

SECOND = 1_000_000_000
LONG_NS = 60 * SECOND


def test_the_clock_stands_still_for_a_thread_of_the_apps_own():
    """Held on the loop until the result is there: no timer fires, and the run is deterministic."""

    async def main(loop):
        done, timers = asyncio.Event(), []
        loop.call_later(0.001, timers.append, "timer")

        def work():
            loop.call_soon_threadsafe(done.set)

        with busy():
            thread = threading.Thread(target=work)
            thread.start()
            await done.wait()
        thread.join()
        return loop.now_ns(), list(timers), loop.overdue_jobs

    assert run_virtual(main, thread_wait_ns=LONG_NS) == (0, [], ())


def test_a_thread_may_hold_and_release_by_itself():
    """The loop is woken by the release; what the thread handed over before it comes first."""

    async def main(loop):
        seen, held = [], threading.Event()

        def work():
            with busy():
                held.set()
                loop.call_soon_threadsafe(lambda: seen.append(("result", loop.now_ns())))

        loop.call_later(1, lambda: seen.append(("timer", loop.now_ns())))
        thread = threading.Thread(target=work)
        thread.start()
        held.wait(60)
        await asyncio.sleep(2)
        thread.join()
        return seen, loop.overdue_jobs

    assert run_virtual(main, thread_wait_ns=LONG_NS) == ([("result", 0), ("timer", SECOND)], ())


def test_a_synchronous_subprocess_on_a_thread_is_waited_for():
    """What the loop does not know of takes no virtual time."""

    async def main(loop):
        done = asyncio.get_running_loop().create_future()

        def work():
            output = subprocess.run([sys.executable, "-c", "print(42)"], capture_output=True, check=True).stdout
            loop.call_soon_threadsafe(done.set_result, output)

        loop.call_later(0.001, lambda: None)
        with busy():
            threading.Thread(target=work).start()
            return await done, loop.now_ns(), loop.is_deterministic

    assert run_virtual(main, thread_wait_ns=LONG_NS) == (b"42\n", 0, True)


def test_held_too_long_it_is_named_with_its_place():
    """A wait for time to pass inside the block ends all the same, and the run is marked."""

    async def main(loop):
        with busy():
            await asyncio.sleep(0.001)
        return loop.overdue_jobs

    (name,) = run_virtual(main, thread_wait_ns=1000)
    assert name.startswith(f"busy ({__file__}:")
    assert name.endswith(" in main)")


def test_two_may_hold_at_once():
    """The clock moves when the last has let go."""

    async def main(loop):
        seen, both, first = [], threading.Event(), threading.Event()

        def work(own, other):
            with busy():
                own.set()
                other.wait(60)
                if own is first:
                    loop.call_soon_threadsafe(lambda: seen.append(loop.now_ns()))

        loop.call_later(1, lambda: seen.append(loop.now_ns()))
        threads = [threading.Thread(target=work, args=pair) for pair in ((first, both), (both, first))]
        for thread in threads:
            thread.start()
        first.wait(60)
        both.wait(60)
        await asyncio.sleep(2)
        for thread in threads:
            thread.join()
        return seen, loop.overdue_jobs

    assert run_virtual(main, thread_wait_ns=LONG_NS) == ([0, SECOND], ())


def test_on_a_loops_thread_it_holds_that_loop_alone():
    """Another replay in the process goes on."""
    entered, over = threading.Event(), threading.Event()

    async def holds(loop):
        with busy():
            entered.set()
            over.wait(60)

    async def goes_on(loop):
        await asyncio.sleep(60)
        return loop.now_ns(), loop.overdue_jobs

    thread = threading.Thread(target=run_virtual, args=(holds,))
    thread.start()
    entered.wait(60)
    try:
        assert run_virtual(goes_on, thread_wait_ns=LONG_NS) == (60 * SECOND, ())
    finally:
        over.set()
        thread.join()


def test_outside_virtual_time_it_does_nothing():
    """It can stay in an app, with no loop and with an ordinary one; what is held past the end of a run is let go in peace."""

    async def ordinary():
        with busy():
            await asyncio.sleep(0)

    with busy():
        pass
    asyncio.run(ordinary())
    left = busy()

    async def main(loop):
        left.__enter__()

    run_virtual(main)
    left.__exit__(None, None, None)


def test_it_is_public():
    """An app imports it from the package."""
    assert evi_harness.busy is busy
