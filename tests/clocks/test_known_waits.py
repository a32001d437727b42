"""Tests of evi_harness.clocks.known_waits, on a clock that is set; the calls are the real ones."""

from __future__ import annotations

import builtins
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from evi_harness.clocks import steps as steps_module
from evi_harness.clocks.known_waits import KnownWaits
from evi_harness.clocks.stepping import run_stepping
from evi_harness.clocks.steps import ReadySteps

MS = 1_000_000


class Handle:
    """What the loop runs."""

    def __init__(self, callback=None) -> None:
        self._callback = callback


@pytest.fixture
def clock(monkeypatch):
    """Both clocks of the steps: each reading of the real one is 100 ms on, and the processor's stands still."""

    class Time:
        now_ns = 0

        @classmethod
        def perf_counter_ns(cls):
            cls.now_ns += 100 * MS
            return cls.now_ns

        @staticmethod
        def thread_time_ns():
            return 0

    monkeypatch.setattr(steps_module, "time", Time)
    return Time


@pytest.fixture
def told():
    """The steps of a loop on this thread that is watched, one of which runs, and those that were told of."""
    steps, told = ReadySteps(), []
    with KnownWaits() as waits:
        waits.watch(steps)
        steps.append(Handle())
        steps.tell(0, told.append)
        steps.popleft()
        yield lambda: (steps.end(), told[-1].waited_ns // MS)[1]


def reads_what_is_there():
    """Read from a socket what has been sent."""
    here, there = socket.socketpair()
    with here, there:
        there.send(b"a")
        assert here.recv(1) == b"a"


def hands_over():
    """Wait for a thread that is over."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("act", "ms"),
    [
        (lambda: None, 0),
        (lambda: time.sleep(0), 0),
        (lambda: time.sleep(0.001), 1),
        (lambda: threading.Event().wait(0.001), 1),
        (lambda: threading.Event().wait(timeout=0.001), 1),
        (lambda: select.select([], [], [], 0), 0),
        (lambda: subprocess.run([sys.executable, "-c", ""], check=True), 200),
        (lambda: os.system("true"), 100),
        (reads_what_is_there, 200),
        (hands_over, 100),
    ],
    ids=["nothing", "sleep 0", "sleep", "event", "event, by name", "select", "subprocess", "system", "socket", "thread"],
)
def test_a_wait_counts_for_what_it_took_and_no_longer_than_it_was_to(clock, told, act, ms):
    """What it took beyond that is the machine's. Within one wait others are not counted again; starting a thread is none."""
    act()
    assert told() == ms


def test_a_socket_that_does_not_block_waits_for_nothing(clock, told):
    """As those of a loop: what its calls take is the machine's."""
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        with pytest.raises(BlockingIOError):
            here.recv(1)
        here.send(b"a")
    assert told() == 0


def test_what_a_call_computes_is_not_waited(clock, told, monkeypatch):
    """It is in the time of the processor already."""
    cpu = iter([0, 30 * MS, 30 * MS, 30 * MS])
    monkeypatch.setattr(clock, "thread_time_ns", lambda: next(cpu))
    subprocess.Popen([sys.executable, "-c", ""]).wait()
    assert told() == 70


def test_other_threads_and_what_runs_between_steps_count_nothing(clock):
    """A wait is of the step that runs, on the loop's own thread."""
    steps, found = ReadySteps(), []
    steps.extend([Handle(), Handle()])
    steps.tell(0, found.append)
    with KnownWaits() as waits:
        waits.watch(steps)
        time.sleep(0)
        os.system("true")
        steps.popleft()
        thread = threading.Thread(target=os.system, args=("true",))
        thread.start()
        while thread.is_alive():
            pass
        steps.end()
    steps.popleft()
    os.system("true")
    steps.end()
    assert [step.waited_ns for step in found] == [0, 0]


def test_what_the_harness_does_counts_nothing(clock, told):
    """It looks at what threads there are and waits for them, and that is no wait of the app's."""
    with steps_module.own_work():
        os.system("true")
    # No loop runs on this thread, so nothing says whose work it is.
    assert told() == 100

    def looks():
        with steps_module.own_work():
            os.system("true")

    async def works(loop):
        looks()
        return loop.steps._waited_ns

    with KnownWaits() as waits:
        assert run_stepping(lambda loop: (waits.watch(loop.steps), works(loop))[1]) == 0


def test_all_is_put_back_and_what_was_kept_does_nothing_more(clock):
    """Also where an app has one of them by a name of its own; in the next run it counts again."""
    places = [(builtins, "input"), (os, "system"), (select, "select"), (socket.socket, "recv"), (ssl.SSLSocket, "read"), (time, "sleep")]
    before = [getattr(owner, name) for owner, name in places]
    with KnownWaits():
        assert all(getattr(owner, name) is not real for (owner, name), real in zip(places, before))
        kept = os.system
    assert [getattr(owner, name) for owner, name in places] == before
    assert "recv" not in vars(socket.socket)
    kept("true")
    steps, found = ReadySteps(), []
    steps.append(Handle())
    steps.tell(0, found.append)
    with KnownWaits() as waits:
        waits.watch(steps)
        steps.popleft()
        kept("true")
        steps.end()
    assert [step.waited_ns for step in found] == [100 * MS]


def test_calls_go_as_ever():
    """With their errors, their results and their names."""
    with KnownWaits() as waits:
        waits.watch(ReadySteps())
        assert (time.sleep.__name__, time.sleep.__doc__) != ("call", None)
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
        assert threading.Event().wait(0) is False
        assert os.system("exit 3") != 0


def test_in_virtual_time_each_wait_is_told_as_it_ends():
    """Those that no loop makes for each message; time.sleep and the network are virtual time's own."""
    before = time.sleep, socket.socket.recv, select.select
    steps, waited = ReadySteps(), []
    steps.on_wait = waited.append
    steps.append(Handle())
    with KnownWaits(in_virtual_time=True) as waits:
        assert (time.sleep, socket.socket.recv, select.select) == before
        waits.watch(steps)
        steps.popleft()
        threading.Event().wait(0.01)
        os.system("true")
        steps.end()
    assert len(waited) == 2
    assert waited[0] <= 10 * MS
