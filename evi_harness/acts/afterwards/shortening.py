"""A shorter way to the same failure: the part of a session up to where it shows, replayed to see that it still does.

Rules of living here: a part of a session can hide what the whole shows, so no command is given that was not run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.report.explaining.told_causes import ToldReport, read_report_json
from evi_harness.verdicts.invoking import PROGRAM

__all__ = ["MAX_RUN_S", "shorter_command"]

# So long the shorter replay may take, in real time.
MAX_RUN_S = 60.0
_LONGEST = "--max-run-time"
# With one of these a part is asked for already, or something else than a replay that is the same each time.
_NOT_WITH = ("--from", "--until", "--update", "--live")


def shorter_command(told: ToldReport) -> Tuple[str, ...]:
    """Find a command that replays less of the session and fails in the same way, by running it.

    Args:
        told: The report; its command replays a recording to the developer's own code, which runs.

    Returns:
        The command's words; empty where there is no such part, or it does not show the failure.
    """
    cause = told.causes[0] if told.causes else None
    if cause is None or not cause.fails or cause.recorded_seq is None or told.is_redacted:
        return ()
    if told.again[:2] != (PROGRAM, "replay") or any(word.partition("=")[0] in _NOT_WITH for word in told.again):
        return ()
    words = (*told.again, "--until", f"#{cause.recorded_seq}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        bound = () if _LONGEST in words else (_LONGEST, f"{MAX_RUN_S:g}")
        command = [sys.executable, "-m", PROGRAM.replace("-", "_"), *words[1:], *bound, "--json", str(file)]
        nowhere = subprocess.DEVNULL
        try:
            subprocess.run(  # noqa: S603 - our own program, with what it was run with before
                command, cwd=told.cwd, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=MAX_RUN_S * 2, check=False
            )
            found = read_report_json(json.loads(file.read_text(encoding="utf-8")), str(file))
        except (EviHarnessError, OSError, ValueError, subprocess.TimeoutExpired):
            return ()
    return words if found.causes and found.causes[0].key == cause.key else ()
