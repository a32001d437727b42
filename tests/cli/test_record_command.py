"""Tests of ``record``: the command in a process of its own, against a simulator in another; signals, terminals, exit codes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evi_harness.cli.main import main
from evi_harness.harness.serving import served
from evi_harness.harness.sessions import check_session, load_session
from evi_harness.harness.simulating import Simulation
from evi_harness.simulate.simulator import Options
from evi_harness.simulate.turn_detection import TurnDetection

ROOT = Path(__file__).resolve().parents[2]
MIC = str(ROOT / "fixtures" / "speech" / "user-1.flac")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")


@pytest.fixture(scope="module")
def url():
    """A simulator in another process."""
    with served(Simulation(options=Options(detection=TurnDetection(end_of_turn_silence_ms=500)))) as server:
        yield server.url


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    """No .env and no keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def command(*words):
    """The command's words."""
    return [sys.executable, "-m", "evi_harness", "record", *words]


def start(url, *words):
    """Start the command; its output comes as it is printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    words = command("--mic", MIC, "--base-url", url, *words)
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process, said):
    """Read lines until one begins with a word; gives them all."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(said):
            break
    return lines


def only_folder(out):
    """The one session folder in a folder of sessions."""
    (folder,) = out.iterdir()
    return folder


def test_from_beginning_to_end(url, tmp_path):
    """Exit 0; transcript and last line on standard output, nothing on standard error, no control character anywhere."""
    with start(url, "--name", "a question", "--duration", "2.3") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert not CONTROL.search(out)
    folder = only_folder(tmp_path / "sessions")
    assert folder.name.endswith("Z-a-question")
    lines = out.splitlines()
    assert lines[0] == "connected"
    assert any(line.startswith("user: ") and line.count(" 0.") == 3 for line in lines)
    assert lines[-2] == "ended: --duration is over"
    place = f"sessions/{folder.name}"
    assert re.fullmatch(rf"session: {place} \(\d+\.\d s, \d+ events\); replay it: evi-harness replay {place}", lines[-1])
    assert check_session(folder) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("connected", signal.SIGINT),
        ("connected", signal.SIGTERM),
        ("Configuring", signal.SIGINT),
        ("Microphone connected", signal.SIGINT),
        ("user: ", signal.SIGINT),
    ],
)
def test_a_signal_ends_it_well(url, tmp_path, moment, number):
    """At whatever moment of a conversation: exit 0, no traceback, a complete folder, closed by the app with 1000."""
    with start(url) as process:
        until(process, moment)
        process.send_signal(number)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert "ended: interrupted\n" in out
    folder = only_folder(tmp_path / "sessions")
    session = load_session(folder)
    assert check_session(folder) == []
    assert session.header.complete
    assert (session.closed.by, session.closed.code) == ("app", 1000)
    assert folder.name in out.splitlines()[-1]


def test_two_signals_at_once_lose_nothing(url, tmp_path):
    """Who is impatient gets the same folder."""
    with start(url) as process:
        until(process, "Microphone")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert "replay it" in out
    assert check_session(only_folder(tmp_path / "sessions")) == []


def test_a_handler_that_blocks_is_interrupted(url, tmp_path):
    """The first signal cannot be heard by a loop that is blocked; the second interrupts it, and the session is complete."""
    (tmp_path / "app.py").write_text(
        "import time\ndef on_message(message):\n    print('blocking', flush=True)\n    while True:\n        time.sleep(0.01)\n"
    )
    with start(url, "--handler", "app.py:on_message") as process:
        until(process, "blocking")
        process.send_signal(signal.SIGINT)
        timer = threading.Timer(0.3, process.send_signal, [signal.SIGINT])
        timer.start()
        out, err = process.stdout.read(), process.stderr.read()
        timer.join()
    assert (process.returncode, err) == (0, "")
    assert "ended: interrupted" in out
    assert load_session(only_folder(tmp_path / "sessions")).header.complete


def test_interrupted_before_there_is_a_connection(tmp_path):
    """There is nothing to end and nothing to keep: 130, and no folder."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with start(f"http://127.0.0.1:{silent.getsockname()[1]}") as process:
            # It has connected, and waits for an answer that never comes.
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["connected", "user: "])
def test_killed(url, tmp_path, moment):
    """kill -9: the folder opens, everything in it is read, and it says that it is not complete."""
    with start(url) as process:
        until(process, moment)
        folder = wait_for_events(tmp_path / "sessions")
        process.kill()
        process.wait(60)
    session = load_session(folder)
    assert not session.header.complete
    assert session.events[0].kind == "opened"
    assert any("complete" in str(problem) for problem in check_session(folder))


def wait_for_events(out):
    """The session folder, once something is in it: it is made moments after the opening, out of sight until it is whole."""
    for _ in range(1_000_000):
        for events in out.glob("[!.]*/events.jsonl"):
            if events.stat().st_size:
                return events.parent
    raise AssertionError("no folder was made")


def test_a_terminal_has_an_indicator(url, tmp_path):
    """On a terminal a line shows time and level; what is printed stands on lines of its own, and the last line is clean."""
    parent, child = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    words = command("--mic", MIC, "--base-url", url, "--duration", "1.6")
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        shown = read_terminal(parent)
    assert process.returncode == 0
    assert re.search(r"\r\x1b\[K● 0:01 [▁▂▃▄▅▆▇█ ]{8} Ctrl\+C ends", shown)
    assert "▁▂▃▄" in shown
    screen = [line.rsplit("\r\x1b[K", 1)[-1].rstrip("\r") for line in shown.split("\n")]
    assert "Microphone connected. Say something!" in screen
    assert screen[-2].startswith("session: sessions/")
    assert not any("●" in line for line in screen)


def read_terminal(parent):
    """All that a terminal shows until nobody writes to it any more."""
    parts = []
    while select.select([parent], [], [], 60)[0]:
        try:
            part = os.read(parent, 65536)
        except OSError:
            # Linux says so where others give an empty read.
            break
        if not part:
            break
        parts.append(part)
    os.close(parent)
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--mic", "nowhere.wav"], 2, "nowhere.wav"),
        (["--duration", "0"], 2, "--duration"),
        (["--mic", MIC, "--base-url", "ftp://x"], 2, "ftp"),
        (["--mic", MIC, "--device", "1", "--base-url", "http://127.0.0.1:1"], 2, "--device"),
        (["--mic", MIC, "--handler", "app", "--base-url", "http://127.0.0.1:1"], 2, "SPEC"),
        (["--mic", MIC, "--handler", "app.py:x", "--base-url", "http://127.0.0.1:1"], 3, "app.py is not there"),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1"], 3, "nothing listens there"),
        (["--mic", MIC], 3, "HUME_API_KEY"),
        (["--mic", MIC, "--out", f"{MIC}/x", "--base-url", "http://127.0.0.1:1"], 3, "user-1.flac"),
    ],
)
def test_what_cannot_be_is_told(words, code, said, capsys, tmp_path):
    """In one message, with the code of its kind, and nothing is left behind."""
    assert main(["record", *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_what_went_wrong_on_the_way_comes_behind_the_session(url, tmp_path, capsys):
    """A handler that raises: the last line is there, then the error, and the code is 3."""
    (tmp_path / "app.py").write_text("def on_message(message):\n    raise ValueError('no such luck')\n")
    assert main(["record", "--mic", MIC, "--base-url", url, "--duration", "0.3", "--handler", "app.py:on_message"]) == 3
    told = capsys.readouterr()
    assert "replay it: evi-harness replay sessions/" in told.out.splitlines()[-1]
    assert re.match(r"error: \S*app.py:2 in on_message: on_message raised ValueError: no such luck", told.err)
