"""Apps of the toy dialect's, and the desk that they ask: plain clients and a plain server of the websockets library."""

from __future__ import annotations

import json
from typing import Any


async def desk(websocket: Any, *_: Any) -> None:
    """The service: welcomes, wants to know where somebody is before it tells a time, and answers everything else in two words."""
    async for text in websocket:
        message = json.loads(text)
        if message["type"] == "hello":
            await websocket.send(json.dumps({"type": "welcome", "visit": "v-1"}))
        elif message["type"] == "rename":
            await websocket.send(json.dumps({"type": "renamed", "name": message["name"]}))
        elif message["type"] == "ask" and "time" in message["text"]:
            await websocket.send(json.dumps({"type": "call", "call": "c-1", "ask": message["ask"], "wants": "place"}))
            answer = json.loads(await websocket.recv())
            await say(websocket, message["ask"], "noon", f"in {answer['is']}")
        elif message["type"] == "ask":
            await say(websocket, message["ask"], "to", "the left")
        elif message["type"] != "bye":
            await websocket.send(json.dumps({"type": "sorry", "why": "what?"}))


async def say(websocket: Any, ask: str, *words: str) -> None:
    """Answer word by word."""
    for word in words:
        await websocket.send(json.dumps({"type": "word", "ask": ask, "text": word}))
    await websocket.send(json.dumps({"type": "done", "ask": ask}))


async def visit(websocket: Any, place: str = "Oslo") -> None:
    """The app: two questions, the first of which the desk wants to know something for."""
    await websocket.send(json.dumps({"type": "hello", "name": "Ada"}))
    assert json.loads(await websocket.recv())["type"] == "welcome"
    await websocket.send(json.dumps({"type": "rename", "name": "Ada L."}))
    assert json.loads(await websocket.recv())["type"] == "renamed"
    for number, text in enumerate(("what time is it", "where is the exit")):
        await websocket.send(json.dumps({"type": "ask", "ask": f"a-{number}", "text": text}))
        async for frame in websocket:
            message = json.loads(frame)
            if message["type"] == "call":
                await websocket.send(json.dumps({"type": "result", "call": message["call"], "is": place}))
            elif message["type"] == "done":
                break
    await websocket.send(json.dumps({"type": "bye"}))


async def lost(websocket: Any) -> None:
    """The same app, which says that it is elsewhere."""
    await visit(websocket, "Rome")


async def breaks(websocket: Any) -> None:
    """The same app, with a mistake of its own."""
    await visit(websocket, {}["place"])
