"""The line at the bottom of a terminal during a recording: its time, and the microphone's volume.

Rules of living here: it is drawn on a terminal only; elsewhere no control character is written. Other output, of the SDK and the
developer's handler too, appears above it.
"""

from __future__ import annotations

import sys
import threading
from array import array
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from types import TracebackType
from typing import Any, Optional, Type

from evi_harness.session.events import Event, Sent
from evi_harness.settings.redrawing import can_redraw

__all__ = ["Indicator", "Level"]

_CLEAR = "\r\x1b[K"
# Down to where a quiet room is, in steps of six decibels.
_BARS = "▁▂▃▄▅▆▇█"
_FULL = 32768


class Level:
    """How loud the loudest sample was of what the app has sent since it was last asked; what is not sent is silent."""

    def __init__(self) -> None:
        self._peak = 0

    def hear(self, event: Event) -> None:
        """Take an event; only audio that was sent counts, 16-bit samples as the SDK's microphone sends them."""
        if not isinstance(event, Sent) or event.frame.is_text:
            return
        payload = event.frame.payload
        samples = array("h", payload[: len(payload) - len(payload) % 2])
        if sys.byteorder == "big":
            samples.byteswap()
        self._peak = max(self._peak, max(samples, default=0), -min(samples, default=0))

    def take(self) -> int:
        """The peak, 0 to 32768; it begins anew."""
        peak, self._peak = self._peak, 0
        return peak


def bar(peak: int) -> str:
    """A peak as people see it: eight places, one for each six decibels."""
    n_places = 0
    while n_places < len(_BARS) and peak << (len(_BARS) - n_places - 1) >= _FULL // 2:
        n_places += 1
    return _BARS[:n_places].ljust(len(_BARS))


class Indicator:
    """Stands in for standard output and standard error while the block runs, if the one is a terminal.

    Args:
        is_wanted: Whether it is drawn at all.

    Attributes:
        is_shown: Whether there is a terminal to draw on.
    """

    def __init__(self, *, is_wanted: bool = True) -> None:
        self._stream: Any = sys.stdout
        self.is_shown = is_wanted and _can_draw(self._stream)
        self._is_drawn = False
        self._at_line_start = True
        # The SDK prints on the loop's thread, but a handler may on any.
        self._writing = threading.RLock()
        self._redirections = ExitStack()

    def __enter__(self) -> Indicator:
        if self.is_shown:
            self._redirections.enter_context(redirect_stdout(_Above(self, sys.stdout)))
            self._redirections.enter_context(redirect_stderr(_Above(self, sys.stderr)))
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._redirections.close()
        if self.is_shown:
            with self._writing, suppress(OSError, ValueError):
                self._clear()
                self._stream.flush()

    def draw(self, elapsed_s: float, peak: int) -> None:
        """Show the time since the opening and the level."""
        with self._writing:
            if self.is_shown and self._at_line_start:
                self._is_drawn = True
                minutes, seconds = divmod(int(elapsed_s), 60)
                try:
                    self._stream.write(f"{_CLEAR}● {minutes}:{seconds:02} {bar(peak)} Ctrl+C ends")
                    self._stream.flush()
                except (OSError, ValueError):
                    # The terminal is gone; whoever draws also sees when the recording is over.
                    self.is_shown = self._is_drawn = False

    def write(self, text: str, stream: Any) -> int:
        """Write what somebody prints to a stream."""
        with self._writing:
            self._clear()
            if text:
                self._at_line_start = text.endswith("\n")
            stream.write(text)
            return len(text)

    def _clear(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            self._stream.write(_CLEAR)
            self._stream.flush()


class _Above:
    """A text stream whose text goes above the indicator; all else is the real stream's."""

    def __init__(self, indicator: Indicator, stream: Any) -> None:
        self._indicator = indicator
        self._real = stream

    def write(self, text: str) -> int:
        return self._indicator.write(text, self._real)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _can_draw(stream: Any) -> bool:
    try:
        if not stream.isatty() or not can_redraw():
            return False
        "●▁█".encode(stream.encoding or "ascii")
    except (AttributeError, ValueError, LookupError):
        # A stream of somebody's own, a closed one, or one that cannot write the signs.
        return False
    return True
