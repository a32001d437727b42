"""``connect_with_callbacks`` as Hume's guide has it, for every supported SDK.

The SDK had it up to 0.12.1 and, without ``secret_key``, from 0.13.1 to 0.13.5; it is gone since. This one opens the chat with the SDK's
own ``connect`` and calls the callbacks as 0.12.1 did.

Rules of living here: the connection is the SDK's, and so is the parsing. No exception that leaves here shows the headers of a request.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, AsyncIterator, Callable, Dict, FrozenSet, Mapping, Optional

from evi_harness.errors import UsageError
from evi_harness.sdk.adapter import call
from evi_harness.sdk.connect_reasons import status_of
from evi_harness.sdk.hume.authentication import access_token
from evi_harness.sdk.hume.installed_sdk import import_sdk, installed_version
from evi_harness.sdk.redirects import same_origin_only

__all__ = ["connect_with_callbacks", "connected"]

_logger = logging.getLogger("evi_harness")

# What parsing a message raises: the models' errors and JSON's are ValueErrors. RecursionError is one message that is nested too deeply.
_PARSING = (ValueError, TypeError, LookupError, AttributeError, RecursionError)

Callback = Optional[Callable[..., Any]]


@asynccontextmanager
async def connect_with_callbacks(
    client: Any,
    options: Optional[Mapping[str, Any]] = None,
    *,
    on_open: Callback = None,
    on_message: Callback = None,
    on_close: Callback = None,
    on_error: Callback = None,
) -> AsyncIterator[Any]:
    """Open a chat whose messages go to callbacks while the block runs.

    ``async with connect_with_callbacks(client, options, on_message=…) as socket`` replaces the call in Hume's guide,
    ``client.empathic_voice.chat.connect_with_callbacks(options, …)``. As in the SDK up to 0.12.1: ``on_open`` is called before the block
    begins; ``on_message`` with one message after the other; its exceptions go to ``on_error``, and the next message follows. Exceptions
    from the block or from connecting go to ``on_error`` and are then raised; a refused handshake is only raised. An exception from
    ``on_error`` ends the reading and is raised when the block ends.

    Unlike in the SDK, a message that cannot be parsed goes to ``on_error`` too, and the next one follows; the SDK's own task died silently
    and the app received nothing more. A lost connection, or one closed with a code other than 1000 or 1001, goes to ``on_error`` when it
    happens. ``on_close`` is always called at the end of the block, even if nothing could be opened.

    Args:
        client: ``AsyncHumeClient``, or its ``empathic_voice.chat``.
        options: ``ChatConnectOptions`` or a mapping with the same names; an entry of None counts as not set. With ``secret_key``, the chat
            is opened with an access token, whatever the version of the SDK.
        on_open: Called without arguments; may be async, like all of them.
        on_message: Called with the parsed message.
        on_close: Called with nothing.
        on_error: Called with the exception. If there is no such callback, a warning in the log ``evi_harness`` names the type of the
            exception.

    Yields:
        The SDK's connection, to send on. Do not receive on it, because that would take messages away from ``on_message``.

    Raises:
        UsageError: ``client`` is not an asynchronous client, or the SDK does not have such an option.
        EviHarnessError: No access token could be obtained.
        RedirectRefused: The service redirects to another origin.
        Exception: Any exception of the SDK when it cannot connect; its ApiError without the headers, which contain the key.

    Example:
        >>> async def talk(url):
        ...     client = hume.AsyncHumeClient(api_key="any", base_url=url)
        ...     came = asyncio.Event()
        ...     async with evi_harness.connect_with_callbacks(client, on_message=lambda message: came.set()):
        ...         await came.wait()
        >>> with evi_harness.serve("sessions/typed") as server:
        ...     asyncio.run(talk(server.url))
    """
    # A client that cannot open a chat is told before there is one to close.
    _chat(client)
    reading: Optional[asyncio.Task[None]] = None
    has_failed, is_open = True, False
    try:
        try:
            async with connected(client, options) as socket:
                is_open = True
                await call(on_open)
                reading = asyncio.ensure_future(_read(socket, on_message, on_error))
                yield socket
            has_failed = False
        except Exception as error:
            if is_open or not _is_refusal(error):
                await _tell(error, on_error, "the chat")
            raise
    finally:
        try:
            await _end(reading, has_failed)
        finally:
            await call(on_close)


@asynccontextmanager
async def connected(client: Any, options: Optional[Mapping[str, Any]] = None) -> AsyncIterator[Any]:
    """Open a chat that nobody reads but the block; see ``connect_with_callbacks``.

    Args:
        client: See there.
        options: See there.

    Yields:
        The SDK's connection.

    Raises:
        UsageError, EviHarnessError: See there.
        Exception: Any exception of the SDK when it cannot connect; its ApiError without the headers, which contain the key.
    """
    refused: Optional[Exception] = None
    is_open = False
    try:
        async with AsyncExitStack() as stack:
            with same_origin_only():
                socket = await stack.enter_async_context(await _connecting(client, _chat(client), options or {}))
            is_open = True
            yield socket
    except Exception as error:
        refused = None if is_open else _without_headers(error)
        if refused is None:
            raise
    if refused is not None:
        # Here and not above, so that the exception with the key in it does not hang on this one.
        raise refused


def _chat(client: Any) -> Any:
    chat = getattr(getattr(client, "empathic_voice", None), "chat", client)
    if not callable(getattr(chat, "connect", None)):
        raise UsageError(f"{type(client).__name__} cannot open a chat", hint="Give an AsyncHumeClient, or its empathic_voice.chat.")
    return chat


async def _connecting(client: Any, chat: Any, options: Mapping[str, Any]) -> Any:
    given = {name: value for name, value in options.items() if value is not None}
    accepted = frozenset(inspect.signature(chat.connect).parameters)
    # Up to 0.12.1 it takes the options as they are, and gets the token itself.
    connecting = chat.connect(given) if "options" in accepted else chat.connect(**await _keywords(client, chat, given, accepted))
    if not hasattr(connecting, "__aenter__"):
        raise UsageError("the client is the synchronous one", hint="Use AsyncHumeClient.")
    return connecting


async def _keywords(client: Any, chat: Any, options: Dict[str, Any], accepted: FrozenSet[str]) -> Dict[str, Any]:
    """What ``connect`` takes from 0.13 on for what ``ChatConnectOptions`` held before."""
    keywords = dict(options)
    secret_key = keywords.pop("secret_key", None)
    if "voice_id" in keywords and "voice_id" not in accepted:
        # It has moved into the settings.
        keywords["session_settings"] = {"voice_id": keywords.pop("voice_id"), **keywords.get("session_settings", {})}
    unknown = sorted(set(keywords) - accepted)
    if unknown:
        names = ", ".join(sorted((accepted | {"secret_key", "voice_id"}) - {"self", "request_options"}))
        raise UsageError(f"hume {installed_version()} takes no option {', '.join(unknown)}", hint=f"It takes {names}.")
    if secret_key is not None and "access_token" not in keywords:
        wrapper = _wrapper(client, chat)
        api_key = keywords.pop("api_key", None) or wrapper.api_key
        if not api_key:
            raise UsageError("secret_key is given and no API key", hint="Give api_key to AsyncHumeClient.")
        keywords["access_token"] = await access_token(wrapper.get_environment().base, api_key=api_key, secret_key=secret_key)
    return keywords


def _wrapper(client: Any, chat: Any) -> Any:
    """Where the SDK keeps the key and the environment of a client."""
    for holder in (getattr(chat, "_raw_client", None), chat, client):
        found = getattr(holder, "_client_wrapper", None)
        if found is not None:
            return found
    raise UsageError(f"{type(client).__name__} has no API key to go with secret_key", hint="Give an AsyncHumeClient.")


def _without_headers(error: Exception) -> Optional[Exception]:
    """The SDK's ApiError for a refused handshake without what it shows of the request; None for any other exception."""
    if not _is_refusal(error):
        return None
    from hume.core.api_error import ApiError

    return ApiError(status_code=status_of(error), body=getattr(error, "body", None))


def _is_refusal(error: Exception) -> bool:
    import_sdk()
    from hume.core.api_error import ApiError

    return isinstance(error, ApiError)


async def _read(socket: Any, on_message: Callback, on_error: Callback) -> None:
    from websockets.exceptions import ConnectionClosed

    messages = socket.__aiter__()
    while True:
        try:
            message = await messages.__anext__()
        except StopAsyncIteration:
            return
        except _PARSING as error:
            await _tell(error, on_error, "parsing a message")
            # A generator is over when it has raised.
            messages = socket.__aiter__()
            continue
        except Exception as error:  # noqa: BLE001 - whatever ends the reading is the app's to know
            what = "the connection" if isinstance(error, ConnectionClosed) else "reading"
            await _tell(error, on_error, what)
            return
        try:
            await call(on_message, message)
        except Exception as error:  # noqa: BLE001 - the app's callback may raise anything
            await _tell(error, on_error, "on_message")


async def _tell(error: Exception, on_error: Callback, what: str) -> None:
    if on_error is None:
        _logger.warning("%s raised %s, and there is no on_error to call", what, type(error).__name__)
    await call(on_error, error)


async def _end(reading: Optional[asyncio.Task[None]], has_failed: bool) -> None:
    """End the reading, and raise what ended it before, unless something else is being raised."""
    if reading is None:
        return
    reading.cancel()
    # Waited for and not awaited: a cancellation of who waits here is told from that of the reading.
    await asyncio.wait({reading})
    failure = None if reading.cancelled() else reading.exception()
    if failure is not None and not has_failed:
        raise failure
