"""Tests of evi_harness.harness.executors, with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.harness.executors import local_processes

ROOT = Path(__file__).resolve().parents[2]

# Shows that it is there for as long as its process is, and never comes back.
STAYS = """
import os

def on_message(message):
    shown = os.open({fifo!r}, os.O_WRONLY)
    os.write(shown, b"here\\n")
    os.read(os.pipe()[0], 1)
"""
# Run by Python itself before anything else.
TELLS = """
import os, signal
with open(os.path.join({folder!r}, str(os.getpid())), "w") as file:
    file.write(str(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name)
def test_workers_end_with_whoever_gave_out_the_work(tmp_path, number):
    """However that ends; nobody would ever give them anything again."""
    for name in ("a", "b"):
        shutil.copytree(ROOT / "sessions" / "typed", tmp_path / "sessions" / name)
    fifo, handler = tmp_path / "fifo", tmp_path / "stays.py"
    os.mkfifo(fifo)
    handler.write_text(STAYS.format(fifo=str(fifo)), encoding="utf-8")
    words = [sys.executable, "-m", "evi_harness", "replay", str(tmp_path / "sessions"), "-j", "2", "--handler", f"{handler}:on_message"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent, fifo.open() as shown:
        assert [shown.readline(), shown.readline()] == ["here\n", "here\n"]
        parent.send_signal(number)
        assert parent.wait(30) == -number
        # The end of the file is the end of both.
        assert shown.read() == ""


def test_a_worker_begins_with_ctrl_c_held_back(tmp_path, monkeypatch):
    """A terminal sends it to all, and one that is only being imported would end with a traceback; afterwards it is ignored there."""
    (tmp_path / "sitecustomize.py").write_text(TELLS.format(folder=str(tmp_path)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with local_processes(1) as processes:
        pid = processes.submit(os.getpid).result()
        assert processes.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert signal.SIGINT not in processes.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result()
    assert (tmp_path / str(pid)).read_text() == "True"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
