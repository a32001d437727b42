"""Ctrl+C, SIGTERM and SIGHUP at many moments, which a seed draws, of ``record`` and ``serve``: real processes, real signals.

A dozen and a half are sent; with ``EVI_HARNESS_HYPOTHESIS=long`` it is 200.
"""

from __future__ import annotations

import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import List, NamedTuple, Tuple

import pytest

from evi_harness.acts.serve.serving import served
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.acts.sessions import check_session
from evi_harness.simulate.simulator_options import Options
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
MIC = str(ROOT / "fixtures" / "speech" / "user-1.flac")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
# So many at a time: they share the machine, and play in real time.
N_AT_ONCE = 3
# The files are looked at so often; whatever a process prints is seen at once.
LOOK_EVERY_S = 0.003
N_ROUNDS = 200 if os.environ.get("EVI_HARNESS_HYPOTHESIS") == "long" else 18


class Moment(NamedTuple):
    """When to send which signal.

    Attributes:
        command: ``record`` or ``serve``.
        number: The signal.
        kind: What is waited for: what is printed, lines or bytes in the folder, or nothing but time.
        n: How many of them; behind what is printed, and of time, milliseconds.
    """

    command: str
    number: int
    kind: str
    n: int


# For each command what is waited for, and the most of it.
KINDS = {
    "record": [("begun", 1200), ("connected", 300), ("lines", 260), ("bytes", 150_000), ("closed", 60)],
    "serve": [("begun", 1200), ("listening on", 300), ("lines", 120), ("bytes", 150_000), ("session 1", 60)],
}


def moment(seed):
    """One moment: both commands, all signals and all kinds come in turn."""
    chance = random.Random(seed)
    command = ("record", "serve")[seed % 2]
    kind, most = KINDS[command][seed // 2 % 5]
    return Moment(command, SIGNALS[seed // 2 % 3], kind, chance.randrange(1, most))


MOMENTS = [moment(seed) for seed in range(N_ROUNDS)]


class Ended(NamedTuple):
    """One process that was sent a signal.

    Attributes:
        code: What it exited with.
        printed: Its output.
        errors: What it wrote to standard error.
        folders: The sessions that are there.
        left: Whatever is in its own folder.
    """

    code: int
    printed: str
    errors: str
    folders: List[Path]
    left: List[str]


class Command:
    """A command in a process of its own."""

    def __init__(self, words: Tuple[str, ...], out: Path) -> None:
        self.out = out
        self.printed = b""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_BASE_URL"):
            environment.pop(name, None)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN, *words, "--out", str(out)],
            cwd=str(out.parent),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def wait_until(self, is_time):
        """Take what it prints until it is time, or it is over."""
        while not is_time() and self.listen(LOOK_EVERY_S):
            pass

    def listen(self, seconds):
        """Take what it prints next; False where it is over."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return True
        piece = os.read(self.process.stdout.fileno(), 65536)
        self.printed += piece
        return bool(piece)

    def has(self, kind, n):
        """Whether so much is in its folders."""
        read = (lambda path: path.read_bytes().count(b"\n")) if kind == "lines" else (lambda path: path.stat().st_size)
        names = "events.jsonl" if kind == "lines" else "*"
        with suppress(FileNotFoundError):
            return sum(read(path) for folder in self.folders() for path in folder.glob(names)) >= n
        return False

    def folders(self):
        """Session folders; what is hidden is not there yet."""
        return sorted(path for path in self.out.iterdir() if not path.name.startswith(".")) if self.out.is_dir() else []

    def ended(self):
        """How it ended."""
        while self.listen(120):
            pass
        code = self.process.wait(120)
        self.process.stdout.close()
        self._errors.seek(0)
        errors = self._errors.read().decode()
        self._errors.close()
        left = sorted(path.name for path in self.out.parent.iterdir())
        return Ended(code, self.printed.decode(), errors, self.folders(), left)


# Whoever runs this may be in the background of a shell, or behind nohup.
BEGIN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from evi_harness.cli.main import main
os.write(1, b"begun\\n")
sys.exit(main())
"""


def interrupted(url, out, found):
    """One round."""
    if found.command == "record":
        words = ("record", "--mic", MIC, "--base-url", url, "--allow-user-interrupt")
    else:
        words = ("serve", str(ROOT / "sessions" / "weather"))
    command = Command(words, out / "sessions")
    apps = []
    try:
        if found.command == "serve" and found.kind != "begun":
            command.wait_until(lambda: re.search(rb"listening on \S+\n", command.printed))
            apps = listeners(re.search(r"listening on (\S+)", command.printed.decode())[1], hangs_up=found.kind == "session 1")
        if found.kind in ("lines", "bytes"):
            command.wait_until(lambda: command.has(found.kind, found.n))
        else:
            if found.kind == "closed":
                command.wait_until(lambda: b"user: " in command.printed)
                command.process.send_signal(signal.SIGINT)
            command.wait_until(lambda: found.kind.encode() in command.printed)
            with suppress(subprocess.TimeoutExpired):
                command.process.wait(found.n / 1000)
    finally:
        with suppress(ProcessLookupError):
            command.process.send_signal(found.number)
        ended = command.ended()
        for app in apps:
            app.join()
    return ended


def listeners(url, *, hangs_up):
    """Two apps that speak, and take what comes until the connection is closed; they close it themselves where they are to."""

    def converse():
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        with suppress(ConnectionClosed, OSError), connect(url.replace("http", "ws") + "/v0/evi/chat") as connection:
            for number in range(100):
                connection.send(bytes([number]) * 640)
            connection.recv()
            if not hangs_up:
                for _ in connection:
                    pass

    apps = [threading.Thread(target=converse) for _ in range(2)]
    for app in apps:
        app.start()
    return apps


@pytest.fixture(scope="module")
def url():
    """A simulator in another process."""
    with served(Simulation(options=Options(detection=TurnDetection(end_of_turn_silence_ms=200)))) as server:
        yield server.url


@pytest.fixture(scope="module")
def rounds(url, tmp_path_factory):
    """All rounds, a few at a time."""
    outs = [tmp_path_factory.mktemp(f"round-{number}") for number in range(len(MOMENTS))]
    with ThreadPoolExecutor(N_AT_ONCE) as threads:
        return list(threads.map(lambda number: interrupted(url, outs[number], MOMENTS[number]), range(len(MOMENTS))))


@pytest.mark.parametrize("number", range(len(MOMENTS)), ids=["-".join(map(str, one)).replace(" ", "_") for one in MOMENTS])
def test_whenever_a_signal_comes_nothing_is_lost(rounds, number):
    """Once there is a session, or a server: 0, and every folder is complete. Before: 130, one line, and nothing is left behind."""
    found, ended = MOMENTS[number], rounds[number]
    assert "Traceback" not in ended.errors
    for folder in ended.folders:
        assert check_session(folder) == []
        assert load_session(folder).header.complete
    if ended.folders or "listening on" in ended.printed:
        assert (ended.code, ended.errors) == (0, "")
        return
    # A process that has hardly begun is ended by the system.
    assert ended.code in ((INTERRUPTED,) if found.number == signal.SIGINT else (INTERRUPTED, -found.number))
    assert ended.errors == ("interrupted\n" if ended.code == INTERRUPTED else "")
    assert ended.left == []
