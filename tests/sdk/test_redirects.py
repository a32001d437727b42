from __future__ import annotations

import asyncio
import traceback
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from evi_harness.errors import EviHarnessError, RedirectRefused
from evi_harness.sdk.hume.authentication import access_token
from evi_harness.sdk.hume.callbacks import connect_with_callbacks
from evi_harness.sdk.hume.connection import client_for
from evi_harness.sdk.hume.direct_chat import direct_chat
from evi_harness.sdk.recorded import client_connect
from evi_harness.sdk.redirects import origin_of, require_same_origin, same_origin_only

KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"


@asynccontextmanager
async def answering(answer):
    """A server on loopback: its base URL, and all that it was asked, as text."""
    requests = []

    async def take(request):
        requests.append(f"{request.method} {request.path_qs} {dict(request.headers)} {await request.text()}")
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{anywhere:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", requests
    finally:
        await runner.cleanup()


async def serve(request):
    """A chat, or a token."""
    if request.method == "POST":
        return web.json_response({"access_token": "t-1"})
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


async def through_direct_chat(base_url):
    """As ``replay --live`` opens a chat."""
    async with direct_chat(base_url, "/v0/evi/chat", [("config_id", "c")], api_key=KEY):
        pass


async def through_the_sdk(base_url):
    """As ``record`` opens a chat, and an app with the harness's own call."""
    async with connect_with_callbacks(client_for(base_url, KEY), {"config_id": "c"}):
        pass


async def for_a_token(base_url):
    """As every chat that is opened with a secret key."""
    await access_token(base_url, api_key=KEY, secret_key=SECRET)


WAYS = pytest.mark.parametrize("open_it", [through_direct_chat, through_the_sdk, for_a_token])


def led(open_it, to, status=307):
    """Open something at a server that leads elsewhere; gives what that other one was asked, and the error."""

    async def main():
        async with answering(serve) as (other, asked):

            async def lead(request):
                return web.Response(status=status, headers={"Location": to(other, request)})

            async with answering(lead) as (front, _):
                error = None
                try:
                    await open_it(front)
                except Exception as raised:  # noqa: BLE001 - it is looked at
                    error = raised
                return front, other, asked, error

    return asyncio.run(main())


def elsewhere(other, request):
    """The same path on another server, with what a careless front puts into the query."""
    scheme = "ws" if request.method == "GET" else "http"
    return f"{other.replace('http', scheme)}{request.path}?api_key={KEY}"


@WAYS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_origin_is_refused_by_name_and_asked_nothing(open_it, status):
    """No header, no query, no body: it is not connected to. Both origins are named, without what is behind them."""
    front, other, asked, error = led(open_it, elsewhere, status)
    assert asked == []
    assert isinstance(error, RedirectRefused)
    assert error.exit_code == 3
    assert (error.asked, error.led_to) == (front, other)
    told = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert KEY not in str(error) + told
    assert "api_key=" not in str(error)


@WAYS
@pytest.mark.parametrize(
    "location",
    [
        "//evi.example.invalid/v0/evi/chat",
        "https://evi.example.invalid/",
        "wss://127.0.0.1/v0/evi/chat",
        f"http://user:{KEY}@evi.example.invalid/",
        f"ws://evi.example.invalid:{KEY}/",
    ],
    ids=["no scheme", "https", "another port and scheme", "with a password", "port that is none"],
)
def test_whatever_way_it_is_written(open_it, location):
    """Relative or not; what is no address at all is refused too. Nothing is looked up or quoted."""
    error = led(open_it, lambda _, __: location)[3]
    assert isinstance(error, EviHarnessError)
    assert KEY not in str(error)
    if KEY not in location or "@" in location:
        assert isinstance(error, RedirectRefused)


@WAYS
@pytest.mark.parametrize("whole", [False, True], ids=["path", "whole URL"])
def test_the_same_origin_is_followed(open_it, whole):
    """A service may have moved its paths."""

    async def main():
        async def move(request):
            if request.path.startswith("/moved"):
                return await serve(request)
            front = f"{'ws' if request.method == 'GET' else 'http'}://{request.host}" if whole else ""
            return web.Response(status=308, headers={"Location": f"{front}/moved{request.path_qs}"})

        async with answering(move) as (front, asked):
            await open_it(front)
            return asked

    first, second = asyncio.run(main())
    assert "/moved/" in second
    assert ("authorization" in second.lower() or KEY in second) is ("authorization" in first.lower() or KEY in first)


def test_a_ring_of_redirects_comes_to_an_end():
    """On the same origin."""
    error = led(for_a_token, lambda _, request: request.path)[3]
    assert "redirects too often" in str(error)


def test_a_connection_of_the_apps_own_goes_where_it_went():
    """Outside of the block the library is as it was; within it, in another context, it judges as it did."""

    async def plain(base_url):
        await (await client_connect()(base_url.replace("http", "ws"))).close()

    before = dict(vars(client_connect()))
    assert len(led(plain, elsewhere)[2]) == 1
    assert dict(vars(client_connect())) == before

    async def beside(base_url):
        from contextvars import copy_context

        outside = copy_context()
        with same_origin_only():
            await asyncio.get_running_loop().run_in_executor(None, outside.run, asyncio.run, plain(base_url))

    assert len(led(beside, elsewhere)[2]) == 1
    assert dict(vars(client_connect())) == before


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("ws://a", "http://a:80/x?y", True),
        ("wss://a:443", "https://A/", True),
        ("ws://a", "wss://a", False),
        ("ws://a", "ws://a:81", False),
        ("ws://a", "ws://b", False),
        ("ws://a", "ws://a.b", False),
        ("http://[::1]:80", "ws://[::1]", True),
        ("http://a.", "http://a", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(one, other, are_same):
    """By RFC 6454, with ws for http; what is behind them makes no difference."""
    assert (origin_of(one) == origin_of(other)) is are_same
    if are_same:
        require_same_origin(one, other, what="it")
    else:
        with pytest.raises(RedirectRefused, match="another origin"):
            require_same_origin(one, other, what="it")
