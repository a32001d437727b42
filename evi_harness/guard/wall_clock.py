"""Make the wall clock that an app sees follow a session: the time of the recording, not of the replay.

Rules of living here: ``time.time``, ``datetime.now`` and what is made of them are replaced by time-machine, for the whole process; no
monotonic clock is touched. The zone is the machine's.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Optional, Type

from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words
from evi_harness.session.header import Anchor
from evi_harness.session.plausible_times import epoch_ns

__all__ = ["WallClock"]

_SECOND_NS = 1_000_000_000
_TAKEN = threading.Lock()


class WallClock:
    """Shows session time as wall-clock time, for as long as the block runs. It stands still unless it is moved or told to go.

    Args:
        start: The session's opening on both clocks, None where it is not known.

    Raises:
        UsageError: The opening is not known.
        EviHarnessError: On entering: time-machine is not installed, or the wall clock follows another session.
    """

    def __init__(self, start: Optional[Anchor]) -> None:
        if start is None:
            raise UsageError(
                "the session does not say at what time of day it was recorded, so the wall clock cannot follow it",
                hint=Words("Leave out ", Parameter("wall_clock", "recorded"), "."),
            )
        self._opened_ns = epoch_ns(start.wall) - start.at_ns
        self._travel: Any = None
        self._traveller: Any = None

    def __enter__(self) -> WallClock:
        time_machine = _time_machine()
        if not _TAKEN.acquire(blocking=False):
            raise EviHarnessError(
                "this process already uses the wall clock of another session",
                hint="Run one replay after the other, or each in its own process.",
            )
        # Whole seconds alone survive its floats; the rest is a shift.
        self._travel = time_machine.travel(self._opened_ns // _SECOND_NS, tick=False)
        self._traveller = self._travel.start()
        if time.monotonic_ns() == time.time_ns():
            self.__exit__(None, None, None)
            raise EviHarnessError(
                "this version of time-machine also stops the monotonic clock, which event loops use",
                hint="pip install time-machine",
            )
        self.show(0)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._travel.stop()
        _TAKEN.release()

    def show(self, session_ns: int) -> None:
        """Show an instant of the session.

        Args:
            session_ns: Session time.
        """
        shift_ns = self._opened_ns + session_ns - time.time_ns()
        # A little more, since some versions cut off the rest of a float and others round it.
        self._traveller.shift((shift_ns + 0.25) / 1e9)

    def go(self, session_ns: int) -> None:
        """Show an instant of the session, and go on from there as real time does."""
        at_ns = self._opened_ns + session_ns
        self._traveller.move_to(at_ns // _SECOND_NS, tick=True)
        self._traveller.shift((at_ns % _SECOND_NS + 0.25) / 1e9)
        # It goes from when it is first asked.
        time.time_ns()


def _time_machine() -> Any:
    try:
        import time_machine
    except ImportError:
        raise EviHarnessError(
            Words(Parameter("wall_clock", "recorded"), " needs the package time-machine, which is not installed"),
            hint="pip install time-machine",
        ) from None
    return time_machine
