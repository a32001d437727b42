"""Tests of evi_harness.live.held_interrupts, with real processes and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from evi_harness.live.held_interrupts import interrupts_held_back
from evi_harness.live.process import ServerProcess

TELLS = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
IGNORES = """
import signal
from evi_harness.live.held_interrupts import ignore_interrupts
signal.raise_signal(signal.SIGINT)
ignore_interrupts()
signal.raise_signal(signal.SIGINT)
print("goes on")
"""


def printed(program):
    """What a program prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def interrupted_meanwhile(begun):
    """Start a process while Ctrl+C comes."""
    with interrupts_held_back():
        os.kill(os.getpid(), signal.SIGINT)
        begun.append(printed(TELLS))


def test_a_process_begins_with_it_held_back():
    """In the process that starts it, it comes behind the block; one that is started later begins as ever."""
    begun = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_meanwhile(begun)
    assert begun == ["True"]
    assert printed(TELLS) == "False"


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
