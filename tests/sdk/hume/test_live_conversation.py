"""Tests of ``LiveConversation``: the real SDK, its microphone and its playback, in virtual time on software sound."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from contextlib import ExitStack

import pytest
from scripts import Script

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import EviHarnessError, HandlerError, NotAHandler
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.adapter import LiveTalkOptions
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.sdk.hume.live_conversation import LiveConversation
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT
from evi_harness.session.protocols import Abort, Close, Refuse

MS = 1_000_000
KEY = "Kq7ApiKeyOfThisRun0123456789"
CHAT = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}
END = {"type": "assistant_end"}
SAMPLES = bytes(range(1, 241)) * 40
SOUND = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(wav.header(wav.Pcm(24000, 1), 9600) + SAMPLES).decode()}


class Talk:
    """One conversation, run; and what was seen of it."""

    def __init__(self, *rows, end_ms=1000, **options):
        self.rows, self.end_ms, self.options = rows, end_ms, options
        self.lines, self.connected, self.error = [], [], None
        run_virtual(self._main)

    async def _main(self, loop):
        server = ChatServer(lambda _: Script(*self.rows), clock=loop, chat_paths=EVI.chat_paths)
        microphone, self.speaker = SoftwareMicrophone(SilenceSource(wav.Pcm(16000, 1)), clock=loop), SoftwareSpeaker(clock=loop)
        with ExitStack() as stack:
            stack.enter_context(software_sound(software_sounddevice(microphone, self.speaker)))
            async with VirtualCarrier(loop, server) as carrier:
                await self._talk(carrier.url, loop)
        self.events = server.journals[0].events if server.journals else []

    async def _talk(self, url, loop):
        options = {"write": self.lines.append, "on_connected": self._connected, **self.options}
        self.conversation = LiveConversation(LiveTalkOptions(url, KEY, **options))
        self._loop = loop
        try:
            await self.conversation.run()
        except EviHarnessError as error:
            self.error = error
        self.took_ms = round((loop.time() - self._began_s) * 1000) if self.connected else None

    def _connected(self, socket):
        self.connected.append(type(socket).__name__)
        self._began_s = self._loop.time()
        if self.end_ms is not None:
            self._loop.call_later(self.end_ms / 1000, self.conversation.end)

    @property
    def closed(self):
        """By whom and with which code."""
        return next((event.by, event.code) for event in self.events if event.kind == "closed")

    def n_audio(self):
        """How many audio frames were sent."""
        return sum(event.kind == "sent" and event.frame.opcode == BINARY for event in self.events)


def test_the_quickstart_from_open_to_close():
    """Connected, settings, 10 ms of audio each 10 ms, playback of what is said, closed by the app with 1000 when it is told to end."""
    talk = Talk((0, CHAT), (200, SOUND), (400, END), allow_user_interrupt=True)
    assert talk.error is None
    assert len(talk.connected) == 1
    settings = next(event for event in talk.events if event.kind == "sent")
    assert json.loads(settings.frame.payload)["audio"] == {"channels": 1, "encoding": "linear16", "sample_rate": 16000}
    assert 98 <= talk.n_audio() <= 100
    assert talk.speaker.playbacks[0].samples == SAMPLES
    assert talk.closed == ("app", 1000)
    assert talk.lines == ["connected", "closed"]
    assert not talk.conversation.replies.is_pending


def test_the_microphone_is_dropped_while_the_assistant_plays():
    """200 ms of reply, 200 ms of audio less, unless interruption is allowed."""
    allowed = Talk((0, CHAT), (200, SOUND), allow_user_interrupt=True)
    dropped = Talk((0, CHAT), (200, SOUND))
    assert 18 <= allowed.n_audio() - dropped.n_audio() <= 24


OWN = b"\x11\x22" * 80


class Bridge:
    """Sends its own audio, once when the connection is there and once when it is spoken to."""

    is_first = True

    async def set_socket(self, socket):
        self.socket = socket
        if self.is_first:
            await socket._send(OWN)

    async def on_message(self, message):
        if message.type == "audio_output":
            await self.socket._send(OWN)


class Answers(Bridge):
    """Sends its own audio only when it is spoken to."""

    is_first = False


def audio_of(talk):
    """The audio that was sent, and when."""
    return [(event.at_ns // MS, event.frame.payload) for event in talk.events if event.kind == "sent" and not event.frame.is_text]


def test_a_handler_that_sends_its_own_audio_is_the_only_one_from_then_on():
    """The microphone is switched off, or not opened; what the assistant says is played all the same. It is told which."""
    early, late = Talk((0, CHAT), (200, SOUND), handler=Bridge), Talk((0, CHAT), (200, SOUND), handler=Answers)
    assert [payload for _, payload in audio_of(early)] == [OWN, OWN]
    assert early.conversation.silenced.endswith("not opened")
    at_ms, own = audio_of(late)[-1]
    assert (at_ms, own) == (200, OWN)
    assert 15 <= len(audio_of(late)) <= 21
    assert late.conversation.silenced.endswith("off at 0.200 s")
    for talk in (early, late):
        assert (talk.error, talk.closed) == (None, ("app", 1000))
        assert talk.speaker.playbacks[0].samples == SAMPLES


@pytest.mark.parametrize(("microphone", "n_audio"), [("sdk", 98), ("off", 1)])
def test_the_microphone_may_be_left_on_or_off(microphone, n_audio):
    """Whatever the handler sends; then there is nothing to tell."""
    talk = Talk((0, CHAT), (200, SOUND), handler=Answers, microphone=microphone, allow_user_interrupt=True)
    assert n_audio <= len(audio_of(talk)) <= n_audio + 4
    assert OWN in [payload for _, payload in audio_of(talk)]
    assert (talk.error, talk.conversation.silenced) == (None, None)
    assert talk.speaker.playbacks[0].samples == SAMPLES


def test_with_the_microphone_off_the_service_may_close():
    """What had arrived reaches the handler."""
    seen = []
    talk = Talk(
        (0, CHAT), (300, END), (310, Close(1000, "")), end_ms=None, microphone="off", handler=lambda message: seen.append(message.type)
    )
    assert (talk.error, seen, audio_of(talk)) == (None, ["chat_metadata", "assistant_end"], [])


@pytest.mark.parametrize(
    ("action", "closed"), [(Close(1000, ""), ("service", 1000)), (Close(1011, "x"), ("service", 1011)), (Abort(), None)]
)
def test_an_end_that_is_not_the_apps(action, closed):
    """No error; what had arrived before reaches the handler."""
    seen = []
    talk = Talk((0, CHAT), (300, END), (310, action), end_ms=None, handler=lambda message: seen.append(message.type))
    assert talk.error is None
    assert seen == ["chat_metadata", "assistant_end"]
    if closed is not None:
        assert talk.closed == closed


class Slow:
    """A handler that takes its time."""

    def __init__(self):
        self.seen = []

    async def on_open(self):
        await asyncio.sleep(0.2)
        self.seen.append("on_open")

    def set_socket(self, socket):
        self.seen.append("set_socket")

    async def on_message(self, message):
        await asyncio.sleep(0.3)
        self.seen.append(message.type)


def test_a_slow_handler_gets_all_that_had_arrived():
    """First on_open and set_socket, then the messages, also those that it comes to take behind the close."""
    slow = Slow()
    Talk((0, CHAT), (10, END), (20, END), (30, Close(1000, "")), end_ms=None, handler=slow)
    assert slow.seen == ["on_open", "set_socket", "chat_metadata", "assistant_end", "assistant_end"]


def test_a_handler_that_never_returns_is_left_behind():
    """The conversation is over some seconds after the connection."""

    async def never(message):
        await asyncio.Event().wait()

    talk = Talk((0, CHAT), (100, Close(1000, "")), end_ms=None, handler=never)
    assert talk.error is None
    assert 5000 <= talk.took_ms <= 8000


def test_what_a_handler_raises_is_kept_and_the_next_message_follows():
    """With the place in its code; a default on_error prints it."""

    def wrong(message):
        raise ValueError(f"{message.type}, {KEY}")

    talk = Talk((0, CHAT), (100, END), handler=wrong, redact=lambda text: text.replace(KEY, "[redacted]"))
    assert [what for what, _ in talk.conversation.faults] == [
        f"on_message raised ValueError: {name}, [redacted]" for name in ("chat_metadata", "assistant_end")
    ]
    assert "test_live_conversation.py" in talk.conversation.faults[0][1][0]
    assert talk.error is None


def test_a_handler_that_exits_ends_the_conversation():
    """In good order, and it counts as a fault."""

    def leave(message):
        raise SystemExit(7)

    talk = Talk((0, CHAT), end_ms=None, handler=leave)
    assert (talk.error, talk.closed) == (None, ("app", 1000))
    assert re.match(r"on_message raised SystemExit: 7, .*\bends\b", talk.conversation.faults[0][0])


def test_what_the_sdk_cannot_parse_is_told_and_is_no_fault_of_the_handlers():
    """The next message follows."""
    seen, errors = [], []
    handler = type(
        "Handler", (), {"on_message": lambda self, message: seen.append(message.type), "on_error": lambda self, e: errors.append(e)}
    )
    talk = Talk((0, CHAT), (100, {"type": "nobody knows"}), (200, END), handler=handler)
    assert (seen, len(errors), talk.conversation.faults) == (["chat_metadata", "assistant_end"], 1, [])


@pytest.mark.parametrize("name", ["on_open", "set_socket"])
def test_a_handler_that_fails_at_the_opening_is_an_error(name):
    """There is no conversation without it; the connection is closed in good order."""

    def fail(*_):
        raise LookupError("not there")

    talk = Talk((0, CHAT), handler=type("Handler", (), {"on_message": lambda self, message: None, name: fail}))
    assert isinstance(talk.error, HandlerError)
    assert "LookupError: not there" in str(talk.error)
    assert talk.closed == ("app", 1000)


def settings(talk):
    """The messages by which a microphone said in which format it comes, in order."""
    sent = [json.loads(event.frame.payload) for event in talk.events if event.kind == "sent" and event.frame.opcode == TEXT]
    return [message["audio"]["sample_rate"] for message in sent if message["type"] == "session_settings"]


async def send(socket, message):
    """On every version of the SDK."""
    await websocket_of(socket).send(json.dumps(message))


def test_a_handler_that_reads_the_connection_leaves_the_sound_to_others():
    """The SDK's microphone is opened for it, what the assistant says is played, and what had arrived before the close is its to take."""
    seen = []

    async def main(socket):
        async for message in socket:
            await asyncio.sleep(0.01)
            seen.append(message.type)

    talk = Talk((0, CHAT), (200, SOUND), (400, END), (1000, Close(1000)), end_ms=None, handler=main)
    assert (talk.error, talk.conversation.faults, talk.closed) == (None, [], ("service", 1000))
    assert seen == ["chat_metadata", "audio_output", "assistant_end"]
    assert settings(talk) == [16000]
    assert talk.n_audio() > 50
    assert talk.speaker.playbacks[0].samples == SAMPLES
    assert not talk.conversation.opens_microphone
    assert not talk.conversation.replies.is_pending


def test_what_a_handler_puts_into_its_stream_is_played():
    """And nothing else."""

    async def main(socket, stream):
        async for message in socket:
            if message.type == "audio_output":
                await stream.put(wav.header(wav.Pcm(24000, 1), 4800) + SAMPLES[:4800])

    talk = Talk((0, CHAT), (500, SOUND), (600, END), (2000, Close(1000)), end_ms=None, handler=main)
    assert b"".join(one.samples for one in talk.speaker.playbacks) == SAMPLES[:4800]


@pytest.mark.parametrize("begins", ["at once", "at the first message"])
def test_a_handler_that_opens_the_microphone_has_it_alone(begins):
    """Before it reads, or at its first message; in a task of its own."""
    from hume import MicrophoneInterface, Stream

    async def main(socket):
        tasks = []

        def open_it():
            tasks.append(asyncio.ensure_future(MicrophoneInterface.start(socket, byte_stream=Stream.new())))

        if begins == "at once":
            open_it()
        try:
            async for _ in socket:
                if not tasks:
                    open_it()
        finally:
            tasks[0].cancel()

    talk = Talk((0, CHAT), (300, END), (1000, Close(1000)), end_ms=None, handler=main)
    assert (talk.error, talk.conversation.faults) == (None, [])
    assert talk.conversation.opens_microphone
    assert settings(talk) == [16000]
    assert 80 <= talk.n_audio() <= 100


@pytest.mark.parametrize("form", ["binary", "text"])
def test_a_handler_that_sends_its_own_audio_is_the_only_one_that_speaks(form):
    """As bridges do: nobody opens the microphone."""

    async def main(socket):
        while True:
            if form == "binary":
                await websocket_of(socket).send(bytes(320))
            else:
                await send(socket, {"type": "audio_input", "data": base64.b64encode(bytes(320)).decode()})
            await asyncio.sleep(0.1)

    talk = Talk((0, CHAT), end_ms=3000, handler=main)
    assert (talk.error, talk.conversation.faults, talk.closed) == (None, [], ("app", 1000))
    assert settings(talk) == []
    assert sum(event.kind == "sent" for event in talk.events) in (30, 31)


def test_a_handler_that_begins_to_speak_later_is_left_alone_then():
    """The microphone that had been opened for it ends."""

    async def main(socket):
        await asyncio.sleep(2)
        while True:
            await websocket_of(socket).send(bytes(320))
            await asyncio.sleep(0.1)

    talk = Talk((0, CHAT), end_ms=4000, handler=main)
    assert settings(talk) == [16000]
    spoken = [event for event in talk.events if event.kind == "sent" and event.frame.opcode == BINARY]
    late = [event for event in spoken if event.at_ns > 2_050 * MS]
    assert 18 <= len(late) <= 21
    assert len(spoken) - len(late) > 80


@pytest.mark.parametrize(("fails", "faults"), [(False, []), (True, ["main raised LookupError: no such luck"])], ids=["returns", "raises"])
def test_the_end_of_a_handler_that_reads_the_connection_is_that_of_the_conversation(fails, faults):
    """As in an app whose main ends; what it raised is kept, with its place."""

    async def main(socket):
        await socket.recv()
        if fails:
            raise LookupError("no such luck")

    talk = Talk((0, CHAT), end_ms=None, handler=main)
    assert (talk.error, talk.closed) == (None, ("app", 1000))
    assert [what for what, _ in talk.conversation.faults] == faults
    assert all("test_live_conversation.py" in places[0] for _, places in talk.conversation.faults)


def test_a_handler_below_the_sdk_holds_a_conversation():
    """It reads and sends frames itself."""
    seen = []

    async def main(socket):
        websocket = websocket_of(socket)
        async for frame in websocket:
            seen.append(json.loads(frame)["type"])
            await websocket.send('{"type":"user_input","text":"Hello."}')

    talk = Talk((0, CHAT), (100, END), (200, Close(1000)), end_ms=None, handler=main)
    assert (talk.error, talk.conversation.faults, seen) == (None, [], ["chat_metadata", "assistant_end"])
    assert sum(b"user_input" in event.frame.payload for event in talk.events if event.kind == "sent") == 2


def test_a_handler_that_reads_the_connection_is_cancelled_when_it_is_to_end():
    """So it can clean up; one that does not let itself be cancelled is left behind."""
    cleaned = []

    async def main(socket):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    async def stubborn(socket):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cleaned.append(False)
                if len(cleaned) > 2:
                    raise

    assert Talk((0, CHAT), handler=main).closed == ("app", 1000)
    assert cleaned == [True]
    assert Talk((0, CHAT), handler=stubborn).closed == ("app", 1000)
    assert cleaned[:2] == [True, False]


def test_arguments_are_given_to_the_handler():
    """To its class, or to the function."""
    seen = []

    async def main(socket, place):
        seen.append((place, (await socket.recv()).type))

    Talk((0, CHAT), end_ms=None, handler=main, arguments={"place": "Bath"})
    assert seen == [("Bath", "chat_metadata")]


def test_what_is_no_handler_is_refused_before_anything_is_connected():
    """As in a replay."""
    with pytest.raises(NotAHandler):
        Talk((0, CHAT), handler=7)


@pytest.mark.parametrize(("status", "said"), [(401, "HUME_API_KEY"), (404, "no such path"), (503, "not available")])
def test_a_refused_handshake_is_one_error(status, said):
    """With the status, what it means, and no key; no callback is called."""
    talk = Talk((0, Refuse(status, "no")))
    assert f"status {status}" in str(talk.error)
    assert said in str(talk.error)
    assert KEY not in str(talk.error)
    assert talk.error.__context__ is None
    assert (talk.lines, talk.connected) == ([], [])


def test_ended_before_it_is_open():
    """A service that takes the connection and says nothing: the connecting is given up, and no callback is called."""
    lines = []

    async def main(listening):
        conversation = LiveConversation(LiveTalkOptions(f"http://127.0.0.1:{listening.getsockname()[1]}", KEY, write=lines.append))
        running = asyncio.ensure_future(conversation.run())
        accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
        with accepted:
            conversation.end()
            await asyncio.wait({running})
        return running.cancelled(), conversation.is_open

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        assert asyncio.run(main(listening)) == (True, False)
    assert lines == []
