from __future__ import annotations

import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.audio.cadence import Cadence
from evi_harness.clocks.virtual import run_virtual

SECOND = 1_000_000_000


def blocks_of(rate, n_frames, n_blocks, **options):
    """The times of so many blocks in virtual time, from the start."""

    async def main(loop):
        times = []
        done = loop.create_future()

        def run_block(at_ns):
            times.append((at_ns, loop.now_ns()))
            return len(times) < n_blocks

        Cadence(rate, n_frames, run_block, lambda: done.set_result(None), clock=loop, **options).start()
        await done
        return times

    return run_virtual(main)


@given(rate=st.integers(8000, 192000), n_frames=st.integers(1, 4096), n_blocks=st.integers(1, 50), first=st.integers(0, 1))
def test_each_block_is_due_where_its_frames_say(rate, n_frames, n_blocks, first):
    """No block is a nanosecond off, however many came before it: nothing adds up."""
    due = [(number + first) * n_frames * SECOND // rate for number in range(n_blocks)]
    assert blocks_of(rate, n_frames, n_blocks, first=first) == [(at_ns, at_ns) for at_ns in due]


@given(
    n_frames=st.integers(1, 4096),
    n_blocks=st.integers(1, 50),
    first=st.integers(0, 1),
    speed=st.fractions("0.01", 1000, max_denominator=100),
)
def test_each_block_is_due_so_many_times_as_early(n_frames, n_blocks, first, speed):
    """At a speed no block is a nanosecond off either."""
    due = [int(Fraction((number + first) * n_frames * SECOND, 48_000) / speed) for number in range(n_blocks)]
    assert blocks_of(48_000, n_frames, n_blocks, first=first, speed=speed) == [(at_ns, at_ns) for at_ns in due]


@pytest.mark.parametrize("first", [0, 1])
def test_as_fast_as_taken_a_block_waits_only_where_the_device_rests(first):
    """A block that had something is followed at once; one that had nothing by the next after its own length."""
    rests = iter([False, False, True, False, True, True])
    assert [at_ns // 1_000_000 for at_ns, _ in blocks_of(1000, 10, 6, first=first, speed=None, rests=lambda: next(rests))] == [
        *(0, 0, 0, 10, 10, 20)
    ]


def test_as_fast_as_taken_leaves_the_loop_its_turns():
    """Between any two blocks what is ready runs: an app can answer what it hears."""

    async def main(loop):
        seen = []
        done = loop.create_future()

        def run_block(at_ns):
            seen.append("block")
            loop.call_soon(seen.append, "app")
            return len(seen) < 5

        Cadence(1000, 10, run_block, lambda: done.set_result(None), clock=loop, speed=None, rests=lambda: False).start()
        await done
        return seen

    assert run_virtual(main) == ["block", "app"] * 3


def test_what_was_missed_is_run_at_once_with_its_own_time():
    """A blocked loop delays blocks; it neither drops them nor moves their times."""

    async def main(loop):
        times = []
        done = loop.create_future()

        def run_block(at_ns):
            times.append((at_ns // 1_000_000, loop.now_ns() // 1_000_000))
            return at_ns < SECOND // 20

        Cadence(1000, 10, run_block, lambda: done.set_result(None), clock=loop).start()
        loop.call_at_ns(15_000_000, lambda: loop.charge(25_000_000, "here"))
        await done
        return times

    assert run_virtual(main) == [(0, 0), (10, 10), (20, 40), (30, 40), (40, 40), (50, 50)]


def test_nothing_runs_behind_a_stop():
    """The one who stops it is told that it was active, the next one that it was not, and its end is not announced."""

    async def main(loop):
        times, ends = [], []
        cadence = Cadence(1000, 10, lambda at_ns: times.append(at_ns) or True, lambda: ends.append(1), clock=loop)
        cadence.start()
        stopped = loop.create_future()
        loop.call_at_ns(25_000_000, lambda: stopped.set_result((cadence.stop(), cadence.stop())))
        told = await stopped
        later = loop.create_future()
        loop.call_at_ns(SECOND, lambda: later.set_result(None))
        await later
        return told, len(times), ends, cadence.is_active

    assert run_virtual(main) == ((True, False), 3, [], False)


@pytest.mark.parametrize("by_block", [True, False])
def test_in_real_time_a_thread_keeps_the_time(by_block):
    """Blocks run one after another on one thread that is not the app's; it ends with the last block, or when it is stopped."""
    enough, ended, threads, times = threading.Event(), threading.Event(), set(), []

    def run_block(at_ns):
        threads.add(threading.current_thread())
        times.append(at_ns)
        if len(times) == 5:
            enough.set()
        return len(times) < 5 or not by_block

    cadence = Cadence(48000, 48, run_block, ended.set)
    cadence.start()
    assert enough.wait(60)
    if by_block:
        assert ended.wait(60)
    assert cadence.stop() is not by_block
    assert ended.is_set() is by_block
    (thread,) = threads
    assert thread is not threading.current_thread()
    assert not thread.is_alive()
    assert [at_ns - cadence.began_ns for at_ns in times] == [1_000_000 * number for number in range(len(times))]
    assert cadence.now_ns() >= times[-1]


def test_it_can_be_started_again():
    """A second start begins at its own time, with the first block."""

    async def main(loop):
        times = []
        ended = []
        cadence = Cadence(
            1000, 10, lambda at_ns: times.append(at_ns) or len(times) % 2 == 1, lambda: ended[-1].set_result(None), clock=loop
        )
        for _ in range(2):
            ended.append(loop.create_future())
            cadence.start()
            await ended[-1]
        return times

    assert run_virtual(main) == [0, 10_000_000, 10_000_000, 20_000_000]
