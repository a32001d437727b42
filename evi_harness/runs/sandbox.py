"""The surroundings of an app under replay: the network, which is blocked; the time of day and random numbers, which can be set.

Rules of living here: nothing is judged; what the app reached for is noted. A note from another thread waits for the loop's.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Callable, Deque, Dict, Mapping, Optional, Tuple, Type, Union
from urllib.parse import urlsplit

from evi_harness.carriers.journal import Journal
from evi_harness.carriers.virtual_carrier import HOST
from evi_harness.clocks.known_waits import KnownWaits
from evi_harness.clocks.stepping import SteppingLoop
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.guard.allowed import Allowed, address_of
from evi_harness.guard.callers import callers_now, callers_of, has_developers
from evi_harness.guard.network import NetworkGuard, Refusal
from evi_harness.guard.own_loops import OwnLoops
from evi_harness.guard.place_lookup import Stack, told_places
from evi_harness.guard.seeds import seeded
from evi_harness.guard.wall_clock import WallClock
from evi_harness.runs.replay_options import RECORDED_HOURS, ReplayOptions
from evi_harness.session.notes import NETWORK, OWN_LOOP, UNSEEN
from evi_harness.session.session import Session
from evi_harness.watch.blocked import THRESHOLD_NS

__all__ = ["Outside"]

# Packages whose C code opens sockets that the guard of the network does not see.
_C_SOCKETS = ("MySQLdb", "grpc", "oracledb", "psycopg", "psycopg2", "pycurl", "pymssql", "zmq")


class Outside:
    """Guards one run, for as long as the block runs. Enter it before the loop is made, and ``follow`` before the handler is imported.

    Args:
        recorded: The recording; says what time of day it was.
        options: What of it is about that: ``allow_hosts``, ``wall_clock`` and ``seed``.
        url: Where the service is reached over a port, None where a virtual loop carries it.
        blocked_ns: In virtual time, from how long on a call that waits on the loop's thread is told.
        redact: Takes secrets out of what notes say.
        carried: The host under which a virtual loop carries the service.
        has_own_loops: Whether a loop that the app makes is not the run's, and so told.
        on_refused: Called with each refusal, on the thread that was refused.

    Raises:
        UsageError: An option is invalid, or the recording does not know the time of day.
        EviHarnessError: On entering: the network cannot be guarded, or the wall clock not be set.
    """

    def __init__(
        self,
        recorded: Session,
        options: ReplayOptions,
        *,
        url: Optional[str] = None,
        blocked_ns: Optional[int] = None,
        redact: Callable[[str], str] = str,
        carried: str = HOST,
        has_own_loops: bool = True,
        on_refused: Callable[[Refusal], object] = id,
    ) -> None:
        options.check_outside()
        self._has_own_loops = has_own_loops
        self._on_refused = on_refused
        self._blocked_ns = THRESHOLD_NS if blocked_ns is None else blocked_ns
        allowed = [Allowed.parse(text) for text in options.allow_hosts]
        if url is not None:
            allowed.append(Allowed.parse(urlsplit(url).netloc))
        self._service = allowed[-1] if url is not None else None
        self._guard = NetworkGuard(
            allowed, self._refused, on_reached=self._reached, on_started=self._started, carried=carried if url is None else None
        )
        self._unseen: Dict[Tuple[str, str], Mapping[str, Any]] = {}
        self._wall = WallClock(recorded.header.start) if options.wall_clock == RECORDED_HOURS else None
        self._seed = options.seed
        self._redact = redact
        self._stack = ExitStack()
        self._waiting: Deque[Callable[[Journal, Optional[int]], object]] = deque()
        self._journal: Optional[Journal] = None
        self._handling: Callable[[], Optional[int]] = lambda: None
        self._wake: Callable[[], object] = lambda: None
        self._runs_here: Callable[[], bool] = lambda: True

    def __enter__(self) -> Outside:
        with ExitStack() as stack:
            stack.enter_context(seeded(self._seed))
            if self._wall is not None:
                stack.enter_context(self._wall)
            stack.enter_context(self._guard)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._stack.close()
        self.write()
        self._look_around()
        self._write_unseen()

    def follow(
        self, loop: Union[VirtualLoop, SteppingLoop], journal: Journal, handling: Callable[[], Optional[int]] = lambda: None
    ) -> None:
        """Follow a run: on its loop, inside the main coroutine, before the handler is imported.

        Args:
            loop: The running loop.
            journal: Where notes go, and what keeps session time.
            handling: The seq of the event that the handler is busy with, None while it is not.
        """
        self._journal, self._handling = journal, handling
        self._runs_here = lambda: _runs(loop)
        if isinstance(loop, VirtualLoop):
            loop.before_moves.append(self.write)
            if self._has_own_loops:
                self._stack.enter_context(OwnLoops(self._own_loop))
            self._stack.enter_context(KnownWaits(in_virtual_time=True)).watch(loop.steps)
            loop.steps.on_wait, loop.on_woken = self._waited, self._woken
            if self._wall is not None:
                wall = self._wall
                loop.after_moves.append(lambda: wall.show(journal.now_ns))
        else:
            self._wake = lambda: loop.call_soon_threadsafe(self.write)

    def opened(self) -> None:
        """In real time: the connection has opened, and the wall clock goes from here on."""
        if self._wall is not None:
            self._wall.go(0)

    def write(self) -> None:
        """Write the notes that wait, on the loop's thread or when it has ended."""
        while self._journal is not None and self._waiting:
            self._waiting.popleft()(self._journal, self._handling())

    def _refused(self, refusal: Refusal) -> None:
        self._on_refused(refusal)
        what, host, port, name = self._redact(refusal.what), self._redact(refusal.host), refusal.port, refusal.call

        def note(journal: Journal, of: Optional[int]) -> None:
            journal.note(NETWORK, of=of, what=what, **self._told(refusal.stack), host=host, port=port, call=name)

        self._observed(note)

    def _own_loop(self, stack: Stack) -> None:
        what = "the app runs its own event loop, which keeps real time instead of virtual time; run with --clock real"
        self._observed(lambda journal, of: journal.note(OWN_LOOP, of=of, what=what, **self._told(stack)))

    def _reached(self, host: str, port: int) -> None:
        if self._service is None or not self._service.covers(host, port):
            where = address_of(host, port)
            what = f"the app reached {where}, which is allowed: it answers as it does now, not as it did when this was recorded"
            self._not_seen("peer", what)

    def _started(self, program: str, stack: Stack) -> None:
        started = f"started {program}" if program else "forked a process"
        self._not_seen("program", f"the app {started}{_at(stack)}: what that reaches is not guarded, and what it does is not seen")

    def _woken(self, stack: Stack) -> None:
        what = f"a thread of the app's woke the event loop{_at(stack)}: virtual time did not wait for it, so two runs may differ"
        self._not_seen("thread", f"{what}; evi_harness.busy() makes the clock wait")

    def _waited(self, waited_ns: int) -> None:
        stack = callers_now() if waited_ns >= self._blocked_ns else ()
        if has_developers(stack):
            what = f"the app blocked the event loop by a call that waited{_at(stack)}: virtual time does not count it"
            self._not_seen("wait", f"{what}; --clock real does")

    def _look_around(self) -> None:
        """Take down what of this process keeps things from being seen."""
        loaded = sorted(name for name in _C_SOCKETS if name in sys.modules)
        if loaded:
            self._not_seen("c_sockets", f"C code that can open sockets is loaded ({', '.join(loaded)}): what it reaches is not seen")
        if sys.gettrace() is not None or sys.getprofile() is not None or _is_monitored():
            self._not_seen(
                "tracer", "a debugger, a profiler or a coverage tool follows the code: the time that the app computes includes its work"
            )

    def _not_seen(self, kind: str, what: str) -> None:
        journal = self._journal
        if journal is not None and journal.opened_at_ns is not None:
            self._unseen.setdefault((kind, self._redact(what)), {"at_ns": journal.now_ns, "of": self._handling()})

    def _write_unseen(self) -> None:
        """Write what was not seen, at the end: what depends on the machine must not stand among what does not."""
        for (kind, what), facts in self._unseen.items() if self._journal is not None else ():
            assert self._journal is not None
            self._journal.note(UNSEEN, of=facts["of"], sample=True, kind=kind, what=what, at_ns=facts["at_ns"])
        self._unseen.clear()

    def _told(self, stack: Stack) -> Mapping[str, Any]:
        return {"detail": [self._redact(place) for place in callers_of(stack)], "places": told_places(stack, self._redact)}

    def _observed(self, note: Callable[[Journal, Optional[int]], object]) -> None:
        self._waiting.append(note)
        if self._runs_here():
            self.write()
        else:
            self._wake()


def _is_monitored() -> bool:
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(number) is not None for number in range(6))


def _at(stack: Stack) -> str:
    place = next(iter(callers_of(stack)), None)
    return "" if place is None else f" at {place}"


def _runs(loop: Union[VirtualLoop, SteppingLoop]) -> bool:
    return asyncio._get_running_loop() is loop
