from __future__ import annotations

import asyncio
import re
import socket
import ssl
from types import SimpleNamespace

import pytest
from httpx import RemoteProtocolError
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidUpgrade, InvalidURI, SecurityError

from evi_harness.errors import EviHarnessError
from evi_harness.sdk.connect_reasons import shown, status_of
from evi_harness.sdk.hume.connect_errors import is_hume, refusal, unreachable
from evi_harness.sdk.hume.installed_sdk import import_sdk

KEY = "Kq7ApiKeyOfThisRun0123456789"
HUME = "https://api.hume.ai"
OTHER = "http://127.0.0.1:8000"


def caused(error, by):
    """An exception with another below it."""
    error.__cause__ = by
    return error


def api_error(status):
    """The SDK's, as it comes with the request's headers."""
    import_sdk()
    from hume.core.api_error import ApiError

    return ApiError(headers={"X-Hume-Api-Key": KEY}, status_code=status, body=KEY)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens there"),
        (socket.gaierror(-2, "Name or service not known"), "its name .*resolved"),
        (socket.timeout("timed out"), ".*in time"),
        (asyncio.TimeoutError(), ".*in time"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS failed.*"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
        (caused(ValueError(KEY), ConnectionRefusedError(111, "x")), "nothing listens there"),
        (InvalidURI(KEY, KEY), "it redirects to .*\\bws or wss\\b.*"),
        (SecurityError(KEY), "it redirects .*often, .*"),
        (InvalidMessage(KEY), ".* as HTTP .*"),
        (caused(InvalidMessage(KEY), EOFError(KEY)), "it closed .*"),
        (
            caused(InvalidMessage(KEY), ValueError(f"unsupported protocol; expected HTTP/1.1: HTTP/1.0 404 {KEY}")),
            ".*plain HTTP server.*",
        ),
        (InvalidUpgrade("Upgrade", KEY), ".*speak WebSocket"),
        (InvalidHandshake(KEY), ".*speak WebSocket"),
        (caused(RemoteProtocolError(KEY), OSError(104, "Connection reset by peer")), "Connection reset by peer"),
        (ValueError(KEY), ".*ValueError.*"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_reason_is_told_and_no_key(error, words):
    """Whatever failed is said in words; the text of an exception that may hold a key is not."""
    told = unreachable(OTHER, error)
    assert re.fullmatch(rf"{OTHER} cannot be reached: {words}", told.what)
    assert KEY not in str(told)
    assert told.exit_code == 3


def test_an_endless_chain_of_causes_ends():
    """Two exceptions that name one another as the cause."""
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    assert "ValueError" in unreachable(OTHER, first).what


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 418])
def test_a_refusal_is_told_by_its_status(status):
    """What the status means, what to do, and nothing of the headers that the SDK's exception shows."""
    told = unreachable(HUME, api_error(status))
    assert re.search(f"{HUME} refused .* status {status}: ", told.what)
    assert "13 November 2026" in str(told)
    assert "base_url" in str(told)
    assert "serve --simulate" in str(told)
    assert KEY not in str(told)


def test_elsewhere_hume_is_not_spoken_of():
    """The end of access concerns Hume's own service; a wrong key is the key's."""
    for told in (refusal(OTHER, 401), refusal(OTHER, 503), unreachable(OTHER, OSError(1, "x"))):
        assert "November" not in str(told)
    assert "HUME_API_KEY" in str(refusal(OTHER, 401))


def test_an_error_of_ours_is_left_as_it_is():
    """It says what has to be said already."""
    error = EviHarnessError("said")
    assert unreachable(HUME, error) is error


def test_a_status_is_found_wherever_it_stands():
    """ApiError and the legacy library have it, the newer library's response has it, and other exceptions have none."""
    assert status_of(api_error(401)) == 401
    newer = ValueError()
    newer.response = SimpleNamespace(status_code=403)
    assert status_of(newer) == 403
    assert status_of(ValueError()) is None


@pytest.mark.parametrize(
    ("url", "is_humes"),
    [
        (HUME, True),
        ("https://API.Hume.AI", True),
        ("https://hume.ai.", True),
        ("https://nothume.ai", False),
        ("https://hume.ai.example.com", False),
        (OTHER, False),
    ],
)
def test_humes_own_are_known_by_their_host(url, is_humes):
    """The whole name counts, and its case does not."""
    assert is_hume(url) is is_humes


def test_a_url_is_shown_without_what_may_be_secret():
    """No user, no password, no query."""
    assert shown(f"https://me:{KEY}@h:8/x?api_key={KEY}#{KEY}") == "https://h:8/x"
