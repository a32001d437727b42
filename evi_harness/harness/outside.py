"""What an app under replay meets besides the service: the network, which is shut; the time of day and chance, which can be set.

Rules of living here: nothing is judged; what the app reached for is noted. A note from another thread waits for the loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Deque, Dict, Mapping, Optional, Tuple, Type, Union
from urllib.parse import urlsplit

from evi_harness.errors import UsageError
from evi_harness.live.allowed import Allowed
from evi_harness.live.callers import callers_of
from evi_harness.live.carrier import HOST
from evi_harness.live.guard import NetworkGuard, Refusal
from evi_harness.live.journal import Journal
from evi_harness.live.own_loops import OwnLoops
from evi_harness.live.places import Stack, told_places
from evi_harness.live.seeds import check_seed, seeded
from evi_harness.live.stepping import SteppingLoop
from evi_harness.live.virtual import VirtualLoop
from evi_harness.live.wall_clock import WallClock
from evi_harness.session.session import Session

__all__ = ["MACHINE", "RECORDED", "WALL_CLOCKS", "Outside", "OutsideOptions"]

MACHINE, RECORDED = "machine", "recorded"
WALL_CLOCKS = (MACHINE, RECORDED)


@dataclass(frozen=True)
class OutsideOptions:
    """What a run's app meets besides the service.

    Attributes:
        allow_hosts: What it may reach on the network, as ``HOST`` or ``HOST:PORT``.
        wall_clock: ``machine``, or ``recorded`` for the hours of the session.
        seed: What ``random`` and ``numpy.random`` are seeded with, None for nothing.
    """

    allow_hosts: Tuple[str, ...] = ()
    wall_clock: str = MACHINE
    seed: Optional[int] = None

    def check(self) -> None:
        """Refuse what cannot be meant, before anything runs.

        Raises:
            UsageError: A host, the wall clock or the seed.
        """
        for text in self.allow_hosts:
            Allowed.parse(text)
        if self.wall_clock not in WALL_CLOCKS:
            raise UsageError(f"there is no wall clock {self.wall_clock!r}", hint=f"There are: {', '.join(WALL_CLOCKS)}.")
        check_seed(self.seed)

    def told(self) -> Dict[str, Any]:
        """What a header tells of it."""
        return {"allow_hosts": list(self.allow_hosts), "wall_clock": self.wall_clock, "seed": self.seed}


class Outside:
    """Guards one run, for as long as the block runs. Enter it before the loop is made, and ``follow`` before the handler is imported.

    Args:
        recorded: The recording; says what time of day it was.
        options: See there.
        url: Where the service is reached over a port, None where a virtual loop carries it.
        redact: Takes secrets out of what notes say.

    Raises:
        UsageError: An option cannot be meant, or the recording does not know the time of day.
        EviHarnessError: On entering: the network cannot be guarded, or the wall clock not be set.
    """

    def __init__(
        self, recorded: Session, options: OutsideOptions, *, url: Optional[str] = None, redact: Callable[[str], str] = str
    ) -> None:
        options.check()
        allowed = [Allowed.parse(text) for text in options.allow_hosts]
        if url is not None:
            allowed.append(Allowed.parse(urlsplit(url).netloc))
        self._guard = NetworkGuard(allowed, self._refused, carried=HOST if url is None else None)
        self._wall = WallClock(recorded.header.start) if options.wall_clock == RECORDED else None
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
            self._stack.enter_context(OwnLoops(self._own_loop))
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
        what, facts = self._redact(refusal.what), {"host": self._redact(refusal.host), "port": refusal.port, "call": refusal.call}
        self._observed(lambda journal, of: journal.note("network", of=of, what=what, **self._told(refusal.stack), **facts))

    def _own_loop(self, stack: Stack) -> None:
        what = "the app runs an event loop of its own, which keeps real time beside the virtual clock; run with --clock real"
        self._observed(lambda journal, of: journal.note("own_loop", of=of, what=what, **self._told(stack)))

    def _told(self, stack: Stack) -> Mapping[str, Any]:
        return {"detail": [self._redact(place) for place in callers_of(stack)], "places": told_places(stack, self._redact)}

    def _observed(self, note: Callable[[Journal, Optional[int]], object]) -> None:
        self._waiting.append(note)
        if self._runs_here():
            self.write()
        else:
            self._wake()


def _runs(loop: Union[VirtualLoop, SteppingLoop]) -> bool:
    return asyncio._get_running_loop() is loop
