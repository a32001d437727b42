"""Facts about a connection of the websockets library, under the names of each version: handshake, endpoint, end.

Rules of living here: it is asked, never changed.
"""

from __future__ import annotations

import ssl
from typing import Any, Optional, Tuple
from urllib.parse import parse_qsl

from evi_harness.session.events import ClosedBy, Handshake
from evi_harness.session.protocols import NO_STATUS

__all__ = ["end_of", "endpoint_of", "handshake_of", "is_closed", "reply_header"]

# With these words the library closes by itself when a ping stays unanswered: then it is the network that has gone.
_UNANSWERED = "keepalive ping timeout"


def handshake_of(connection: Any) -> Handshake:
    """What the client asked for; with its secrets."""
    target, headers = _request(connection)
    path, _, query = target.partition("?")
    pairs = tuple((str(name), str(value)) for name, value in headers.raw_items())
    return Handshake(path, tuple(parse_qsl(query, keep_blank_values=True)), pairs)


def endpoint_of(connection: Any) -> str:
    """The URL of the service without its query, which may hold a key."""
    target, headers = _request(connection)
    scheme = "wss" if _is_secure(connection) else "ws"
    return f"{scheme}://{headers.get('Host', '')}{target.partition('?')[0]}"


def reply_header(connection: Any, name: str) -> Optional[str]:
    """A header of the answer to the handshake, None where there is none of that name."""
    response = getattr(connection, "response", None)
    headers = getattr(connection, "response_headers", None) if response is None else response.headers
    values = [] if headers is None else headers.get_all(name)
    return values[0] if values else None


def is_closed(connection: Any) -> bool:
    """Whether all is over: the connection is closed, and so is what is below it."""
    return bool(_keeper(connection).state.name == "CLOSED")


def end_of(connection: Any) -> Tuple[ClosedBy, Optional[int], str]:
    """Who closed a closed connection, with which code (None where there was none) and reason."""
    keeper = _keeper(connection)
    received, sent = keeper.close_rcvd, keeper.close_sent
    if received is not None and keeper.close_rcvd_then_sent is not False:
        return "service", _code(received), received.reason
    if sent is None or (received is None and sent.reason == _UNANSWERED):
        return "network", None, "" if sent is None else sent.reason
    return "app", _code(sent), sent.reason


def _request(connection: Any) -> Tuple[str, Any]:
    request = getattr(connection, "request", None)
    if request is None:
        return connection.path, connection.request_headers
    return request.path, request.headers


def _keeper(connection: Any) -> Any:
    """What holds the state: the protocol without I/O where there is one, else the connection itself."""
    return getattr(connection, "protocol", connection)


def _is_secure(connection: Any) -> bool:
    transport = getattr(connection, "transport", None)
    if transport is not None:
        return transport.get_extra_info("ssl_object") is not None
    return isinstance(getattr(connection, "socket", None), ssl.SSLSocket)


def _code(close: Any) -> Optional[int]:
    return None if close.code == NO_STATUS else int(close.code)
