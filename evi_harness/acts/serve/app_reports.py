"""What a recorded app's own process reports while it runs, on the loop that relays its connection.

Rules of living here: nothing waits for a report. One that the app made before it sent something is taken before that is read: it is in the
pipe by then, and ``catch_up`` asks for it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Callable

from evi_harness.runs.app_channel import ReportReader

__all__ = ["AppReports"]

_PIECE_BYTES = 1 << 16


class AppReports:
    """A pipe, from any number of processes to this one.

    Args:
        take: Takes each report: its kind, one of ``runs.app_channel``, and what it says.

    Attributes:
        said: The end that the app's processes inherit; ``begin`` closes it here.
    """

    def __init__(self, take: Callable[[bytes, object], object]) -> None:
        self._report = take
        self._reader = ReportReader()
        self._heard, self.said = os.pipe()
        os.set_blocking(self._heard, False)
        self._is_open = True

    def begin(self) -> None:
        """Listen on the running loop; the app has started, or could not be."""
        os.close(self.said)
        asyncio.get_running_loop().add_reader(self._heard, self.catch_up)

    def catch_up(self) -> None:
        """Take all reports that have come by now."""
        while self._is_open:
            with suppress(BlockingIOError):
                data = os.read(self._heard, _PIECE_BYTES)
                if not data:
                    self.end()
                    return
                self._take(data)
                continue
            return

    def end(self) -> None:
        """Listen no more; what is reported from now on is lost, and the processes that do so go on."""
        if self._is_open:
            self._is_open = False
            asyncio.get_running_loop().remove_reader(self._heard)
            os.close(self._heard)

    def _take(self, data: bytes) -> None:
        for kind, what in self._reader.feed(data):
            self._report(kind, what)
