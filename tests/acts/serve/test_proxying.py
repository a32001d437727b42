"""Tests of evi_harness.acts.serve.proxying and .record_relayed: a real client, a real server, and the proxy between them."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import urllib.request
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import websockets
from raw_client import RawClient, frame, request
from raw_ends import serving_script
from thread_server import serving_in_thread

from evi_harness.acts.serve import record_relayed
from evi_harness.acts.serve.proxying import PROXY_LIMITS, ProxyOptions, ProxyResult, RunningProxy, proxy_limits, upstream_of
from evi_harness.acts.serve.record_relayed import Relayed
from evi_harness.acts.serve.serving import play
from evi_harness.acts.sessions import check_session
from evi_harness.carriers.limits import ServerLimits
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.session.events import Received, Sent
from evi_harness.settings.endpoint import endpoint_of
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.usefixtures("no_environment")

TYPED = Path(__file__).resolve().parents[3] / "sessions" / "typed"
KEY = "a-key-that-nobody-may-see-0123456789"
ANSWER = '{"location": "Bath", "sky": "rain", "celsius": 11}'
ASK = "What's the weather in Bath?"


@asynccontextmanager
async def proxied(upstream, out, **options):
    """A proxy on the running loop, its URL, and what it has warned of."""
    warned = []
    chosen = ProxyOptions(upstream=upstream, out=out, **options)
    running = RunningProxy(chosen, upstream_of(chosen), lambda _: None, warned.append)
    try:
        yield running, await running.start(), warned
    finally:
        await running.stop()


async def typed(url, path="/v0/evi/chat", **options):
    """The app that sessions/typed expects; gives what it has received."""
    received = []
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}{path}?api_key={KEY}", max_size=None, **options) as socket:
        await socket.send(json.dumps({"type": "user_input", "text": ASK}))
        async for text in socket:
            message = json.loads(text)
            received.append(message["type"])
            if message["type"] == "tool_call":
                answer = {"type": "tool_response", "tool_call_id": message["tool_call_id"], "content": ANSWER}
                await socket.send(json.dumps(answer))
            if message["type"] == "assistant_end":
                await socket.close(1000)
    return received


@asynccontextmanager
async def echoing(**options):
    """A server that says everything twice; its port."""

    async def echo(socket):
        async for message in socket:
            await socket.send(message)
            await socket.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, **options) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def echoed(out, compression=None, **options):
    """A proxy before such a server, and an app's socket through it."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(echoing())
        running, through, _ = await stack.enter_async_context(proxied(f"http://127.0.0.1:{port}", out, **options))
        yield running, await stack.enter_async_context(websockets.connect(through.replace("http", "ws"), compression=compression))


def files_in(folder):
    """All bytes below a folder."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_conversation_becomes_a_session(tmp_path):
    """As record writes one: whole, with the service's ids and who it is; it says that a proxy recorded it, and holds no key."""

    async def main(url):
        async with proxied(url, tmp_path, name="mine") as (running, through, warned):
            received = await typed(through)
        return received, running.sessions, warned

    with serving_in_thread(play(TYPED), service_name="player") as url:
        received, sessions, warned = asyncio.run(main(url))
    (relayed,) = sessions
    assert (relayed.problem, relayed.n_unread, relayed.closed.by, relayed.closed.code, warned) == (None, 0, "app", 1000, [])
    assert check_session(relayed.folder) == []
    session = load_session(relayed.folder)
    assert [json.loads(event.frame.payload)["type"] for event in session.events if isinstance(event, Received)] == received
    assert [event.frame.payload for event in session.sent] == [
        json.dumps({"type": "user_input", "text": ASK}).encode(),
        json.dumps({"type": "tool_response", "tool_call_id": "call_made_by_a_script", "content": ANSWER}).encode(),
    ]
    header = session.header
    assert (header.made_by, header.service, header.endpoint) == ("record", "player", f"{url.replace('http', 'ws')}/v0/evi/chat")
    assert (dict(header.source), header.recorded.closed, header.recorded.times) == ({"recorded_by": "proxy"}, True, "measured")
    assert set(header.ids) == {"chat_id", "chat_group_id"}
    assert session.name.endswith("-mine")
    assert KEY.encode() not in files_in(tmp_path)


def _token(url):
    asked = urllib.request.Request(f"{url}/oauth2-cc/token", data=b"grant_type=client_credentials")
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)["access_token"]


def test_a_token_reaches_the_app_and_no_disk(tmp_path):
    """A request that opens no WebSocket leaves nothing."""

    async def main(url):
        async with proxied(url, tmp_path) as (running, through, _):
            token = await asyncio.get_running_loop().run_in_executor(None, _token, through)
        return token, running.sessions

    with serving_in_thread(play(TYPED), token="one-of-the-services-own") as url:
        assert asyncio.run(main(url)) == ("one-of-the-services-own", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_many_at_once_have_a_folder_each(compression, tmp_path):
    """Compressed on the wire or not, each has what was said in it, byte for byte."""
    texts = [json.dumps({"type": "user_input", "text": "said " * number}) for number in range(12)]

    async def one(through, text):
        async with websockets.connect(through.replace("http", "ws"), compression=compression) as socket:
            for _ in range(3):
                await socket.send(text)
                assert [await socket.recv() for _ in range(2)] == [text, text]

    async def main():
        async with echoing(compression=compression) as port, proxied(f"http://127.0.0.1:{port}", tmp_path) as (running, through, _):
            await asyncio.gather(*(one(through, text) for text in texts))
        return running.sessions

    sessions = asyncio.run(main())
    assert len({session.folder for session in sessions}) == len(texts)
    found = []
    for relayed in sessions:
        assert (relayed.problem, relayed.n_unread) == (None, 0)
        session = load_session(relayed.folder)
        (text,) = {event.frame.payload.decode() for event in session.events if isinstance(event, (Sent, Received))}
        assert [len(session.sent), len(session.received)] == [3, 6]
        found.append(text)
    assert sorted(found) == sorted(texts)


def test_a_service_behind_tls_is_verified(tmp_path):
    """502 where nobody vouches for it; where an authority does, all is as without."""
    trustme = pytest.importorskip("trustme")
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def main():
        async with echoing(ssl=context) as port:
            url = f"https://127.0.0.1:{port}"
            async with proxied(url, tmp_path / "no") as (_, through, warned):
                with pytest.raises(Exception, match="502"):
                    await websockets.connect(through.replace("http", "ws"))
            async with proxied(url, tmp_path / "yes", ca=tmp_path / "ca.pem") as (running, through, _):
                socket = await websockets.connect(through.replace("http", "ws"))
                await socket.send("x" * 300_000)
                assert [len(await socket.recv()) for _ in range(2)] == [300_000, 300_000]
                await socket.close()
            return warned, running.sessions

    warned, (relayed,) = asyncio.run(main())
    assert ["certificate" in line for line in warned] == [True]
    assert (relayed.problem, relayed.closed.by, relayed.closed.code) == (None, "app", 1000)
    assert load_session(relayed.folder).header.endpoint.startswith("wss://127.0.0.1:")


def test_what_stands_before_the_path_of_a_service(tmp_path):
    """A gateway's own path: the app asks without it, and the header has it."""

    def service(end):
        end.expect(b"\r\n\r\n")
        end.send(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n" + frame(8, b"\x03\xe8", masked=False))

    async def main(port):
        async with proxied(f"http://127.0.0.1:{port}/hume/v0/evi", tmp_path) as (running, through, _):
            await asyncio.get_running_loop().run_in_executor(None, _asking, int(through.rpartition(":")[2]))
        return running.sessions

    with serving_script(service) as (port, ends):
        (relayed,) = asyncio.run(main(port))
    assert ends[0].seen[0].startswith(b"GET /hume/chat HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)
    assert load_session(relayed.folder).header.endpoint == f"ws://127.0.0.1:{port}/hume/chat"


def _asking(port):
    with RawClient(port) as app:
        app.send(request(port))
        assert app.answer()[0] == 101
        app.rest()


def test_a_message_that_is_too_large_to_keep_passes(tmp_path):
    """It is counted, and the session says so; what comes behind it is there."""

    async def main():
        async with echoed(tmp_path, limits=ServerLimits(message_mib=0.1)) as (running, socket):
            for size in (200_000, 10):
                await socket.send(b"x" * size)
                assert [len(await socket.recv()) for _ in range(2)] == [size, size]
        return running.sessions

    (relayed,) = asyncio.run(main())
    assert (relayed.n_sent, relayed.n_received) == (2, 4)
    assert relayed.problem.startswith("3 messages dropped")
    session = load_session(relayed.folder)
    assert session.header.counts["dropped"] == 3
    assert [event.frame.size for event in session.events if isinstance(event, (Sent, Received))] == [10, 10, 10]


def test_a_reader_that_fails_ends_the_recording_alone(tmp_path, monkeypatch):
    """Whatever it is: the app notices nothing, and the folder says that it is incomplete, and not what was said."""

    class Fails(record_relayed.WireLog):
        def from_app(self, data, now_ns):
            super().from_app(data, now_ns)
            raise LookupError(KEY)

    monkeypatch.setattr(record_relayed, "WireLog", Fails)

    async def main():
        async with echoed(tmp_path) as (running, socket):
            await socket.send("one")
            assert [await socket.recv() for _ in range(2)] == ["one", "one"]
        return running.sessions

    (relayed,) = asyncio.run(main())
    assert relayed.problem.endswith(": LookupError")
    header = load_session(relayed.folder).header
    assert (header.complete, header.abandoned) == (False, relayed.problem)
    assert KEY.encode() not in files_in(tmp_path)


def test_more_than_may_wait_to_be_read_is_read_by_who_forwards(tmp_path, monkeypatch):
    """Where reading does not keep up, forwarding is as fast as reading, and no memory fills; nothing is lost, nothing changes its place."""
    readers = set()

    class Names(record_relayed.WireLog):
        def from_app(self, data, now_ns):
            readers.add(threading.current_thread().name)
            super().from_app(data, now_ns)

    monkeypatch.setattr(record_relayed, "WireLog", Names)
    monkeypatch.setattr(record_relayed, "_MOST_UNREAD", 100_000)
    texts = [f"{number} " + "x" * 50_000 for number in range(40)]

    async def main():
        async with echoed(tmp_path) as (running, socket):
            for text in texts:
                await socket.send(text)
                assert [await socket.recv() for _ in range(2)] == [text, text]
        return running.sessions

    (relayed,) = asyncio.run(main())
    session = load_session(relayed.folder)
    assert [event.frame.payload.decode() for event in session.events if isinstance(event, Sent)] == texts
    assert [event.frame.payload.decode() for event in session.received] == [text for text in texts for _ in range(2)]
    assert "MainThread" in readers


def test_a_disk_that_fails_ends_the_recording_alone(tmp_path):
    """A folder that cannot be made: the conversation is held, and the line says why there is no session."""

    async def main():
        out = tmp_path / "file"
        out.write_text("")
        async with echoed(out) as (running, socket):
            await socket.send("one")
            assert [await socket.recv() for _ in range(2)] == ["one", "one"]
        return running.sessions

    (relayed,) = asyncio.run(main())
    assert relayed.folder is None
    assert "; not recorded: " in str(relayed)


def test_a_key_in_a_broken_frame_is_on_no_disk(tmp_path):
    """Though it was masked, or in a message that was cut off: what is kept of either is text in which keys are found."""

    async def main():
        async with echoing() as port, proxied(f"http://127.0.0.1:{port}", tmp_path) as (running, through, _):
            await asyncio.get_running_loop().run_in_executor(None, _broken, int(through.rpartition(":")[2]))
        return running.sessions

    (relayed,) = asyncio.run(main())
    assert relayed.n_unread >= 1
    assert KEY.encode() not in files_in(tmp_path)
    assert b"breaks" in files_in(tmp_path)


def _broken(port):
    with RawClient(port) as app:
        app.send(request(port, path=f"/v0/evi/chat?api_key={KEY}"))
        assert app.answer()[0] == 101
        app.send(frame(3, f"breaks {KEY}".encode()) + frame(1, KEY.encode())[:-1])
        app.rest()


def test_it_does_not_forward_to_itself(tmp_path):
    """It would, for ever."""

    async def main():
        async with echoing() as port:
            pass
        async with proxied(f"http://127.0.0.1:{port}", tmp_path, port=port):
            pass

    with pytest.raises(UsageError, match="forward to itself"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"upstream": "ftp://x"}, UsageError),
        ({"upstream": "https://user:secret@x"}, UsageError),
        ({"upstream": "http://127.0.0.1:1", "ca": "x"}, UsageError),
        ({"host": "0.0.0.0"}, UsageError),
        ({"dialect": "none"}, EviHarnessError),
    ],
)
def test_what_cannot_be_is_refused_before_anything_listens(options, error, tmp_path):
    """In our words."""

    async def main():
        chosen = ProxyOptions(out=tmp_path, **options)
        RunningProxy(chosen, upstream_of(chosen), print, print)

    with pytest.raises(error) as caught:
        asyncio.run(main())
    assert "secret" not in str(caught.value)


def test_where_it_forwards_by_default(monkeypatch):
    """To what HUME_BASE_URL says, and else to Hume's own."""
    assert upstream_of(ProxyOptions()) == endpoint_of(None)
    monkeypatch.setenv("HUME_BASE_URL", "ws://evi.example/v0/evi/chat")
    assert upstream_of(ProxyOptions()).base_url == "http://evi.example"


def test_limits_are_those_that_a_proxy_has():
    """Others would end what goes on without it."""
    assert proxy_limits(["chats=5", "message=64"]) == ServerLimits(chats=5, message_mib=64, chat_mib=64, memory_mib=256)
    assert proxy_limits([]) == PROXY_LIMITS
    for name in ("idle=5", "unsent=5", "nonsense=1", "chats=0"):
        with pytest.raises(UsageError):
            proxy_limits([name])


ONE = Relayed(1, 1_000_000_000, 1, 2, 0, None, None, None)


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        (ProxyResult(()), 0, "recorded 0 sessions"),
        (ProxyResult((), once=True), 4, "recorded 0 sessions; inconclusive: .*"),
        (ProxyResult((ONE,), once=True), 0, "recorded 1 session"),
        (ProxyResult((ONE, Relayed(2, 0, 0, 0, 1, None, None, "why"))), 0, "recorded 2 sessions, 1 .*incomplete"),
        (ProxyResult((Relayed(2, 0, 0, 0, 1, None, None, "why"),), once=True), 3, "recorded 1 session, 1 .*incomplete"),
    ],
)
def test_what_it_comes_to(result, code, said):
    """In a line, and as a code."""
    assert result.exit_code == code
    assert re.fullmatch(said, str(result))
