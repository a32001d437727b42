"""Two runs in one process at once: what a run replaces process-wide is there while any of them lasts, and no longer."""

from __future__ import annotations

import _thread
import asyncio
import builtins
import os
import queue
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings
from concurrent import futures

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.runs.real_run import run_in_real_time
from evi_harness.runs.run import RunOptions
from evi_harness.runs.virtual_run import run_in_virtual_time
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.events import Note

OWNERS = (
    *(_thread, asyncio, asyncio.BaseEventLoop, builtins, os, queue.Queue, select, signal, socket, socket.socket, ssl.SSLSocket),
    *(subprocess.Popen, threading, threading.Condition, threading.Thread, time, warnings),
    *(futures.ThreadPoolExecutor, futures.ProcessPoolExecutor),
)
REPLACED_FOR_EACH_RUN = {"socket.__init__"}
ROWS = [
    ("received", 50, {"type": "chat_metadata", "chat_id": "chat-1", "chat_group_id": "group-1", "request_id": "request-1"}),
    ("received", 100, {"type": "assistant_end"}),
    ("received", 200, {"type": "assistant_end"}),
    ("closed", 300, ("app", 1000, "")),
]


def what_stands():
    """Every function of these modules and classes, by name."""
    return {
        f"{getattr(owner, '__name__', owner)}.{name}": value
        for owner in OWNERS
        for name, value in list(vars(owner).items())
        if callable(value)
    }


def differing(one, other):
    """The names of what differs."""
    return {name for name in {*one, *other} if one.get(name) is not other.get(name)}


class Meets:
    """A handler that meets another one at its first message, and goes on when it may.

    Args:
        there: Called once it is there.
        wait: Waits until it may go on.
    """

    def __init__(self, there, wait):
        self.there = there
        self.wait = wait
        self.n_heard = 0

    def on_message(self, message):
        self.n_heard += 1
        if self.n_heard == 1:
            self.there()
            self.wait()


def started(act):
    """A thread that does something, and what came of it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(act()))
    thread.start()
    return thread, results


@pytest.mark.slow
@pytest.mark.parametrize("run", [run_in_virtual_time, run_in_real_time], ids=["virtual", "real"])
@pytest.mark.parametrize("first_to_leave", ["first", "second"])
def test_runs_on_two_threads_leave_in_any_order(session_of, run, first_to_leave):
    """Each hears the whole conversation; nothing is replaced twice but for each run, and behind the last all is as before."""
    before, seen = what_stands(), {}
    there, may_leave = {"first": threading.Event(), "second": threading.Event()}, {"first": threading.Event(), "second": threading.Event()}

    def runs(name):
        handler = Meets(there[name].set, lambda: may_leave[name].wait(60))
        try:
            return run(session_of(ROWS), handler, RunOptions(EVI, HUME)), handler
        finally:
            # Where it fails, nobody waits for it.
            there[name].set()

    threads = {}
    for name in ("first", "second"):
        threads[name] = started(lambda name=name: runs(name))
        assert there[name].wait(60)
        seen[name] = what_stands()
    order = [first_to_leave, *({"first", "second"} - {first_to_leave})]
    for name in order:
        may_leave[name].set()
        threads[name][0].join(60)
        if name == first_to_leave:
            between = what_stands()
    assert differing(before, seen["first"]) == differing(before, between) != set()
    assert differing(seen["first"], seen["second"]) <= REPLACED_FOR_EACH_RUN
    assert differing(before, what_stands()) == set()
    assert [handler.n_heard for _, results in threads.values() for _, handler in results] == [3, 3]


def test_a_run_in_a_run(session_of):
    """One that an app makes of another, on a thread of its own, is whole, and so is its own; behind both all is as before."""
    before, inner, own = what_stands(), [], Meets(lambda: inner.append(what_stands()), lambda: None)

    def replays():
        inner.append(run_in_virtual_time(session_of(ROWS), own, RunOptions(EVI, HUME)))

    outer = Meets(lambda: inner.append(what_stands()), lambda: started(replays)[0].join(60))
    done = run_in_virtual_time(session_of(ROWS), outer, RunOptions(EVI, HUME))
    outside, inside, own_run = inner
    assert differing(outside, inside) <= REPLACED_FOR_EACH_RUN
    assert differing(before, what_stands()) == set()
    assert (outer.n_heard, own.n_heard) == (3, 3)
    assert [note.name for run in (done, own_run) for note in run.events if isinstance(note, Note) and note.name == "raised"] == []


def leaves_a_socket(kept):
    """Opens a socket and never closes it."""
    kept.append(socket.socket())


def loses_a_job(kept):
    """Gives a job to an executor, and never looks at how it failed."""
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(kept.remove, "what is not there")


@pytest.mark.slow
@pytest.mark.parametrize("run", [run_in_virtual_time, run_in_real_time], ids=["virtual", "real"])
@pytest.mark.parametrize(("act", "kind"), [(leaves_a_socket, "open_socket"), (loses_a_job, "swallowed")])
def test_what_a_handler_leaves_is_found_in_its_own_run(session_of, run, act, kind):
    """The other run began before it and lasts longer, and has no such finding."""
    there, may_leave, kept = threading.Event(), threading.Event(), []
    waits = Meets(there.set, lambda: may_leave.wait(60))
    thread, results = started(lambda: run(session_of(ROWS), waits, RunOptions(EVI, HUME)))
    try:
        assert there.wait(60)
        other, others = started(lambda: run(session_of(ROWS), Meets(lambda: act(kept), lambda: None), RunOptions(EVI, HUME)))
        other.join(60)
    finally:
        may_leave.set()
    thread.join(60)
    for one in kept:
        one.close()
    assert [sum(isinstance(note, Note) and note.name == kind for note in done.events) for done in (*results, *others)] == [0, 1]
