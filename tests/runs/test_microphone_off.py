"""Apps that send audio of their own, through whole replays: nobody else sends."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import itertools
import re
from typing import ClassVar, List

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.runs.microphone_off import run_alone
from evi_harness.runs.run import Run, RunOptions
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session import wav
from evi_harness.session.events import Note
from evi_harness.session.wav import Pcm

MS = 1_000_000
RATE = 16000
SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": RATE, "channels": 1}}
OTHER_SETTINGS = {**SETTINGS, "system_prompt": "Be brief."}
CHAT = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}
REPLY = b"\x05\x01" * 4800
# What an app sends of its own: a tenth of a second that no recorded microphone has.
OWN = b"\x77\x11" * (RATE // 10)


def microphone(begin_ms, end_ms, block_ms=20):
    """Rows of frames as a microphone's that was opened at a time, no two alike."""
    n = RATE * block_ms // 1000
    return [("sent", at_ms + block_ms, (at_ms + 1).to_bytes(2, "little") * n) for at_ms in range(begin_ms, end_ms, block_ms)]


def talk(settings=SETTINGS):
    """Half a second of speech from 40 ms on, then a reply of 200 ms; the app closes at a second and a half."""
    reply = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(wav.header(Pcm(24000, 1), 9600) + REPLY).decode()}
    rows = [("received", 30, CHAT), ("sent", 39, settings), *microphone(40, 540), ("received", 700, reply)]
    return [*rows, ("closed", 1500, ("app", 1000, ""))]


@pytest.fixture
def session(session_of):
    """Recorded with the SDK's microphone."""
    return session_of(talk())


@pytest.fixture
def told_otherwise(session_of):
    """Recorded with another client: its frames are sent as they were."""
    return session_of(talk(OTHER_SETTINGS))


class Bridge:
    """Says the format and sends its own audio from a time on, each tenth of a second; plays what it gets."""

    after_ms = 0
    settings = SETTINGS
    runs: ClassVar[List[Bridge]] = []

    def __init__(self):
        from hume import Stream

        self.runs.append(self)
        self.byte_strs = Stream.new()

    def set_socket(self, socket):
        self.socket = socket
        self.task = asyncio.ensure_future(self.speak())

    async def speak(self):
        await asyncio.sleep(self.after_ms / 1000)
        await self.socket._send(self.settings)
        while True:
            await self.send()
            await asyncio.sleep(0.1)

    async def send(self):
        await self.socket._send(OWN)

    async def on_message(self, message):
        if message.type == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))

    async def on_close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def bridge(handler=Bridge, **attributes):
    """A class of bridges, with runs of its own."""
    return type(handler.__name__, (handler,), {"runs": [], **attributes})


def replayed(session, handler, **options):
    """The result of a replay."""
    return replay_session(session, handler=handler, write=lambda line: None, **options)


def audio_of(session):
    """The audio that was sent in binary frames, each once, in the order in which it came."""
    return list(dict.fromkeys(event.frame.payload for event in session.sent if not event.frame.is_text))


NOT_OPENED = re.compile("the app sends .*, so .* microphone .*not opened")
RUN_AGAIN = re.compile("the app sends .*, so .*run again .* microphone off")


def why_off(result):
    """What the report says of a microphone that is off."""
    notes = [note.data["what"] for note in result.session.notes if note.name == "microphone_off"]
    assert [line for line in result.lines() if any(what in line for what in notes)] == [f"note       {what}" for what in notes]
    return notes


def test_what_comes_before_the_microphone_keeps_it_shut(session):
    """One run: nobody has spoken, so nothing need be run again. What the handler is given is played by the SDK all the same."""
    handler = bridge()
    result = replayed(session, handler)
    assert result.passed, result.lines()
    assert (audio_of(result.session), len(handler.runs)) == ([OWN], 1)
    assert [NOT_OPENED.fullmatch(why) is not None for why in why_off(result)] == [True]
    assert [note.name for note in result.session.notes if note.name == "heard"]


def test_what_comes_later_has_the_handler_run_again_with_the_microphone_off(session):
    """From the start, as if it had been off; of the run before nothing is told but that."""
    handler = bridge(after_ms=300)
    result = replayed(session, handler)
    assert result.passed, result.lines()
    assert (audio_of(result.session), len(handler.runs)) == ([OWN], 2)
    assert [RUN_AGAIN.fullmatch(why) is not None for why in why_off(result)] == [True]
    off = replayed(session, bridge(after_ms=300), microphone="off")

    def crossed(session):
        return [(event.at_ns, event.frame) for event in session.sent], [note.at_ns for note in session.notes if note.name == "heard"]

    assert crossed(result.session) == crossed(off.session)


def test_the_first_run_ends_as_conversations_do(session):
    """The connection is closed, with the callback that tells of it, before the handler is built anew; no second of it is spent in vain."""
    order = []

    class Keeps(Bridge):
        def set_socket(self, socket):
            self.began_s = asyncio.get_running_loop().time()
            order.append("open")
            super().set_socket(socket)

        async def on_close(self):
            order.append(round(asyncio.get_running_loop().time() - self.began_s, 3))
            await super().on_close()

    assert replayed(session, bridge(Keeps, after_ms=300)).passed
    assert order == ["open", 0.3, "open", 1.5]


def test_findings_of_the_first_run_are_not_told(session):
    """What is wrong in both is told once."""

    class Raises(Bridge):
        async def on_close(self):
            await super().on_close()
            raise ValueError(f"run {len(self.runs)}")

        async def send(self):
            await super().send()
            if len(self.runs) == 1:
                await self.socket._send({"type": "user_input", "text": "nobody expects this"})

    result = replayed(session, bridge(Raises, after_ms=300))
    assert [finding.what for finding in result.findings] == ["on_close raised ValueError: run 2"]
    assert result.deviations == ()


def test_what_goes_wrong_in_the_first_run_alone_is_told(session):
    """As what it was there; a second run does not make it undone."""

    class RaisesOnce(Bridge):
        async def on_message(self, message):
            if len(self.runs) == 1:
                raise ValueError("once")

    result = replayed(session, bridge(RaisesOnce, after_ms=300))
    (finding,) = result.findings
    assert (finding.kind, "ValueError: once" in finding.what, "first run" in finding.what) == ("raised", True, True)
    assert not result.passed
    # The two runs that are compared are both without the microphone.
    assert replayed(session, bridge(RaisesOnce, after_ms=300), twice=True).report.twice == ()


def test_the_format_that_a_microphone_gave_before_is_not_the_apps(session_of):
    """As ``record`` leaves it, and a replay in real time: the microphone had been opened before the app sent audio of its own."""
    recorded = session_of([("received", 30, CHAT), ("sent", 39, SETTINGS), *microphone(40, 100), ("sent", 110, SETTINGS), *talk()[3:]])
    for after_ms in (0, 300):
        result = replayed(recorded, bridge(after_ms=after_ms))
        assert result.passed, "\n".join(result.lines())
    assert replayed(session_of(talk()), bridge(Replies, after_ms=300), clock="real").deviations == ()


def test_a_format_that_is_another_is_still_told(session):
    """And one that is missing where the app's audio says nothing of itself is a finding."""
    other = {**SETTINGS, "audio": {**SETTINGS["audio"], "sample_rate": 8000}}
    assert [one.kind for one in replayed(session, bridge(settings=other)).deviations] == ["different"]
    silent = {"type": "user_input", "text": ""}
    assert "rejected" in [one.kind for one in replayed(session, bridge(settings=silent)).findings]


def test_a_first_run_whose_process_dies_is_run_again(session):
    """That it was to be is known by then; and of the second it is told that it dies."""

    class Dies(Bridge):
        async def on_close(self):
            ctypes.string_at(0)

    result = replayed(session, bridge(Dies, after_ms=300), child=True)
    assert [finding.kind for finding in result.findings] == ["crashed"]
    assert result.findings[0].at_ns >= 1500 * MS
    assert [RUN_AGAIN.fullmatch(why) is not None for why in why_off(result)] == [True]


@pytest.mark.parametrize("after_ms", [0, 300])
@pytest.mark.parametrize("child", [False, True], ids=["here", "in a child"])
def test_two_runs_are_compared_in_one_setting(session, after_ms, child):
    """Once it is known that the app sends, both are without the microphone."""
    handler = bridge(after_ms=after_ms)
    result = replayed(session, handler, twice=True, child=child)
    assert result.passed, result.lines()
    assert result.report.twice == ()
    # A child's objects are gone with it.
    assert len(handler.runs) == (0 if child else 2 if after_ms == 0 else 3)


async def by_message(self):
    """As audio_input."""
    await self.socket._send({"type": "audio_input", "data": base64.b64encode(OWN).decode()})


async def by_model(self):
    """As the SDK's model of it."""
    from hume.empathic_voice.types import AudioInput

    send = getattr(self.socket, "send_publish", None) or self.socket.send_audio_input
    await send(AudioInput(data=base64.b64encode(OWN).decode()))


async def by_task(self):
    """In a task of its own, in which nothing of the app is."""
    await asyncio.ensure_future(self.socket._send(OWN))


async def by_thread(self):
    """From a thread."""
    loop = asyncio.get_running_loop()
    job = lambda: asyncio.run_coroutine_threadsafe(self.socket._send(OWN), loop).result()  # noqa: E731 - it runs on another thread
    await loop.run_in_executor(None, job)


async def below_the_sdk(self):
    """Over the connection that the SDK has."""
    websocket = getattr(self.socket, "_websocket", None) or self.socket.websocket
    await websocket.send(OWN)


@pytest.mark.parametrize("send", [by_message, by_model, by_task, by_thread, below_the_sdk])
def test_however_it_is_sent(session, send):
    """Binary or in a message, on whatever task or thread, through the SDK or below it."""
    handler = bridge(after_ms=300, send=send)
    result = replayed(session, handler)
    assert [RUN_AGAIN.fullmatch(why) is not None for why in why_off(result)] == [True]
    assert len(handler.runs) == 2
    assert result.deviations == ()


async def converses(socket):
    """Takes the connection, and sends its own audio when the chat has begun."""

    async def speak():
        await socket._send(SETTINGS)
        while True:
            await socket._send(OWN)
            await asyncio.sleep(0.1)

    sending = None
    try:
        async for message in socket:
            sending = sending or asyncio.ensure_future(speak())
            assert message.type in ("chat_metadata", "audio_output")
    finally:
        sending.cancel()


def test_a_coroutine_that_takes_the_connection(session):
    """A raw client."""
    result = replayed(session, converses, twice=True)
    assert result.passed, result.lines()
    assert audio_of(result.session) == [OWN]


@pytest.mark.parametrize(("after_ms", "n_runs", "why"), [(0, 1, "not sent"), (300, 2, "run again without")])
def test_the_recorded_audio_is_not_sent_either(told_otherwise, after_ms, n_runs, why):
    """Where it would have been sent as it was."""
    handler = bridge(after_ms=after_ms, settings=OTHER_SETTINGS)
    result = replayed(told_otherwise, handler)
    assert result.passed, result.lines()
    assert (audio_of(result.session), len(handler.runs)) == ([OWN], n_runs)
    (told,) = why_off(result)
    assert why in told
    assert not [note for note in result.session.notes if note.name == "sent_as_recorded"]


@pytest.mark.parametrize("recorded", ["session", "told_otherwise"])
def test_sdk_is_for_all_of_them(recorded, request):
    """As it was before: all speak at once, and nobody is run again."""
    recorded = request.getfixturevalue(recorded)
    handler = bridge(after_ms=300)
    result = replayed(recorded, handler, microphone="sdk")
    said = audio_of(recorded)
    assert set(audio_of(result.session)) >= {OWN, *said}
    assert (why_off(result), len(handler.runs)) == ([], 1)


class Silent(Bridge):
    """Says the format and nothing more."""

    async def send(self):
        await asyncio.sleep(60)


@pytest.mark.parametrize("recorded", ["session", "told_otherwise"])
@pytest.mark.parametrize("handler", [None, Silent, lambda message: None], ids=["built in", "object", "function"])
def test_off_is_for_nobody(recorded, handler, request):
    """No audio is sent at all. What else the recording sends for the built-in handler it sends."""
    recorded = request.getfixturevalue(recorded)
    settings = OTHER_SETTINGS if recorded.sent[0].frame.payload != request.getfixturevalue("session").sent[0].frame.payload else SETTINGS
    handler = bridge(handler, settings=settings) if handler is Silent else handler
    result = replayed(recorded, handler, microphone="off")
    assert audio_of(result.session) == []
    (told,) = why_off(result)
    assert "as asked" in told
    says_nothing = handler is not None and handler.__name__ == "<lambda>"
    assert [one.kind for one in result.deviations] == (["missing"] if says_nothing else [])


def test_off_with_an_app_that_speaks_is_one_run(session):
    """It is known before."""
    handler = bridge(after_ms=300)
    result = replayed(session, handler, microphone="off")
    assert result.passed, result.lines()
    assert (audio_of(result.session), len(handler.runs)) == ([OWN], 1)


class OpensItself(Bridge):
    """Opens the SDK's microphone by itself."""

    async def speak(self):
        from hume import MicrophoneInterface

        await MicrophoneInterface.start(self.socket, byte_stream=self.byte_strs, allow_user_interrupt=True)


class Listens(Bridge):
    """Opens the sound device by itself, and sends what it hears."""

    async def speak(self):
        import sounddevice

        heard, loop = asyncio.Queue(), asyncio.get_running_loop()
        take = lambda block, *_: loop.call_soon_threadsafe(heard.put_nowait, bytes(block))  # noqa: E731 - the device's callback
        with sounddevice.RawInputStream(callback=take, dtype="int16"):
            await self.socket._send(SETTINGS)
            while True:
                await self.socket._send(await heard.get())


class Wraps(Bridge):
    """Sends nothing, and looks at what goes through the SDK's connection."""

    def set_socket(self, socket):
        real, self.seen = socket._send, []

        async def send(data):
            self.seen.append(data)
            await real(data)

        socket._send = send

    async def on_close(self): ...


@pytest.mark.parametrize("handler", [OpensItself, Listens, Wraps])
def test_an_app_with_a_microphone_has_no_audio_of_its_own(session, handler):
    """It gets what the user said, and is run once."""
    handler = bridge(handler)
    result = replayed(session, handler)
    assert (why_off(result), len(handler.runs)) == ([], 1)
    said = audio_of(session)
    assert audio_of(result.session)[: len(said)] == said


class Replies(Bridge):
    """Begins to send its own audio when it is spoken to: not before the microphone has been heard."""

    def set_socket(self, socket):
        self.socket, self.is_spoken_to = socket, asyncio.Event()
        self.task = asyncio.ensure_future(self.speak())

    async def speak(self):
        await self.is_spoken_to.wait()
        await super().speak()

    async def on_message(self, message):
        await super().on_message(message)
        if message.type == "audio_output":
            self.is_spoken_to.set()


class RepliesAndCloses(Replies):
    """Ends the session when it has sent some of its own audio: on a busy machine it may come to that late."""

    n_sent = 0

    async def send(self):
        await super().send()
        self.n_sent += 1
        if self.n_sent == 4:
            await websocket_of(self.socket).close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "why"),
    [(SETTINGS, "microphone .*switched off at "), (OTHER_SETTINGS, "recorded audio .*cut off at ")],
    ids=["session", "told otherwise"],
)
def test_in_real_time_the_microphone_is_switched_off(settings, why, session_of):
    """At the app's first own frame, and for good; what it is given to play is played. Nothing is run again."""
    *rows, (closed, _, by) = talk(settings)
    recorded = session_of([*rows, (closed, 30_000, by)])
    handler = bridge(RepliesAndCloses)
    result = replayed(recorded, handler, clock="real")
    (told,) = why_off(result)
    assert re.search(why, told)
    assert len(handler.runs) == 1
    frames = [event.frame.payload for event in result.session.sent if not event.frame.is_text]
    before = list(itertools.takewhile(lambda frame: frame != OWN, frames))
    said = audio_of(recorded)
    assert before[: len(said)] == said
    assert set(frames[len(before) :]) == {OWN}
    is_played = any(note.name == "heard" for note in result.session.notes)
    assert is_played is why.startswith("microphone")


def test_in_real_time_a_microphone_that_is_not_open_is_not_opened(session):
    """As in virtual time."""
    result = replayed(session, bridge(), clock="real")
    assert audio_of(result.session) == [OWN]
    assert [NOT_OPENED.fullmatch(why) is not None for why in why_off(result)] == [True]


def test_where_nobody_spoke_there_is_nothing_to_silence(session_of):
    """And nothing to tell."""
    typed = session_of([("received", 30, CHAT), ("closed", 900, ("app", 1000, ""))])
    handler = bridge(after_ms=300)
    result = replayed(typed, handler)
    assert (why_off(result), len(handler.runs), audio_of(result.session)) == ([], 1, [OWN])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"microphone": "loud"}, "no microphone 'loud'"),
        ({"microphone": None}, "no microphone None"),
        ({"microphone": "off", "handler": "recorded"}, "cannot be off"),
    ],
)
def test_what_cannot_be_meant_is_refused(session, options, what):
    """Before anything runs."""
    with pytest.raises(UsageError) as refused:
        replay_session(session, **options)
    assert refused.value.what.endswith(what)


@pytest.mark.parametrize("microphone", ["auto", "sdk"])
def test_the_null_test_sends_what_was_recorded(session, microphone):
    """Whoever speaks otherwise."""
    result = replayed(session, "recorded", microphone=microphone)
    assert result.passed
    assert audio_of(result.session) == audio_of(session)


def test_a_run_is_run_again_once_and_where_it_says_so():
    """What counts is the note; the options are those that the run had which counts."""
    asked = []

    def run_once(recording, handler, options):
        asked.append(options)
        return Run("h", [Note(1, 0, "microphone_off", data={"what": "", "ended": options.asked.microphone == "auto"})])

    options = RunOptions(EVI, HUME)
    run, alone, earlier = run_alone(run_once, None, None, options)
    assert (asked, run.events[0].data["ended"]) == ([options, alone], False)
    assert (alone.asked.microphone, alone.is_again, earlier) == ("off", True, ())
    assert run_alone(run_once, None, None, alone)[1] is alone
    assert run_alone(lambda *_: Run("h", ()), None, None, options)[1] is options
