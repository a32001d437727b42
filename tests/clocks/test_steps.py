from __future__ import annotations

import asyncio
import time

import pytest

from evi_harness.clocks import steps as steps_module
from evi_harness.clocks.app_loop import HostTask
from evi_harness.clocks.steps import ReadySteps, Step, own_work
from evi_harness.clocks.virtual import run_virtual


class Handle:
    def __init__(self, callback) -> None:
        self._callback = callback


def first() -> None:
    """Do nothing."""


def second() -> None:
    """Do nothing."""


@pytest.fixture
def ticks(monkeypatch):
    """The readings of both clocks, to be set by the test."""
    clocks = {"real": 0, "cpu": 0}

    class Time:
        perf_counter_ns = staticmethod(lambda: clocks["real"])
        thread_time_ns = staticmethod(lambda: clocks["cpu"])

    monkeypatch.setattr(steps_module, "time", Time)
    return clocks


def test_the_worst_step_is_kept_with_what_ran(ticks):
    """A step lasts until the next is taken or the loop waits; the one that computed longest is the worst, not one that was kept waiting."""
    steps = ReadySteps()
    steps.extend([Handle(first), Handle(second), Handle(None)])
    steps.popleft()
    ticks.update(real=50, cpu=20)
    steps.popleft()
    assert steps.worst == Step(1, "first", 50, 20)
    ticks.update(real=150, cpu=30)
    steps.end()
    assert steps.worst == Step(1, "first", 50, 20)
    ticks.update(real=1000, cpu=90)
    steps.end()
    steps.popleft()
    ticks.update(real=1030, cpu=111)
    steps.end()
    assert steps.worst is not None
    assert (steps.worst.number, steps.worst.took_ns, steps.worst.cpu_ns) == (3, 30, 21)
    assert steps.n_steps == 3
    assert steps.longest_ns == 100
    steps.forget()
    assert (steps.worst, steps.longest_ns) == (None, 0)


def test_an_empty_queue_counts_nothing():
    """Taking from an empty queue fails as a deque does, and is no step."""
    steps = ReadySteps()
    with pytest.raises(IndexError):
        steps.popleft()
    steps.end()
    assert (steps.n_steps, steps.worst) == (0, None)


def test_a_task_is_named_by_its_coroutine():
    """On a real loop the step that computes longest is the coroutine that did."""

    async def computes(loop):
        until = time.thread_time_ns() + 20_000_000
        while time.thread_time_ns() < until:
            pass
        return loop

    loop = run_virtual(computes)
    assert loop.steps.worst.what.endswith("computes")
    assert loop.steps.worst.took_ns >= 20_000_000


def test_long_steps_are_told_of_when_they_have_ended(ticks):
    """In real time, with the file of their code; from then on, and no shorter ones."""
    steps, told = ReadySteps(), []
    steps.extend([Handle(first), Handle(second), Handle(first)])
    steps.popleft()
    ticks.update(real=500)
    steps.end()
    steps.tell(100, told.append)
    for real in (599, 699):
        steps.popleft()
        ticks.update(real=real, cpu=real // 100)
        steps.end()
    assert told == [Step(3, "first", 100, 1)]
    assert told[0].file == __file__


def test_what_the_harness_does_is_in_no_step(ticks):
    """Neither in real time nor in time of the processor, and not in the longest step either; within it, it is counted once."""
    steps, told = ReadySteps(), []
    steps.extend([Handle(first), Handle(second)])
    steps.tell(10, told.append)
    steps.popleft()
    ticks.update(real=20, cpu=15)
    with steps.own_work():
        ticks.update(real=500, cpu=400)
        with steps.own_work():
            ticks.update(real=520, cpu=415)
    ticks.update(real=530, cpu=420)
    steps.popleft()
    ticks.update(real=545, cpu=421)
    steps.end()
    assert [(step.took_ns, step.cpu_ns) for step in told] == [(30, 20), (15, 1)]
    assert steps.longest_ns == 30
    assert (steps.worst.what, steps.worst.cpu_ns) == ("first", 20)


def test_what_the_harness_does_between_steps_is_left_out_of_nothing(ticks):
    """There is nothing to leave it out of; nor where no loop runs."""
    steps, told = ReadySteps(), []
    steps.append(Handle(first))
    steps.tell(0, told.append)
    with steps.own_work(), own_work():
        ticks.update(real=500, cpu=400)
    steps.popleft()
    ticks.update(real=530, cpu=420)
    steps.end()
    assert [(step.took_ns, step.cpu_ns) for step in told] == [(30, 20)]


def test_steps_of_a_task_that_hosts_an_app_are_known():
    """The harness runs tasks for itself too."""
    told = []

    async def nothing():
        return

    async def main(loop):
        loop.steps.tell(0, told.append)
        task = HostTask(nothing(), loop=loop)
        loop.keep(task)
        await asyncio.wait({task})

    run_virtual(main)
    assert {step.hosts_app for step in told if step.what.endswith("nothing")} == {True}
    assert {step.hosts_app for step in told if step.what.endswith("main")} == {False}
