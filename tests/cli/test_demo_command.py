"""Tests of ``evi-harness demo``: the whole once, as a stranger sees it, and Ctrl+C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.dialects import dialect_named
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def child(tmp_path):
    """Starts the demo in a folder of its own, with nothing of the developer's in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUME_")}
    environment["PYTHONPATH"] = str(ROOT)

    def start(*options):
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "evi_harness", "demo", *options],
            cwd=str(tmp_path),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(params=["evi", "openai-realtime"])
def dialect(request):
    """The name of what is spoken; one whose SDK is not installed is left out."""
    if request.param != "evi":
        pytest.importorskip("openai", reason="the extra openai is not installed")
    return request.param


def test_one_command_shows_it_all(child, tmp_path, dialect):
    """Exit 0 and nothing on standard error; one session under sessions, of three turns with a tool call and an interruption."""
    with child(*(() if dialect == "evi" else ("--dialect", dialect))) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    folder, page = sorted((tmp_path / "sessions").iterdir())
    assert folder.name.endswith("-demo")
    assert out.splitlines()[-1].strip() == f"sessions/{page.name}" == f"sessions/{folder.name}.html"
    assert "<title>" in page.read_text(encoding="utf-8")
    assert check_session(folder) == []
    turns = dialect_named(dialect).turns(load_session(folder).events)
    assert len(turns) == 3
    assert [len(turn.tool_calls) for turn in turns] == [1, 0, 0]
    assert turns[1].interrupted_by is not None
    assert "\nverdict    passed\n" in out
    # Started as a module, it is named as one where no shell would find it.
    assert re.search(rf"^  \S.* replay sessions/{folder.name} --handler", out, re.MULTILINE)


def test_ctrl_c_ends_it_and_keeps_what_was_recorded(child, tmp_path, dialect):
    """130, and no traceback; the session is complete as far as it went."""
    with child("--dialect", dialect) as process:
        for line in process.stdout:
            if line.startswith("Microphone connected" if dialect == "evi" else "user: "):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    (folder,) = (tmp_path / "sessions").iterdir()
    assert check_session(folder) == []


def test_whoever_goes_on_pressing_loses_nothing(child, tmp_path, dialect):
    """Ctrl+C again and again until the process is gone: 130, and what was recorded is complete."""
    with child("--dialect", dialect) as process:
        for line in process.stdout:
            if line.startswith("user: "):
                break
        stop = threading.Event()

        def press():
            while not stop.wait(0.05) and process.poll() is None:
                process.send_signal(signal.SIGINT)

        presser = threading.Thread(target=press)
        presser.start()
        _, err = process.communicate(timeout=60)
        stop.set()
        presser.join()
    assert (process.returncode, err) == (130, "interrupted\n")
    (folder,) = (tmp_path / "sessions").iterdir()
    assert check_session(folder) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path, capsys):
    """In a sentence, with 3."""
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file" / "runs")]) == 3
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {tmp_path / 'file' / 'runs'}: ")
    assert "Traceback" not in told.err
