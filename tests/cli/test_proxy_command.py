from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import websockets
from thread_server import serving_in_thread

from evi_harness.acts.serve.serving import play, served
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.session.events import TEXT, Closed, Frame, Handshake, Opened, Received
from evi_harness.session.header import Header
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
TYPED = str(ROOT / "sessions" / "typed")
KEY = "a-key-that-nobody-may-see-0123456789"

pytestmark = pytest.mark.usefixtures("no_environment")


@contextmanager
def shell(*words):
    """The proxy as a shell starts it, before a server of a session; gives its URL and its process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with serving_in_thread(play(TYPED)) as url:
        command = [sys.executable, "-m", "evi_harness", "proxy", "--upstream", url, "--out", "out", *words]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline()
                assert line.startswith("listening on http://127.0.0.1:")
                assert process.stdout.readline() == f"forwarding to {url}\n"
                yield line.split()[-1], process
            finally:
                if process.poll() is None:
                    process.kill()


async def hello(url, then=lambda: None):
    """A chat of one message, and what is done before the app closes it."""
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/v0/evi/chat?api_key={KEY}") as socket:
        await socket.recv()
        return await asyncio.get_running_loop().run_in_executor(None, then)


def test_sessions_until_ctrl_c():
    """A line for each, and one for all of them; no key in either."""
    with shell() as (url, process):
        for _ in range(2):
            asyncio.run(hello(url))
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err, out) == (0, "", "recorded 2 sessions\n")
    # Each when it is whole: on a busy machine the second may be first.
    assert sorted(line.split(":")[0] for line in lines) == ["session 1", "session 2"]
    folders = sorted(Path("out").iterdir())
    told = re.compile(r"\b0 messages from .*, 1 to .*\bby the app .* 1000; recorded in out/")
    assert [bool(told.search(line)) for line in lines] == [True] * 2
    assert [check_session(folder) for folder in folders] == [[], []]
    assert KEY not in "".join(lines) + out + err
    assert not [file for file in Path("out").rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_a_chat_that_ctrl_c_cuts_off():
    """It is complete as far as it went, and says that nobody saw how it would have ended."""

    def interrupt(process):
        process.send_signal(signal.SIGINT)
        return process.communicate()

    with shell() as (url, process):
        out, err = asyncio.run(hello(url, lambda: interrupt(process)))
    assert (process.returncode, err) == (0, "")
    assert re.search(r", close not seen; .* out/", out)
    (folder,) = Path("out").iterdir()
    assert check_session(folder) == []
    assert load_session(folder).header.recorded.closed is False


def test_once():
    """The first session ends it."""
    with shell("--once", "--name", "mine") as (url, process):
        asyncio.run(hello(url))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err, out.splitlines()[-1]) == (0, "", "recorded 1 session")
    assert [folder.name.endswith("-mine") for folder in Path("out").iterdir()] == [True]


def test_once_and_nobody_came():
    """No session is no success; and no folder is left."""
    with shell("--once") as (_, process):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (4, "")
    assert out.startswith("recorded 0 sessions; inconclusive: ")
    assert not Path("out").exists()


def test_a_proxy_that_is_killed_leaves_what_it_had():
    """All that was written, in a session that says that it is not complete."""

    def received():
        return [file.parent for file in Path("out").glob("2*/events.jsonl") if b'"received"' in file.read_bytes()]

    def kill(process):
        while not received():
            time.sleep(0.01)
        process.kill()
        process.wait(60)

    with shell() as (url, process):
        asyncio.run(hello(url, lambda: kill(process)))
    (folder,) = received()
    session = load_session(folder)
    assert session.header.complete is False
    assert json.loads(session.received[0].frame.payload)["type"] == "chat_metadata"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--upstream", "ftp://x"], 2, "ftp"),
        (["--upstream", "http://127.0.0.1:1", "--ca", str(ROOT / "README.md")], 2, "--ca"),
        (["--host", "0.0.0.0"], 2, "--host"),
        (["--port", "65536"], 2, "--port"),
        (["--limit", "idle=5"], 2, "the limit 'idle'"),
        (["--limit", "chats=x"], 2, "--limit"),
        (["--allow-origin", "a/b"], 2, "--allow-origin"),
        (["--known-as", "a:1"], 2, "--known-as"),
        (["--name", "a/b"], 2, "name"),
        (["--dialect", "esperanto"], 2, "openai-realtime"),
        (["--out", str(ROOT / "README.md" / "x")], 3, "README.md"),
        (["extra"], 2, "extra"),
    ],
)
def test_what_cannot_be_is_told(words, code, said, capsys):
    """In a sentence, with the code of its kind, before anything listens."""
    assert main(["proxy", *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert "Traceback" not in told.err


def test_the_dialect_is_that_of_the_session():
    """As it is given: the header says it, and what the service speaks is read by it."""
    created = json.dumps({"type": "session.created", "session": {"id": "sess_1"}})
    header = Header(id="i", made_by="record", created="2026-11-30T10:00:00Z", dialect="openai-realtime")
    events = (Opened(0, 0, Handshake("/v1/realtime")), Received(1, 0, Frame(TEXT, created.encode())), Closed(2, 0, "app", 1000))

    async def talk(url):
        async with websockets.connect(f"{url.replace('http', 'ws', 1)}/v1/realtime?model=m") as socket:
            await socket.recv()

    with served(Session(header, events)) as server:
        words = ["--upstream", f"{server.url}/v1", "--out", "out", "--once", "--dialect", "openai-realtime"]
        command = [sys.executable, "-m", "evi_harness", "proxy", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            asyncio.run(talk(process.stdout.readline().split()[-1]))
            assert process.stdout.readline() == f"forwarding to {server.url}\n"
            assert process.wait(60) == 0
    (folder,) = Path("out").iterdir()
    kept = load_session(folder).header
    assert (kept.dialect, dict(kept.ids)) == ("openai-realtime", {"session_id": "sess_1"})
