"""What runs the apps of the pages that are not in Python: Node, and a browser. Where there is none, the test that needs it is skipped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

__all__ = ["HANGS_S", "NODE_MODULES", "browsing", "end_of", "node"]

# A folder node_modules in which Hume's SDK for TypeScript is.
NODE_MODULES = "EVI_HARNESS_NODE_MODULES"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell")
# No app of the pages takes seconds; only one that hangs takes this long.
HANGS_S = 120


def end_of(server: subprocess.Popen[str]) -> Tuple[int, str]:
    """The exit code and the last line of a server that is to end. What it writes fits into the pipe."""
    server.wait(HANGS_S)
    return server.returncode, (server.stdout.read().splitlines() or [""])[-1]


def node() -> Tuple[List[str], Tuple[int, ...]]:
    """Node, as it is started to have a WebSocket, with its version; skips where there is none."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("there is no node here")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, re.findall(r"\d+", said)[:3]))
    if version < (20, 10):
        pytest.skip(f"node {said.strip()} has no WebSocket; from 22 on it has")
    return [path, *(["--experimental-websocket"] if version < (22,) else [])], version


def chromium() -> str:
    """A Chromium; skips where there is none."""
    path = next((path for path in map(shutil.which, CHROMIUMS) if path), None)
    if path is None:
        pytest.skip(f"there is no Chromium here: none of {', '.join(CHROMIUMS)}")
    return path


@contextmanager
def browsing(page: str, folder: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A page in a browser without a window, with more flags, which is ended then with all that it has started."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--no-proxy-server"]
    command, quiet = [chromium(), *flags, *more, f"--user-data-dir={folder / 'profile'}", page], subprocess.DEVNULL
    browser = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield browser
    finally:
        with suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
