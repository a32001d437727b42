"""Where a signal finds an event loop: within one of its callbacks, or between two of them.

An exception that is raised between two callbacks comes out of asyncio's own code, where a callback may have been taken out of the queue and
not been called yet. It is lost then: its task never goes on, and whoever waits for the task waits forever.
"""

from __future__ import annotations

import asyncio
import dis
from asyncio import base_events
from types import FrameType
from typing import Optional

from evi_harness.guard.ending import UsersInterrupt

__all__ = ["interrupt", "is_between_callbacks"]

_RUN_ONCE = base_events.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
# What calls a callback. Before the call it holds one that was taken and not called.
_RUN = asyncio.Handle._run.__code__
_CALLS = frozenset(one.offset for one in dis.get_instructions(_RUN) if one.opname.startswith("CALL"))


def is_between_callbacks(frame: Optional[FrameType], loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop, at a moment, has control itself: it waits, or has ended one callback and has not called the next.

    Args:
        frame: What runs at that moment on the loop's thread, as a signal's handler gets it.
        loop: The loop.
    """
    outer = frame
    while outer is not None:
        # Without Python code of its own, a callback has no frame: it runs while the call does.
        if outer.f_code is _RUN and (outer is not frame or outer.f_lasti in _CALLS):
            return False
        if outer.f_code is _RUN_ONCE:
            return outer.f_locals.get("self") is loop
        outer = outer.f_back
    return False


def interrupt(frame: Optional[FrameType]) -> None:
    """Interrupt what runs: here, or as the next callback where a loop is between two.

    Args:
        frame: What runs, as a signal's handler gets it.

    Raises:
        UsersInterrupt: No loop runs, or a callback of it does.
    """
    loop = asyncio._get_running_loop()
    if loop is None or not is_between_callbacks(frame, loop):
        raise UsersInterrupt
    loop.call_soon_threadsafe(_interrupt)


def _interrupt() -> None:
    raise UsersInterrupt
