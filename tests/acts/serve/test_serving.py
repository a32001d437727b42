from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import socket
import sys
import threading
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
import websockets
from carrier_duties import ScriptedService
from hume import AsyncHumeClient, HumeClient
from hume.core.api_error import ApiError
from hume.empathic_voice import BadRequestError

from evi_harness.acts.serve import served_verdict
from evi_harness.acts.serve.served_verdict import Compared
from evi_harness.acts.serve.serving import (
    Ended,
    ServeOptions,
    ServeResult,
    _Conversation,
    _Conversations,
    play,
    require_key,
    serve,
    served,
)
from evi_harness.carriers.lateness import Lateness
from evi_harness.errors import EviHarnessError, SessionUnreadable, SessionUnwritable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.connect_reasons import status_of
from evi_harness.session.events import TEXT, Closed, Frame, Handshake, Note, Received, Sent
from evi_harness.session.protocols import Close, Send
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[3]
WEATHER = ROOT / "sessions" / "weather"
TYPED = ROOT / "sessions" / "typed"
MS = 1_000_000
KEY = "k" * 48
SECRET = "s" * 64
LATE_S = 2.0


@pytest.fixture(autouse=True)
def _not_ours_for_ever(monkeypatch, tmp_path):
    """A server that takes the process is a guest here; there is no .env and there are no keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()


def chat(url, query=""):
    """A plain client's connection."""
    return websockets.connect(url.replace("http://", "ws://") + EVI.chat_paths[0] + query)


def payload(frame):
    """A frame as the client's library takes it."""
    return frame.payload.decode() if frame.is_text else frame.payload


def types_of(events):
    """What the messages say they are."""
    return [EVI.read("received", event.frame).type for event in events if isinstance(event, Received)]


async def read_to_call(socket, recorded, call):
    """Send all that the recorded app sent until a tool was called, and read until it is."""
    for event in recorded.sent:
        if event.at_ns < call.at_ns:
            await socket.send(payload(event.frame))
    while (await socket.recv()) != payload(call.frame):
        pass


def call_and_response(recorded):
    """The first tool call of a recording and its answer."""
    call = next(event for event in recorded.received if EVI.read("received", event.frame).type == "tool_call")
    response = next(event for event in recorded.sent if EVI.read("sent", event.frame).type == "tool_response")
    return call, response


@pytest.mark.parametrize("folder", [WEATHER, TYPED], ids=["spoken", "typed"])
def test_an_answer_that_is_late_makes_what_follows_late_by_as_much(folder):
    """The tool's response comes two seconds late: nothing comes meanwhile, and what comes then is due after it as it was then."""
    recorded = load_session(folder)
    call, response = call_and_response(recorded)
    following = next(event for event in recorded.received if event.at_ns > response.at_ns)

    async def main():
        async with served(folder) as server, chat(server.url) as socket:
            await read_to_call(socket, recorded, call)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(socket.recv(), LATE_S)
            await socket.send(payload(response.frame))
            assert await socket.recv() == payload(following.frame)
            await socket.close()
        return server

    server = asyncio.run(main())
    (called,) = [event for event in server.events if isinstance(event, Received) and event.frame == call.frame]
    sent = [event for event in server.events if isinstance(event, Sent) and event.frame == response.frame]
    due = next(note.data for note in server.events if isinstance(note, Note) and note.data.get("recorded_seq") == following.seq)
    assert sent[0].at_ns - called.at_ns >= LATE_S * 1e9
    assert due["cause_ns"] == sent[0].at_ns
    assert due["due_ns"] - due["cause_ns"] == following.at_ns - response.at_ns
    assert server.lateness.n == len(types_of(server.events))


@pytest.mark.parametrize("folder", [WEATHER, TYPED], ids=["spoken", "typed"])
def test_no_answer_brings_no_reply(folder):
    """The player waits as long as it is told to, says what did not come, and sends nothing that hung on it."""
    whole = load_session(folder)
    call, response = call_and_response(whole)
    # The answer is all that is awaited: nothing that a busy machine may be late with.
    recorded = replace(whole, events=tuple(event for event in whole.events if not isinstance(event, Sent) or event.at_ns > call.at_ns))

    async def main():
        async with served(recorded, ServeOptions(patience_s=0.1)) as server, chat(server.url) as socket:
            await read_to_call(socket, recorded, call)
            while not any(unmet(events) for events in server.sessions):
                # Nothing else is to come, and the server is asked again a little later.
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(socket.recv(), 0.1)
            await socket.close()
        return server.events

    events = asyncio.run(main())
    (given_up,) = unmet(events)
    hung_on_it = [event.seq for event in recorded.received if event.at_ns > response.at_ns]
    assert given_up["awaited"] == response.seq
    assert given_up["skipped"] == hung_on_it[: len(given_up["skipped"])]
    assert given_up["skipped"]
    assert types_of(events)[-1] == "tool_call"


def unmet(events):
    """What the player says that it has given up."""
    return [event.data for event in events if isinstance(event, Note) and event.name == "unmet"]


def test_a_block_of_plain_code_is_served_too(weather):
    """Without a loop of its own, and with nobody connecting; afterwards there is nothing to tell."""
    with served(weather) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert (server.sessions, server.events, server.opened_at_ns, server.lateness.n) == ([], (), None, 0)


def test_patience_is_given_in_seconds(tmp_path):
    """What cannot be read is told before anything starts."""
    with pytest.raises(SessionUnreadable):
        served(tmp_path, ServeOptions(patience_s=1))
    with pytest.raises(UsageError, match="loopback"):
        served(WEATHER, ServeOptions(host="0.0.0.0"))


ROWS = [
    ("no key", "", {}, "", 401),
    ("an empty key", "?api_key=", {}, "", 401),
    ("any key", "?api_key=x", {}, "", 101),
    ("the right key", f"?api_key={KEY}", {}, KEY, 101),
    ("the right key, old spelling", f"?apiKey={KEY}", {}, KEY, 101),
    ("the right key in the header", "", {"X-Hume-Api-Key": KEY}, KEY, 101),
    ("the key in place of a token", "", {"Authorization": f"Bearer {KEY}"}, KEY, 401),
    ("any key, and a token that nobody gave", "?api_key=x&access_token=made-up", {}, "", 401),
    ("a wrong key", "?api_key=wrong", {}, KEY, 401),
    ("a wrong token", "?access_token=wrong", {}, KEY, 401),
    ("a wrong key in the header", "", {"X-Hume-Api-Key": "wrong"}, KEY, 401),
    ("no key where one is known", "?config_id=c", {}, KEY, 401),
]


def test_who_has_no_right_key_is_refused(monkeypatch):
    """With 401, in query and headers, whether a right key is known or not; a refusal leaves no session."""

    async def status(url, query, headers):
        from probe import ConnectionEnded as Over
        from probe import HandshakeRefused, connect

        pairs = [tuple(pair.split("=")) for pair in query.lstrip("?").split("&") if pair]
        probe = await connect(url, EVI.chat_paths[0], lambda: 0, query=pairs, headers=list(headers.items()))
        probe.close(1000)
        found = 101
        while not isinstance(item := await probe.next(), Over):
            if isinstance(item, HandshakeRefused):
                found = item.status
                assert KEY not in item.body
                assert "wrong" not in item.body
        return found

    async def main(rows):
        async with served(ScriptedService(), ServeOptions(require_key=True)) as server:
            found = [await status(server.url, query, headers) for _, query, headers, _, _ in rows]
        assert len(server.sessions) == found.count(101)
        return found

    for known in ("", KEY):
        monkeypatch.setenv("HUME_API_KEY", known)
        rows = [row for row in ROWS if row[3] == known]
        assert asyncio.run(main(rows)) == [row[4] for row in rows]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("header", [b"X-Hume-Api-Key: \xff\xfe", b"Authorization: Bearer \xff", b"Authorization: Basic \xff", b"X: x"])
def test_bytes_that_are_no_text_are_refused_like_any_other(header):
    """In the query and in headers, on both paths: no failure of the server's own, and it serves on."""

    def status(port, request):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            upgrade = (
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==\r\n"
            )
            connection.sendall(request + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" + upgrade + header + b"\r\n\r\n")
            return connection.makefile("rb").readline().split()[1]

    with guarded() as server:
        port = int(server.url.rpartition(":")[2])
        for request in (b"GET /v0/evi/chat?access_token=%FF&api_key=%00", b"POST /oauth2-cc/token?x=%FF"):
            assert status(port, request) == b"401"
        assert asyncio.run(is_let_in(server.url, f"?api_key={KEY}"))


def test_without_the_option_everybody_is_let_in():
    """Also who gives no key at all."""

    async def main():
        async with served(ScriptedService()) as server:
            async with chat(server.url):
                pass
            return len(server.sessions)

    assert asyncio.run(main()) == 1


@pytest.fixture
def keys(monkeypatch):
    """A server knows a key and its secret key, from the environment."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", SECRET)


def guarded():
    """A server that lets in only who has the keys."""
    return served(ScriptedService(opening=[(0, Send(Frame(TEXT, b'{"type": "assistant_end"}'), 0))]), ServeOptions(require_key=True))


def ask_for_token(url, *pair):
    """As the SDK 0.12.1 and Hume's guide ask: key and secret by basic authentication, and a form."""
    import httpx

    with httpx.Client(trust_env=False) as client:
        return client.post(
            f"{url}/oauth2-cc/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            data={"grant_type": "client_credentials"},
            auth=pair or None,
        )


async def is_let_in(url, query):
    """Whether a plain client's handshake is taken."""
    try:
        async with chat(url, query):
            return True
    except websockets.exceptions.InvalidHandshake as refusal:
        return {401: False}[status_of(refusal)]


@pytest.mark.usefixtures("keys")
def test_a_token_is_had_for_the_right_keys_and_let_in():
    """Another secret, another key and no keys get a 401 and no token; a token that the server did not give opens no chat."""

    async def main():
        async with guarded() as server:
            right = ask_for_token(server.url, KEY, SECRET)
            wrong = [ask_for_token(server.url, *pair) for pair in [(KEY, "wrong"), ("wrong", SECRET), (KEY, KEY), ()]]
            queries = [
                f"?access_token={right.json()['access_token']}",
                f"?accessToken={right.json()['access_token']}",
                "?access_token=made-up",
            ]
            found = [await is_let_in(server.url, query) for query in queries]
        return right, wrong, found, len(server.sessions)

    right, wrong, found, n_sessions = asyncio.run(main())
    assert (right.status_code, right.json()["expires_in"]) == (200, 1800)
    assert [(answer.status_code, answer.text.startswith("evi-harness: ")) for answer in wrong] == [(401, True)] * 4
    assert not any(secret in answer.text for answer in wrong for secret in (KEY, SECRET, "access_token"))
    assert (found, n_sessions) == ([True, True, False], 2)


def test_without_known_keys_any_pair_gets_a_token():
    """And only such a token opens a chat."""
    with guarded() as server:
        token = ask_for_token(server.url, "a", "b").json()["access_token"]
        assert ask_for_token(server.url, "a", "").status_code == 401
        assert asyncio.run(is_let_in(server.url, f"?access_token={token}"))
        assert not asyncio.run(is_let_in(server.url, "?access_token=another"))


def test_the_keys_are_read_from_dotenv_too(tmp_path, monkeypatch):
    """As ``record`` reads them, so that both mean the same keys."""
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY"):
        # What load_dotenv sets is taken back at the end.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"HUME_API_KEY={KEY}\nHUME_SECRET_KEY={SECRET}\n")
    check, told = require_key(EVI)
    assert check.chat(Handshake("/", (("api_key", KEY),)), 0) is None
    assert check.chat(Handshake("/", (("api_key", "other"),)), 0).status == 401
    assert re.search("API key .*HUME_API_KEY; .*secret key .*HUME_SECRET_KEY", told)


def test_the_sdk_reads_the_history_of_a_session():
    """Unmodified, by both of its clients, page after page; what a session does not have is the error that the service would give."""
    recorded = load_session(WEATHER)
    begin_ms = 1_795_348_800_000
    said = [event for event in recorded.received if EVI.read("received", event.frame).type in ("user_message", "assistant_message")]

    def of_blocking(url):
        voice = HumeClient(api_key="any", base_url=url).empathic_voice
        (chat,) = voice.chats.list_chats()
        (group,) = voice.chat_groups.list_chat_groups()
        assert (chat.status, group.most_recent_chat_id, group.id) == ("USER_ENDED", chat.id, chat.chat_group_id)
        assert (chat.start_timestamp, chat.end_timestamp) == (begin_ms, begin_ms + recorded.closed.at_ns // MS)
        assert [one.id for one in voice.chat_groups.get_chat_group(group.id).chats_page] == [chat.id]
        with pytest.raises(BadRequestError):
            voice.chats.list_chats(page_size=101)
        for ask in (lambda: voice.chats.get_audio(chat.id), lambda: voice.chats.list_chat_events("another")):
            with pytest.raises(ApiError) as caught:
                ask()
            assert caught.value.status_code == 404
        events = list(voice.chats.list_chat_events(chat.id, page_size=2))
        assert events == list(voice.chat_groups.list_chat_group_events(group.id))
        return events

    async def of_async(url):
        voice = AsyncHumeClient(api_key="any", base_url=url).empathic_voice
        (chat,) = [one async for one in await voice.chats.list_chats()]
        return [one async for one in await voice.chats.list_chat_events(chat.id, ascending_order=False)]

    with served(WEATHER) as server:
        events = of_blocking(server.url)
        assert asyncio.run(of_async(server.url)) == events[::-1]
    spoken = [(one.timestamp, one.message_text) for one in events if one.type in ("USER_MESSAGE", "AGENT_MESSAGE")]
    assert spoken == [(begin_ms + event.at_ns // MS, EVI.read("received", event.frame).fields["message"]["content"]) for event in said]
    assert server.sessions == []


def test_a_history_needs_the_key_that_a_chat_needs():
    """Of a session that is served with ``--require-key``; of a service with no session there is none."""
    with served(WEATHER, ServeOptions(require_key=True)) as server:
        asked = [httpx.get(f"{server.url}/v0/evi/chats", headers=headers, trust_env=False) for headers in ({}, {"X-Hume-Api-Key": "any"})]
    assert [answer.status_code for answer in asked] == [401, 200]
    with served(ScriptedService()) as server:
        answer = httpx.get(f"{server.url}/v0/evi/chats", trust_env=False)
    assert answer.status_code == 404
    assert "chats" not in answer.text


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "any key .*HUME_API_KEY .*not set; .*secret key .*: any"),
        ({"HUME_API_KEY": KEY}, "the one .*HUME_API_KEY; .*secret key .*: any"),
        ({"HUME_SECRET_KEY": SECRET}, "any key .*HUME_API_KEY .*not set; .*secret key .*: any"),
    ],
)
def test_what_is_accepted_is_told(variables, told, monkeypatch):
    """In words, by the names of the variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert re.fullmatch(f".*\\bAPI key .*: {told}", require_key(EVI)[1])


def sdk():
    """The installed SDK, where it opens a chat with keywords."""
    if version("hume") < "0.13":
        pytest.skip("the installed SDK is older than 0.13 and connects with other arguments")
    return pytest.importorskip("hume")


async def opened_by_sdk(url, key, **options):
    """Open a chat with the SDK's asynchronous client; gives the type of the first message."""
    async with sdk().AsyncHumeClient(api_key=key, base_url=url).empathic_voice.chat.connect(**options) as socket_:
        return (await socket_.recv()).type


def opened_by_sync_sdk(url, key, **options):
    """The same with its synchronous client."""
    with sdk().HumeClient(api_key=key, base_url=url).empathic_voice.chat.connect(**options) as socket_:
        return socket_.recv().type


def first_or_status(open_, *args, **options):
    """What came first, or the status of the refusal: in the asynchronous client's error, and in the websockets library's."""
    try:
        return open_(*args, **options)
    except Exception as error:
        if status_of(error) is None:
            raise
        return status_of(error)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("open_", [lambda *args, **options: asyncio.run(opened_by_sdk(*args, **options)), opened_by_sync_sdk])
def test_the_sdk_is_let_in_and_refused_as_by_the_service(open_):
    """Both of its clients, by key and by token; each refusal has its status."""
    sdk()
    with guarded() as server:
        token = ask_for_token(server.url, KEY, SECRET).json()["access_token"]
        assert first_or_status(open_, server.url, KEY) == "assistant_end"
        assert first_or_status(open_, server.url, "wrong" * 8) == 401
        assert first_or_status(open_, server.url, "wrong" * 8, api_key=KEY) == "assistant_end"
        assert first_or_status(open_, server.url, "wrong" * 8, access_token=token) == "assistant_end"
        assert first_or_status(open_, server.url, KEY, access_token="wrong") == 401


@pytest.mark.usefixtures("keys")
def test_the_sdk_has_its_word_for_the_refusal():
    """Its asynchronous client turns a 401 into its own error, and says that the credentials are invalid."""
    sdk()
    from hume.core.api_error import ApiError

    with guarded() as server, pytest.raises(ApiError) as caught:
        asyncio.run(opened_by_sdk(server.url, "wrong" * 8))
    assert caught.value.status_code == 401
    assert "invalid credentials" in str(caught.value.body)


@pytest.mark.usefixtures("keys")
def test_every_sdk_gets_its_token_here():
    """With the secret key, by the SDK itself up to 0.12.1 and by ours since; another secret key is refused."""
    from evi_harness.sdk.hume.callbacks import connect_with_callbacks
    from evi_harness.sdk.hume.connection import client_for

    async def first(url, secret_key):
        heard = asyncio.get_running_loop().create_future()
        client = client_for(url, KEY)
        try:
            async with connect_with_callbacks(client, {"secret_key": secret_key}, on_message=heard.set_result):
                return (await heard).type
        finally:
            # What the SDK up to 0.12.1 asks with.
            await client._client_wrapper.httpx_client.httpx_client.aclose()

    with guarded() as server:
        assert asyncio.run(first(server.url, SECRET)) == "assistant_end"
        with pytest.raises(Exception, match=r"401|token|credentials") as caught:
            asyncio.run(first(server.url, "wrong"))
        assert SECRET not in str(caught.value)
        assert len(server.sessions) == 1


class Visitor:
    """Takes what a server tells and visits it, from a thread, once it listens."""

    def __init__(self, *visits):
        self.told = []
        self.visits = visits
        self.thread = None

    def __call__(self, line):
        self.told.append(line)
        if line.startswith("listening on "):
            url = line.split()[-1]
            self.thread = threading.Thread(target=lambda: asyncio.run(self.visit(url)))
            self.thread.start()

    async def visit(self, url):
        for one in self.visits:
            await one(url)


async def hello(url):
    """Hear one message and leave."""
    async with chat(url, f"?api_key={KEY}") as socket:
        await socket.recv()


async def refused(url):
    """Give no key."""
    with pytest.raises(Exception, match="401"):
        async with chat(url):
            raise AssertionError("it was let in")


async def interrupt(_):
    """Ctrl+C."""
    os.kill(os.getpid(), signal.SIGINT)


async def terminate(_):
    """What a supervisor does."""
    os.kill(os.getpid(), signal.SIGTERM)


def visited(what, visits, warn=None, **options):
    """Serve in this process to a visitor; warnings go to who takes them, and are not expected else."""
    visitor = Visitor(*visits)
    warned = []
    result = serve(what, ServeOptions(**options), visitor, warn or warned.append)
    assert warned == []
    visitor.thread.join()
    return result, visitor.told


HELLO = ScriptedService(opening=[(0, Send(Frame(TEXT, b"hello"), 0))])
FAREWELL = ScriptedService(opening=[(0, Send(Frame(TEXT, b"hello"), 0)), (0, Close(4000, "enough"))])


def test_once_is_one_conversation():
    """Neither a refused handshake nor a request for a token is one; the line is told first and the figures last."""
    result, told = visited(HELLO, [refused, hello], once=True, require_key=True)
    assert told[0].startswith("listening on http://127.0.0.1:")
    assert told[1] == require_key(EVI)[1]
    assert len(told) == 3
    assert told[2].startswith("session 1: ")
    assert re.search(r"\b0 messages from .*, 1 to .*\bby the app .*\b1000; late: p50 ", told[2])
    assert (len(result.ended), result.lateness.n, result.ended[0].number) == (1, 1, 1)
    assert re.match(r"served 1 session, 1 messages; .* p50 \d", str(result))


def test_once_lets_the_service_say_goodbye():
    """Its close frame reaches the app before the server ends."""
    ends = []

    async def listen(url):
        async with chat(url) as socket:
            await socket.recv()
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                await socket.recv()
            ends.append((socket.close_code, socket.close_reason))

    result, _ = visited(FAREWELL, [listen], once=True)
    assert ends == [(4000, "enough")]
    assert (result.ended[0].closed.by, result.ended[0].closed.code) == ("service", 4000)


LARGE = ScriptedService(opening=[(0, Send(Frame(TEXT, b'{"type": "audio_output", "data": "' + b"A" * 1_100_000 + b'"}'), 0))])


def test_a_message_that_is_too_large_is_named():
    """With its size and what the app takes: a MiB, as libraries do by default, and the SDK from 0.13.0 on."""

    async def takes_little(url):
        async with chat(url) as socket:
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                await socket.recv()

    result, told = visited(LARGE, [takes_little], once=True)
    assert (result.ended[0].closed.by, result.ended[0].closed.code) == ("app", 1009)
    assert re.search(r"\bby the app\b.* 1009 \(audio_output \(#\d+.*\b1100036 bytes .*\b1048576 bytes\)", told[1])


@pytest.mark.parametrize("end", [interrupt, terminate])
def test_a_signal_ends_it_cleanly(end):
    """What was served until then is told, and the process's own handler is back."""
    earlier = signal.getsignal(signal.SIGINT)
    result, told = visited(HELLO, [hello, hello, end])
    assert [one.number for one in result.ended] == [1, 2]
    assert len(told) == 3
    assert signal.getsignal(signal.SIGINT) is earlier


def test_conversations_that_still_run_are_told_too():
    """The signal ends them; for the service the network has gone."""

    async def interrupted(url):
        async with chat(url) as socket:
            await socket.recv()
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                await socket.recv()

    result, told = visited(HELLO, [interrupted])
    assert [one.closed.by for one in result.ended] == ["network"]
    assert "by the network" in told[1]


def test_nobody_came():
    """Then there is nothing to sum up."""
    result, told = visited(HELLO, [interrupt])
    assert len(told) == 1
    assert re.fullmatch(r"served 0 sessions, 0 messages; \D+", str(result))


def broken(_):
    """A service that cannot be made."""
    raise LookupError("no such voice")


def test_a_service_that_fails_is_told():
    """As an error of the harness's, whose cause is the service's own."""

    async def visit(url):
        with pytest.raises(Exception, match="500"):
            async with chat(url):
                raise AssertionError("it was let in")

    with pytest.raises(EviHarnessError, match=r"LookupError: .*voice") as caught:
        visited(broken, [visit, interrupt])
    assert isinstance(caught.value.__cause__, LookupError)


def test_conversations_are_recorded(tmp_path, weather):
    """Each in a folder of its own, as it crossed the wire, with the due notes and without the key."""

    async def listen(url):
        async with chat(url, f"?api_key={KEY}") as socket:
            await socket.send("not json")
            assert await socket.recv() == payload(weather.received[0].frame)

    result, told = visited(weather, [listen, listen, interrupt], out=tmp_path / "deep" / "sessions")
    folders = sorted((tmp_path / "deep" / "sessions").iterdir())
    assert sorted(one.folder for one in result.ended) == folders
    assert len(folders) == 2
    for folder in folders:
        session = load_session(folder)
        assert not session.missing
        assert (session.header.service, session.header.made_by) == ("player", "replay")
        assert session.header.source["session"] == weather.header.id
        assert types_of(session.events) == ["chat_metadata"]
        assert [event.frame.payload for event in session.sent] == [b"not json"]
        assert [note.name for note in session.notes][:1] == ["due"]
        assert isinstance(session.closed, Closed)
        assert KEY.encode() not in b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert f"recorded in {result.ended[0].folder}" in told[1]


def test_a_conversation_that_cannot_be_judged_is_no_other_ones_affair(tmp_path, monkeypatch):
    """It is told, and recorded, like those after it, which are judged; what went wrong is raised when the server ends."""
    judge, calls = served_verdict.compare, []

    def first_fails(*words, **options):
        calls.append(words)
        if len(calls) == 1:
            raise LookupError("no such rule")
        return judge(*words, **options)

    monkeypatch.setattr(served_verdict, "compare", first_fails)
    visitor = Visitor(hello, hello, interrupt)
    with pytest.raises(LookupError, match="rule"):
        serve(WEATHER, ServeOptions(out=tmp_path), visitor)
    visitor.thread.join()
    assert re.fullmatch(r"session 1: .*\bjudged \(LookupError\)", visitor.told[1])
    assert visitor.told[2].startswith("session 2: ")
    assert visitor.told[-1].startswith("verdict ")
    assert [load_session(folder).header.complete for folder in tmp_path.iterdir()] == [True, True]


def test_nobody_who_listens_leaves_no_recording_incomplete(tmp_path):
    """Those that were running when the first line could not be told are completed all the same."""
    is_broken = threading.Event()

    async def interrupted(url):
        async with chat(url) as one, chat(url) as other:
            await one.recv()
            await other.recv()
            await hello(url)
            await asyncio.get_running_loop().run_in_executor(None, is_broken.wait)
            await interrupt(url)
            await one.wait_closed()
            await other.wait_closed()

    class Pipe(Visitor):
        def __call__(self, line):
            super().__call__(line)
            if line.startswith("session "):
                is_broken.set()
                raise BrokenPipeError

    visitor = Pipe(interrupted)
    with pytest.raises(BrokenPipeError):
        serve(HELLO, ServeOptions(out=tmp_path), visitor)
    visitor.thread.join()
    assert [load_session(folder).header.complete for folder in tmp_path.iterdir()] == [True, True, True]


def test_a_folder_that_cannot_be_written_is_told_first(tmp_path):
    """Before anybody could connect."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionUnwritable):
        serve(HELLO, ServeOptions(out=tmp_path / "file" / "sessions"))


def test_what_is_played_is_in_memory():
    """No file is read when a message is due; what the app sent stays where it is."""
    session = play(WEATHER).session
    assert {type(event.frame) for event in session.received} == {Frame}
    assert session.events == load_session(WEATHER).events


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (
            Ended(1, 1_240 * MS, 3, (), None),
            "session 1: 1.2 s, 3 messages from …, 0 to …, close not seen; late: nothing sent",
        ),
        (
            Ended(2, 0, 0, (2 * MS,), Closed(1, 0, "app"), Path("x")),
            "session 2: 0.0 s, 0 messages from …, 1 to …, closed by the app; late: " + str(Lateness.of([2 * MS])) + "; recorded in x",
        ),
        (
            Ended(3, 0, 0, (), None, Path("x"), problem="full"),
            "session 3: 0.0 s, 0 messages from …, 0 to …, close not seen; late: nothing sent; recorded in x, incomplete: full",
        ),
        (
            Ended(4, 0, 0, (), None, problem="gone"),
            "session 4: 0.0 s, 0 messages from …, 0 to …, close not seen; late: nothing sent; not recorded: gone",
        ),
    ],
)
def test_a_line_for_each_conversation(ended, told):
    """What crossed, how it ended, how late the server was."""
    assert re.fullmatch(re.escape(told).replace("…", r"[\w ]+"), str(ended))
    assert ServeResult((ended,)).lateness.n == len(ended.lateness_ns)


PASSED, FAILED = Compared(True, ("verdict",)), Compared(False, ("verdict",))
CUT_OFF, CUT_OFF_FAILED = Compared(True, ("verdict",), is_cut_off=True), Compared(False, ("verdict",), is_cut_off=True)


@pytest.mark.parametrize(
    ("compared", "once", "code", "told"),
    [
        ((), False, 0, ""),
        ((None,), False, 0, ""),
        ((PASSED,), False, 0, "; 1 of 1 passed"),
        ((PASSED, None, FAILED), False, 0, "; 1 of 2 passed"),
        ((PASSED, CUT_OFF), False, 0, "; 1 of 2 passed, 1 inconclusive: cut off"),
        ((), True, 4, "; inconclusive: .*"),
        ((None,), True, 0, ""),
        ((PASSED,), True, 0, "; 1 of 1 passed"),
        ((FAILED,), True, 1, "; 0 of 1 passed"),
        ((CUT_OFF,), True, 4, "; 0 of 1 passed, 1 inconclusive: cut off"),
        ((CUT_OFF_FAILED,), True, 1, "; 0 of 1 passed"),
        ((PASSED, CUT_OFF), True, 0, "; 1 of 2 passed, 1 inconclusive: cut off"),
        ((PASSED, CUT_OFF_FAILED), True, 1, "; 1 of 2 passed"),
    ],
)
def test_the_sum_says_how_many_passed(compared, once, code, told):
    """Of those that could be compared, each told with its verdict behind it; of a server for one conversation it is the exit code."""
    ended = [Ended(1, 0, 0, (), None, None, one) for one in compared]
    result = ServeResult(tuple(ended), once)
    assert re.fullmatch(f".*\\blate: nothing sent{told}", str(result))
    assert result.exit_code == code
    assert [one.lines()[1:] for one in ended] == [[] if one is None else ["verdict"] for one in compared]


@pytest.fixture(scope="module")
def typed():
    """The session that is typed; its app answers a tool call."""
    return load_session(TYPED)


def other_answer(recorded):
    """The answer to the tool call, with another content."""
    _, response = call_and_response(recorded)
    return json.dumps({**json.loads(response.frame.payload), "content": "no"})


def test_what_is_left_out_is_not_compared(typed):
    """By the player neither: the other answer releases what waits for it; a path that matches nothing is told."""
    other = other_answer(typed)

    async def answers(url):
        async with chat(url) as socket:
            await read_to_call(socket, typed, call_and_response(typed)[0])
            await socket.send(other)
            # Behind the recorded app's close there is nothing to wait for.
            while "assistant_end" not in await socket.recv():
                pass

    ignore = ("tool_response:$.content", "$.nowhere")
    result, told = visited(TYPED, [answers], once=True, ignore=ignore)
    assert [one.compared.passed for one in result.ended] == [True]
    assert [line for line in told if re.match(r"note +--ignore \$\.nowhere matched nothing\b", line)]
    result, _ = visited(TYPED, [answers], once=True)
    assert (result.exit_code, [one.compared.passed for one in result.ended]) == (1, [False])


def test_strict_compares_what_is_given_anew(typed):
    """The custom session id of the handshake, say."""

    async def as_recorded(url):
        async with chat(url, "?custom_session_id=mine") as socket:
            call, response = call_and_response(typed)
            await read_to_call(socket, typed, call)
            await socket.send(payload(response.frame))
            while "assistant_end" not in await socket.recv():
                pass

    passed = [visited(TYPED, [as_recorded], once=True, strict=strict)[0].ended[0].compared.passed for strict in (False, True)]
    assert passed == [True, False]


def test_audio_that_is_not_kept_is_judged(typed):
    """The first of it has to say what it is, and whether it is the recorded one is told, though the samples are let go."""

    async def speaks(url):
        async with chat(url) as socket:
            for number in range(20):
                await socket.send(bytes([number, 1]) * 320)
            await socket.recv()

    (ended,) = visited(TYPED, [speaks], once=True)[0].ended
    told = "\n".join(ended.compared.lines)
    assert "no header" in told
    assert ended.n_sent == 20


def test_what_is_no_path_is_told_before_it_listens():
    """Here and where a process of its own is started."""
    for start in (serve, served):
        with pytest.raises(UsageError):
            start(TYPED, ServeOptions(ignore=("content",)))


async def nowhere(url, path):
    """Ask for a path that there is not."""
    with pytest.raises(Exception, match="404"):
        async with websockets.connect(url.replace("http://", "ws://") + path):
            raise AssertionError("it was let in")


def test_a_path_that_there_is_not_is_told_once(monkeypatch):
    """In a line that lists those that there are, with neither the query nor a key that stands in the path."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    asked = ["/v1/evi/chat?api_key=q", "/v1/evi/chat", f"/{KEY}/chat", "/a%0Ab", "/" + "x" * 10_000]
    warned = []
    visited(HELLO, [*(partial(nowhere, path=path) for path in asked), interrupt], warn=warned.append)
    there = "GET /v0/evi/chat (WebSocket), GET /v0/assistant/chat (WebSocket), POST /oauth2-cc/token"
    assert "GET /v1/evi/chat; " in warned[0]
    assert len(warned) == len(asked) - 1
    assert all(line.endswith(there) and len(line.splitlines()) == 1 and len(line) < 400 for line in warned)
    assert not any(KEY in line for line in warned)


def test_paths_that_there_are_not_are_told_within_bounds(monkeypatch):
    """A client that tries anything fills no disk."""
    monkeypatch.setattr("evi_harness.carriers.server.MAX_UNKNOWN", 2)
    warned = []
    visited(HELLO, [*(partial(nowhere, path=f"/{n}") for n in range(4)), interrupt], warn=warned.append)
    assert len(warned) == 2


def test_an_app_that_is_cut_off_by_the_server_did_not_leave():
    """What was still to come is not told; another app, which left before, is."""

    async def interrupted(url):
        async with chat(url) as socket:
            await socket.recv()
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                await socket.recv()

    result, told = visited(WEATHER, [hello, interrupted])
    # How far the other went by then is the machine's affair, and what was due until then may be missing.
    assert not result.ended[0].compared.passed
    assert [one.compared.is_cut_off for one in result.ended] == [False, True]
    assert ["as far as" in one.compared.lines[-1] for one in result.ended] == [False, True]
    assert [any("closed_early" in line for line in one.compared.lines) for one in result.ended] == [True, False]
    assert told[1:] == [line for one in result.ended for line in one.lines()]


HOUR_NS = 3_600_000_000_000


class Due:
    """A server in which something is due at once, so many times that it is asked."""

    def __init__(self, n_times):
        self.n_left = n_times

    def next_due_ns(self):
        if not self.n_left:
            return None
        self.n_left -= 1
        return 0


@pytest.mark.parametrize(
    ("over_since_ns", "is_stopped", "n_left"),
    [(-HOUR_NS, False, 0), (HOUR_NS, False, 3), (-HOUR_NS, True, 3)],
    ids=["until_nothing_is_due", "not_for_ever", "not_at_the_end"],
)
def test_a_conversation_is_compared_where_that_holds_nobody_up(over_since_ns, is_stopped, n_left):
    """And is, in the end."""
    server = Due(3)

    # In the loop: on Python 3.9 a queue belongs to the loop that runs when it is made.
    async def main():
        conversations = _Conversations(None, print, lambda *_: None, EVI)
        conversation = _Conversation(conversations.clock, None, None, lambda: 1, EVI)
        conversation.over_at_ns = conversations.clock.now_ns() - over_since_ns
        if is_stopped:
            conversations.stop()
        await conversations._gap(server, conversation)

    asyncio.run(main())
    assert server.n_left == n_left
