"""The watchdog: detects in real time that nothing makes progress, and interrupts what blocks.

Rules of living here: it decides nothing else. Before it interrupts the watched thread, it reports where that thread is. Ctrl+C works as
usual: the watchdog uses another signal, one that is ignored unless handled, and restores its handler.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
import traceback
from types import FrameType, TracebackType
from typing import Any, Callable, Optional, Type

from evi_harness.errors import StuckError

__all__ = ["Watchdog"]

# SIGURG is ignored by default and rarely used, so a late one harms nobody. Go's runtime interrupts its threads with it for that reason.
SIGNAL = signal.SIGURG
NEVER_NS = 1 << 62
# What was interrupted gets this long to come out before it is interrupted again.
AGAIN_NS = 1_000_000_000
# What is told that its time is over gets this long to end by itself before it is interrupted.
END_NS = 5_000_000_000
# So often it may take an interrupt for an error of its own and go on.
N_IN_VAIN = 5


class Interrupted(StuckError):
    """What the watched thread gets. CPython makes it from the class alone, so it takes no arguments."""

    def __init__(self) -> None:
        super().__init__("no progress for too long; the watchdog interrupted the running code")


class Watchdog:
    """Watches a count that grows while things move, from a thread of its own, for as long as the block runs.

    Without progress for the whole timeout it calls ``on_stuck`` and raises ``StuckError`` in the thread that entered the block, again
    and again until the count grows or the block ends. In the main thread that breaks waits for locks, queues and sockets too; in another
    thread Python can only interrupt running Python code, so ``on_stuck`` is then all that is certain. So it does where the block takes
    longer in all than it may, however the count grows, if it has not ended by itself when told so.

    Args:
        progress: The count, such as ``lambda: loop.steps.n_steps``. Called on the watchdog's thread.
        on_stuck: Called once for each time that things stop, on the watchdog's thread, with the stack of the watched thread as text.
        timeout_s: How long nothing may move, in real seconds; not counting those in which the process itself was stopped.
        in_vain: Called, on the watchdog's thread, where what is interrupted goes on anyway, as behind a bare ``except``.
        beside: What else is to look at the watched thread, such as a sampler's ``look``: a second thread would cost each run as much again.
        every_s: How often that is called, in real seconds.
        total_s: How long the block may take in all, in real seconds, whatever moves; None for as long as it likes.
        on_over: Called once, on the watchdog's thread, when it has taken so long, to end it in good order. What goes on is interrupted.

    Attributes:
        is_over: Whether it has taken so long.
    """

    def __init__(
        self,
        progress: Callable[[], int],
        on_stuck: Callable[[str], object],
        *,
        timeout_s: float = 60.0,
        in_vain: Callable[[], object] = lambda: None,
        beside: Optional[Callable[[], object]] = None,
        every_s: float = 1.0,
        total_s: Optional[float] = None,
        on_over: Callable[[], object] = lambda: None,
    ) -> None:
        self._progress = progress
        self._on_stuck = on_stuck
        self._in_vain = in_vain
        self._beside = beside
        self._every_s = every_s
        self._n_interrupts = 0
        self._timeout_ns = round(timeout_s * 1e9)
        self._again_ns = AGAIN_NS
        self.is_over = False
        self._total_ns = None if total_s is None else round(total_s * 1e9)
        self._on_over = on_over
        self._ends_ns = NEVER_NS
        self._over = threading.Event()
        self._seen = -1
        self._due_ns = NEVER_NS
        self._is_stuck = False
        self._watched = 0
        self._uses_signal = False
        self._earlier: Any = None
        self._thread = threading.Thread(target=self._watch, name="evi-harness watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._watched = threading.get_ident()
        if self._total_ns is not None:
            self._ends_ns = time.monotonic_ns() + self._total_ns
        self._uses_signal = threading.current_thread() is threading.main_thread()
        if self._uses_signal:
            self._earlier = signal.signal(SIGNAL, self._on_signal)
        self._thread.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        try:
            self._stop()
        except Interrupted:
            # The last one came while the block was being left.
            self._stop()
        if self._uses_signal:
            signal.signal(SIGNAL, self._earlier if self._earlier is not None else signal.SIG_DFL)

    def look(self, now_ns: int) -> None:
        """Look once whether things move; report and interrupt if they have not for too long, or if it has taken too long in all.

        Args:
            now_ns: Real time.
        """
        seen = self._progress()
        if now_ns >= self._ends_ns and not self.is_over:
            self.is_over = True
            self._is_stuck = False
            self._due_ns = now_ns + END_NS
            self._on_over()
        elif seen != self._seen and not self.is_over:
            self._seen = seen
            self._is_stuck = False
            self._due_ns = now_ns + self._timeout_ns
        elif now_ns >= self._due_ns:
            if not self._is_stuck:
                self._is_stuck = True
                self._n_interrupts = 0
                self._on_stuck(self._stack())
            self._due_ns = now_ns + self._again_ns
            self._n_interrupts += 1
            if self._n_interrupts > N_IN_VAIN:
                self._in_vain()
            self._interrupt()

    def _stop(self) -> None:
        self._over.set()
        self._thread.join()
        # An interrupt that is still on its way arrives in running code: here, and not behind the block. Calling it off with NULL instead
        # leaves CPython 3.11 looking for it for ever, and a traced thread then hangs.
        for _ in range(100):
            pass

    def _watch(self) -> None:
        shortest_ns = min(self._timeout_ns, self._timeout_ns if self._total_ns is None else self._total_ns)
        interval_s = min(shortest_ns / 1e9 / 4, self._every_s)
        looked_ns = time.monotonic_ns()
        while not self._over.wait(interval_s):
            now_ns = time.monotonic_ns()
            # Where this thread could not run, as in a process that was stopped with Ctrl+Z, nothing else could move either.
            self._due_ns += max(0, now_ns - looked_ns - round(2e9 * interval_s))
            looked_ns = now_ns
            self.look(now_ns)
            if self._beside is not None:
                self._beside()

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        return "".join(traceback.format_stack(frame)) if frame is not None else "the thread has ended\n"

    def _interrupt(self) -> None:
        if self._uses_signal:
            signal.pthread_kill(self._watched, SIGNAL)
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._watched), ctypes.py_object(Interrupted))

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        if self._is_stuck and not self._over.is_set():
            raise Interrupted
        if callable(self._earlier):
            self._earlier(number, frame)
