"""Tests of evi_harness.live.exits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ENDS = """
import os, sys
from evi_harness.live.exits import telling_exit

def handler():
    os._exit(3)

with telling_exit(lambda text: text.replace("handler", "HANDLER")):
    if len(sys.argv) > 1 and os.fork():
        sys.exit(os.WEXITSTATUS(os.wait()[1]))
    handler()
"""


def ended(tmp_path, *arguments):
    """A process whose handler ends it."""
    script = tmp_path / "app.py"
    script.write_text(ENDS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False, env=environment)


def test_the_last_word_says_who_ended_the_process(tmp_path):
    """With status, file and line, redacted; and the process ends with that status."""
    done = ended(tmp_path)
    assert done.returncode == 3
    place = f"{tmp_path / 'app.py'}:6 in HANDLER"
    assert done.stderr == f"evi-harness: the HANDLER ended the process with os._exit(3) at {place}; there is no report\n"


def test_a_forked_child_says_nothing(tmp_path):
    """It is not the process that reports."""
    done = ended(tmp_path, "fork")
    assert (done.returncode, done.stderr) == (3, "")


def test_the_real_one_comes_back():
    """And one that somebody has put there since stays."""
    from evi_harness.live.exits import telling_exit

    real = os._exit
    with telling_exit():
        assert os._exit is not real
    assert os._exit is real
