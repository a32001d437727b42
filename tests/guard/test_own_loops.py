from __future__ import annotations

import asyncio
import threading

import pytest

from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.callers import callers_of
from evi_harness.guard.own_loops import OwnLoops


def close(loop):
    """Make no use of a loop."""
    loop.close()


# How an app makes a loop → on which thread.
WAYS = {
    "asyncio.run": lambda: asyncio.run(asyncio.sleep(0)),
    "new_event_loop": lambda: close(asyncio.new_event_loop()),
    "SelectorEventLoop": lambda: close(asyncio.SelectorEventLoop()),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_of_the_apps_own_is_told(way):
    """With its place, once however often; it runs all the same."""
    told = []

    async def main(loop):
        with OwnLoops(told.append):
            for _ in range(2):
                await asyncio.to_thread(WAYS[way])

    run_virtual(main)
    (stack,) = told
    assert callers_of(stack)[0].startswith(f"{__file__}:")


def test_one_that_python_refuses_is_told_as_well():
    """asyncio.run on the loop's own thread fails by itself, before there is a loop."""
    told = []

    async def main(loop):
        coroutine = asyncio.sleep(0)
        with OwnLoops(told.append), pytest.raises(RuntimeError):
            asyncio.run(coroutine)
        coroutine.close()

    run_virtual(main)
    assert len(told) == 1


def test_loops_of_others_are_not():
    """A thread that ran before, and anybody once the block is left; nothing stays replaced."""
    real = asyncio.run, asyncio.BaseEventLoop.__init__
    told, go, done = [], threading.Event(), threading.Event()

    def others():
        go.wait(10)
        asyncio.run(asyncio.sleep(0))
        done.set()

    thread = threading.Thread(target=others)
    thread.start()
    with OwnLoops(told.append):
        go.set()
        done.wait(10)
    thread.join()
    asyncio.run(asyncio.sleep(0))
    assert told == []
    assert (asyncio.run, asyncio.BaseEventLoop.__init__) == real
