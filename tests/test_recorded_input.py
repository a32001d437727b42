"""What a user types for an app that ``record -- COMMAND`` runs: it is in the session, and a replay gives it to the app again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.session.notes import STDIN_ENDED, STDIN_LINE, UNSEEN
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session

pytestmark = [pytest.mark.usefixtures("no_environment"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
APPS = ROOT / "fixtures" / "apps"
QUESTION = "What's the weather in Bath?"
GUARD_S = 300
OPENS = """
import asyncio, base64, getpass, json, os, subprocess, sys, urllib.request, websockets

SERVICE = "https://api.hume.ai"
async def answer(chat):
    async for frame in chat:
        message = json.loads(frame)
        if message["type"] == "tool_call":
            content = json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})
            await chat.send(json.dumps({"type": "tool_response", "tool_call_id": message["tool_call_id"], "content": content}))
        elif message["type"] == "assistant_end":
            return

def ask(chat, text):
    return chat.send(json.dumps({"type": "user_input", "text": text}))
"""
# Reads with a pipe reader, before and after it has connected; what it sends is not what was typed.
COMMANDS = (
    OPENS
    + """
async def main():
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    name = (await reader.readline()).decode().strip()
    async with websockets.connect("wss://api.hume.ai/v0/evi/chat?api_key=none") as chat:
        async for line in reader:
            if line.strip() == b"/ask":
                await ask(chat, f"{name}: What's the weather in Bath?")
                await answer(chat)
            elif line.strip() == b"/quit":
                break
    pipe.close()

asyncio.run(main())
"""
)
# Is given a key of the user's in every way in which one is typed.
KEYS = (
    OPENS
    + """
key = input("Your API key: ")
secret = getpass.fallback_getpass("Secret: ")
plain = sys.stdin.readline().strip()
basic = base64.b64encode(f"{plain}:{plain[::-1]}".encode()).decode()
asked = urllib.request.Request(SERVICE + "/oauth2-cc/token", b"grant_type=client_credentials", {"Authorization": "Basic " + basic})
urllib.request.urlopen(asked).close()

async def main():
    typed = sys.stdin.readline().strip()
    async with websockets.connect("wss://api.hume.ai/v0/evi/chat?api_key=" + typed) as chat:
        # What came between the line and the message that it is used in would be written first, and the line before it.
        await chat.recv()
        inner = sys.stdin.readline().strip()
        await chat.send(json.dumps({"type": "session_settings", "language_model_api_key": inner}))
        await ask(chat, sys.stdin.readline().strip())
        await answer(chat)

asyncio.run(main())
"""
)
# Has a program beside it with which it speaks through that one's standard input.
BESIDE = (
    OPENS
    + """
async def main():
    beside = subprocess.run([sys.executable, "-c", "print(input())"], input=b"between the two\\n", capture_output=True)
    assert beside.stdout == b"between the two\\n"
    async with websockets.connect("wss://api.hume.ai/v0/evi/chat?api_key=none") as chat:
        await ask(chat, input())
        await answer(chat)

asyncio.run(main())
"""
)


def recorded(folder: Path, words: List[str], typed: str, environment: Dict[str, str]) -> Session:
    """The session of an app to which this is typed, through a pipe; it is whole."""
    command = [sys.executable, "-m", "evi_harness", "record", "--simulate", "--script", str(APPS / "weather.toml"), "--out", str(folder)]
    done = subprocess.run(
        [*command, "--", *words],
        input=typed.encode(),
        capture_output=True,
        timeout=GUARD_S,
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (session,) = folder.iterdir()
    assert check_session(session) == []
    return load_session(session)


def read_by(session: Session) -> List[Tuple[str, bool]]:
    """The lines that the app read, each with whether that was before it connected."""
    return [(facts.text, facts.early_ns is not None) for _, facts in session.noted(STDIN_LINE)]


def replayed(folder: Path, words: List[str]) -> Session:
    """What a replay of it yields, twice the same; what the app sends is what was sent then, and it ends by itself."""
    (recorded,) = folder.iterdir()
    command = ["sh", "-c", 'exec "$0" "$@" </dev/null', *words]
    result = replay_session(recorded, handler=app_command(command), twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()
    assert [event.frame for event in result.session.sent] == [event.frame for event in result.report.recorded.sent]
    assert not [facts for _, facts in result.session.noted(UNSEEN) if facts.kind == "interrupted"]
    return result.session


def test_a_chat_in_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks again when the reply is over, and an empty line ends it, as then."""
    monkeypatch.setenv("HUME_API_KEY", "none")
    words = [sys.executable, str(APPS / "chat_line.py")]
    session = recorded(tmp_path / "sessions", words, f"{QUESTION}\n\nmore\n", {"HUME_API_KEY": "none"})
    assert read_by(session) == [(QUESTION, False), ("", False)]
    replayed(tmp_path / "sessions", words)


def test_what_is_typed_before_the_connection_and_is_not_what_is_sent(tmp_path: Path) -> None:
    """A pipe reader of asyncio's has every line again, and the app ends as it did."""
    app = tmp_path / "app.py"
    app.write_text(COMMANDS, encoding="utf-8")
    session = recorded(tmp_path / "sessions", [sys.executable, str(app)], "Ada\n/ask\n/help\n/quit\n", {})
    assert [text for text, _ in read_by(session)] == ["Ada", "/ask", "/help", "/quit"]
    assert read_by(session)[0] == ("Ada", True)
    replayed(tmp_path / "sessions", [sys.executable, str(app)])


def test_the_end_of_the_input_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the app went on until there was no more."""
    monkeypatch.setenv("HUME_API_KEY", "none")
    words = [sys.executable, str(APPS / "chat_line.py")]
    session = recorded(tmp_path / "sessions", words, f"{QUESTION}\n", {"HUME_API_KEY": "none"})
    assert read_by(session) == [(QUESTION, False)]
    assert [facts.early_ns for _, facts in session.noted(STDIN_ENDED)] == [None]
    replayed(tmp_path / "sessions", words)


def test_a_key_that_is_typed_reaches_no_file(tmp_path: Path) -> None:
    """Whether a prompt asks for it, nothing is to be seen of it, or only what becomes of it tells; everything else is there."""
    app, keys = (
        tmp_path / "app.py",
        [f"{name}-typed-{number}" for number, name in enumerate(("prompt", "hidden", "basic", "query", "field"))],
    )
    app.write_text(KEYS, encoding="utf-8")
    session = recorded(tmp_path / "sessions", [sys.executable, str(app)], "\n".join([*keys, QUESTION, ""]), {})
    assert [text for text, _ in read_by(session)] == ["[redacted]"] * 5 + [QUESTION]
    stored = b"".join(file.read_bytes() for file in (tmp_path / "sessions").rglob("*") if file.is_file())
    assert QUESTION.encode() in stored
    assert [key for key in keys if key.encode() in stored] == []


def test_what_the_app_says_to_a_program_beside_it_is_not_typed(tmp_path: Path) -> None:
    """Only what comes through the command's own standard input is."""
    app = tmp_path / "app.py"
    app.write_text(BESIDE, encoding="utf-8")
    session = recorded(tmp_path / "sessions", [sys.executable, str(app)], f"{QUESTION}\n", {})
    assert read_by(session) == [(QUESTION, False)]


def test_lines_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Among the events of ``show``, and among the messages of a page."""
    from evi_harness.acts.paging.page_making import page_of_session, write_page
    from evi_harness.cli.main import main

    session = recorded(tmp_path / "sessions", [sys.executable, str(APPS / "chat_line.py")], f"{QUESTION}\n\n", {"HUME_API_KEY": "none"})
    (folder,) = (tmp_path / "sessions").iterdir()
    assert main(["show", "--events", "--type", "stdin_line", "--json", str(tmp_path / "events.json"), str(folder)]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if QUESTION in line]
    write_page(page_of_session(session, folder), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.dumps("stdin_line") in page
