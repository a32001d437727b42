"""Start our own processes out of reach of Ctrl+C.

A terminal sends it to every process; when those that are ours end is for the one to say that started them. One that still began would tell
it in a traceback.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import Iterator

__all__ = ["ignore_interrupts", "interrupts_held_back"]


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Have a process that is started in the block begin with Ctrl+C held back; here, one that comes meanwhile comes behind the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Ignore Ctrl+C from now on, also one that was held back: for the beginning of such a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
