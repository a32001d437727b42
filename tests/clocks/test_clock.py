from __future__ import annotations

import asyncio

from evi_harness.clocks.clock import RealClock


def test_the_real_clock_never_goes_back():
    """Two readings are integers, the second not before the first."""
    clock = RealClock()
    first, second = clock.now_ns(), clock.now_ns()
    assert isinstance(first, int)
    assert first <= second


def test_the_real_clock_and_the_loop_mean_the_same_instant():
    """A call that is due already is made; one that was cancelled is not."""

    async def main():
        made = asyncio.Event()
        clock = RealClock()
        calls = []
        clock.call_at_ns(clock.now_ns(), lambda: calls.append("cancelled")).cancel()
        clock.call_at_ns(clock.now_ns() - 1, made.set)
        await asyncio.wait_for(made.wait(), 60)
        return calls

    assert asyncio.run(main()) == []
