"""Tests of evi_harness.sdk.openai.realtime_connection."""

from __future__ import annotations

import asyncio
from typing import Any, List

import pytest
import websockets
from openai_service import SESSION, speaking

from evi_harness.errors import SdkError, UsageError
from evi_harness.guard.patches import Hooks
from evi_harness.sdk.openai.realtime_connection import connection_options, open_realtime, sdk_websocket_of, watched_events
from evi_harness.session.events import Handshake

pytest.importorskip("openai", reason="the extra openai is not installed")

ASKED = {
    "/v1/realtime": "/v1",
    "/realtime": "",
    "/openai/realtime": "/openai",
    "/voice-live/realtime": "/voice-live",
    "/elsewhere": "/v1",
}


@pytest.mark.parametrize(("path", "prefix"), ASKED.items())
def test_the_path_is_what_the_sdk_puts_realtime_behind(path: str, prefix: str) -> None:
    """Whatever the service's own path is."""
    handshake = Handshake(path, (("model", "m"), ("api-version", "1"), ("api_key", "secret")))
    assert connection_options(handshake) == (prefix, {"model": "m", "extra_query": {"api-version": "1"}})


def test_a_call_is_joined_without_a_model() -> None:
    """And a log, of which nobody knows what was asked, asks for some model."""
    assert connection_options(Handshake("/v1/realtime", (("call_id", "c"),))) == ("/v1", {"extra_query": {"call_id": "c"}})
    assert set(connection_options(Handshake("/v1/realtime"))[1]) == {"model"}
    assert set(connection_options(None)[1]) == {"model"}


def test_the_sdk_connects_with_what_was_asked_for() -> None:
    """The connection is the SDK's, and below it is one of websockets."""

    async def run() -> Any:
        async with speaking() as (port, paths):
            handshake = Handshake("/openai/realtime", (("model", "m"), ("deployment", "d")))
            async with open_realtime(f"http://127.0.0.1:{port}", handshake) as connection:
                event = await connection.recv()
                return event, sdk_websocket_of(connection), sdk_websocket_of(sdk_websocket_of(connection)), paths

    event, below, again, paths = asyncio.run(run())
    assert event.type == "session.created"
    assert isinstance(below, websockets.asyncio.client.ClientConnection)
    assert again is below
    assert paths == ["/openai/realtime?model=m&deployment=d"]


@pytest.mark.parametrize("is_open", [True, False], ids=["this", "any"])
def test_what_the_parser_raises_is_told_and_goes_on(is_open: bool) -> None:
    """Of one connection, or of any that is made; and no longer once it is put back."""
    failed: List[Exception] = []

    async def run() -> None:
        async with speaking("no json", "no json") as (port, _), open_realtime(f"http://127.0.0.1:{port}", None) as connection:
            hooks = Hooks()
            watched_events(hooks, connection if is_open else None, failed.append)
            await connection.recv()
            with pytest.raises(ValueError):
                await connection.recv()
            hooks.restore()
            with pytest.raises(ValueError):
                await connection.recv()

    asyncio.run(run())
    assert [type(one).__name__ for one in failed] == ["JSONDecodeError"]


def test_what_is_no_connection_is_refused() -> None:
    """Also what has yet to be entered."""
    from openai import AsyncOpenAI

    with pytest.raises(UsageError):
        sdk_websocket_of(object())
    with pytest.raises((SdkError, UsageError)):
        sdk_websocket_of(AsyncOpenAI(api_key="any").realtime.connect(model="m"))
    assert SESSION["type"] == "session.created"
