"""A Realtime session opened below the SDK: the same handshake and authentication, without parsing.

Rules of living here: a key goes to the endpoint that was named and to no other, in a header, and stands in no error.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Iterable, List, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

from evi_harness.errors import EviHarnessError, Parameter, Words
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.sdk.connect_reasons import reason_told, shown, status_of
from evi_harness.sdk.recorded import client_connect
from evi_harness.sdk.redirects import same_origin_only

__all__ = ["direct_session"]

_CONNECT_S = 10.0
# Where a key has a header of its own, and a bearer is something else.
_AZURE = ".azure.com"
_CREDENTIALS = "Check the service's key, in the environment or in .env."
_SIMULATOR = "The simulator: evi-harness serve --simulate --dialect openai-realtime"


@asynccontextmanager
async def direct_session(
    base_url: str, path: str, query: Iterable[Tuple[str, str]], *, api_key: str, tls: Optional[ssl.SSLContext] = None
) -> AsyncIterator[Any]:
    """Open a session.

    Args:
        base_url: http or https URL of the endpoint, without the path.
        path: The path.
        query: What to ask for; keys in it are left out.
        api_key: The key to present.
        tls: What the endpoint's certificate is judged by, None for no TLS.

    Yields:
        The connection of the websockets library.

    Raises:
        RedirectRefused: The endpoint leads to another origin.
        EviHarnessError: The endpoint cannot be reached, or refuses.
    """
    asked = [(name, value) for name, value in query if name.lower() not in OPENAI_REALTIME.secret_names]
    url = base_url.replace("http", "ws", 1) + quote(path) + (f"?{urlencode(asked)}" if asked else "")
    failure: Exception
    try:
        websocket = await _connect(url, [_credentials(base_url, api_key)], tls)
    except Exception as error:  # noqa: BLE001 - the library's errors share no class, and some quote the URL
        failure = _failure(base_url, error)
    else:
        try:
            yield websocket
        finally:
            await websocket.close()
        return
    # Outside of the except block, so that no exception with the request in it hangs on ours.
    raise failure


def _credentials(base_url: str, api_key: str) -> Tuple[str, str]:
    is_azure = (urlsplit(base_url).hostname or "").rstrip(".").endswith(_AZURE)
    return ("api-key", api_key) if is_azure else ("Authorization", f"Bearer {api_key}")


async def _connect(url: str, headers: List[Tuple[str, str]], tls: Optional[ssl.SSLContext]) -> Any:
    connect = client_connect()
    given = {"extra_headers" if ".legacy." in connect.__module__ else "additional_headers": headers}
    with same_origin_only():
        return await connect(url, max_size=None, ssl=tls, open_timeout=_CONNECT_S, **given)


def _failure(base_url: str, error: BaseException) -> EviHarnessError:
    if isinstance(error, EviHarnessError):
        return error
    way_on = Words("Is it running, and is ", Parameter("base_url"), f" right? {_SIMULATOR}")
    status = status_of(error)
    if status is None:
        return EviHarnessError(f"{shown(base_url)} cannot be reached: {reason_told(error)}", hint=way_on)
    hint = _CREDENTIALS if status in (401, 403) else "Wait a little, then try again." if status == 429 else way_on
    return EviHarnessError(f"{shown(base_url)} refused the connection with status {status}: {OPENAI_REALTIME.explain(status)}", hint=hint)
