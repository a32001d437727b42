"""What can go wrong between an app and EVI: error messages, refused handshakes, close codes.

Rules of living here: tables, and one function that looks things up. A code is an open set, so what is unknown is explained by its
prefix or its range. What nobody has documented or seen is said to be unknown, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping, Optional, Union

from evi_harness.errors import Parameter, Words

__all__ = ["CLOSE_CODES", "ERRORS", "PREFIXES", "REFUSALS", "SUNSET", "ErrorCode", "explain"]

SUNSET = Words(
    "Hume's documentation says that access to EVI ended on 13 November 2026. Point ",
    Parameter("base_url"),
    " at an EVI-shaped endpoint, or use the built-in simulator.",
)


@dataclass(frozen=True)
class ErrorCode:
    """One code of an ``error`` message.

    Attributes:
        code: Such as ``E0714``.
        slug: Its name on the wire, empty where nobody has written it down.
        meaning: What it means, a sentence.
        ends_chat: Whether the chat ends with it; None where that is not known.
        close_code: The close code that follows, None where none follows or none is known.
    """

    code: str
    slug: str
    meaning: str
    ends_chat: Optional[bool] = None
    close_code: Optional[int] = None


_ROWS = (
    ErrorCode("E0100", "", "The message is not valid JSON."),
    ErrorCode("E0101", "payload_parse", "The message is JSON but does not fit its type. Ten identical ones end the chat.", False),
    ErrorCode("E0102", "", "The models asked for cannot be used together."),
    ErrorCode("E0200", "", "The media could not be read."),
    ErrorCode("E0201", "", "The media could not be read."),
    ErrorCode("E0202", "", "The media could not be read."),
    ErrorCode("E0203", "", "The audio is longer than 5000 ms."),
    ErrorCode("E0705", "custom_language_model_disconnected", "The custom language model closed its connection."),
    ErrorCode("E0708", "", "The chat group to be resumed was not found."),
    ErrorCode("E0710", "", "The chat could not be resumed."),
    ErrorCode("E0712", "custom_language_model_timed_out", "The custom language model could not be reached in time.", False),
    ErrorCode("E0714", "inactivity_timeout", "The user said nothing for as long as the configuration allows.", True, 1000),
    ErrorCode("E0715", "max_duration_timeout", "The chat lasted as long as the configuration allows.", True, 1000),
    ErrorCode("E0723", "", "A whole audio file was sent; the audio has to come in pieces, as it is spoken."),
    ErrorCode("I0100", "uncaught", "Something failed in the service; a configuration that does not exist is reported this way too."),
    ErrorCode("I0116", "transcription_failure", "The audio could not be transcribed; its format is not the one announced.", True, 1000),
    ErrorCode("I0118", "transcription_disconnected", "The service lost its transcription.", True),
)

ERRORS: Mapping[str, ErrorCode] = MappingProxyType({row.code: row for row in _ROWS})

PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "E": "A mistake in the configuration or in what the app sent.",
        "I": "A fault inside the service.",
        "W": "A warning.",
    }
)

_PLAIN_HTTP = "It is a plain HTTP server, which opens no WebSocket"

# Which status the service answers with in which case is not documented; these are the usual meanings.
REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        200: f"{_PLAIN_HTTP}: it answers like a web page.",
        400: "The handshake was not understood.",
        401: "The API key or access token is missing or wrong.",
        403: "The API key or access token is not allowed to do this.",
        404: "There is no such path, or no such configuration. A plain HTTP server, which opens no WebSocket, says so, too.",
        405: "It does not accept such requests at this path. A plain HTTP server, which opens no WebSocket, says so, too.",
        407: "A proxy in between wants its own credentials.",
        422: "A parameter of the handshake has a value that is not allowed.",
        429: "Too many connections or requests at once.",
        426: "It requires another protocol.",
        500: "The service failed.",
        501: f"{_PLAIN_HTTP}: it does not know such requests.",
        502: "The service cannot be reached behind its gateway.",
        503: "The service is not available.",
        504: "The service did not answer its gateway in time.",
    }
)

CLOSE_CODES: Mapping[int, str] = MappingProxyType(
    {
        1000: "A normal end; also after E0714, E0715 and I0116, which the SDK then ends silently.",
        1001: "The other side goes away; the SDK ends silently.",
        1002: "The WebSocket protocol was broken.",
        1003: "A kind of data that the other side does not accept.",
        1005: "A close frame with no code.",
        1006: "No close frame came: the connection was lost. The 30-minute limit has been seen to end like this.",
        1007: "A text frame that is not UTF-8.",
        1008: "The other side's rules do not allow this.",
        1009: "A message is too large: the SDK takes 1 MiB from 0.13.0 on and 16 MiB before, the service 16 MB.",
        1011: "The other side failed.",
        1012: "The service restarts.",
        1013: "The service is overloaded; try again later.",
    }
)


def explain(code: Union[str, int]) -> str:
    """Say what an error code, a refused handshake's status or a close code means.

    Args:
        code: A string such as ``E0714``, an HTTP status (100 to 599), or a close code (from 1000 on).

    Returns:
        A sentence; one that says that the code is unknown where it is.
    """
    if isinstance(code, str):
        row = ERRORS.get(code.upper())
        return row.meaning if row is not None else _by_prefix(code)
    if code < 1000:
        return REFUSALS.get(code, _by_class(code))
    return CLOSE_CODES.get(code, _by_range(code))


def _by_class(status: int) -> str:
    if 200 <= status <= 299:
        return f"{_PLAIN_HTTP}."
    if 300 <= status <= 399:
        return "It redirects to another address. If that address is right, use it instead."
    return f"HTTP status {status}, which has no specific meaning here."


def _by_prefix(code: str) -> str:
    known = PREFIXES.get(code[:1].upper())
    return f"{known} {code} is not in the table." if known else f"{code or 'An empty code'} is not in the table."


def _by_range(code: int) -> str:
    if 4000 <= code <= 4999:
        return f"Close code {code} is the application's own; EVI is not known to use it."
    return f"Close code {code} is not in the table."
