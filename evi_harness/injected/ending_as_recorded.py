"""End an app as the recorded one ended.

It is interrupted when the recorded app was interrupted or closed, unless it has already closed. One that is still there long after its
connection has closed is interrupted, then terminated; what ignores that too, the command kills.

Rules of living here: only signals, and only to this process; what the app makes of them is its own.
"""

from __future__ import annotations

import os
import signal
from typing import Callable, Optional

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import Timer
from evi_harness.injected.loops import AppTime
from evi_harness.session.notes import NEVER_RETURNS

__all__ = ["AFTERMATH_NS", "EndingAsRecorded"]

# How long after the recorded time an app may close by itself before it is interrupted: its own timers ring first.
JUST_AFTER_NS = 1_000_000
# How long an app may go on after its connection has closed, in virtual time: as long as a handler may.
AFTERMATH_NS = 30_000_000_000
# How long it may take to end once it was interrupted for that.
GRACE_NS = 5_000_000_000


class EndingAsRecorded:
    """Ends one app.

    Args:
        clock: Of the app; without a loop, what is planned waits for the next.
        journal: Of its connection.
        terminate: Called before the app is ended by SIGTERM.

    Attributes:
        is_closed: Whether the connection has closed; where there are several, whether none is open any more.
        has_interrupted: Whether the app was interrupted from here.
    """

    def __init__(self, clock: AppTime, journal: Journal, terminate: Callable[[], object]) -> None:
        self._clock = clock
        self._journal = journal
        self._terminate = terminate
        self._timer: Optional[Timer] = None
        self._at_ns: Optional[int] = None
        self._patience_ns = AFTERMATH_NS
        self._act: Callable[[], None] = self._interrupt
        self.is_closed = False
        self.has_interrupted = False

    def closes_at(self, at_ns: Optional[int]) -> None:
        """Take when the recorded app would close now, by the clock; None where that is not known yet, or does not concern it."""
        if not self.is_closed and self._act == self._interrupt and at_ns is not None:
            self._plan(at_ns + JUST_AFTER_NS, self._interrupt)

    def opened(self) -> None:
        """Take that another connection has opened."""
        if self.is_closed:
            self.is_closed = False
            self._act = self._interrupt
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._at_ns = None

    def closed(self, patience_ns: int = AFTERMATH_NS) -> None:
        """Take that no connection is open any more.

        Args:
            patience_ns: How long the app may go on.
        """
        if not self.is_closed:
            self.is_closed = True
            self._patience_ns = patience_ns
            self._plan(self._clock.now_ns() + patience_ns, self._never_returned)

    def loop_began(self) -> None:
        """Take that the app has another loop: what was planned is planned there."""
        if self._at_ns is not None:
            self._plan(max(self._at_ns, self._clock.now_ns()), self._act)

    def _plan(self, at_ns: int, act: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at_ns, self._act = at_ns, act
        self._timer = self._clock.call_at_ns(at_ns, self._ring) if self._clock.has_loop else None

    def _ring(self) -> None:
        self._timer = self._at_ns = None
        self._act()

    def _interrupt(self) -> None:
        self._act = self._nothing
        self._send_interrupt()

    def _never_returned(self) -> None:
        what = f"the app was still running {self._patience_ns / 1e9:.0f} s after the connection was closed, and was interrupted"
        self._journal.note(NEVER_RETURNS, what=what)
        self._plan(self._clock.now_ns() + GRACE_NS, self._ignored)
        self._send_interrupt()

    def _ignored(self) -> None:
        self._journal.note(NEVER_RETURNS, what=f"the app ignored SIGINT for {GRACE_NS / 1e9:.0f} s, and was ended by SIGTERM")
        self._act = self._nothing
        self._clock.unlimited()
        self._terminate()
        os.kill(os.getpid(), signal.SIGTERM)

    def _send_interrupt(self) -> None:
        self.has_interrupted = True
        os.kill(os.getpid(), signal.SIGINT)

    def _nothing(self) -> None:
        """What is left to do is the command's."""
