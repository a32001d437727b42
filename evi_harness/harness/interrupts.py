"""Ctrl+C and SIGTERM while a conversation is recorded: a wish to end it in good order.

Rules of living here: nothing is done in the signal's handler but to tell the loop. Only where the loop does not listen, since the app
blocks it, a second signal interrupts what runs. Behind the conversation no signal disturbs the completing of the session.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, Optional, Type

__all__ = ["Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Takes both signals for a block of code; in any thread but the main one it takes none.

    Attributes:
        n: How many have come.
    """

    def __init__(self) -> None:
        self.n = 0
        self._before: Dict[signal.Signals, Any] = {}
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._tell: Callable[[], object] = lambda: None
        self._is_over = False
        self._n_noticed = 0

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def told_to(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], object]) -> None:
        """From now on, have a function called on the loop for each signal, also for those that have come."""
        self._loop, self._tell = loop, tell
        for _ in range(self.n - self._n_noticed):
            self._notice()

    def over(self) -> None:
        """From now on signals are only counted."""
        self._is_over = True

    def _heard(self, number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG002 - the signature is signal's
        self.n += 1
        if self._is_over:
            return
        if self._loop is None or self._loop.is_closed() or self.n - self._n_noticed > 1:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._notice)

    def _notice(self) -> None:
        self._n_noticed += 1
        self._tell()
