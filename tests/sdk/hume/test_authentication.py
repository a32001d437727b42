from __future__ import annotations

import asyncio
import base64
import re
import traceback

import pytest
from aiohttp import web

from evi_harness.errors import EviHarnessError
from evi_harness.sdk.hume.authentication import access_token

KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
BASIC = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()


def asked(answer, **options):
    """Ask a server on loopback for a token, with the real httpx; gives the token and the requests."""
    requests = []

    async def give(request):
        requests.append((request.method, request.path, request.headers.get("Authorization"), dict(await request.post())))
        return answer(request) if callable(answer) else answer

    async def main():
        app = web.Application()
        app.router.add_route("*", "/{anywhere:.*}", give)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            return await access_token(f"http://127.0.0.1:{port}", api_key=KEY, secret_key=SECRET, **options), requests
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def test_the_request_is_the_one_that_hume_documents():
    """A POST with both keys as Basic credentials and the grant as a form; the answer's token comes back."""
    token, requests = asked(web.json_response({"access_token": "t-1", "expires_in": 1800}))
    assert token == "t-1"
    assert requests == [("POST", "/oauth2-cc/token", f"Basic {BASIC}", {"grant_type": "client_credentials"})]


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch):
    """A proxy knows another loopback than ours."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert asked(web.json_response({"access_token": "t-1"}))[0] == "t-1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: web.Response(status=401, text=KEY), "refused .* status 401: .*missing"),
        (lambda _: web.Response(status=403), "status 403"),
        (lambda _: web.Response(status=404), "status 404"),
        (lambda _: web.Response(status=429), "status 429: Too many"),
        (lambda _: web.Response(status=500, text=SECRET), "status 500: The service failed"),
        (lambda _: web.Response(status=503), "status 503"),
        (
            lambda _: web.Response(status=302, headers={"Location": f"http://127.0.0.1:1/?{SECRET}"}),
            "to another origin, http://127.0.0.1:1;",
        ),
        (lambda _: web.Response(text=f"<html>{SECRET}"), "/oauth2-cc/token answered with no JSON"),
        (lambda _: web.Response(body=b"\xff\xfe"), "answered with no JSON"),
        (lambda _: web.Response(text="[" * 100_000), "answered with no JSON"),
        (lambda _: web.json_response({"token": SECRET}), "answered with no access_token"),
        (lambda _: web.json_response({"access_token": ""}), "answered with no access_token"),
        (lambda _: web.json_response({"access_token": 5}), "answered with no access_token"),
        (lambda _: web.json_response([SECRET]), "answered with no access_token"),
    ],
    ids=["401", "403", "404", "429", "500", "503", "302", "html", "bytes", "deep", "no token", "empty", "number", "list"],
)
def test_whatever_is_no_token_is_a_clear_error_without_secrets(answer, words):
    """Neither in the error nor in a traceback of it."""
    with pytest.raises(EviHarnessError) as raised:
        asked(answer)
    assert re.search(words, str(raised.value))
    assert raised.value.hint
    shown = "".join(traceback.format_exception(raised.type, raised.value, raised.value.__traceback__))
    for secret in (KEY, SECRET, BASIC, BASIC[:20]):
        assert secret not in shown


def test_nobody_there_is_a_clear_error():
    """Nothing listens on the port."""
    with pytest.raises(EviHarnessError, match=r"http://127\.0\.0\.1:1 .*reached: nothing listens"):
        asyncio.run(access_token("http://127.0.0.1:1", api_key=KEY, secret_key=SECRET))


def test_an_answer_that_does_not_come_is_a_clear_error():
    """The wait ends where it is told to: here the server closes without a word."""
    with pytest.raises(EviHarnessError, match="cannot be reached"):
        asked(lambda request: request.transport.abort() or web.Response())
