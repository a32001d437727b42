"""The times at which a sound device delivers or takes its blocks: exact and without drift.

Rules of living here: the time of block k is computed from the start, never from the block before it. In virtual time a timer of the given
clock runs the blocks; in real time a thread does, like a sound card's, whatever the app's event loop is busy with. A late cadence runs all
missed blocks at once, each with the time at which it was due.

A cadence may run faster than its rate by a factor. At the greatest speed a block is due as soon as the one before it was taken, except if
the device has nothing to deliver or to play: then the next block takes its normal time, because time would not advance otherwise.
"""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from typing import Callable, Optional, Protocol

__all__ = ["AS_FAST_AS_TAKEN", "AT_ITS_RATE", "Cadence", "Clock", "Speed", "Timer"]

# How many times as fast as its rate says; None for as fast as it is taken.
Speed = Optional[Fraction]
AT_ITS_RATE = Fraction(1)
AS_FAST_AS_TAKEN: Speed = None


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Call it off."""


class Clock(Protocol):
    """What virtual time offers."""

    def now_ns(self) -> int:
        """The time in nanoseconds. Never goes back."""

    def call_at_ns(self, at_ns: int, call: Callable[[], object]) -> Timer:
        """Make a call on the running loop when a time has come."""


class Cadence:
    """The blocks of one open device.

    Args:
        rate: Frames a second.
        n_frames: Frames a block.
        run_block: Runs one block, given the time at which it is due; False ends the cadence.
        ended: Called once when the cadence has ended on its own, where the last block ran.
        clock: Virtual time; None for real time, on a thread.
        first: Which block is due at the start: 0 where the first is wanted at once, 1 where it must fill up before.
        speed: How many times as fast as its rate says.
        rests: Whether the device had nothing in its last block; asked at the greatest speed.
        name: Of the thread.

    Attributes:
        began_ns: When it was started.
        is_active: Whether blocks are to come.
        is_in_block: Whether one is being run.
    """

    def __init__(
        self,
        rate: int,
        n_frames: int,
        run_block: Callable[[int], bool],
        ended: Callable[[], object],
        *,
        clock: Optional[Clock] = None,
        first: int = 0,
        speed: Speed = AT_ITS_RATE,
        rests: Callable[[], bool] = lambda: True,
        name: str = "evi-harness sound",
    ) -> None:
        self.began_ns = 0
        self.is_active = False
        self.is_in_block = False
        self._rate = rate
        self._n_frames = n_frames
        self._run_block = run_block
        self._ended = ended
        self._clock = clock
        self._first = first
        self._speed = speed
        self._rests = rests
        # At the greatest speed no rule but the last block tells it.
        self._next_ns = 0
        self._name = name
        self._n_blocks = 0
        self._timer: Optional[Timer] = None
        self._thread: Optional[threading.Thread] = None
        self._stopping = threading.Event()
        self._ending = threading.Lock()

    def now_ns(self) -> int:
        """The time on the device's clock."""
        return time.monotonic_ns() if self._clock is None else self._clock.now_ns()

    @property
    def next_at_ns(self) -> int:
        """When the next block is due."""
        if self._speed is None:
            return self._next_ns
        ns = (self._n_blocks + self._first) * self._n_frames * 1_000_000_000
        return self.began_ns + ns * self._speed.denominator // (self._rate * self._speed.numerator)

    def start(self, began_ns: Optional[int] = None, *, is_driven: bool = False) -> None:
        """Begin.

        Args:
            began_ns: When it counts as begun; now if None. Of a time that is past, the blocks that are due run at once.
            is_driven: Whether another device runs its blocks, by ``run_one``, so that it has no timer and no thread.
        """
        self.began_ns = self.now_ns() if began_ns is None else began_ns
        self._n_blocks = 0
        self._next_ns = self.began_ns
        self.is_active = True
        self._stopping.clear()
        if is_driven:
            return
        if self._clock is None:
            self._thread = threading.Thread(target=self._keep_time, name=self._name, daemon=True)
            self._thread.start()
        else:
            self._set_timer(self._clock)

    def stop(self) -> bool:
        """End it. No block runs behind this, unless it is called by one.

        Returns:
            Whether it was active until now.
        """
        was_active = self._end()
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        return was_active

    def run_until(self, at_ns: int) -> None:
        """Run the blocks that are due at a time, and those that were before it."""
        while self.is_active and self.next_at_ns <= at_ns:
            self._run_next()

    def run_one(self, at_ns: int) -> None:
        """Run the next block, if it is due at a time."""
        if self.is_active and self.next_at_ns <= at_ns:
            self._run_next()

    def _run_next(self) -> None:
        due_ns = self.next_at_ns
        self._n_blocks += 1
        self.is_in_block = True
        try:
            goes_on = self._run_block(due_ns)
        finally:
            self.is_in_block = False
        if self._speed is None:
            self._next_ns = due_ns + self._n_frames * 1_000_000_000 // self._rate if self._rests() else max(due_ns, self.now_ns())
        if not goes_on and self._end():
            self._ended()

    def _end(self) -> bool:
        """Whether this call is the one that ended it: the app and the last block may both want to."""
        with self._ending:
            was_active, self.is_active = self.is_active, False
        return was_active

    def _set_timer(self, clock: Clock) -> None:
        def tick() -> None:
            if self._speed is None:
                # One at a time: the app's loop has its turn between any two.
                self._run_next()
            else:
                self.run_until(clock.now_ns())
            if self.is_active:
                self._timer = clock.call_at_ns(self.next_at_ns, tick)

        self._timer = clock.call_at_ns(self.next_at_ns, tick)

    def _keep_time(self) -> None:
        while self.is_active:
            wait_ns = self.next_at_ns - time.monotonic_ns()
            if wait_ns > 0 and self._stopping.wait(wait_ns / 1e9):
                return
            self.run_until(time.monotonic_ns())
