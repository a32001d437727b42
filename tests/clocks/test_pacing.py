from __future__ import annotations

import asyncio
import gc
import selectors
import socket
import sys
import threading
import time

import pytest

from evi_harness.clocks import pacing
from evi_harness.clocks.pacing import PreciseSelector, collect_garbage, new_precise_loop, own_process, run_precisely


@pytest.fixture(params=["precise", "descriptor out of reach"])
def selector(request, monkeypatch):
    """A selector with a socket to watch, also where the poller's own descriptor is too large to wait for."""
    if request.param != "precise":
        monkeypatch.setattr(pacing, "MAX_DESCRIPTORS", 0)
    here, there = socket.socketpair()
    with PreciseSelector() as made, here, there:
        made.register(here, selectors.EVENT_READ, "here")
        yield made, there


@pytest.mark.parametrize("timeout", [0.0001, 0.0015, 0.02])
def test_a_wait_is_never_cut_short(selector, timeout):
    """Nothing is ready, and no less than the time has passed."""
    began = time.monotonic()
    assert selector[0].select(timeout) == []
    assert time.monotonic() - began >= timeout


@pytest.mark.parametrize("timeout", [None, 0, -1, 0.0001, 60])
def test_what_is_ready_is_handed_out_at_once(selector, timeout):
    """However long the wait might have been."""
    selector[1].send(b"x")
    assert [key.data for key, _ in selector[0].select(timeout)] == ["here"]


def test_looking_does_not_wait(selector):
    """A timeout of nothing looks once."""
    assert selector[0].select(0) == []
    assert selector[0].select(-1) == []


def test_a_wait_ends_when_something_arrives(selector):
    """Bytes that come from another thread while it waits."""
    sender = threading.Timer(0.01, selector[1].send, [b"x"])
    sender.start()
    assert [key.data for key, _ in selector[0].select(60)] == ["here"]
    sender.join()


def test_timers_ring_in_order_and_never_early():
    """On a precise loop, whatever order they were set in."""
    loop = new_precise_loop()
    rang = []
    now = loop.time()
    dues = [now + ms / 1000 for ms in (7, 0.3, 2, 2.1, 0)]
    for due in dues:
        loop.call_at(due, lambda due=due: rang.append((due, loop.time())))
    loop.call_at(now + 0.01, loop.stop)
    loop.run_forever()
    loop.close()
    assert [due for due, _ in rang] == sorted(dues)
    assert all(at >= due - time.get_clock_info("monotonic").resolution for due, at in rang)


def test_a_thread_wakes_the_loop():
    """A call from another thread ends a wait that would be long."""

    async def main():
        loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=[done.set_result, "woken"])
        asleep = asyncio.ensure_future(asyncio.sleep(60))
        thread.start()
        result = await done
        thread.join()
        asleep.cancel()
        return result

    assert run_precisely(main) == "woken"


def test_a_run_leaves_nothing_behind():
    """Tasks that are left are cancelled, generators closed, and the loop too; what is raised comes out."""
    left = []

    async def never():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            left.append("task")

    async def generate():
        try:
            yield 1
        finally:
            left.append("generator")

    async def main():
        left.append(asyncio.get_running_loop())
        left.append(asyncio.ensure_future(never()))
        left.append(generate())
        await left[2].__anext__()
        raise ValueError("out")

    with pytest.raises(ValueError, match="out"):
        run_precisely(main)
    loop, task = left[:2]
    assert loop.is_closed()
    assert task.cancelled()
    assert left[3:] == ["task", "generator"]


def test_a_process_of_our_own_hands_over_quickly():
    """Threads give way sooner, what is loaded is not collected again, and no full collection comes by itself."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    kept = []
    try:
        own_process()
        assert sys.getswitchinterval() < 0.001
        assert gc.get_freeze_count() > 0
        n_full = gc.get_stats()[2]["collections"]
        kept += [[] for _ in range(2_000_000)]
        assert gc.get_stats()[2]["collections"] == n_full
        collect_garbage()
        assert gc.get_stats()[2]["collections"] == n_full + 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
