from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
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
        ([WEATHER, "--patience", "0"], 2, "--patience"),
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
