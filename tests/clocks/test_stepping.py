from __future__ import annotations

import asyncio

import pytest

from evi_harness.clocks.stepping import run_stepping
from evi_harness.errors import UsageError


def test_it_runs_as_asyncio_does_and_measures_its_steps():
    """The result comes back; steps and looks are counted."""

    async def main(loop):
        before = loop.n_looks
        await asyncio.sleep(0)
        await loop.run_in_executor(None, str)
        return loop.n_looks > before, loop.steps.n_steps > 0, asyncio.get_running_loop() is loop

    assert run_stepping(main) == (True, True, True)


def test_a_step_ends_where_the_loop_looks():
    """What it waits for is no part of a step."""
    told = []

    async def main(loop):
        loop.steps.tell(0, told.append)
        loop._selector.select(0)
        return [step.what.rpartition(".")[2] for step in told]

    assert run_stepping(main) == ["main"]


def test_a_loop_that_waits_looks_up_meanwhile():
    """Where nothing is ready and no timer is set, too: so a watchdog tells it from one that is blocked."""

    async def main(loop):
        return [loop._selector.select(timeout_s) for timeout_s in (None, 3600)], loop.n_looks >= 2

    assert run_stepping(main, look_up_s=0.001) == ([[], []], True)


def test_what_is_left_is_cancelled():
    """Tasks and asynchronous generators, also where the main coroutine fails."""
    ended = []

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def main(loop):
        waiting.append(loop.create_task(waits()))
        await asyncio.sleep(0)
        raise ValueError("no")

    waiting = []
    with pytest.raises(ValueError, match="no"):
        run_stepping(main)
    assert ended == ["task"]
    assert waiting[0].cancelled()


def test_it_does_not_start_inside_a_running_loop():
    """A usage error that says so."""

    async def main(loop):
        run_stepping(main)

    with pytest.raises(UsageError, match="running event loop"):
        run_stepping(main)
