"""The clock that a carrier runs on: real or virtual.

Rules of living here: time is integer nanoseconds; code that needs the time is given a clock, and asks nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Callable, Protocol

__all__ = ["THREAD_WAIT_NS", "Clock", "RealClock", "Timer"]

# How long a job may be out, or a foreign thread may take, without the virtual loop being woken.
THREAD_WAIT_NS = 200_000_000


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Call it off; does nothing once it was made."""


class Clock(Protocol):
    """What a carrier needs to know of time. ``VirtualLoop`` is one; so is ``RealClock``."""

    def now_ns(self) -> int:
        """The time, in nanoseconds from a start of the clock's own choice. Never goes back."""

    def call_at_ns(self, at_ns: int, call: Callable[[], object]) -> Timer:
        """Make a call on the running loop when a time has come.

        Args:
            at_ns: When, on this clock. A time that is past means as soon as the loop is free, never at once.
            call: What to call. It may come early by less than the clock can tell apart: ask ``now_ns``.
        """


class RealClock:
    """The monotonic clock of the machine, for carriers that use real sockets."""

    def now_ns(self) -> int:
        """Nanoseconds on the machine's monotonic clock, the same for all processes."""
        return time.monotonic_ns()

    def call_at_ns(self, at_ns: int, call: Callable[[], object]) -> Timer:
        """Make a call on the running loop when a time has come. See ``Clock``."""
        # Every loop of asyncio that runs on real time reads time.monotonic, so both sides mean the same instant.
        return asyncio.get_running_loop().call_at(at_ns / 1e9, call)
