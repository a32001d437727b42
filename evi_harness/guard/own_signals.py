"""Signals of an app under replay: those that it sends itself, and its handlers.

A signal that the app sends its own process, and that would end it, ends the app. A handler for SIGINT is kept and not installed, since
Ctrl+C is the user's; beside the main thread, where Python installs none, so is one for any signal that asks a program to end. A kept
handler hears what the app sends itself.

Rules of living here: nothing is sent to anybody else; what was replaced is put back.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from types import FrameType
from typing import Any, Callable, Dict, NoReturn, Optional

from evi_harness.errors import UsageError
from evi_harness.guard.ending import Ending, UsersInterrupt
from evi_harness.guard.loop_interrupts import is_between_callbacks
from evi_harness.guard.program_end import ends_program

__all__ = ["AddsSignalHandlers", "OwnSignals", "is_own"]

# Signals that ask a program to end: a handler for one is in order on any thread.
_ASKING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
# Signals that do nothing to a program that does not ask for them.
_HARMLESS = frozenset({signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT})
_UNSTOPPABLE = frozenset({signal.SIGKILL, signal.SIGSTOP})


class OwnSignals:
    """The signals of one run. A context manager, entered on the thread of the run.

    Args:
        ending: Where an end is told.
        ends: Ends the app where it is, with what ended it, such as ``os.kill(…, SIGTERM)``.
        takes_interrupts: Whether Ctrl+C is heard here; else somebody else hears that and every wish to end.

    Attributes:
        is_main: Whether the run is on the main thread.
        loop: The run's loop, None as long as there is none.
    """

    def __init__(self, ending: Ending, ends: Callable[[str, int], NoReturn], *, takes_interrupts: bool = True) -> None:
        self._ending = ending
        self._ends = ends
        self._takes_interrupts = takes_interrupts
        self._kept: Dict[int, Any] = {}
        self._before: Any = None
        self._is_heard = False
        self.is_main = True
        self.loop: Optional[asyncio.AbstractEventLoop] = None

    def __enter__(self) -> OwnSignals:
        before = signal.getsignal(signal.SIGINT)
        self.is_main = _is_main()
        if self._takes_interrupts and self.is_main and callable(before):
            self._before, self._is_heard = before, True
            signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_heard:
            signal.signal(signal.SIGINT, self._before)

    def keeps(self, number: int) -> bool:
        """Whether a handler for a signal is kept and not installed."""
        return number == signal.SIGINT if self.is_main and self._takes_interrupts else number in _ASKING

    @staticmethod
    def loops_own(number: int, frame: Optional[FrameType]) -> None:
        """Stand for what an event loop has been told to call, where the handler of a signal is asked for."""

    def keep(self, number: int, handler: Any) -> Any:
        """Keep what is to be done on a signal; gives what was to be done before."""
        before = self.kept(number)
        self._kept[number] = handler
        return before

    def kept(self, number: int) -> Any:
        """What is to be done on a signal that is kept."""
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        return self._kept.get(number, default)

    def forget(self, number: int) -> None:
        """Keep nothing for a signal any more."""
        self._kept.pop(number, None)

    def sent(self, number: int, how: str, really: Callable[[], Any]) -> Any:
        """Take a signal that the app sends its own process.

        Args:
            number: The signal.
            how: The call, for people.
            really: Sends it, to this process alone.
        """
        if number not in signal.valid_signals():
            # 0 asks only whether the process is there; what is none at all is Python's to refuse.
            return really()
        handler = self._kept.get(number, signal.SIG_DFL if self.keeps(number) else signal.getsignal(number))
        is_default = handler == signal.SIG_DFL or ends_program(handler)
        if number in _UNSTOPPABLE or handler is None or (is_default and number not in _HARMLESS):
            self._ends(how, 128 + number)
        if number not in self._kept:
            return really()
        if isinstance(handler, asyncio.Handle):
            handler._loop.call_soon_threadsafe(handler._run)  # type: ignore[attr-defined]
        elif handler is signal.default_int_handler:
            self._ends(how, 128 + number)
        elif callable(handler):
            handler(number, None)
        return None

    def _interrupted(self, number: int, frame: Optional[FrameType]) -> None:
        loop = self.loop if self.loop is not None and not self.loop.is_closed() else None
        if loop is not None:
            # An app may swallow it once, in an ``except:`` of its own; then it comes again.
            loop.call_soon_threadsafe(self._again)
        try:
            self._before(number, frame)
        except KeyboardInterrupt:
            # Between two callbacks, once is enough.
            if loop is None or not is_between_callbacks(frame, loop):
                raise UsersInterrupt from None

    def _again(self) -> None:
        if not self._ending.is_interrupted:
            raise UsersInterrupt


class AddsSignalHandlers:
    """``add_signal_handler`` of a loop on which an app runs, on any thread."""

    own_signals: Optional[OwnSignals] = None

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """Have a callback called for a signal.

        Raises:
            UsageError: It needs the main thread.
        """
        own = self.own_signals
        if own is not None and own.keeps(sig):
            if asyncio.iscoroutine(callback) or asyncio.iscoroutinefunction(callback):
                raise TypeError("coroutines cannot be used with add_signal_handler()")
            own.keep(sig, asyncio.Handle(callback, args, self, None))  # type: ignore[arg-type]
            return
        if own is not None and not own.is_main:
            raise UsageError(
                f"a handler for {signal.Signals(sig).name} needs the main thread, and in an async test a replay runs on another thread",
                hint="Write the test as a plain function: def test_…(evi_replay).",
            )
        super().add_signal_handler(sig, callback, *args)  # type: ignore[misc]

    def remove_signal_handler(self, sig: int) -> bool:
        """Have nothing called any more; whether there was anything."""
        own = self.own_signals
        if own is not None and own.keeps(sig):
            was = isinstance(own.kept(sig), asyncio.Handle)
            own.forget(sig)
            return was
        return bool(super().remove_signal_handler(sig))  # type: ignore[misc]


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def is_own(pid: int) -> bool:
    """Whether a process id, as ``os.kill`` takes it, means this process, alone or with others."""
    return pid in (os.getpid(), 0, -1, -os.getpgrp())
