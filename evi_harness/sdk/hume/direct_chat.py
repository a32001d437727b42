"""A chat opened below the SDK: the same handshake and authentication, without parsing.

For whoever sends a recording to a service, where a message may be one that no model of the SDK's can express.

Rules of living here: a key goes to the endpoint that was named and to no other, and stands in no error.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Iterable, List, Optional, Tuple
from urllib.parse import quote, urlencode

from evi_harness.evi.secrets import is_secret
from evi_harness.sdk.hume.authentication import access_token
from evi_harness.sdk.hume.connect_errors import unreachable
from evi_harness.sdk.recorded import client_connect
from evi_harness.sdk.redirects import same_origin_only

__all__ = ["direct_chat"]

KEY_HEADER = "X-Hume-Api-Key"
TOKEN_PARAMETER = "access_token"  # noqa: S105 - a name, no token
_CONNECT_S = 10.0


@asynccontextmanager
async def direct_chat(
    base_url: str,
    path: str,
    query: Iterable[Tuple[str, str]],
    *,
    api_key: str,
    secret_key: Optional[str] = None,
    tls: Optional[ssl.SSLContext] = None,
) -> AsyncIterator[Any]:
    """Open a chat.

    Args:
        base_url: http or https URL of the endpoint, without the chat's path.
        path: The chat's path.
        query: What to ask for; keys and tokens in it are left out.
        api_key: The key to present.
        secret_key: With one, an access token is got and presented instead of the key.
        tls: What the endpoint's certificate is judged by, None for no TLS.

    Yields:
        The connection of the websockets library.

    Raises:
        RedirectRefused: The endpoint leads to another origin.
        EviHarnessError: The endpoint cannot be reached, or refuses.
    """
    asked: List[Tuple[str, str]] = [(name, value) for name, value in query if not is_secret(name)]
    headers = [(KEY_HEADER, api_key)]
    if secret_key is not None:
        token = await access_token(base_url, api_key=api_key, secret_key=secret_key, tls=tls)
        asked.append((TOKEN_PARAMETER, token))
        headers = []
    url = base_url.replace("http", "ws", 1) + quote(path) + (f"?{urlencode(asked)}" if asked else "")
    failure: Exception
    try:
        websocket = await _connect(url, headers, tls)
    except Exception as error:  # noqa: BLE001 - the library's errors share no class, and some quote the URL
        failure = unreachable(base_url, error)
    else:
        async with _closed(websocket):
            yield websocket
        return
    # Outside of the except block, so that no exception with the request in it hangs on ours.
    raise failure


async def _connect(url: str, headers: List[Tuple[str, str]], tls: Optional[ssl.SSLContext]) -> Any:
    connect = client_connect()
    given = {"extra_headers" if ".legacy." in connect.__module__ else "additional_headers": headers}
    with same_origin_only():
        return await connect(url, max_size=None, ssl=tls, open_timeout=_CONNECT_S, **given)


@asynccontextmanager
async def _closed(websocket: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await websocket.close()
