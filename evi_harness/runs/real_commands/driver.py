"""A command that calls an app which waits for callers: started once that listens, and its end is that of the run.

Rules of living here: it runs as it would by itself, in this folder and terminal; nothing of it is watched but its end.
"""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import Optional, Sequence

from evi_harness.guard.variables import variables_in
from evi_harness.runs.app_process import END_S, cannot_start, end_by, ends_within, signal_family
from evi_harness.runs.real_commands.listening_places import APP_PLACE, APP_VARIABLE

__all__ = ["Driver"]


@dataclass
class Driver:
    """One that was started.

    Attributes:
        process: Its process.
        status: How it ended by itself, as ``subprocess`` has it; None while it runs, and where it was ended from here.
    """

    process: subprocess.Popen[bytes]
    status: Optional[int] = None

    @staticmethod
    def start(words: Sequence[str], address: str) -> Driver:
        """Start it.

        Args:
            words: The command.
            address: Where the app listens, ``HOST:PORT``.

        Raises:
            CommandError: It cannot be started.
        """
        given = [word.replace(APP_PLACE, address) for word in words]
        try:
            # What it prints is not the app's, and goes aside.
            process = subprocess.Popen(given, env={**variables_in(), APP_VARIABLE: address}, stdin=subprocess.DEVNULL, stdout=2)  # noqa: S603 - the developer's own command
        except OSError as error:
            raise cannot_start(given[0], error) from error
        return Driver(process)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        if self.status is None:
            self.status = self.process.poll()
        return self.status is not None

    def stop(self) -> None:
        """End it, and what it has started, if it has not ended: it has a moment to see that the app is gone."""
        if not ends_within(self.process, END_S):
            end_by(self.process, (signal.SIGTERM, signal.SIGKILL), partial(signal_family, self.process.pid))
