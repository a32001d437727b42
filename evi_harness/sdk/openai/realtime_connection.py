"""Opening a Realtime connection with the unmodified SDK, and what is below it.

Rules of living here: the developer's own SDK makes the connection and is never patched. What differs by version stands here: 1.103 leads
any client but one with ``websocket_base_url`` to wss; ``model`` has to be given up to 1.104.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, AsyncIterator, Callable, Dict, Mapping, Optional, Tuple

from evi_harness.errors import SdkError, UsageError
from evi_harness.guard.patches import Hooks
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.sdk.adapter import Misread
from evi_harness.sdk.openai.event_classes import misread
from evi_harness.session.events import Handshake
from evi_harness.tap.websocket import is_tappable

__all__ = ["MODULE", "connection_options", "ended_early", "is_iterated", "open_realtime", "sdk_websocket_of", "watched_events"]

# Where the SDK has its connections.
MODULE = "openai.resources.realtime.realtime"
_CONNECTIONS = ("AsyncRealtimeConnection", "RealtimeConnection")
_END = "/realtime"
# What a service closes with when it ends a session itself, and where the SDK takes that for the end.
_GOING_AWAY = 1001
_ITERATES = ("__aiter__", "__iter__")
# Between the two are those of the SDK and of what watches.
_MOST_FRAMES = 8
_PREFIX = "/v1"
# What is asked for where the recording does not say it: a log has no handshake, and a version may insist on a model.
_MODEL = "gpt-realtime"


@asynccontextmanager
async def open_realtime(base_url: str, handshake: Optional[Handshake]) -> AsyncIterator[Any]:
    """Open a connection with a service on this machine: what ``client.realtime.connect`` gives.

    Args:
        base_url: http URL of the service, without a path.
        handshake: What the recorded app asked for, None where that is not known; no key of it is repeated.

    Raises:
        SdkError: The installed SDK has no Realtime.
        Exception: Whatever the SDK raises when it cannot connect.
    """
    from openai import AsyncOpenAI

    prefix, asked = connection_options(handshake)
    client = AsyncOpenAI(
        api_key="replay", base_url=f"{base_url}{prefix}", websocket_base_url=f"{base_url.replace('http', 'ws', 1)}{prefix}", max_retries=0
    )
    try:
        connect = client.realtime.connect
        if "model" not in asked and inspect.signature(connect).parameters["model"].default is inspect.Parameter.empty:
            asked["model"] = _MODEL
        async with connect(**asked, websocket_connection_options=_without_proxy()) as connection:
            yield connection
    finally:
        await client.close()


def connection_options(handshake: Optional[Handshake]) -> Tuple[str, Dict[str, Any]]:
    """What a recorded handshake asked for, as the SDK takes it: the path before ``/realtime``, and the arguments of ``connect``."""
    if handshake is None or not handshake.query:
        return _PREFIX if handshake is None else _prefix(handshake.path), {"model": _MODEL}
    query = {name: value for name, value in handshake.query if name.lower() not in OPENAI_REALTIME.secret_names}
    asked: Dict[str, Any] = {} if "model" not in query else {"model": query.pop("model")}
    return _prefix(handshake.path), {**asked, "extra_query": query} if query else asked


def _prefix(path: str) -> str:
    return path[: -len(_END)] if path.endswith(_END) else _PREFIX


def sdk_websocket_of(socket: Any) -> Any:
    """The connection of the websockets library below the SDK's, asynchronous or synchronous; one of those is given back.

    Raises:
        UsageError: It is neither.
        SdkError: The installed SDK is unknown.
    """
    if is_tappable(socket):
        return socket
    kind = f"{type(socket).__module__}.{type(socket).__qualname__}"
    if type(socket).__module__ != MODULE:
        raise UsageError(f"{kind} is not a connection", hint="Give what client.realtime.connect() gives once it is entered.")
    found = getattr(socket, "_connection", None)
    if found is None:
        raise SdkError(f"no WebSocket found in {kind}", hint="Enter it first: async with client.realtime.connect(…) as connection.")
    return found


def watched_events(hooks: Hooks, socket: Any, failed: Callable[[Exception], object]) -> None:
    """Watch what the SDK parses events with, for an app that reads the connection by itself.

    Args:
        hooks: Put it back at the end.
        socket: The SDK's connection; None for any that the loaded SDK makes.
        failed: Called with what the parser raises, which then goes on to the app, and with a ``Misread`` for what it hides.
    """

    def parsing(real: Callable[..., Any]) -> Callable[..., Any]:
        def parse_event(*args: Any, **kwargs: Any) -> Any:
            try:
                event = real(*args, **kwargs)
            except Exception as error:
                failed(error)
                raise
            hidden = misread(event)
            if hidden is not None:
                failed(Misread(hidden))
            return event

        return parse_event

    if socket is not None:
        hooks.wrap(socket, "parse_event", parsing)
        return
    module = sys.modules.get(MODULE)
    for name in _CONNECTIONS if module is not None else ():
        hooks.wrap(getattr(module, name), "parse_event", parsing)


def ended_early(error: BaseException) -> Optional[str]:
    """What the service said when it went away (1001), which the SDK's iteration takes for the end; None in any other case.

    Args:
        error: What ``recv`` of the websockets library raised.
    """
    received: Any = getattr(error, "rcvd", None)
    if received is None or received.code != _GOING_AWAY:
        return None
    return f"the service closed with {_GOING_AWAY}{f': {received.reason}' if received.reason else ''}"


def is_iterated() -> bool:
    """Whether the SDK's iteration asks for a message. To be asked in what stands in the place of ``recv``, before anything is awaited."""
    frame: Optional[FrameType] = sys._getframe(1)
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        if frame.f_code.co_name in _ITERATES and frame.f_globals.get("__name__") == MODULE:
            return True
        frame = frame.f_back
    return False


def _without_proxy() -> Mapping[str, Any]:
    """What keeps the websockets library from asking the environment for a proxy, where it does: the service is on this machine."""
    from websockets.asyncio.client import connect

    return {"proxy": None} if "proxy" in inspect.signature(connect.__init__).parameters else {}
