from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
import websockets

from evi_harness.errors import EviHarnessError, SessionUnreadable, SessionUnwritable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.harness.serving import Ended, ServeOptions, ServeResult, play, serve, served
from evi_harness.harness.sessions import load_session
from evi_harness.live.conformance import Script
from evi_harness.live.lateness import Lateness
from evi_harness.replay.player import Patience
from evi_harness.session.events import TEXT, Closed, Frame, Note, Received, Sent
from evi_harness.session.protocols import Close, Send

ROOT = Path(__file__).resolve().parents[2]
WEATHER = ROOT / "sessions" / "weather"
MS = 1_000_000
KEY = "k" * 48
LATE_S = 2.0


@pytest.fixture(autouse=True)
def _not_ours_for_ever(monkeypatch):
    """A server that takes the process is a guest here."""
    monkeypatch.delenv("HUME_API_KEY", raising=False)
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


def test_an_answer_that_is_late_makes_what_follows_late_by_as_much():
    """The tool's response comes two seconds late: nothing comes meanwhile, and what comes then is due after it as it was then."""
    recorded = load_session(WEATHER)
    call, response = call_and_response(recorded)
    following = next(event for event in recorded.received if event.at_ns > response.at_ns)

    async def main():
        async with served(WEATHER) as server, chat(server.url) as socket:
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


def test_no_answer_brings_no_reply(weather):
    """The player waits as long as it is told to, says what did not come, and sends nothing that hung on it."""
    call, response = call_and_response(weather)

    async def main():
        async with served(play(weather, Patience(message_ns=100 * MS))) as server, chat(server.url) as socket:
            await read_to_call(socket, weather, call)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.6)
            await socket.close()
        return server.events

    events = asyncio.run(main())
    (unmet,) = [event.data for event in events if isinstance(event, Note) and event.name == "unmet"]
    skipped = {event.seq for event in weather.received if 1600 * MS < event.at_ns < 2400 * MS}
    assert (unmet["awaited"], set(unmet["skipped"])) == (response.seq, skipped)
    assert types_of(events)[-1] == "tool_call"


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
    ("the right key as bearer", "", {"Authorization": f"Bearer {KEY}"}, KEY, 101),
    ("a wrong key", "?api_key=wrong", {}, KEY, 401),
    ("a wrong token", "?access_token=wrong", {}, KEY, 401),
    ("a wrong key in the header", "", {"X-Hume-Api-Key": "wrong"}, KEY, 401),
    ("no key where one is known", "?config_id=c", {}, KEY, 401),
]


def test_who_has_no_right_key_is_refused(monkeypatch):
    """With 401, in query and headers, whether a right key is known or not; a refusal leaves no session."""

    async def status(url, query, headers):
        from evi_harness.live.probe import Ended as Over
        from evi_harness.live.probe import Refused, connect

        pairs = [tuple(pair.split("=")) for pair in query.lstrip("?").split("&") if pair]
        probe = await connect(url, EVI.chat_paths[0], lambda: 0, query=pairs, headers=list(headers.items()))
        probe.close(1000)
        found = 101
        while not isinstance(item := await probe.next(), Over):
            if isinstance(item, Refused):
                found = item.status
                assert KEY not in item.body
                assert "wrong" not in item.body
        return found

    async def main(rows):
        async with served(Script(), ServeOptions(require_key=True)) as server:
            found = [await status(server.url, query, headers) for _, query, headers, _, _ in rows]
        assert len(server.sessions) == found.count(101)
        return found

    for known in ("", KEY):
        monkeypatch.setenv("HUME_API_KEY", known)
        rows = [row for row in ROWS if row[3] == known]
        assert asyncio.run(main(rows)) == [row[4] for row in rows]


def test_without_the_option_everybody_is_let_in():
    """Also who gives no key at all."""

    async def main():
        async with served(Script()) as server:
            async with chat(server.url):
                pass
            return len(server.sessions)

    assert asyncio.run(main()) == 1


def test_a_token_is_had_and_let_in(monkeypatch):
    """As the SDK 0.12.1 asks for it: key and secret by basic authentication, a form; then it connects with the token."""
    httpx = pytest.importorskip("httpx")
    monkeypatch.setenv("HUME_API_KEY", KEY)

    async def main():
        async with served(Script(), ServeOptions(require_key=True)) as server:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(
                    f"{server.url}/oauth2-cc/token",
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    data={"grant_type": "client_credentials"},
                    auth=(KEY, "s" * 64),
                )
            token = answer.json()["access_token"]
            async with chat(server.url, f"?accessToken={token}"):
                pass
            return answer.status_code, token, len(server.sessions)

    status, token, n_sessions = asyncio.run(main())
    assert (status, n_sessions) == (200, 1)
    assert token


def test_the_sdk_is_refused_as_by_the_service(monkeypatch):
    """The installed SDK turns the 401 into its own error, with the status."""
    if version("hume") < "0.13":
        pytest.skip("the installed SDK is older than 0.13 and connects with other arguments")
    hume = pytest.importorskip("hume")
    from hume.core.api_error import ApiError

    monkeypatch.setenv("HUME_API_KEY", KEY)

    async def main():
        async with served(Script(), ServeOptions(require_key=True)) as server:
            client = hume.AsyncHumeClient(api_key="wrong" * 8, base_url=server.url)
            with pytest.raises(ApiError) as caught:
                async with client.empathic_voice.chat.connect(config_id="c"):
                    raise AssertionError("it was let in")
            return caught.value

    error = asyncio.run(main())
    assert error.status_code == 401
    assert "invalid credentials" in str(error.body)


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


def visited(what, visits, **options):
    """Serve in this process to a visitor."""
    visitor = Visitor(*visits)
    result = serve(what, ServeOptions(**options), visitor)
    visitor.thread.join()
    return result, visitor.told


HELLO = Script(opening=[(0, Send(Frame(TEXT, b"hello"), 0))])
FAREWELL = Script(opening=[(0, Send(Frame(TEXT, b"hello"), 0)), (0, Close(4000, "enough"))])


def test_once_is_one_conversation():
    """Neither a refused handshake nor a request for a token is one; the line is told first and the figures last."""
    result, told = visited(HELLO, [refused, hello], once=True, require_key=True)
    assert told[0].startswith("listening on http://127.0.0.1:")
    assert len(told) == 2
    assert told[1].startswith("session 1: ")
    assert "0 messages from the app, 1 to it, closed by the app with 1000; late: p50 " in told[1]
    assert (len(result.ended), result.lateness.n, result.ended[0].number) == (1, 1, 1)
    assert str(result).startswith("served 1 session, 1 messages; late: p50 ")


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
    assert "closed by the network" in told[1]


def test_nobody_came():
    """Then there is nothing to sum up."""
    result, told = visited(HELLO, [interrupt])
    assert len(told) == 1
    assert str(result) == "served 0 sessions, 0 messages; late: nothing sent"


def broken(_):
    """A service that cannot be made."""
    raise LookupError("no such voice")


def test_a_service_that_fails_is_told():
    """As an error of the harness's, whose cause is the service's own."""

    async def visit(url):
        with pytest.raises(Exception, match="500"):
            async with chat(url):
                raise AssertionError("it was let in")

    with pytest.raises(EviHarnessError, match="LookupError: no such voice") as caught:
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
        (Ended(1, 1_240 * MS, 3, (), None), "session 1: 1.2 s, 3 messages from the app, 0 to it, end not seen; late: nothing sent"),
        (
            Ended(2, 0, 0, (2 * MS,), Closed(1, 0, "app"), Path("x")),
            "session 2: 0.0 s, 0 messages from the app, 1 to it, closed by the app; late: "
            + str(Lateness.of([2 * MS]))
            + "; recorded in x",
        ),
    ],
)
def test_a_line_for_each_conversation(ended, told):
    """What crossed, how it ended, how late the server was."""
    assert str(ended) == told
    assert ServeResult((ended,)).lateness.n == len(ended.lateness_ns)
