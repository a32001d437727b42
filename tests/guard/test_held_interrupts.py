"""Tests of evi_harness.guard.held_interrupts, with real processes and signals."""

from __future__ import annotations

import signal
import subprocess
import sys

from evi_harness.carriers.server_process import ServerProcess
from evi_harness.guard.held_interrupts import interrupts_held_back

TELLS = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
STARTS = f"""
import os, signal, subprocess, sys
from evi_harness.guard.held_interrupts import interrupts_held_back

def tell():
    subprocess.run([sys.executable, "-c", {TELLS!r}], check=True)

try:
    with interrupts_held_back():
        os.kill(os.getpid(), signal.SIGINT)
        tell()
        is_behind = True
except KeyboardInterrupt:
    print("behind the block" if is_behind else "in the block", flush=True)
tell()
"""
IGNORES = """
import signal
from evi_harness.guard.held_interrupts import ignore_interrupts
signal.raise_signal(signal.SIGINT)
ignore_interrupts()
signal.raise_signal(signal.SIGINT)
print("goes on")
"""


def printed(program):
    """What a program prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_begins_with_it_held_back():
    """In the process that starts it, it comes behind the block; one that is started later begins as ever."""
    # On a thread alone: any other would take the signal.
    assert printed(STARTS) == "True\nbehind the block\nFalse"


def test_what_was_held_back_is_ignored_too():
    """It came while the process could do nothing about it."""
    with interrupts_held_back():
        assert printed(IGNORES) == "goes on"


def test_a_server_begins_so(monkeypatch):
    """The process that serves a replay in real time."""
    really, held = subprocess.Popen, []

    def popen(*args, **kwargs):
        held.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return really(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", popen)
    with ServerProcess(dict, chat_paths=["/chat"]) as server:
        assert server.url
    assert held == [True]
