"""A service of OpenAI's Realtime protocol on this machine, as far as tests of the SDK's connection need one."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, List, Tuple

import websockets

SESSION = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "sess_1", "object": "realtime.session"}}


@asynccontextmanager
async def speaking(*texts: str, code: int = 1000) -> AsyncIterator[Tuple[int, List[str]]]:
    """A server that says that the session is there, says these texts, and closes once the app has said something.

    Yields:
        Its port, and the paths that were asked for, with their queries.
    """
    paths: List[str] = []

    async def talk(connection: Any) -> None:
        paths.append(connection.request.path)
        for text in (json.dumps(SESSION), *texts):
            await connection.send(text)
        async for _ in connection:
            await connection.close(code, "the end")

    async with websockets.serve(talk, "127.0.0.1", 0) as server:
        yield next(iter(server.sockets)).getsockname()[1], paths
