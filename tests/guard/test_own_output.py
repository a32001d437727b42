from __future__ import annotations

import asyncio
import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.guard.own_output import told_by_us

ROOT = Path(__file__).resolve().parents[2]
LOGS = """
import asyncio, logging
from evi_harness.guard.own_output import silence_libraries
silence_libraries()
for name in ("aiohttp.server", "aiohttp.websocket", "asyncio"):
    logging.getLogger(name).error("SECRET")
logging.getLogger("an.app").error("heard")
"""


def test_libraries_log_nothing():
    """And nobody else is silenced."""
    done = subprocess.run([sys.executable, "-c", LOGS], cwd=str(ROOT), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "heard\n")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "room", ".*connections: Too many open"),
        (ValueError("SECRET"), "loop: ValueError", "an error .*: ValueError"),
        (None, "loop", "an error [^:]*$"),
    ],
)
def test_what_a_loop_would_log_is_a_line_of_ours(error, kind, words):
    """It quotes no exception's words: they may be a client's."""
    told = []

    async def main():
        loop = asyncio.get_running_loop()
        told_by_us(loop, lambda *line: told.append(line))
        loop.call_exception_handler({"message": "SECRET", **({} if error is None else {"exception": error})})

    asyncio.run(main())
    ((found, line),) = told
    assert found == kind
    assert re.match(words, line)
    assert "SECRET" not in line
