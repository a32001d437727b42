"""Waiting for a sound device: how a blocking read or write lets time pass.

In real time the calling thread waits for that of the device. In virtual time whoever waits on the loop's thread blocks the clock, which
goes on by what the device takes; any other thread is parked, and the clock goes on without it.

Rules of living here: nobody waits for a device that has stopped.
"""

from __future__ import annotations

import threading
from typing import Callable, List, Optional, Protocol, Tuple, cast

from evi_harness.audio.cadence import Cadence, Clock

__all__ = ["DeviceWait"]

# So often a state is asked for at one moment by an app that does nothing else until it changes.
SPINS = 1000


class _Parked(Protocol):
    """A thread that waits for virtual time."""

    def resume(self) -> None:
        """Let it go on."""

    def wait(self) -> bool:
        """Wait until ``resume``; whether that was called before the end."""


class _Blocked(Clock, Protocol):
    """What virtual time offers those that wait."""

    def block(self, took_ns: int, what: str) -> None:
        """Move the clock on because the app waits on the loop's thread."""

    def blocks_here(self) -> bool:
        """Whether who waits now on the calling thread blocks the clock."""

    def park(self) -> _Parked:
        """Have the calling thread wait for time."""


class DeviceWait:
    """Waits for the blocks of one device.

    Args:
        cadence: The device's.
        clock: Virtual time; None for real time.
        what: What is waited for, in reports.
    """

    def __init__(self, cadence: Cadence, clock: Optional[Clock], what: str) -> None:
        self._cadence = cadence
        self._clock = cast(Optional[_Blocked], clock)
        self._what = what
        # Blocks are taken and given under it.
        self.lock = threading.RLock()
        self._change = threading.Condition(self.lock)
        self._waiting: List[Tuple[Callable[[], bool], _Parked]] = []
        # By whom it is asked for without waiting: when last, and how often at that moment.
        self._asked_ns = 0
        self._n_asked = 0

    def until(self, is_ready: Callable[[], bool]) -> bool:
        """Wait until something is so, or the device stops.

        Args:
            is_ready: Asked with the lock held, whenever a block has passed.

        Returns:
            Whether it is so.
        """
        clock = self._clock
        if clock is None:
            with self._change:
                self._change.wait_for(lambda: is_ready() or not self._cadence.is_active)
                return is_ready()
        if clock.blocks_here():
            while not is_ready() and self._cadence.is_active:
                self._let_pass(clock)
            return is_ready()
        with self.lock:
            if is_ready() or not self._cadence.is_active:
                return is_ready()
            parked = clock.park()
            self._waiting.append((is_ready, parked))
        return parked.wait() and is_ready()

    def asked(self) -> None:
        """Take that the app asks for a state without waiting for it. One that asks again and again lets the next block pass.

        On the loop's thread time would stand still for it; on another one, and in real time, it goes on. What was due before, while the app
        slept there, has passed.
        """
        clock = self._clock
        if not self.catch_up() or clock is None:
            return
        now_ns = clock.now_ns()
        self._n_asked = self._n_asked + 1 if now_ns == self._asked_ns else 1
        self._asked_ns = now_ns
        if self._n_asked > SPINS:
            self._n_asked = 0
            self._let_pass(clock)

    def catch_up(self) -> bool:
        """Let the blocks pass that were due while the app blocked the loop, before it goes on.

        Returns:
            Whether time stands still for the app.
        """
        clock, cadence = self._clock, self._cadence
        if clock is None or not cadence.is_active or cadence.is_in_block or not clock.blocks_here():
            return False
        cadence.run_until(clock.now_ns() - 1)
        return cadence.is_active

    def _let_pass(self, clock: _Blocked) -> None:
        """Move the clock on to the next block."""
        due_ns = self._cadence.next_at_ns
        clock.block(max(0, due_ns - clock.now_ns()), self._what)
        self._cadence.run_until(due_ns)

    def passed(self) -> None:
        """Take that a block has passed, or that the device has stopped: whoever waits looks again."""
        with self._change:
            self._change.notify_all()
            waiting, self._waiting = self._waiting, []
            for is_ready, parked in waiting:
                if is_ready() or not self._cadence.is_active:
                    parked.resume()
                else:
                    self._waiting.append((is_ready, parked))
