"""Children that an app forks: one that returns into the run would run it a second time, and is ended.

A fork alone is in order: a child that runs a program, or does its work and ends, is never seen here. A child that comes back from the app's
code into the event loop would answer the service, judge and write reports beside its parent. So it says over a pipe where it was forked,
and ends; the parent reads that at its end.

Rules of living here: in a child nothing but the pipe is written to. Python cannot unregister a fork hook, so there is one for the process,
which does nothing without a run.
"""

from __future__ import annotations

import json
import os
import select
import time
from types import TracebackType
from typing import Callable, List, Optional, Sequence, Set, Tuple, Type

from evi_harness.guard.callers import callers_now
from evi_harness.guard.developers import of_developers
from evi_harness.guard.patches import SharedHooks
from evi_harness.guard.place_lookup import N_PLACES, Stack
from evi_harness.guard.program_end import really_exit
from evi_harness.guard.run_threads import RunThreads
from evi_harness.session.places import Place

__all__ = ["ForkedChildren", "end_if_forked"]

# How long children may take to come back once the run is over, in real seconds: as long as threads may.
ENDING_S = 2.0
# What a child that came back ends with.
STATUS = 70

_RUNS: SharedHooks[ForkedChildren] = SharedHooks(set_for_good=lambda: os.register_at_fork(before=_before, after_in_child=_in_child))
# In a child of a run: what tells the parent where it was forked.
_CHILD: List[Callable[[], None]] = []


class ForkedChildren:
    """Watches for children of one run that come back into it, for as long as the block runs."""

    def __init__(self) -> None:
        self._threads = RunThreads()
        self._pipe: Optional[Tuple[int, int]] = None

    def __enter__(self) -> ForkedChildren:
        self._threads.__enter__()
        _RUNS.join(self)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        _RUNS.leave(self)
        self._threads.__exit__(kind, error, trace)
        if self._pipe is not None:
            for descriptor in self._pipe:
                if descriptor >= 0:
                    os.close(descriptor)
            self._pipe = None

    def came_back(self, timeout_s: float = ENDING_S) -> Sequence[Stack]:
        """Where the children that came back were forked, each place once; waits for children that still run.

        Args:
            timeout_s: How long, in real seconds; no longer than they need.
        """
        if self._pipe is None:
            return []
        read, written = self._pipe
        os.close(written)
        self._pipe = (read, -1)
        told = b""
        until_s = time.monotonic() + timeout_s
        while select.select([read], [], [], max(0.0, until_s - time.monotonic()))[0]:
            part = os.read(read, 65536)
            if not part:
                break
            told += part
        found: Set[Stack] = {tuple(map(tuple, json.loads(line))) for line in told.splitlines() if line.endswith(b"]")}
        return sorted(found, key=repr)

    def about_to_fork(self) -> None:
        """Make the pipe, if it is a thread of the run that forks."""
        if self._pipe is None and self._threads.here():
            self._pipe = os.pipe()

    def forked(self) -> Optional[Callable[[], None]]:
        """In the child: what tells the parent that it came back; None where the parent's run has nothing to do with it."""
        if self._pipe is None or not self._threads.here():
            return None
        _, written = self._pipe
        stack = json.dumps(_shortened(callers_now())).encode() + b"\n"
        return lambda: None if written < 0 else _say(written, stack)


def end_if_forked() -> None:
    """End the process if it is a child that an app forked in a run: this is called where only the run goes on."""
    if _CHILD:
        try:
            _CHILD[0]()
        finally:
            really_exit(STATUS)


def _shortened(stack: Stack) -> Stack:
    """What is told of a stack, so that it goes into the pipe in one piece, whatever other children write."""
    own = tuple((place.file, place.line, place.function) for place in of_developers(Place(*one) for one in stack))
    return own[:N_PLACES] or stack[-1:]


def _say(descriptor: int, text: bytes) -> None:
    os.write(descriptor, text)


def _before() -> None:
    for run in _RUNS:
        run.about_to_fork()


def _in_child() -> None:
    for run in _RUNS:
        tells = run.forked()
        if tells is not None:
            _CHILD.append(tells)
            return
