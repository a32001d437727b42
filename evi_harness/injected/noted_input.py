"""Tell which lines an app reads from its standard input, and when.

The app's own input stays where it is: a terminal, a file or a pipe. What is told is what ``input()``, ``sys.stdin``, its buffer and
asyncio's pipe readers return.

Rules of living here: what the app reads, and when, is what it would be without this; nothing that goes wrong with telling reaches it.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import sys
import termios
import threading
import time
from codecs import getincrementaldecoder
from contextlib import suppress
from types import FrameType
from typing import Any, Callable, List, Optional

from evi_harness.runs.app_channel import InputLine

__all__ = ["NotedInput"]

# More than anybody types. A line that is longer, and all lines behind so much, are not told.
MAX_BYTES = 16 * 1024 * 1024
_TOO_MUCH = f"an app has read more than {MAX_BYTES >> 20} MiB of standard input: what comes behind that is not recorded"


class NotedInput:
    """The standard input of this process.

    Args:
        tell: Takes each line, and the end, as the app reads it.
        warn: Takes a sentence if lines are no longer told.
    """

    def __init__(self, tell: Callable[[InputLine], object], warn: Callable[[str], object]) -> None:
        self._tell = tell
        self._warn = warn
        self._one_at_a_time = threading.RLock()
        self._begun = ""
        self._decode = getincrementaldecoder("utf-8")("backslashreplace").decode
        self._n_left = MAX_BYTES
        self._has_ended = False
        # Threads within input(), which reads from sys.stdin itself if that is not a terminal.
        self._within: List[int] = []

    def put_in_place(self) -> None:
        """Have the app read through this from now on. Does nothing if it has no usual standard input."""
        if not isinstance(sys.stdin, io.TextIOWrapper):
            return
        sys.stdin = text = _NotedText(sys.stdin, self)
        real_input, real_read = builtins.input, os.read

        @functools.wraps(real_input)
        def asked(prompt: object = "", /) -> str:
            if sys.stdin is not text:
                # The app reads from somewhere else now.
                return real_input(prompt)
            self._within.append(threading.get_ident())
            try:
                line = real_input(prompt)
            except EOFError:
                self.ended()
                raise
            finally:
                self._within.remove(threading.get_ident())
            with self._one_at_a_time:
                begun, self._begun = self._begun, ""
                self._line(begun + line, str(prompt))
            return line

        @functools.wraps(real_read)
        def read(descriptor: int, length: int, /) -> bytes:
            data = real_read(descriptor, length)
            if descriptor == 0:
                self.took_bytes(data, length)
            return data

        builtins.input = asked
        os.read = read

    def took(self, text: str, size: Optional[int]) -> None:
        """Take what the app has read, and how much it asked for; nothing is the end of the input."""
        if threading.get_ident() in self._within or size == 0:
            return
        with self._one_at_a_time:
            if not text:
                self.ended()
                return
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._line(line[:-1] if line.endswith("\r") else line)
            if len(self._begun) > self._n_left:
                self._leave_off()

    def took_bytes(self, data: bytes, size: Optional[int]) -> None:
        """The same as bytes."""
        with self._one_at_a_time:
            text = self._decode(data, not data)
            if text or not data:
                self.took(text, size)

    def ended(self) -> None:
        """Take that the app has read the end."""
        with self._one_at_a_time:
            last, self._begun = self._begun, ""
            if last:
                self._line(last)
            # An app may ask again and again.
            if not self._has_ended:
                self._has_ended = True
                self._say(InputLine(None, time.monotonic_ns()))

    def _line(self, text: str, prompt: str = "") -> None:
        self._n_left -= len(text) + 1
        if self._n_left < 0:
            self._leave_off()
        else:
            self._has_ended = False
            self._say(InputLine(text, time.monotonic_ns(), prompt, _is_hidden()))

    def _leave_off(self) -> None:
        self._begun, self._n_left = "", -1
        warn, self._warn = self._warn, lambda _: None
        self._tell = lambda _: None
        with suppress(Exception):
            warn(_TOO_MUCH)

    def _say(self, line: InputLine) -> None:
        with suppress(Exception):
            self._tell(line)


class _NotedText(io.TextIOWrapper):
    """``sys.stdin``.

    Args:
        real: It, as it was; it has read nothing yet.
        noted: Takes what is read.
    """

    def __init__(self, real: io.TextIOWrapper, noted: NotedInput) -> None:
        super().__init__(real.buffer, real.encoding, real.errors, line_buffering=real.line_buffering)
        # Kept: with it, what it reads from would be closed.
        self._real = real
        self._noted = noted
        self._bytes = _NotedBytes(real.buffer, noted)
        self.mode: str = "r"

    @property
    def buffer(self) -> Any:
        """The same in bytes."""
        return self._bytes

    def readline(self, size: Any = -1, /) -> str:  # type: ignore[override]
        """The next line, empty at the end."""
        line = super().readline(size)
        self._noted.took(line, size)
        return line

    def read(self, size: Optional[int] = -1, /) -> str:
        """As much as is asked for, or all to the end."""
        text = super().read(size)
        self._noted.took(text, size)
        if text and (size is None or size < 0):
            self._noted.ended()
        return text


class _NotedBytes(io.BufferedIOBase):
    """``sys.stdin.buffer``."""

    def __init__(self, real: Any, noted: NotedInput) -> None:
        self._real = real
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def readable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """As of the text."""
        number: int = self._real.fileno()
        return number

    def isatty(self) -> bool:
        """As of the text."""
        return bool(self._real.isatty())

    def close(self) -> None:
        """Close it."""
        self._real.close()
        super().close()

    def readline(self, size: Optional[int] = -1, /) -> bytes:
        """The next line, empty at the end."""
        return self._took(self._real.readline(size), size)

    def read(self, size: Optional[int] = -1, /) -> bytes:
        """As much as is asked for, or all to the end."""
        data = self._took(self._real.read(size), size)
        if data and (size is None or size < 0):
            self._noted.ended()
        return data

    def read1(self, size: int = -1, /) -> bytes:
        """What is there, at most as much as is asked for."""
        return self._took(self._real.read1(size), size)

    def readinto(self, into: Any, /) -> int:
        """As ``read``, into a buffer."""
        length: int = self._real.readinto(into)
        self._took(bytes(memoryview(into).cast("B")[:length]), len(memoryview(into).cast("B")))
        return length

    def readinto1(self, into: Any, /) -> int:
        """As ``read1``, into a buffer."""
        length: int = self._real.readinto1(into)
        self._took(bytes(memoryview(into).cast("B")[:length]), len(memoryview(into).cast("B")))
        return length

    def _took(self, data: bytes, size: Optional[int]) -> bytes:
        self._noted.took_bytes(data, size)
        return data


def _is_hidden() -> bool:
    """Whether what is typed now is not shown: a terminal does not echo, or ``getpass`` reads, which has no terminal."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "getpass":
            return True
        frame = frame.f_back
    try:
        return os.isatty(0) and not termios.tcgetattr(0)[3] & termios.ECHO
    except (OSError, termios.error):
        return False
