"""What blocks the loop in virtual time: ``time.sleep`` on the loop's thread advances the clock exactly.

Rules of living here: what is replaced is put back, whatever happens; other threads never notice. The blocking sleep that the app
imported by name while it was replaced sleeps really again once the loop has stopped.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Iterator, Optional, Protocol

from evi_harness.guard.patches import SharedHooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import BLOCKED, BlockedFacts

__all__ = ["Charge", "Charged", "caller", "virtual_sleep"]

# Those in virtual time; the innermost on a thread is charged.
_LOOPS: SharedHooks[Charged] = SharedHooks(lambda hooks: hooks.wrap(time, "sleep", _charging))
_PACKAGE = f"{Path(__file__).parent.parent}{os.sep}"


@dataclass(frozen=True)
class Charge:
    """A time for which the app blocked the loop.

    Attributes:
        at_ns: When it began, on the virtual clock.
        took_ns: How long it blocked, on the virtual clock. Exact.
        where: ``file:line`` of the call, outside this package.
        step: In which step of the loop: charges of one step block it together.
        kind: The note that tells of it.
        stack: Who blocked it, for what the app itself did.
    """

    at_ns: int
    took_ns: int
    where: str
    step: int
    kind: KindOf[BlockedFacts] = BLOCKED
    stack: Stack = ()


class Charged(Protocol):
    """A loop whose clock can be charged."""

    def charge(self, took_ns: int, where: str) -> None:
        """Move the clock on because the app blocked the loop."""

    def runs_here(self) -> bool:
        """Whether the loop runs on the calling thread."""


def caller() -> str:
    """``file:line`` of the nearest frame outside this package; ``?`` where there is none."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "?"


@contextmanager
def virtual_sleep(loop: Charged) -> Iterator[None]:
    """Replace ``time.sleep`` for as long as the block runs.

    On the loop's thread, while the loop runs, a sleep charges the virtual clock and returns at once. Anywhere else it sleeps really.

    Args:
        loop: The loop to charge.
    """
    _LOOPS.join(loop)
    try:
        yield
    finally:
        _LOOPS.leave(loop)


def _charging(real: Callable[[Any], None]) -> Callable[[Any], None]:
    def sleep(seconds: Any) -> None:
        """Sleep; on the loop's thread in virtual time."""
        loop = next((one for one in reversed(_LOOPS) if one.runs_here()), None)
        if loop is None:
            real(seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        loop.charge(round(seconds * 1e9), caller())

    # Reports name a job by its function: time.sleep, not what stands in for it.
    sleep.__module__, sleep.__qualname__ = "time", "sleep"
    return sleep
