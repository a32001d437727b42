"""Tests of evi_harness.guard.loop_interrupts."""

from __future__ import annotations

import asyncio
import selectors
import signal
import sys
from os import getpid, kill

import pytest

from evi_harness.clocks.app_loop import AppLoop, run_to_end, wind_up
from evi_harness.clocks.exits import AppExits
from evi_harness.guard.ending import Ending, UsersInterrupt
from evi_harness.guard.loop_interrupts import interrupt, is_between_callbacks
from evi_harness.settings.interrupts import Interrupts


@pytest.fixture
def loop():
    """A loop that is closed behind the test."""
    made = AppLoop()
    yield made
    made.close()


def asks(loop, answers):
    """A function that asks about whoever calls it."""
    return lambda *_: answers.append(is_between_callbacks(sys._getframe(1), loop))


def test_within_a_callback(loop):
    """Of the loop, in a task, and in what either calls."""
    answers = []
    ask = asks(loop, answers)

    async def main():
        ask()
        loop.call_soon(lambda: sorted([1], key=ask))
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert answers == [False, False]


def test_in_a_callback_without_python_code(loop):
    """It has no frame: the one that calls it stands for it."""
    answers = []
    before = signal.signal(signal.SIGUSR1, lambda _, frame: answers.append(is_between_callbacks(frame, loop)))
    try:
        loop.call_soon(kill, getpid(), signal.SIGUSR1)
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert answers == [False]


def test_while_the_loop_waits():
    """In the selector, which may be a class of Python's or one of its own."""
    answers = []

    class Asking(selectors.DefaultSelector):
        def select(self, timeout=None):
            ask()
            return super().select(timeout)

    loop = AppLoop(Asking())
    ask = asks(loop, answers)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert set(answers) == {True}


def test_where_a_callback_is_taken_and_not_called(loop):
    """In the queue, and in what is about to call it."""
    answers = []

    def trace(frame, _event, _arg):
        if frame.f_code is not asyncio.Handle._run.__code__:
            return None
        answers.append(is_between_callbacks(frame, loop))
        return trace

    loop._ready.on_step = asks(loop, answers)
    loop.call_soon(int)
    loop.call_soon(loop.stop)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        loop.run_forever()
    finally:
        sys.settrace(before)
    assert len(answers) > 4
    assert set(answers) == {True}


def test_another_loop_is_none_of_its_business(loop):
    """Nor is where no loop runs."""
    other, answers = AppLoop(), []
    other._ready.on_step = asks(loop, answers)
    other.run_until_complete(asyncio.sleep(0))
    other.close()
    assert set(answers) == {False}
    assert not is_between_callbacks(sys._getframe(), loop)
    assert not is_between_callbacks(None, loop)


def test_without_a_loop_it_is_here():
    """As everywhere."""
    with pytest.raises(UsersInterrupt):
        interrupt(sys._getframe())


class Steps:
    """A task that is to go through its steps, and something that happens when the loop has taken the n-th of them and not called it."""

    def __init__(self, loop, nth, what):
        self.n_taken, self.n_gone, self.nth, self.what, self.loop, self.task = 0, 0, nth, what, loop, None
        loop._ready.on_step = self.on_step

    def on_step(self, handle):
        if self.task is not None and getattr(getattr(handle, "_callback", None), "__self__", None) is self.task:
            self.n_taken += 1
            if self.n_taken == self.nth:
                self.what()

    async def main(self):
        self.task = self.loop.create_task(self.steps())
        await self.task

    async def steps(self):
        for _ in range(3):
            self.n_gone += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_two_signals_at_once_between_two_callbacks_lose_none(loop, nth):
    """The loop is not blocked, so it hears both, and goes on."""
    told = []

    def both():
        kill(getpid(), signal.SIGINT)
        kill(getpid(), signal.SIGTERM)

    steps = Steps(loop, nth, both)
    with Interrupts() as interrupts:
        interrupts.told_to(loop, lambda: told.append(steps.n_gone))
        loop.run_until_complete(steps.main())
    assert steps.n_gone == 3
    assert len(told) == 2


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_signal_before_anybody_is_told_loses_none(loop, nth):
    """It interrupts the loop, and what was to run next still can."""
    steps = Steps(loop, nth, lambda: kill(getpid(), signal.SIGINT))
    with Interrupts(), pytest.raises(UsersInterrupt):
        loop.run_until_complete(steps.main())
    loop._ready.on_step = None
    loop.run_until_complete(asyncio.wait_for(steps.task, 60))
    assert steps.n_gone == 3


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_ctrl_c_in_a_replay_loses_none(loop, nth):
    """It comes out of the loop, whose winding up then ends."""
    steps = Steps(loop, nth, lambda: kill(getpid(), signal.SIGINT))
    with AppExits(Ending()) as exits:
        exits.signals.loop = loop
        with pytest.raises(UsersInterrupt):
            run_to_end(loop, steps.main())
        loop._ready.on_step = None
        steps.task.cancel()
        wind_up(loop, asyncio.wait({steps.task}, timeout=60))
    assert steps.task.cancelled()
