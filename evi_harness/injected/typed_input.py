"""Feed an app's standard input with what was typed for the recorded one, each line at its time.

That is what it read from its input; where none of that is recorded, the texts that it sent. A thread that waits for a line is parked:
virtual time goes on until there is a line, and then waits until the thread has handled it.

Rules of living here: only if the app is given no other input, and only what the recorded app read, or sent as typed text.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
import sys
import threading
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional, Sequence, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import Timer
from evi_harness.injected.loops import AppTime
from evi_harness.replay.typed_lines import TypedLines
from evi_harness.session.events import Event, Received
from evi_harness.session.protocols import Dialect, Send
from evi_harness.session.session import Session

__all__ = ["TypedInput"]


class TypedInput:
    """Gives an app the lines that its user typed.

    Args:
        session: The recording.
        dialect: What it speaks.
        app_time: The time of the app.
        journal: Of its connection.
        has_own: Whether the app is given an input of its own, whatever that is.
    """

    def __init__(self, session: Session, dialect: Dialect, app_time: AppTime, journal: Journal, *, has_own: bool = False) -> None:
        self._dialect = dialect
        # The lines that are still to come, each by its event; None for the end.
        self._lines: Dict[int, Optional[str]] = {}
        self._ready: Deque[Optional[str]] = deque()
        self._timer: Optional[Timer] = None
        self._plan(session)
        self._time = app_time
        self._journal = journal
        self._has_own = has_own
        self._change = threading.Condition()
        # Thread → what has the clock wait for it again.
        self._parked: Dict[int, Callable[[], object]] = {}
        self._jobs: Dict[int, Callable[[], bool]] = {}
        self._is_over = False
        # Where lines go as bytes once the app has asked for a file descriptor: it reads that by itself, as asyncio's pipe readers do.
        self._pipe: Optional[Tuple[int, int]] = None

    @property
    def has_more(self) -> bool:
        """Whether lines of the recording are still to come."""
        return bool(self._lines)

    def converse(self, session: Session, journal: Journal) -> None:
        """Give what was typed in another recording from now on, or go on with this one; what has been given by now can still be read.

        Args:
            session: The recording.
            journal: Of its connection.
        """
        self._journal = journal
        if session is not self._session:
            if self._timer is not None:
                self._timer.cancel()
            with self._change:
                self._plan(session)
                waiting, self._ready = (self._ready, deque()) if self._pipe is not None or self._parked else (deque(), self._ready)
            for line in waiting:
                self._give(line)

    def _plan(self, session: Session) -> None:
        """Plan the lines of a recording."""
        self._session = session
        typed = TypedLines.of(session, self._dialect)
        self._lines, self._user = typed.lines, typed.user
        self._ready.extend(typed.early)
        self._has_any = bool(self._lines or self._ready)

    def put_in_place(self, others: Sequence[Session] = ()) -> None:
        """Have ``input()`` and ``sys.stdin`` read from here, unless there is nothing to read, or the app is given a file or a pipe.

        Args:
            others: Other recordings, in which there may be something.
        """
        is_typed = self._has_any or any(TypedInput(one, self._dialect, self._time, self._journal)._has_any for one in others)
        if is_typed and not self._has_own and _is_a_terminal_or_nothing():
            builtins.input = self._input
            sys.stdin = _TypedStdin(self._line, self._descriptor)
            # What waits for threads at the end of the program waits for those that read here; the latest of its kind is called first.
            import concurrent.futures.thread  # noqa: F401 - it registers itself

            threading._register_atexit(self.end)  # type: ignore[attr-defined]

    def take(self, event: Event) -> None:
        """Take an event of the connection's: it may be what a line answers."""
        if isinstance(event, Received) and self._lines:
            self._user.take(event, event.at_ns)
            self._arm()

    def runs_job(self, is_out: Callable[[], bool]) -> None:
        """Take that the calling thread runs a job of a loop's, until that is done."""
        self._jobs[threading.get_ident()] = is_out

    def is_parked(self, thread: Optional[int]) -> bool:
        """Whether a thread waits for a line."""
        return thread in self._parked

    def end(self) -> None:
        """Nothing more is typed: who waits for it is told so."""
        with self._change:
            self._is_over = True
            self._hang_up()
            self._change.notify_all()

    def _descriptor(self) -> int:
        """A pipe from which the app reads the lines from now on, each when it is due."""
        with self._change:
            if self._pipe is None:
                self._pipe = os.pipe()
                waiting, self._ready = self._ready, deque()
                for line in waiting:
                    self._is_over = self._is_over or line is None
                    if not self._is_over:
                        self._write(line or "")
                if self._is_over:
                    self._hang_up()
            return self._pipe[0]

    def _write(self, line: str) -> None:
        if self._pipe is not None:
            os.write(self._pipe[1], f"{line}\n".encode())

    def _hang_up(self) -> None:
        """Nothing more comes through the pipe."""
        if self._pipe is not None and self._pipe[1] >= 0:
            os.close(self._pipe[1])
            self._pipe = self._pipe[0], -1

    def _arm(self) -> None:
        next_ns, opened_ns = self._user.next_at_ns(), self._journal.opened_at_ns
        if next_ns is None or opened_ns is None or not self._time.has_loop:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._time.call_at_ns(opened_ns + next_ns, self._ring)

    def _ring(self) -> None:
        for action in self._user.due(self._journal.now_ns):
            if isinstance(action, Send) and action.recorded_seq in self._lines:
                self._give(self._lines.pop(action.recorded_seq))
        self._arm()

    def _give(self, line: Optional[str]) -> None:
        with self._change:
            if self._pipe is not None and self._pipe[1] >= 0:
                if line is None:
                    self._hang_up()
                else:
                    self._write(line)
                return
            self._ready.append(line)
            for wait_again in self._parked.values():
                wait_again()
            self._parked.clear()
            self._change.notify_all()

    def _input(self, prompt: object = "", /) -> str:
        """Read a line, as the built-in function does."""
        sys.stdout.write(str(prompt))
        sys.stdout.flush()
        line = self._line()
        if line is None:
            raise EOFError("EOF when reading a line")
        sys.stdout.write(f"{line}\n")
        return line

    def _line(self) -> Optional[str]:
        """The next line; None where there is no more."""
        if self._time.runs_here():
            self._block()
        elif not self._time.has_loop and not self._ready and self._lines:
            # Nobody is connected yet, or no more: nothing is there to wait for.
            self._ready.append(self._lines.pop(min(self._lines)))
        with self._change:
            while not self._ready and not self._is_over:
                self._park()
                self._change.wait()
            self._parked.pop(threading.get_ident(), None)
            line = self._ready.popleft() if self._ready else None
            # Behind its end there is nothing.
            self._is_over = self._is_over or line is None
            return line

    def _block(self) -> None:
        """The app blocks its loop: time goes by until the line is due, as far as that is known."""
        next_ns, opened_ns = self._user.next_at_ns(), self._journal.opened_at_ns
        if self._ready:
            return
        if next_ns is not None and opened_ns is not None:
            self._time.charge(max(0, opened_ns + next_ns - self._time.now_ns()), "input()")
            self._ring()
        elif self._lines:
            self._ready.append(self._lines.pop(min(self._lines)))
        else:
            self._is_over = True

    def _park(self) -> None:
        thread = threading.current_thread()
        ident = threading.get_ident()
        is_out = self._jobs.get(ident, thread.is_alive)
        self._parked[ident] = lambda: self._time.wait_for(
            "a thread that has read its input", lambda: is_out() and not self.is_parked(ident)
        )
        # The clock may stand still for what this thread was about until now.
        self._time.wake()


class _TypedStdin(io.TextIOBase):
    """``sys.stdin``, line by line.

    Args:
        line: Gives the next line; None where there is no more.
        descriptor: Gives the file descriptor of a pipe with the lines that are still to come.

    Attributes:
        buffer: The same in bytes.
    """

    def __init__(self, line: Callable[[], Optional[str]], descriptor: Callable[[], int]) -> None:
        self._line = line
        self._descriptor = descriptor
        self.buffer = _TypedBytes(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """For whoever reads by the system's calls, such as ``loop.connect_read_pipe``."""
        return self._descriptor()

    def read(self, size: Optional[int] = -1, /) -> str:  # noqa: ARG002 - the signature is io's
        """All lines, to the end."""
        return "".join(iter(self.readline, ""))

    def readline(self, size: Any = -1, /) -> str:  # type: ignore[override]  # noqa: ARG002 - the signature is io's
        """The next line, empty at the end."""
        line = self._line()
        return "" if line is None else f"{line}\n"


class _TypedBytes(io.RawIOBase):
    """``sys.stdin.buffer``, line by line."""

    def __init__(self, text: _TypedStdin) -> None:
        self._text = text

    def readable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """As of the text."""
        return self._text.fileno()

    def readline(self, size: Any = -1, /) -> bytes:  # noqa: ARG002 - the signature is io's
        """The next line, empty at the end."""
        return self._text.readline().encode()

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002 - the signature is io's
        """All lines, to the end."""
        return self._text.read().encode()


def _is_a_terminal_or_nothing() -> bool:
    try:
        return stat.S_ISCHR(os.fstat(0).st_mode)
    except OSError:
        return True
