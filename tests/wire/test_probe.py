from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from probe import Arrived, ConnectionEnded, HandshakeRefused, Pong, connect, request

from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.events import BINARY, TEXT, Frame


def serve(answer, client):
    """Run client(url, loop) against an aiohttp handler for every path, in virtual time."""

    async def main(loop):
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        loop.carry("probe.invalid", 8080, runner.server)
        try:
            return await client("http://probe.invalid:8080", loop)
        finally:
            await runner.cleanup()

    return run_virtual(main)


async def echo(request):
    """Echo messages until the client closes."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_frame(message.data.encode() if message.type is web.WSMsgType.TEXT else message.data, message.type)
    return socket


def test_messages_and_pongs_are_shown_as_they_come():
    """Opcode, bytes and time of each; the end, with the code that the server gave, is the last."""
    frames = [Frame(TEXT, b""), Frame(BINARY, b"\xff"), Frame(TEXT, "ä".encode())]

    async def client(url, loop):
        probe = await connect(url, "/", loop.now_ns)
        await asyncio.sleep(1)
        probe.send(*frames)
        probe.ping(b"p")
        got = [await probe.next() for _ in range(4)]
        probe.close(4000, "done")
        return got, await probe.next()

    got, end = serve(echo, client)
    assert sorted(got, key=str) == sorted([*(Arrived(frame, 10**9) for frame in frames), Pong(b"p")], key=str)
    assert end == ConnectionEnded(1000, "")


def test_a_message_in_fragments_is_one_message():
    """It has the first fragment's opcode and the time of the last."""

    async def fragments(request):
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        request.transport.write(b"\x02\x02ab")
        await asyncio.sleep(1)
        request.transport.write(b"\x80\x01c")
        return socket

    async def client(url, loop):
        return await (await connect(url, "/", loop.now_ns)).next()

    assert serve(fragments, client) == Arrived(Frame(BINARY, b"abc"), 10**9)


def test_a_refusal_is_shown_and_nothing_is_sent_behind_it():
    """Status and body; a client that goes on regardless does no harm."""

    async def refuse(request):
        return web.Response(status=429, text="later")

    async def client(url, loop):
        probe = await connect(url, "/", loop.now_ns)
        probe.send(Frame(TEXT, b"x"))
        probe.ping(b"x")
        probe.close(1000)
        return await probe.next()

    assert serve(refuse, client) == HandshakeRefused(429, "later")


def test_query_and_headers_go_out_as_given():
    """Encoded on the wire, the same when decoded, in order and with duplicates."""
    query = (("a b", "c&d=ä+e"), ("a b", ""), ("s[x]", "1"))

    async def tell(request):
        return web.json_response([list(request.query.items()), request.headers["X-One"]])

    async def client(url, loop):
        return (await (await connect(url, "/", loop.now_ns, query=query, headers=[("X-One", "1")])).next()).body

    expected = web.json_response([[list(pair) for pair in query], "1"]).text
    assert serve(tell, client) == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_plain_request_gives_status_and_body(method):
    """Whatever the status is."""

    async def tell(request):
        return web.Response(status=418, text=f"{request.method} {request.path}")

    async def client(url, loop):
        return await request(url, method, "/tea")

    assert serve(tell, client) == (418, f"{method} /tea")
