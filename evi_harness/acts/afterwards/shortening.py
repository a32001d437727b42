"""Find a shorter way to the same failure: replay the part of a session up to it, and check that it still fails.

Rules of living here: a part of a session can hide what the whole shows, so no command is given that was not run. A report may come from
somewhere else: what is run is a replay with the options that a report of ours has and no others, and nothing but the handler is loaded from
the folder that it names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional, Sequence, Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.report.explaining.told_causes import ToldReport, read_report_json
from evi_harness.verdicts.invoking import is_replay_again

__all__ = ["MAX_RUN_S", "shorter_command"]

# So long the shorter replay may take, in real time.
MAX_RUN_S = 60.0
_LONGEST = "--max-run-time"
# With one of these a part is asked for already, or something else than a replay that is the same each time.
_NOT_WITH = ("--from", "--until", "--update", "--live")


def shorter_command(told: ToldReport) -> Tuple[str, ...]:
    """Find a command that replays less of the session and fails in the same way, by running it.

    Args:
        told: The report. The handler that it names runs, whoever wrote the report.

    Returns:
        The command's words; empty where there is no such part, or it does not show the failure, or the report's command is not one that may
        be run: it is not a replay, or has options that no report of ours has, or its handler is a module that is from another folder
        than the current one.
    """
    cause = told.causes[0] if told.causes else None
    if cause is None or not cause.fails or cause.recorded_seq is None or told.is_redacted:
        return ()
    if not is_replay_again(told.again) or any(word in _NOT_WITH for word in told.again):
        return ()
    if not _is_here(told.cwd) and _has_module(told.again):
        return ()
    words = (*told.again, "--until", f"#{cause.recorded_seq}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        bound = () if _LONGEST in words else (_LONGEST, f"{MAX_RUN_S:g}")
        # By what this process imports from: with -m, or with a PYTHONPATH, the report's folder would come first.
        path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - entries are text, and "" is the current folder
        program = f"import sys; sys.path[:] = {path!r}; from evi_harness.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-I", "-c", program, *words[1:], *bound, "--json", str(file)]
        nowhere = subprocess.DEVNULL
        try:
            subprocess.run(  # noqa: S603 - our own program, with options that a report of ours has
                command, cwd=told.cwd, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=MAX_RUN_S * 2, check=False
            )
            found = read_report_json(json.loads(file.read_text(encoding="utf-8")), str(file))
        except (EviHarnessError, OSError, ValueError, subprocess.TimeoutExpired):
            return ()
    return words if found.causes and found.causes[0].key == cause.key else ()


def _is_here(cwd: Optional[str]) -> bool:
    try:
        return cwd is None or os.path.samefile(cwd, ".")  # noqa: PTH121 - a report has text
    except (OSError, ValueError):
        return False


def _has_module(words: Sequence[str]) -> bool:
    """Whether the handler of a command is given as PACKAGE.MODULE:NAME, which is looked for in the folder that the command runs in."""
    specs = [spec for flag, spec in zip(words, words[1:]) if flag == "--handler"]
    return any(":" in spec and not spec.rpartition(":")[0].endswith(".py") for spec in specs)
