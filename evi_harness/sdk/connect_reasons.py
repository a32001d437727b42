"""Why a connection could not be opened, as far as that may be told: by the status, or by the type of what was raised.

Rules of living here: nothing of an exception is quoted but what is known to hold no key.
"""

from __future__ import annotations

import socket
import ssl
from asyncio import TimeoutError as AsyncioTimeout
from typing import Iterator, Mapping, Optional
from urllib.parse import urlsplit

__all__ = ["reason_told", "shown", "status_of"]

# What the libraries raise for an answer that is none, by the class's name: its text may quote a URL with a key in it.
_HANDSHAKES: Mapping[str, str] = {
    "InvalidMessage": "it does not answer as HTTP does",
    "RemoteProtocolError": "it does not answer as HTTP does",
    "InvalidURI": "it redirects to what is not a ws or wss address",
    "RedirectHandshake": "it redirects to another address",
    "TooManyRedirects": "it redirects too often",
    "SecurityError": "it redirects too often, or from wss to ws",
    "InvalidUpgrade": "it does not speak WebSocket",
    "InvalidHeader": "it does not speak WebSocket",
    "InvalidHandshake": "it does not speak WebSocket",
}


def shown(base_url: str) -> str:
    """A URL as far as it may be told: no user, no password, no query."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def status_of(error: BaseException) -> Optional[int]:
    """The HTTP status with which a handshake or a request was refused; None where it was something else that failed."""
    # ApiError and the legacy InvalidStatusCode have it themselves, InvalidStatus has it in its response.
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def reason_told(error: BaseException) -> str:
    """The first reason down the chain of an exception that may be told."""
    chain = list(_chain(error))
    # One with a number says what failed; the others sum up ("all attempts failed") and hang above it.
    vague = next((str(one) for one in chain if isinstance(one, OSError)), "") or type(error).__name__
    by_class = (_HANDSHAKES.get(type(one).__name__, "") for one in chain)
    return next((reason for reason in (*map(_reason_of, chain), *by_class) if reason), vague)


def _reason_of(error: BaseException) -> str:
    if isinstance(error, ValueError) and "HTTP/1.0" in str(error):
        return "it is a plain HTTP server: it answers with HTTP/1.0, which has no WebSocket"
    if isinstance(error, EOFError):
        return "it closed the connection without an answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {getattr(error, 'verify_message', 'no reason given')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({getattr(error, 'reason', None) or 'no reason given'}); is it http or ws rather than https or wss?"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, (TimeoutError, socket.timeout, AsyncioTimeout)) or "Timeout" in type(error).__name__:
        return "it did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return (error.strerror or "") if isinstance(error, OSError) else ""


def _chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
