"""Tests of ``record``: real SDK clients on real sockets, and one conversation in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from thread_server import serving_in_thread

from evi_harness.acts.record_connection import record, service_at
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.measure.measuring import measure
from evi_harness.replay.player import Player
from evi_harness.sdk.hume.connection import open_chat, websocket_of
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Received, Sent
from evi_harness.session.protocols import Close, Send
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
KEY = "made-up-key-0123456789"
CHAT = b'{"type":"chat_metadata","chat_id":"chat-7","chat_group_id":"group-7","request_id":"request-7"}'
END = b'{"type":"assistant_end"}'


class Answers:
    """A service that greets, answers each text with the end of a reply, and closes when told to."""

    def __init__(self, *greeting):
        self.waiting = [Send(Frame(TEXT, text), 0) for text in greeting or (CHAT,)]

    def take(self, event, at_ns):
        if event.kind == "sent" and event.frame.is_text:
            bye = b"bye" in event.frame.payload
            self.waiting.append(Close(1000, "as asked") if bye else Send(Frame(TEXT, END), at_ns))

    def due(self, at_ns):
        now, self.waiting = self.waiting, []
        return now

    def next_at_ns(self):
        return 0 if self.waiting else None


def serving(*greeting):
    """The URL of a server of ``Answers``, in a thread."""
    return serving_in_thread(lambda _: Answers(*greeting))


def converse(out, app, *greeting, start=False, **options):
    """Run app(socket, recording) with the SDK's asynchronous client, recorded; gives the recording when all is over."""

    async def main(url):
        async with open_chat(url, api_key=KEY, options={"config_id": "c"}) as socket:
            recording = record(socket, out=out, **options)
            if start:
                recording.start()
                await app(socket, recording)
            else:
                async with recording:
                    await app(socket, recording)
        recording.stop()
        return recording

    with serving(*greeting) as url:
        return asyncio.run(main(url))


async def two_messages(socket, recording):
    """Take the greeting, send audio and a text, take the answer."""
    assert (await socket.recv()).type == "chat_metadata"
    await websocket_of(socket).send(b"\1\0" * 80)
    await socket._send({"type": "user_input", "text": "hello"})
    assert (await socket.recv()).type == "assistant_end"


def frames(events):
    """What crossed: kind, opcode and payload."""
    return [(event.kind, event.frame.opcode, event.frame.payload) for event in events if isinstance(event, (Sent, Received))]


CROSSED = [
    ("received", TEXT, CHAT),
    ("sent", BINARY, b"\1\0" * 80),
    ("sent", TEXT, b'{"type": "user_input", "text": "hello"}'),
    ("received", TEXT, END),
]


def test_a_conversation_becomes_a_session(tmp_path):
    """The folder bears the name, is complete and without fault, and its header says what is known."""
    recording = converse(tmp_path, two_messages, name="my app", user_interrupt="allowed")
    session = load_session(recording.folder)
    assert (recording.failure, recording.n_dropped, recording.is_complete) == (None, 0, True)
    assert recording.folder.parent == tmp_path
    assert recording.folder.name.endswith("Z-my-app")
    assert recording.n_events == len(session.events) == 5
    assert check_session(recording.folder) == []
    assert frames(session.events[1:]) == CROSSED
    header = session.header
    assert (header.made_by, header.dialect, header.service, header.complete) == ("record", "evi", "unknown", True)
    assert (header.user_interrupt, header.recorded.times, header.recorded.closed) == ("allowed", "measured", False)
    assert dict(header.ids) == {"chat_id": "chat-7", "chat_group_id": "group-7"}
    assert header.endpoint.startswith("ws://127.0.0.1:")
    assert header.endpoint.rstrip("/").endswith(session.handshake.path.rstrip("/"))
    assert (header.start.at_ns, header.end.at_ns) == (0, session.events[-1].at_ns)
    assert header.start.wall <= header.end.wall
    assert header.software["hume"] == version("hume")


def test_recorded_from_start_to_the_close(tmp_path):
    """``start`` records until the connection is closed, here by the SDK's own context manager, and completes by itself."""
    recording = converse(tmp_path, two_messages, start=True)
    session = load_session(recording.folder)
    assert check_session(recording.folder) == []
    assert session.header.recorded.closed
    assert (session.closed.by, session.closed.code) == ("app", 1000)


@pytest.mark.parametrize("start", [False, True])
def test_a_close_by_the_service_is_recorded(tmp_path, start):
    """The service's close stands in the session with code and reason, whether the app looks or not."""

    async def app(socket, recording):
        await socket._send({"type": "user_input", "text": "bye"})
        await websocket_of(socket).wait_closed()

    recording = converse(tmp_path, app, start=start)
    session = load_session(recording.folder)
    assert check_session(recording.folder) == []
    assert session.closed == recording.closed
    assert (session.closed.by, session.closed.code, session.closed.reason) == ("service", 1000, "as asked")
    assert frames(session.received) == [("received", TEXT, CHAT)]
    assert session.received[0].taken_ns is None


def test_leaving_the_block_leaves_the_connection(tmp_path):
    """After the block nothing is recorded, and the connection is open and can be recorded again, into another folder."""

    async def app(socket, recording):
        await two_messages(socket, recording)
        recording.stop()
        await socket._send({"type": "user_input", "text": "not recorded"})
        await socket.recv()
        async with record(socket, out=tmp_path) as second:
            await socket._send({"type": "user_input", "text": "again"})
            await socket.recv()
        assert check_session(second.folder) == []
        assert [event.kind for event in load_session(second.folder).events] == ["opened", "sent", "received"]

    recording = converse(tmp_path, app)
    assert frames(load_session(recording.folder).events[1:]) == CROSSED
    assert len(list(tmp_path.iterdir())) == 2


def test_when_connect_was_called_makes_connecting_measurable(tmp_path):
    """What the app says of it becomes a note behind the opening; where it says nothing, there is none."""
    called_ns = time.monotonic_ns()
    session = load_session(converse(tmp_path, two_messages, connect_ns=called_ns).folder)
    (note,) = session.notes
    assert (note.seq, note.at_ns, note.name) == (1, 0, "connected")
    assert 0 < note.data["took_ns"] <= time.monotonic_ns() - called_ns
    assert [one.value for one in measure(session, EVI).samples if one.metric == "connect.open"] == [note.data["took_ns"] / 1e6]
    assert not load_session(converse(tmp_path, two_messages).folder).notes


def test_a_time_of_connecting_that_is_yet_to_come_is_a_usage_error(tmp_path):
    """As the wall clock's would be."""

    async def app(socket, recording):
        with pytest.raises(UsageError, match=r"in the future[\s\S]*monotonic_ns"):
            record(socket, out=tmp_path, connect_ns=time.time_ns())

    converse(tmp_path, app)


def test_a_recording_begins_once(tmp_path):
    """To begin twice, or to record a connection that is being recorded, is a usage error; the first recording goes on."""

    async def app(socket, recording):
        with pytest.raises(UsageError, match="once"):
            recording.start()
        with pytest.raises(UsageError, match="already"):
            record(socket, out=tmp_path).start()
        await two_messages(socket, recording)

    assert frames(load_session(converse(tmp_path, app).folder).events[1:]) == CROSSED
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("way", ["iteration", "start_listening"])
def test_the_sdk_s_other_ways_of_receiving_are_recorded(tmp_path, way):
    """What is taken by ``async for`` and by the SDK's callbacks is recorded with the time at which it was taken."""

    async def app(socket, recording):
        if way == "iteration":
            async for _ in socket:
                break
            return
        if not hasattr(socket, "start_listening"):
            pytest.skip("the installed SDK has no start_listening")
        from hume.core.events import EventType

        heard = asyncio.Event()
        socket.on(EventType.MESSAGE, lambda _: heard.set())
        listening = asyncio.ensure_future(socket.start_listening())
        await heard.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    session = load_session(converse(tmp_path, app).folder)
    assert frames(session.received) == [("received", TEXT, CHAT)]
    assert session.received[0].taken_ns >= session.received[0].at_ns


def test_what_the_sdk_cannot_parse_is_recorded_before_the_app_crashes(tmp_path):
    """The app's exception comes through, and the message that it crashed on is in a complete session."""
    odd = b'{"type":"of another version"}'

    async def app(socket, recording):
        with pytest.raises(Exception, match=r"of another version|valid"):
            await socket.recv()
        app.folder = recording.folder
        raise LookupError("the app is over")

    with pytest.raises(LookupError, match="over"):
        converse(tmp_path, app, odd)
    assert check_session(app.folder) == []
    assert frames(load_session(app.folder).received) == [("received", TEXT, odd)]


def test_the_sdk_s_synchronous_client_is_recorded(tmp_path):
    """The same conversation with the threaded client; the close by the SDK is seen where the recording was started for it."""
    if version("hume") < "0.13":
        pytest.skip("the installed SDK has no synchronous client")
    if int(version("websockets").split(".")[0]) < 14:
        pytest.skip("with websockets before 14 the SDK's synchronous client sends User-Agent twice, which the test's server refuses")
    from hume import HumeClient

    with serving() as url:
        with HumeClient(api_key=KEY, base_url=url).empathic_voice.chat.connect(config_id="c") as socket:
            with record(socket, out=tmp_path, name="block") as block:
                assert socket.recv().type == "chat_metadata"
                socket._send(b"\1\0" * 80)
                socket._send({"type": "user_input", "text": "hello"})
                assert socket.recv().type == "assistant_end"
            whole = record(socket, out=tmp_path, name="whole").start()
            socket._send({"type": "user_input", "text": "hello"})
            assert socket.recv().type == "assistant_end"
        whole.stop()
    assert frames(load_session(block.folder).events[1:]) == CROSSED
    closed = load_session(whole.folder).closed
    assert (closed.by, closed.code) == ("app", 1000)
    assert check_session(block.folder) == check_session(whole.folder) == []


def test_connections_side_by_side_go_to_folders_of_their_own(tmp_path):
    """Two recordings of one name that begin in the same second do not meet."""

    async def one(url):
        async with open_chat(url, api_key=KEY, options={}) as socket, record(socket, out=tmp_path) as recording:
            await two_messages(socket, recording)
        return recording

    async def main(url):
        return await asyncio.gather(*(one(url) for _ in range(3)))

    with serving() as url:
        recordings = asyncio.run(main(url))
    assert len({recording.folder for recording in recordings}) == 3
    assert all(frames(load_session(recording.folder).events[1:]) == CROSSED for recording in recordings)


def test_no_secret_is_written(tmp_path, monkeypatch):
    """Keys of the handshake, of the environment and those given stand nowhere in the folder, not even where a message quotes them."""
    monkeypatch.setenv("HUME_SECRET_KEY", "secret-of-the-environment")

    async def app(socket, recording):
        await socket._send({"type": "user_input", "text": f"{KEY} secret-of-the-environment given-by-the-app"})

    recording = converse(tmp_path, app, secrets=["given-by-the-app"])
    written = b"".join(path.read_bytes() for path in recording.folder.iterdir())
    for secret in (KEY, "secret-of-the-environment", "given-by-the-app"):
        assert secret.encode() not in written
    assert len(load_session(recording.folder).sent) == 1


def test_a_place_that_cannot_be_written_ends_the_recording_alone(tmp_path, caplog):
    """The conversation goes on, one warning says why there is no session, and ``failure`` holds it."""
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING, logger="evi_harness"):
        recording = converse(tmp_path / "file", two_messages)
    assert recording.failure is not None
    assert (recording.folder, recording.n_events, recording.n_dropped, recording.is_complete) == (None, 0, 5, False)
    assert ["the conversation continues" in one.getMessage() for one in caplog.records] == [True]


async def said_again(socket):
    """One more message and its answer: the conversation goes on."""
    await socket._send({"type": "user_input", "text": "again"})
    assert (await socket.recv()).type == "assistant_end"


def delete(folder):
    """Delete a folder though somebody writes into it."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


async def noticed(is_noticed):
    """Wait until the recorder has noticed something, while nothing crosses the connection."""
    while not is_noticed():  # noqa: ASYNC110 - the recorder's thread tells nobody
        await asyncio.sleep(0)


@pytest.mark.parametrize("with_stranger", [False, True])
def test_a_folder_that_is_moved_is_recorded_where_it_is(tmp_path, caplog, with_stranger):
    """It is noticed and told while nothing happens; the session is complete there, and what takes its place is left alone."""
    place, there = [], tmp_path / "elsewhere" / "mine"
    there.parent.mkdir()

    async def app(socket, recording):
        await two_messages(socket, recording)
        await noticed(lambda: recording.folder.is_dir())
        place.append(recording.folder)
        place[0].rename(there)
        if with_stranger:
            place[0].mkdir()
        await noticed(lambda: recording.folder == there)
        await said_again(socket)

    with caplog.at_level(logging.WARNING, logger="evi_harness"):
        recording = converse(tmp_path / "out", app)
    assert (recording.folder, recording.failure, recording.is_complete) == (there, None, True)
    assert check_session(there) == []
    assert len(load_session(there).received) == 3
    (told,) = [one.getMessage() for one in caplog.records]
    assert str(there) in told
    assert list(place[0].iterdir() if with_stranger else []) == []


@pytest.mark.parametrize("with_stranger", [False, True])
def test_a_folder_that_is_deleted_ends_the_recording_alone(tmp_path, caplog, with_stranger):
    """It is noticed and told while nothing happens, the conversation goes on, and there is no folder any more."""
    place = []

    async def app(socket, recording):
        await two_messages(socket, recording)
        await noticed(lambda: recording.folder.is_dir())
        place.append(recording.folder)
        delete(place[0])
        if with_stranger:
            place[0].mkdir()
        await noticed(lambda: recording.failure is not None)
        await said_again(socket)

    with caplog.at_level(logging.WARNING, logger="evi_harness"):
        recording = converse(tmp_path, app)
    assert (recording.folder, recording.is_complete) == (None, False)
    assert "deleted" in str(recording.failure)
    (told,) = [one.getMessage() for one in caplog.records]
    assert "deleted" in told
    assert sorted(tmp_path.rglob("*")) == ([place[0]] if with_stranger else [])


def test_signals_are_the_app_s_again_when_all_is_over(tmp_path):
    """While it records, one that would end the program at once waits for the session; others are left alone."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGHUP)]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    seen = []

    async def app(socket, recording):
        seen.append((signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)))
        await two_messages(socket, recording)

    try:
        for start in (True, False):
            converse(tmp_path, app, start=start)
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == (signal.SIG_DFL, signal.SIG_IGN)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    assert [(callable(term), hup) for term, hup in seen] == [(True, signal.SIG_IGN)] * 2


def test_a_loop_whose_executor_is_shut_completes_the_recording(tmp_path):
    """The end of a block does not fail for it."""

    async def app(socket, recording):
        await two_messages(socket, recording)
        await asyncio.get_running_loop().shutdown_default_executor()

    recording = converse(tmp_path, app)
    assert recording.is_complete
    assert frames(load_session(recording.folder).events[1:]) == CROSSED


def test_a_failure_of_the_tap_leaves_the_session_incomplete(tmp_path, caplog):
    """A clock that fails half-way: the app notices nothing, what was written can be read, and the header says that there is more."""

    class Breaks(RealClock):
        broken = False

        def now_ns(self):
            if self.broken:
                raise OSError("the clock is gone")
            return super().now_ns()

    clock = Breaks()

    async def app(socket, recording):
        await socket.recv()
        clock.broken = True
        await socket._send({"type": "user_input", "text": "hello"})
        assert (await socket.recv()).type == "assistant_end"
        clock.broken = False

    with caplog.at_level(logging.WARNING, logger="evi_harness"):
        recording = converse(tmp_path, app, now_ns=clock.now_ns)
    session = load_session(recording.folder)
    assert str(recording.failure) == "the clock is gone"
    assert not session.header.complete
    assert not recording.is_complete
    assert "clock is gone" in session.header.abandoned
    assert [event.kind for event in session.events] == ["opened", "received"]
    assert len(caplog.records) == 1


def test_watch_sees_each_event_once_it_is_written(tmp_path):
    """The callback gets every event in order, and what it raises changes nothing."""
    seen = []

    def watch(event):
        seen.append(event)
        raise LookupError("not the recording's")

    recording = converse(tmp_path, two_messages, watch=watch)
    assert [event.seq for event in seen] == list(range(recording.n_events))
    assert recording.failure is None


def test_a_program_that_just_ends_leaves_a_complete_session(tmp_path):
    """Neither stopped nor closed: at the end of the program the session is completed, and its end is not known."""
    script = """
import asyncio, sys
from evi_harness.acts.record_connection import record
from evi_harness.sdk.hume.connection import open_chat

async def main():
    chat = open_chat(sys.argv[1], api_key="made-up-key-0123456789", options={})
    socket = await chat.__aenter__()
    record(socket, out=sys.argv[2]).start()
    await socket.recv()
    return chat

loop = asyncio.new_event_loop()
chat = loop.run_until_complete(main())
"""
    with serving() as url:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, url, str(tmp_path)], cwd=str(ROOT), capture_output=True, text=True, check=False
        )
    (folder,) = tmp_path.iterdir()
    session = load_session(folder)
    assert check_session(folder) == [], done.stderr
    assert session.header.complete
    assert (session.header.recorded.closed, session.closed) == (False, None)
    assert frames(session.received) == [("received", TEXT, CHAT)]


@pytest.mark.parametrize(
    ("url", "reply", "service"),
    [
        ("wss://api.hume.ai/v0/evi/chat", None, "hume"),
        ("wss://nothume.ai/v0/evi/chat", None, "unknown"),
        ("ws://127.0.0.1:8000/v0/evi/chat", "simulator", "simulator"),
        ("ws://127.0.0.1:8000/v0/evi/chat", "Player", "player"),
        ("ws://127.0.0.1:8000/v0/evi/chat", "something", "unknown"),
    ],
)
def test_who_plays_the_service_is_told_from_the_endpoint(url, reply, service):
    """Hume's hosts are hume; a server of ours says what it is; of others nothing is known."""
    assert service_at(url, reply) == service


@pytest.mark.parametrize("thing", [None, object(), type("Socket", (), {"_websocket": 7})()])
def test_what_cannot_be_recorded_is_a_usage_error(thing):
    """Something that is no connection is refused before anything happens, with what to give instead."""
    with pytest.raises(UsageError, match="websockets") as raised:
        record(thing)
    assert "connect" in str(raised.value)


@pytest.mark.parametrize("name", ["", "a/b", "x" * 101])
def test_a_name_that_no_session_can_have_is_a_usage_error(name):
    """Before anything is recorded."""
    with pytest.raises(UsageError, match=r"^invalid value for name: "):
        record(None, name=name)


def test_an_unknown_word_for_interruption_is_a_usage_error():
    """The header knows three words."""
    with pytest.raises(UsageError, match="allowed"):
        record(None, user_interrupt="yes")


def recorded_in_virtual_time(weather, out):
    """Play a session to an app that sends what the recorded one sent, when it did, and record that."""

    async def main(loop):
        server = ChatServer(lambda _: Player(weather, EVI), clock=loop, chat_paths=EVI.chat_paths)
        async with VirtualCarrier(loop, server) as carrier:
            async with open_chat(carrier.url, api_key=KEY, options=dict(weather.handshake.query)) as socket:
                recording = record(socket, out=out, now_ns=loop.now_ns).start()
                listening = asyncio.ensure_future(listen(socket))
                for event in (*weather.sent, weather.closed):
                    await asyncio.sleep((event.at_ns - loop.now_ns() + began_ns(server)) / 1e9)
                    if not isinstance(event, Closed):
                        payload = event.frame.payload
                        await websocket_of(socket).send(payload.decode() if event.frame.is_text else payload)
            await asyncio.gather(listening, return_exceptions=True)
        return recording

    recording = run_virtual(main)
    recording.stop()
    return recording


def began_ns(server):
    """When the first conversation was opened."""
    return server.journals[0].opened_at_ns


async def listen(socket):
    """Take all that comes."""
    async for _ in socket:
        pass


def test_what_was_recorded_replays(tmp_path, weather):
    """A recording of a played session holds the same frames at the same nanoseconds, and its null test passes."""
    recording = recorded_in_virtual_time(weather, tmp_path)
    session = load_session(recording.folder)
    assert check_session(recording.folder) == []
    assert frames(session.received) == frames(weather.received)
    assert [event.at_ns for event in session.received] == [event.at_ns for event in weather.received]
    assert frames(session.sent) == frames(weather.sent)
    assert (session.closed.by, session.closed.code) == ("app", 1000)
    result = replay_session(recording.folder, handler="recorded")
    assert result.passed, result.lines()


def test_the_header_is_there_while_the_recording_runs(tmp_path):
    """A program that is killed leaves a folder that says what it is: made by record, not complete."""
    found = []

    async def app(socket, recording):
        await socket.recv()
        while recording.n_events < 2:  # noqa: ASYNC110 - a thread counts, and tells nobody
            await asyncio.sleep(0)
        found.append(json.loads((recording.folder / "session.json").read_text()))
        assert (recording.is_complete, recording.closed) == (False, None)

    converse(tmp_path, app)
    assert (found[0]["made_by"], found[0]["complete"], found[0]["recorded"]["closed"]) == ("record", False, False)
