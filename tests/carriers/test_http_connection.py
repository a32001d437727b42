from __future__ import annotations

import asyncio
import logging
import re

import pytest
from aiohttp import web
from carrier_duties import ScriptedService

from evi_harness.carriers.http_connection import HttpConnection
from evi_harness.carriers.real_carrier import RealCarrier
from evi_harness.carriers.server import ChatServer
from evi_harness.clocks.clock import RealClock

KEY = "Kq7ApiKeyOfThisRun0123456789"


class Gone(asyncio.Transport):
    """To a client that is not there any more."""

    def close(self):
        pass


# What a client may send that is no request, each with the key where that kind of client has it.
UNREADABLE = {
    "version": f"GET /chat?api_key={KEY} HTP/1.1\r\nHost: x\r\n\r\n",
    "higher version": f"GET /chat?api_key={KEY} HTTP/9.9\r\nHost: x\r\n\r\n",
    "method": f"GE T /chat?api_key={KEY} HTTP/1.1\r\nHost: x\r\n\r\n",
    "header without a colon": f"GET /chat HTTP/1.1\r\nX-Hume-Api-Key {KEY}\r\n\r\n",
    "header with a zero byte": f"GET /chat HTTP/1.1\r\nX-Hume-Api-Key: {KEY}\x00\r\n\r\n",
    "header name": f"GET /chat HTTP/1.1\r\n{KEY}(): x\r\n\r\n",
    "header too long": f"GET /chat HTTP/1.1\r\nX-Hume-Api-Key: {'a' * 20_000}{KEY}\r\n\r\n",
    "no request": f"{KEY}\r\n\r\n",
    "address": f"GET http://[{KEY}/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "length": f"POST /token?api_key={KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {KEY}\r\n\r\n",
    "chunk": f"POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n{KEY}",
    "bare line feeds": f"GET /chat?api_key={KEY}\nX-Hume-Api-Key: {KEY}\n\n",
    "TLS": f"\x16\x03\x01\x00\x05{KEY}\r\n\r\n",
}


def answers(requests):
    """What a server on a real port answers to each, and the lines that it tells."""
    told = []

    async def ask(url, request):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request.encode("latin-1"))
        try:
            return (await reader.read()).decode("latin-1")
        finally:
            writer.close()

    async def main():
        server = ChatServer(ScriptedService(), clock=RealClock(), chat_paths=["/chat"], token_path="/token", on_unknown=told.append)
        async with RealCarrier(server) as carrier:
            return [await ask(carrier.url, request) for request in requests]

    return asyncio.run(main()), told


@pytest.mark.parametrize("request_text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_neither_sent_back_nor_logged(request_text, caplog, capfd):
    """A status and a sentence of ours; whatever logs the developer has configured see nothing of it."""
    with caplog.at_level(logging.DEBUG):
        (answer,), told = answers([request_text])
    assert answer.split(" ", 2)[1] == "400"
    assert re.search(r"evi-harness: .*an HTTP request.*\n$", answer)
    assert len(told) == 1
    assert KEY[:8] not in answer + "".join(told) + caplog.text + "".join(capfd.readouterr())
    assert [record.name for record in caplog.records if record.name.startswith("aiohttp")] == []


def test_a_client_that_goes_at_once_is_no_fault():
    """It opens a connection and resets it, so that it is gone before aiohttp has begun with it: nothing fails, and nothing is told."""
    told = []

    async def main():
        before = asyncio.all_tasks()
        connection = HttpConnection(web.Server(ScriptedService()), loop=asyncio.get_running_loop(), on_error=told.append)
        connection.connection_made(Gone())
        begun = asyncio.all_tasks() - before
        connection.connection_lost(None)
        return await asyncio.gather(*begun, return_exceptions=True)

    assert asyncio.run(main()) == [None]
    assert told == []


def test_each_kind_is_told_once():
    """A client that goes on trying fills no log."""
    told = answers([UNREADABLE["method"], UNREADABLE["no request"], UNREADABLE["method"]])[1]
    assert len(told) == len(set(told))
    assert 0 < len(told) <= 2


def test_a_path_that_is_not_there_is_not_sent_back():
    """Some clients have their key in it."""
    (answer,), told = answers([f"GET /{KEY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"])
    assert answer.split(" ", 2)[1] == "404"
    assert KEY not in answer
    # Whoever gives ``on_unknown`` takes the secrets out: it knows them.
    (line,) = told
    assert re.fullmatch(rf"nothing .* GET /{KEY}; .*GET /chat \(WebSocket\), POST /token", line)


def test_a_fault_is_told_by_its_type(monkeypatch, caplog):
    """With 500, and no text of the exception, which may quote the request."""

    async def fails(self, request):
        raise RuntimeError(f"because of {request.path}")

    monkeypatch.setattr(ChatServer, "_give_token", fails)
    (answer,), told = answers([f"POST /token?api_key={KEY} HTTP/1.1\r\nHost: x\r\n\r\n"])
    assert answer.split(" ", 2)[1] == "500"
    assert [re.search(r"internal error .*: RuntimeError \(.*500\)$", line) is not None for line in told] == [True]
    assert KEY not in answer + caplog.text
