"""Tests of evi_harness.injected.real_time_watch: what it tells of a process of its own. Runs of apps are in tests/runs/real_commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.dialects import dialect_of
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.app_channel import BEGAN, CHANNEL, FINISHED, NOTED, SITE, ActedSession, PointedPlan, ReportReader
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.notes import NETWORK, RAISED, SWALLOWED, UNSEEN
from evi_harness.storage.reader import read_session

TYPED = Path(__file__).resolve().parents[2] / "sessions" / "typed"


def told(program, **asked):
    """What a Python program reports while it runs, by kind."""
    recorded = read_session(TYPED)
    dialect = dialect_of(recorded)
    acted = ActedSession(PlayedRecording.of(recorded, dialect), ReplayOptions(**asked), str)
    plan = PointedPlan((("api.hume.ai", None),), ("127.0.0.1", 1), dialect, acted=acted).write()
    heard, reports = os.pipe()
    environment = {**os.environ, "PYTHONPATH": str(SITE), CHANNEL: f"{reports},{plan}"}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, pass_fds=(reports, plan), stderr=subprocess.DEVNULL):
        os.close(reports)
        os.close(plan)
        with os.fdopen(heard, "rb") as pipe:
            return list(ReportReader().feed(pipe.read()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "kinds"),
    [
        ("pass", []),
        ("raise KeyError(1)", [RAISED]),
        ("raise KeyboardInterrupt", []),
        ("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", [SWALLOWED]),
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", [NETWORK]),
        ("import os; os.fork() or os._exit(0); os.wait()", [UNSEEN]),
        ("class ConnectionClosedOK(Exception): pass\nraise ConnectionClosedOK", []),
    ],
    ids=["nothing", "an error", "ctrl-c", "a thread", "another host", "a fork", "a close"],
)
def test_what_is_observed_is_reported(program, kinds):
    """With its process, and when; that it began comes first, and what was played last."""
    reports = told(program)
    assert [kind for kind, _ in reports if kind != NOTED and kind != b"c"] == [BEGAN, FINISHED]
    (began, _), (pid, outcome) = reports[0][1], reports[-1][1]
    assert began == pid
    assert (outcome.sound.playbacks, outcome.sound.opened_at_ns, outcome.sdk) == ((), None, "")
    noted = [what for kind, what in reports if kind == NOTED]
    assert [(process, note.name) for process, _, note in noted] == [(pid, kind.name) for kind in kinds]
    assert all(at_ns > 0 for _, at_ns, _ in noted)


def test_an_exit_that_skips_the_end_is_told():
    """Also where the process becomes another one: that one begins anew."""
    assert [kind for kind, _ in told("import os; os._exit(3)")] == [BEGAN, FINISHED]
    become = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'pass'])"
    assert [kind for kind, _ in told(become)] == [BEGAN, FINISHED, BEGAN, FINISHED]
