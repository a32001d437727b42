"""Show the progress of long work, and the time left, in one line at the bottom of a terminal.

Rules of living here: it is drawn on a terminal only, and not before a second has passed. Whatever else is written to the terminal erases
it first, in this process and in a child that was forked from it. It is written past Python's streams, which ask it to erase itself, and
holds nothing but labels and figures of ours.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Optional, Type

from evi_harness.settings.sink import erase_by

__all__ = ["Progress", "clock", "line_of"]

# From when on, and how often.
BEGIN_S, EVERY_S = 1.0, 0.25
# With less done than this, nobody can say how long the rest takes.
_LEAST = 0.01
_ERASE = b"\r\x1b[K"
_FULL, _EMPTY = "━", "─"
_BAR = 20


def line_of(label: str, n_done: float, n_all: int, elapsed_s: float, where: str = "") -> str:
    """What the line says.

    Args:
        label: What is being done.
        n_done: How much of it is done; parts count.
        n_all: How much it is; 0 for what nobody knows.
        elapsed_s: How long it has taken so far.
        where: Where it is, in place of how much is done; empty where nothing was said of that.
    """
    share = min(1.0, n_done / n_all) if n_all else 0.0
    if share < _LEAST:
        return f"{label}  {where or f'{clock(elapsed_s)} so far'}"
    n_full = int(share * _BAR)
    count = f"{int(n_done)} of {n_all}" if n_all > 1 else f"{int(share * 100)} %"
    return f"{label}  {where or count}  {_FULL * n_full}{_EMPTY * (_BAR - n_full)}  {clock(elapsed_s / share - elapsed_s)} left"


def clock(seconds: float) -> str:
    """A length of time as ``1:05``, or ``2:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


class Progress:
    """Draws how far something has got while the block runs.

    Args:
        label: What is being done.
        n_all: How many things it is.
        stream: The stream that leads to the terminal.
        begin_s: How long the block must have run before anything is drawn.
    """

    def __init__(self, label: str, n_all: int, stream: Any, begin_s: float = BEGIN_S) -> None:
        self._label = label
        self._n_all = n_all
        self._fd: int = stream.fileno()
        self._begin_s = begin_s
        self._began_s = time.monotonic()
        self._n_done = 0
        self._part = 0.0
        self._where = ""
        self._is_drawn = False
        self._quiet_until_s = 0.0
        self._over = threading.Event()
        self._alone = threading.Lock()
        self._thread = threading.Thread(target=self._draw_on, name="evi-harness progress", daemon=True)
        self._pid = os.getpid()

    def __enter__(self) -> Progress:
        erase_by(self.erase)
        self._thread.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._over.set()
        self._thread.join()
        self.erase()
        erase_by(None)

    def done(self, n: int = 1) -> None:
        """Count so many things as done."""
        self._n_done += n
        self._part = 0.0

    def part(self, share: float, where: str = "") -> None:
        """Count so much of the next thing as done.

        Args:
            share: 0 to 1.
            where: What to show in place of how much is done.
        """
        self._where = where
        self._part = max(0.0, min(1.0, share))

    def erase(self) -> None:
        """Take the line off the terminal, for something else to be written."""
        if os.getpid() != self._pid:
            # A child does not know what its parent draws, and the lock may have been taken when it was forked.
            self._write(_ERASE)
            return
        with self._alone:
            # What it is erased for comes at once.
            self._quiet_until_s = time.monotonic() + EVERY_S
            if self._is_drawn:
                self._is_drawn = False
                self._write(_ERASE)

    def _draw_on(self) -> None:
        last = ""
        while not self._over.wait(EVERY_S):
            elapsed_s = time.monotonic() - self._began_s
            if elapsed_s < self._begin_s:
                continue
            text = line_of(self._label, self._n_done + self._part, self._n_all, elapsed_s, self._where)[: self._columns() - 1]
            with self._alone:
                if time.monotonic() < self._quiet_until_s or (self._is_drawn and text == last):
                    continue
                last = text
                # The cursor waits at the left, so that what a program writes past Python begins there.
                self._write(_ERASE + text.encode("utf-8", "replace") + b"\r")
                self._is_drawn = True

    def _columns(self) -> int:
        try:
            return max(2, os.get_terminal_size(self._fd).columns or 80)
        except OSError:
            return 80

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._fd, data)
