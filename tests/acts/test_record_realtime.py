"""Tests of ``record`` with connections of the openai package: its real clients on real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from openai_service import SESSION, speaking

from evi_harness.acts.record_connection import record
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.dialects import spoken_by, spoken_here
from evi_harness.errors import UsageError
from evi_harness.session.events import Received, Sent
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session

openai = pytest.importorskip("openai", reason="the extra openai is not installed")

KEY = "sk-a-made-up-key-0123456789"
DONE = {"type": "response.done", "event_id": "e2", "response": {"id": "resp_1", "status": "completed", "output": []}}


async def main(connection: Any) -> None:
    """Ask once the session is there, and read to the end."""
    async for event in connection:
        if event.type == "response.done":
            await connection.response.create()


def client_for(port: int, *, is_async: bool) -> Any:
    """The SDK's client, led here: up to some version it takes the scheme of one address alone."""
    kind = openai.AsyncOpenAI if is_async else openai.OpenAI
    return kind(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1", websocket_base_url=f"ws://127.0.0.1:{port}/v1")


async def recorded(out: Path) -> Path:
    """A conversation, recorded by one line in the app."""
    async with speaking(json.dumps(DONE)) as (port, _), client_for(port, is_async=True) as client:
        async with client.realtime.connect(model="gpt-realtime") as connection:
            recording = record(connection, out=out, name="talk").start()
            await main(connection)
        recording.stop()
    assert recording.is_complete
    assert recording.folder is not None
    return recording.folder


def types_of(session: Session) -> List[Any]:
    """Who said what."""
    return [(one.kind, json.loads(one.frame.payload)["type"]) for one in session.events if isinstance(one, (Sent, Received))]


EXPECTED = [("received", "session.created"), ("received", "response.done"), ("sent", "response.create")]


def test_a_connection_is_recorded_and_replayed(tmp_path: Path) -> None:
    """In its dialect, with its close and without the key; and the same function passes with it."""
    folder = asyncio.run(recorded(tmp_path))
    assert check_session(folder) == []
    session = load_session(folder, verify=True)
    assert types_of(session) == EXPECTED
    assert (session.header.dialect, session.header.ids) == ("openai-realtime", {"session_id": SESSION["session"]["id"]})
    assert session.header.software["openai"] == version("openai")
    assert session.handshake is not None
    assert (session.handshake.path, dict(session.handshake.query)) == ("/v1/realtime", {"model": "gpt-realtime"})
    assert session.closed is not None
    assert (session.closed.by, session.closed.code) == ("service", 1000)
    assert not any(KEY.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    result = replay_session(folder, handler=main, twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.session.header.software["openai"] == version("openai")


@contextmanager
def served_in_thread() -> Iterator[int]:
    """The service on another thread, as a client that blocks needs it; gives its port."""
    loop = asyncio.new_event_loop()
    ready: List[int] = []
    is_up = threading.Event()
    ends: List[asyncio.Event] = []

    async def serve() -> None:
        # Made here: on Python 3.9 it belongs to the loop that runs when it is made.
        ended = asyncio.Event()
        ends.append(ended)
        async with speaking(json.dumps(DONE)) as (port, _):
            ready.append(port)
            is_up.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert is_up.wait(60)
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(ends[0].set)
        thread.join(60)
        loop.close()


def test_the_synchronous_client_is_recorded_in_real_time(tmp_path: Path) -> None:
    """By a plain ``with``, and what is recorded is the same."""
    with served_in_thread() as port, client_for(port, is_async=False).realtime.connect(model="gpt-realtime") as connection:
        assert spoken_by(connection) == "openai-realtime"
        with record(connection, out=tmp_path) as recording:
            for event in connection:
                if event.type == "response.done":
                    connection.response.create()
    assert recording.folder is not None
    session = load_session(recording.folder, verify=True)
    assert types_of(session) == EXPECTED
    assert session.header.dialect == "openai-realtime"
    assert session.closed is not None
    assert session.closed.code == 1000


def test_what_is_not_yet_open_is_refused() -> None:
    """As anything is that is no connection."""
    with pytest.raises(UsageError):
        record(openai.AsyncOpenAI(api_key=KEY).realtime.connect(model="m"))


def test_the_dialect_of_an_sdk_is_known_by_its_connection() -> None:
    """Of anything else it is EVI's; and what is loaded is ready before a conversation begins."""
    assert spoken_by(object()) == "evi"
    assert spoken_here() == ("evi", "openai-realtime")
