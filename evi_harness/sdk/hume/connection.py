"""Opening a chat with the unmodified SDK, whatever its version calls it.

Rules of living here: the user's own SDK makes the connection and is never patched. What differs by version stands in one place, here:
0.8.6 to 0.12.1 take ``ChatConnectOptions`` and ``base_url``; 0.13.0 to 0.13.4 keywords and an environment; from 0.13.5 keywords and
``base_url``. 0.12.1 and newer can say in the handshake in which format audio comes; 0.13.0 and 0.13.1 write the settings as the repr of an
object, so they are given the text.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, AsyncIterator, Callable, Dict, Mapping

from evi_harness.errors import SdkError, UsageError
from evi_harness.guard.patches import Hooks
from evi_harness.sdk.hume.installed_sdk import import_sdk, installed_version
from evi_harness.tap.websocket import is_tappable

__all__ = ["client_for", "open_chat", "watched_parser", "websocket_of"]

_BY_REPR = ("0.13.0", "0.13.1")
# Modules in which the SDK's connections are.
_CONNECTIONS = "socket_client"


@asynccontextmanager
async def open_chat(base_url: str, *, api_key: str, options: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Open a chat with a service on this machine: the SDK's own connection object.

    Args:
        base_url: http URL of the service, without a path.
        api_key: The key to present.
        options: What the quickstart passes: ``config_id``, ``config_version``, ``resumed_chat_group_id``, ``verbose_transcription``; and
            ``audio``, the format that the handshake gives. An SDK of before 0.12.1 cannot say it and leaves it out.

    Raises:
        SdkError: The installed SDK is unknown.
        Exception: Whatever the SDK raises when it cannot connect.
    """
    import_sdk()
    import httpx

    # Nothing is asked with it. The SDK's own would read the certificates of all authorities: 30 ms a replay, for a service that has no TLS.
    async with httpx.AsyncClient(transport=httpx.AsyncBaseTransport(), trust_env=False) as unused:
        chat = client_for(base_url, api_key, unused).empathic_voice.chat
        if _takes_options(type(chat).connect):
            from hume.empathic_voice.chat.socket_client import ChatConnectOptions

            connecting = chat.connect(ChatConnectOptions(**_given(options)))  # type: ignore[typeddict-item]
        else:
            connecting = chat.connect(**_given(options))
        async with connecting as socket:
            yield socket


def websocket_of(socket: Any) -> Any:
    """Return the websockets connection below the SDK's connection object, for code that reads and sends frames itself.

    ``async for frame in websocket_of(socket)`` yields the service's raw messages, and ``send`` sends text or bytes unchanged, on every
    supported SDK. Replays and recordings observe them just as they do on the SDK's object. Read on only one of the two: a message read on
    one does not reach the other.

    Args:
        socket: The connection from the SDK's ``chat.connect``, asynchronous or synchronous; a connection of the websockets library is
            returned as it is.

    Returns:
        The connection, from the version of websockets that the SDK uses.

    Raises:
        UsageError: It is neither.
        SdkError: The installed SDK is unknown.

    Example:
        >>> async def main(socket):
        ...     frame = await evi_harness.websocket_of(socket).recv()
        >>> evi_harness.replay_session("sessions/typed", handler=main).session.handshake is not None
        True
    """
    if is_tappable(socket):
        return socket
    # ``websocket`` up to 0.12.1, ``_websocket`` since.
    for name in ("_websocket", "websocket"):
        found = getattr(socket, name, None)
        if found is not None:
            return found
    kind = f"{type(socket).__module__}.{type(socket).__qualname__}"
    if kind.startswith("hume."):
        raise SdkError(f"no WebSocket found in {kind}", hint="Report the version of hume that you use.")
    raise UsageError(f"{kind} is not a connection", hint="Give what the SDK's chat.connect gives, such as the socket of main(socket).")


def watched_parser(hooks: Hooks, socket: Any, failed: Callable[[Exception], object]) -> None:
    """Watch what the SDK parses messages with, for an app that reads the connection itself.

    Args:
        hooks: Put it back at the end.
        socket: The SDK's connection; None for any that the loaded SDK makes.
        failed: Called with what the parser raises, which then goes on to the app.
    """

    def parsing(real: Callable[..., Any]) -> Callable[..., Any]:
        def parse(*args: Any, **kwargs: Any) -> Any:
            try:
                return real(*args, **kwargs)
            except Exception as error:
                failed(error)
                raise

        return parse

    if socket is None:
        names = [name for name in sys.modules if name.startswith("hume.") and name.endswith(_CONNECTIONS)]
    else:
        names = [type(socket).__module__]
    for module in map(sys.modules.__getitem__, names):
        hooks.wrap(module, "json", lambda json: SimpleNamespace(**{**vars(json), "loads": parsing(json.loads)}))
        hooks.wrap(module, "parse_obj_as", parsing)


def client_for(base_url: str, api_key: str, httpx_client: Any = None) -> Any:
    """The SDK's asynchronous client for a service elsewhere than at Hume's, whatever its version takes for that.

    Args:
        base_url: http or https URL of the service, without a path.
        api_key: The key to present.
        httpx_client: What the SDK asks for a token with, and does not close; None for one of its own, which nobody closes.

    Raises:
        SdkError: The installed SDK cannot be led elsewhere.
    """
    import_sdk()
    from hume.client import AsyncHumeClient

    try:
        return AsyncHumeClient(api_key=api_key, base_url=base_url, httpx_client=httpx_client)
    except TypeError:
        return AsyncHumeClient(api_key=api_key, environment=_environment(base_url), httpx_client=httpx_client)


def _given(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Options as the SDK takes them, which has the format of the audio among the session's settings."""
    given = {name: value for name, value in options.items() if name != "audio"}
    if "audio" in options:
        settings = {"audio": options["audio"]}
        given["session_settings"] = json.dumps(settings) if installed_version() in _BY_REPR else settings
    return given


def _environment(base_url: str) -> Any:
    from hume import environment

    evi = base_url.replace("http", "ws", 1) + "/v0/evi"
    try:
        return environment.HumeClientEnvironment(base=base_url, evi=evi, tts=evi, stream=evi)
    except TypeError as error:
        raise SdkError(f"this version of hume cannot be led to {base_url}: {error}", hint="pip install 'hume[microphone]>=0.8.6'") from None


@functools.cache
def _takes_options(connect: Callable[..., Any]) -> bool:
    return "options" in inspect.signature(connect).parameters
