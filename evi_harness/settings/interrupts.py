"""Treat Ctrl+C, SIGTERM and SIGHUP during a conversation as a request to end it in good order.

Rules of living here: nothing is done in the signal's handler but to tell the loop. Only where the loop does not listen, since the app
blocks it, a second signal interrupts what runs. Behind the conversation no signal disturbs the completing of the session: not from the
moment on in which its loop is closed.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, Optional, Type

from evi_harness.guard.loop_interrupts import interrupt, is_between_callbacks

__all__ = ["Interrupts"]

# Windows has no SIGHUP.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupts:
    """Takes these signals for a block of code; in any thread but the main one it takes none.

    A SIGHUP that is ignored, as behind nohup, stays ignored. One block may stand in another: what comes in the inner one has come in both.

    Attributes:
        n: How many have come.
        last: The latest, None before the first.
    """

    def __init__(self) -> None:
        self.n = 0
        self.last: Optional[signal.Signals] = None
        self._before: Dict[signal.Signals, Any] = {}
        self._around: Optional[Interrupts] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._tell: Callable[[], object] = lambda: None
        self._is_over = False
        self._is_for_good = False
        self._may_block = True
        self._n_noticed = 0
        self._waking = ExitStack()

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is not signal.SIG_IGN:
                    before = self._before[number] = signal.signal(number, self._heard)
                    around = getattr(before, "__self__", None)
                    if isinstance(around, Interrupts):
                        self._around = around
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        for number, before in self._before.items():
            # Whoever goes on pressing has been heard; until the program is gone nothing else is to come of it.
            is_heard = number == signal.SIGINT and self._is_for_good and self.n > 0
            signal.signal(number, signal.SIG_IGN if is_heard else before)
        self._waking.close()

    def told_to(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], object], *, may_block: bool = True) -> None:
        """From now on, have a function called on the loop for each signal, also for those that have come.

        Args:
            loop: The running loop.
            tell: Called with nothing.
            may_block: Whether an app may block the loop: then a signal that comes before the loop has noticed the one before interrupts
                what runs. A loop with no app on it notices all, however fast they come.
        """
        self._loop, self._tell, self._may_block = loop, tell, may_block
        if self._before:
            self._have_woken(loop)
        for _ in range(self.n - self._n_noticed):
            self._notice()

    def over(self, *, for_good: bool = False) -> None:
        """From now on signals are only counted.

        Args:
            for_good: Whether the program ends behind the block: where one has come, Ctrl+C is then ignored from its end on.
        """
        self._is_over, self._is_for_good = True, for_good

    def _have_woken(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have each signal wake the loop: one that comes right before it waits would be heard only when something else does."""
        # Not the loop's own add_signal_handler: closing the loop would take the handlers away, and what is recorded is not complete then.
        read, written = socket.socketpair()
        for end in (read, written):
            end.setblocking(False)
            self._waking.enter_context(end)
        loop.add_reader(read, read.recv, 4096)
        self._waking.callback(lambda: loop.is_closed() or loop.remove_reader(read))
        self._waking.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False))

    def _heard(self, number: int, frame: Optional[FrameType]) -> None:
        self._count(signal.Signals(number))
        if self._is_over or (self._loop is not None and self._loop.is_closed()):
            return
        if self._loop is None:
            self._n_noticed = self.n
            interrupt(frame)
        elif self._may_block and self.n - self._n_noticed > 1 and not is_between_callbacks(frame, self._loop):
            # What is interrupted is to end in peace: only where it blocks again do two more interrupt it again.
            self._n_noticed = self.n
            interrupt(frame)
        else:
            self._loop.call_soon_threadsafe(self._notice)

    def _count(self, number: signal.Signals) -> None:
        self.n += 1
        self.last = number
        if self._around is not None:
            self._around._count(number)

    def _notice(self) -> None:
        self._n_noticed = min(self.n, self._n_noticed + 1)
        self._tell()
