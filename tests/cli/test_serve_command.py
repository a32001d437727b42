from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import websockets

from evi_harness.cli import commands
from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
WEATHER = str(ROOT / "sessions" / "weather")
PROGRAM = """
import sys
from evi_harness.cli import commands
from evi_harness.cli.main import main
commands._COMMANDS.setdefault("serve", "")
sys.exit(main(["serve", *sys.argv[1:]]))
"""

# Python itself is not to be interrupted, but what the command does.
BEGINS = """
from evi_harness.cli import main as door
door._put_up_with_any_text = lambda: print("begins", flush=True)
"""


@pytest.fixture(autouse=True)
def _there(monkeypatch):
    """The command is there, listed or not yet."""
    monkeypatch.setitem(commands._COMMANDS, "serve", "")


async def hello(url):
    """Hear one message and leave."""
    async with websockets.connect(url.replace("http://", "ws://") + "/v0/evi/chat") as connection:
        await connection.recv()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None], ids=["Ctrl+C", "SIGTERM", "once"])
def test_it_says_where_serves_and_ends_well(number):
    """The first line is there at once, on standard output alone, though that is a pipe; the end is told and is no failure."""
    words = [WEATHER] if number is not None else [WEATHER, "--once"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        first = process.stdout.readline()
        assert first.startswith("listening on http://127.0.0.1:")
        asyncio.run(hello(first.split()[-1]))
        told = [process.stdout.readline()]
        if number is not None:
            process.send_signal(number)
        # Not communicate: what was read ahead would be lost to it.
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(60)
    assert (process.returncode, err) == (0, "")
    assert told[0].startswith("session 1: ")
    assert out.startswith("served 1 session, 1 messages; late: p50 ")
    assert len(out.splitlines()) == 1


def test_whoever_goes_on_pressing_gets_the_last_line():
    """Ctrl+C again and again until the process is gone: 0, and what was served."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # As a shell starts it: how the process ends is a part of it.
    words = [sys.executable, "-m", "evi_harness", "serve", WEATHER]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        asyncio.run(hello(process.stdout.readline().split()[-1]))
        stop = threading.Event()

        def press():
            while not stop.wait(0.02) and process.poll() is None:
                process.send_signal(signal.SIGINT)

        presser = threading.Thread(target=press)
        presser.start()
        out, err = process.stdout.read(), process.stderr.read()
        stop.set()
        presser.join()
        process.wait(60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1].startswith("served 1 session, 1 messages; late: p50 ")


@pytest.mark.parametrize("words", [[WEATHER], ["--simulate"]], ids=["session", "simulator"])
def test_interrupted_before_it_listens(words):
    """At whatever moment of its beginning: 130, and nothing but that it was interrupted; or 0, where it listened by then."""
    for wait_s in (0, 0.1, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", BEGINS + PROGRAM, *words], cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout.readline() == "begins\n"
            with suppress(subprocess.TimeoutExpired):
                process.wait(wait_s)
            process.send_signal(signal.SIGINT)
            out, err = process.stdout.read(), process.stderr.read()
        assert (process.returncode, err) == ((0, "") if "served" in out else (130, "interrupted\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = [1\n", "it is no TOML"),
        (b"nonsense = 1\n", "nonsense is not known here; known: "),
        (b"[[turns]]\nsay = 'a'\n", "turns is not known here; known: "),
        (b"turn = 7\n", "turn"),
        (b"[[turn]]\nsay = 5\n", "turn 1"),
        (b"[[turn]]\nsay = { words = 'a' }\n", "words is not known here; known: "),
        (b"[[turn]]\nsay = { text = 'a', voice = 'gone.flac' }\n", "gone.flac"),
        (b"[[turn]]\nsay = { text = 'a', voice = 7 }\n", "turn 1"),
        (b"seed = 'x'\n", "seed is 'x'"),
        (b"latency = { response_ms = -1 }\n", "latency"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"\xff\xfe", "no text in UTF-8"),
    ],
)
def test_a_bad_script_is_told(content, said, tmp_path, capsys):
    """With the file, the place in it and where the format is described; it could not run."""
    script = tmp_path / "script.toml"
    script.write_bytes(content)
    assert main(["serve", "--simulate", "--script", str(script)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith((f"error: {script}", "error: script.toml"))
    assert said in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2


def test_a_port_in_use_is_named(capsys):
    """It could not run."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", WEATHER, "--port", str(port)]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: port {port} on 127.0.0.1 is in use\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([WEATHER, "--host", "0.0.0.0"], 2, "loopback"),
        ([WEATHER, "--port", "65536"], 2, "--port"),
        ([WEATHER, "--port", "-1"], 2, "--port"),
        ([WEATHER, "--port", "http"], 2, "--port"),
        ([WEATHER, "--patience", "0"], 2, "--patience"),
        ([WEATHER, "--patience", "nan"], 2, "'nan' is no number of seconds"),
        ([WEATHER, "--patience", "inf"], 2, "'inf' is no number of seconds"),
        ([WEATHER, "--simulate"], 2, "either SESSION or --simulate"),
        ([WEATHER, "--parrot"], 2, "go with --simulate"),
        (["--simulate", "--script", "nowhere.toml"], 2, "nowhere.toml"),
        (["--simulate", "--script", str(ROOT)], 2, "is a directory"),
        (["--simulate", "--script", str(ROOT / "README.md"), "--parrot"], 2, "either --script or --parrot"),
        ([], 2, "SESSION"),
        (["nowhere"], 2, "nowhere"),
        ([str(ROOT / "docs")], 3, "session.json"),
        ([WEATHER, "--out", str(ROOT / "README.md" / "x")], 3, "README.md"),
    ],
)
def test_what_cannot_be_is_told(words, code, said, capsys):
    """In a sentence, with the code of its kind, before anything listens."""
    assert main(["serve", *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert "Traceback" not in told.err
