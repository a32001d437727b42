from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.errors import UsageError
from evi_harness.sdk.hume import connect_errors
from evi_harness.settings.endpoint import endpoint_of

KEY = "Kq7ApiKeyOfThisRun0123456789"


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        (None, "https://api.hume.ai"),
        ("https://api.hume.ai", "https://api.hume.ai"),
        ("https://api.hume.ai/", "https://api.hume.ai"),
        ("wss://api.hume.ai/v0/evi/chat", "https://api.hume.ai"),
        ("wss://api.hume.ai/v0/evi/chat/", "https://api.hume.ai"),
        ("wss://api.hume.ai/v0/evi", "https://api.hume.ai"),
        ("wss://api.hume.ai/v0/assistant/chat", "https://api.hume.ai"),
        ("https://api.hume.ai/v0/", "https://api.hume.ai"),
        ("api.hume.ai", "https://api.hume.ai"),
        ("API.Hume.AI.", "https://api.hume.ai"),
        ("HTTPS://api.hume.ai:443", "https://api.hume.ai"),
        (" https://api.hume.ai\n", "https://api.hume.ai"),
        ("evi.example.com:8443", "https://evi.example.com:8443"),
        ("evi.example.com/v0/evi/chat", "https://evi.example.com"),
        ("ws://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("ws://[::1]:8000/v0/evi/chat", "http://[::1]:8000"),
        ("https://gateway.example.com/hume", "https://gateway.example.com/hume"),
        ("wss://gateway.example.com/hume/v0/evi/chat", "https://gateway.example.com/hume"),
    ],
)
def test_every_way_to_write_it_is_one_endpoint(url, base_url):
    """Scheme, slash, path, port, case: what comes out is what the SDK takes."""
    assert endpoint_of(url).base_url == base_url


@pytest.mark.parametrize(
    ("url", "chat", "token", "host", "port", "is_secure", "is_loopback", "is_hume"),
    [
        (None, "wss://api.hume.ai/v0/evi/chat", "https://api.hume.ai/oauth2-cc/token", "api.hume.ai", 443, True, False, True),
        ("http://[::1]:8", "ws://[::1]:8/v0/evi/chat", "http://[::1]:8/oauth2-cc/token", "::1", 8, False, True, False),
        (
            "ws://http.example",
            "ws://http.example/v0/evi/chat",
            "http://http.example/oauth2-cc/token",
            "http.example",
            80,
            False,
            False,
            False,
        ),
        ("https://h/p", "wss://h/p/v0/evi/chat", "https://h/p/oauth2-cc/token", "h", 443, True, False, False),
    ],
)
def test_each_use_gets_its_form(url, chat, token, host, port, is_secure, is_loopback, is_hume):
    """The chat's URL, the token's, and what a plain connection needs."""
    endpoint = endpoint_of(url)
    assert (endpoint.chat_url, endpoint.token_url, endpoint.host, endpoint.port) == (chat, token, host, port)
    assert (endpoint.is_secure, endpoint.is_loopback, connect_errors.is_hume(endpoint.base_url)) == (is_secure, is_loopback, is_hume)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "no valid host"),
        ("   ", "no valid host"),
        ("http://", "no valid host"),
        ("https:///v0/evi", "no valid host"),
        ("http://a b", "no valid host"),
        ("http://-a", "no valid host"),
        ("ftp://evi.example.com", "the scheme 'ftp'"),
        ("file:///etc/passwd", "the scheme 'file'"),
        ("https:evi.example.com", "two slashes"),
        ("http:/evi.example.com", "two slashes"),
        ("http://evi.example.com:port", "no valid port"),
        ("http://evi.example.com:99999", "no valid port"),
        ("http://evi.example.com:0", "no valid port"),
        ("http://evi.example.com:", "no valid port"),
        ("http://[::1", "not a URL"),
        ("http://[x]", "not a URL|no valid host"),
        ("https://api.hume.ai/v0/evi/chat/123/connect", " path "),
        ("https://api.hume.ai/a b", " path "),
    ],
)
def test_what_is_no_endpoint_is_a_usage_error(url, words):
    """It quotes the value, names what gave it, and says what would be right."""
    with pytest.raises(UsageError, match=words) as raised:
        endpoint_of(url, source="HUME_BASE_URL")
    assert "HUME_BASE_URL" in raised.value.what
    assert repr(url.strip()) in raised.value.what
    assert raised.value.hint
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "url", [f"https://me:{KEY}@h", f"https://h?api_key={KEY}", f"h/#{KEY}", f"ftp://{KEY}@h", f"me:{KEY}@h:port", f"https://h:x?{KEY}"]
)
def test_a_key_in_a_url_is_refused_and_not_quoted(url):
    """Whatever else is wrong with it."""
    with pytest.raises(UsageError) as raised:
        endpoint_of(url)
    assert KEY not in str(raised.value)
    assert KEY not in repr(raised.value.__context__)


@given(st.sampled_from(["http", "https", "ws", "wss"]), st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,5})?", fullmatch=True), st.integers(1, 65535))
def test_reading_what_was_read_changes_nothing(scheme, host, port):
    """Normalised once is normalised for good; the chat's URL leads back to the same endpoint."""
    endpoint = endpoint_of(f"{scheme}://{host}:{port}/")
    assert endpoint_of(endpoint.base_url) == endpoint
    assert endpoint_of(endpoint.chat_url) == endpoint
    assert (endpoint.host, endpoint.port) == (host, port)


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_a_usage_error(text):
    """Nothing else comes out."""
    with suppress(UsageError):
        assert endpoint_of(text).base_url.startswith("http")
