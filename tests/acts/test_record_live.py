"""Tests of ``record_live``: the real SDK on software sound and real sockets; the simulator in another process once."""

from __future__ import annotations

import asyncio
import base64
import errno
import functools
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
from thread_server import serving_in_thread

from evi_harness.acts import record_live as live_session
from evi_harness.acts.devices import Device
from evi_harness.acts.record_live import LiveOptions, record_live
from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.serving import served
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.acts.sessions import check_session
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import FileSource
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.evi.credentials import KeyCheck
from evi_harness.evi.dialect import EVI
from evi_harness.evi.messages import EMOTIONS
from evi_harness.sdk.hume.connection import websocket_of
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.session.protocols import Close, Send
from evi_harness.storage.writer import SessionWriter
from evi_harness.verdicts import heard_audio
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
SCORES = {**dict.fromkeys(EMOTIONS, 0.01), "Joy": 0.9, "Interest": 0.8, "Calmness": 0.7}
VOICE_NS = 20_000_000
VOICE = wav.header(wav.Pcm(24000, 1), 960) + bytes(range(240)) * 4

CHAT = {"type": "chat_metadata", "chat_id": "chat-7", "chat_group_id": "group-7", "request_id": "request-7"}
USER = {
    "type": "user_message",
    "message": {"role": "user", "content": "Hello."},
    "models": {"prosody": {"scores": SCORES}},
    "from_text": False,
    "interim": False,
    "time": {"begin": 0, "end": 1},
}
SAID = {
    "type": "assistant_message",
    "id": "s",
    "message": {"role": "assistant", "content": "Good day.\x1b[31m"},
    "models": {},
    "from_text": False,
    "is_quick_response": False,
}
SOUND = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(VOICE).decode()}
END = {"type": "assistant_end"}
REPLY = (USER, SAID, SOUND, END)


class Answers:
    """A service that answers the first audio with a fixed reply, and closes behind it where it is told to."""

    def __init__(self, reply, close):
        self.reply, self.close = reply, close
        self.waiting = [self.sending(CHAT)]
        self.has_answered = False
        self.n_heard = 0

    @staticmethod
    def sending(message, at_ns=0):
        return Send(Frame(TEXT, json.dumps(message).encode()), at_ns)

    def take(self, event, at_ns):
        is_audio = event.kind == "sent" and event.frame.opcode == BINARY
        self.n_heard += len(event.frame.payload) if is_audio else 0
        if is_audio and not self.has_answered:
            self.has_answered = True
            self.waiting += [self.sending(message, at_ns) for message in self.reply]
            self.waiting += [] if self.close is None else [Close(*self.close)]

    def due(self, at_ns):
        now, self.waiting = self.waiting, []
        return now

    def next_at_ns(self):
        return 0 if self.waiting else None


def serving(*reply, close=None, key=None):
    """The URL of a server of ``Answers``, in a thread; with a key only who gives it is let in."""
    return serving_in_thread(lambda _: Answers(reply or REPLY, close), check=None if key is None else KeyCheck(key, token_seconds=60))


@pytest.fixture(autouse=True)
def _alone(monkeypatch, no_environment):
    """No .env, no keys; and less than half a second is quiet enough."""
    monkeypatch.setattr(live_session, "QUIET_S", 0.4)


@pytest.fixture
def time_is_up_once(monkeypatch):
    """Has ``--duration`` be over once something holds: how far a conversation gets in half a second is up to the machine."""

    def once(holds):
        monkeypatch.setattr(live_session, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1000 * bool(holds())))

    return once


@pytest.fixture
def mic(tmp_path):
    """A microphone file: 50 ms, no two samples alike."""
    file = tmp_path / "mic.wav"
    samples = b"".join(number.to_bytes(2, "little", signed=True) for number in range(800))
    file.write_bytes(wav.header(wav.Pcm(16000, 1), len(samples)) + samples)
    return file


def recorded(mic, *reply, close=None, **options):
    """Record a conversation with ``Answers``; gives the result and the lines that were printed."""
    lines = []
    with serving(*reply, close=close) as url:
        result = record_live(LiveOptions(mic=mic, base_url=url, **options), lines.append)
    return result, lines


def types(session):
    """The types of the messages received."""
    return [EVI.read("received", event.frame).type for event in session.received]


def microphone_bytes(session):
    """All audio that was sent."""
    return b"".join(event.frame.payload for event in session.sent if event.frame.opcode == BINARY)


@pytest.mark.slow
def test_a_voice_to_the_simulator_in_another_process(monkeypatch, tmp_path, shared_speech):
    """user.wav holds the very samples that were played, contiguous; it is answered; nothing is wrong; both replays pass."""
    # Another process may take its time; only once it was heard to answer is quiet the end.
    monkeypatch.setattr(live_session, "QUIET_S", 600)
    lines = []

    def hear(line):
        lines.append(line)
        if line.startswith("assistant: "):
            monkeypatch.setattr(live_session, "QUIET_S", 1.2)

    with served(Simulation()) as server:
        options = LiveOptions(mic=shared_speech, base_url=server.url, allow_user_interrupt=True, name="a voice")
        result = record_live(options, hear)
    session = load_session(result.folder)
    played, rate = soundfile.read(str(shared_speech), dtype="int16")
    kept, kept_rate = soundfile.read(str(result.folder / "user.wav"), dtype="int16")
    assert (kept_rate, kept[: len(played)].tobytes(), kept[len(played) :].any()) == (rate, played.tobytes(), False)
    assert {"chat_metadata", "user_message", "audio_output", "assistant_end"} <= set(types(session))
    assert result.problem is None
    assert re.search(r"file .*\bover$", result.ended)
    assert (session.header.user_interrupt, session.header.complete) == ("allowed", True)
    assert (session.closed.by, session.closed.code) == ("app", 1000)
    assert check_session(result.folder) == []
    assert any(line.startswith("user: ") and line.count("0.") >= 3 for line in lines)
    assert [note.name for note in session.notes if "took_ns" in note.data] == ["connected"]
    for handler in (None, "recorded"):
        replay = replay_session(result.folder, handler=handler, write=lambda _: None)
        assert replay.passed, replay.lines()


@pytest.fixture
def software(monkeypatch):
    """The software microphones and speakers of the recordings that are made."""
    made = []
    real = live_session._Software.__init__
    monkeypatch.setattr(live_session._Software, "__init__", lambda self, file: (real(self, file), made.append(self))[0])
    return made


def test_what_was_heard_is_in_the_session(mic, software, monkeypatch):
    """heard.wav holds the reply to the sample, when the speaker played it, and the microphone's file where it was sent."""
    opened_ns, keep = [], live_session.keep_heard
    monkeypatch.setattr(
        live_session, "keep_heard", lambda folder, heard, *rest: (opened_ns.append(heard.opened_at_ns), keep(folder, heard, *rest))[1]
    )
    result, _ = recorded(mic, name="heard", allow_user_interrupt=True)
    (device,) = software
    session = load_session(result.folder)
    samples, rate = soundfile.read(str(result.folder / "heard.wav"), dtype="int16", always_2d=True)
    assert (rate, samples.shape[1], result.heard.file) == (24_000, 2, result.folder / "heard.wav")
    assert [track.track for track in session.header.tracks] == ["user", "assistant", "heard"]
    assert check_session(result.folder) == []
    assert len(samples) >= session.duration_ns * rate // 10**9
    right, played = samples[:, 1].tobytes(), wav.split(VOICE).samples
    at = right.index(played)
    assert not right[:at].strip(b"\0")
    assert not right[at + len(played) :].strip(b"\0")
    came_ns = next(event.at_ns for event in session.received if EVI.read("received", event.frame).type == "audio_output")
    assert at / 2 / rate >= came_ns / 1e9
    heard_ns = device.speaker.playbacks[0].first_heard_ns(played) - opened_ns[0]
    assert abs(at / 2 / rate - heard_ns / 1e9) < 0.001
    first_ns = next(event.at_ns for event in session.sent if event.frame.opcode == BINARY)
    left = samples[:, 0].astype(int)
    at = next(place for place, value in enumerate(left) if value >= 100)
    # The microphone's sample 100 has the value 100; the first frame was sent when its 10 ms were over, or later on a busy machine.
    microphone_ns = device.microphone.began_at_ns - opened_ns[0]
    assert microphone_ns / 1e9 - 0.001 <= at / rate - 100 / 16_000 <= first_ns / 1e9 - 0.01 + 0.001
    assert abs(left[at + 480] - 420) <= 5


def test_a_heard_file_that_cannot_be_written_is_said(mic, monkeypatch):
    """The recording is complete and a success without it; a line says that it is missing."""
    monkeypatch.setattr(heard_audio, "MAX_TRACK_BYTES", 1000)
    result, _ = recorded(mic, name="full")
    assert (result.problem, result.heard.file) == (None, None)
    (note,) = [line for line in result.lines() if line.startswith("note: ")]
    assert "heard.wav cannot be written" in note
    assert result.lines()[-1].startswith("session: ")
    assert check_session(result.folder) == []


@pytest.fixture
def shared_speech():
    """A short spoken question."""
    return ROOT / "fixtures" / "speech" / "user-1.flac"


def test_a_file_that_is_over_ends_the_conversation(mic):
    """The app closes with 1000; the transcript has the three strongest emotions; the last line says where and how to go on."""
    result, lines = recorded(mic, name="short")
    session = load_session(result.folder)
    assert result.problem is None
    assert (session.closed.by, session.closed.code) == ("app", 1000)
    assert types(session) == ["chat_metadata", "user_message", "assistant_message", "audio_output", "assistant_end"]
    assert any(re.fullmatch(r"user: Hello\. +\[joy 0\.90, interest 0\.80, calmness 0\.70\]", line) for line in lines)
    assert "assistant: Good day.\\x1b[31m" in lines
    assert (lines[0], lines[-1]) == ("connected", "closed")
    last = result.lines()[-1]
    assert last.startswith(f"session: sessions/{result.folder.name} (")
    assert last.endswith(f" events); replay it: evi-harness replay sessions/{result.folder.name}")
    assert session.header.user_interrupt == "dropped"
    assert check_session(result.folder) == []


@pytest.mark.parametrize(("close", "ended"), [((1000, ""), r"1000\b.*"), ((1011, "out of\x07order"), r"1011\b.*\(out of\\x07order\)")])
def test_a_close_by_the_service_is_a_clean_end(mic, close, ended):
    """All that had arrived reaches the handler; how it ended is told."""
    result, lines = recorded(mic, close=close)
    session = load_session(result.folder)
    assert (result.problem, session.header.complete) == (None, True)
    assert (session.closed.by, session.closed.code) == ("service", close[0])
    assert re.search(f"the service closed .* {ended}", result.ended)
    assert "assistant: Good day.\\x1b[31m" in lines


def test_the_duration_ends_it(mic, monkeypatch):
    """Whatever the file and the reply are about."""
    monkeypatch.setattr(live_session, "QUIET_S", 60.0)
    result, _ = recorded(mic, duration_s=0.3)
    assert result.ended == "--duration has elapsed"
    assert result.duration_ns >= 300_000_000
    assert load_session(result.folder).header.complete


def test_a_reply_that_is_owed_is_waited_for(mic, monkeypatch):
    """But not for ever; without that it would be over in a quarter of a second."""
    monkeypatch.setattr(live_session, "PATIENCE_S", 0.6)
    monkeypatch.setattr(live_session, "QUIET_S", 0.2)
    result, _ = recorded(mic, USER)
    assert result.duration_ns >= 600_000_000
    assert result.problem is None


class Mine:
    """A handler of the guide's shape, with its own stream of audio."""

    made = None

    def __init__(self):
        from hume import Stream

        Mine.made = self
        self.byte_strs = Stream.new()
        self.seen = []

    def set_socket(self, socket):
        self.seen.append("set_socket")

    async def on_open(self):
        self.seen.append("on_open")

    async def on_message(self, message):
        self.seen.append(message.type)

    async def on_close(self):
        self.seen.append("on_close")


def test_a_handler_of_the_guides_shape(mic, software):
    """It is built by us, called in the guide's order, and plays what it puts into its own stream: here nothing."""
    result, lines = recorded(mic, handler=Mine)
    assert result.problem is None
    assert Mine.made.seen == ["on_open", "set_socket", "chat_metadata", *(message["type"] for message in REPLY), "on_close"]
    assert lines == []
    assert software[0].speaker.playbacks == []


OWN = b"\x33\x22" * 160


class Bridge(Mine):
    """Sends its own audio when the connection is there, and when it is spoken to; plays what it gets."""

    async def set_socket(self, socket):
        self.socket = socket
        await socket._send({"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}})
        await socket._send(OWN)

    async def on_message(self, message):
        if message.type == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))
            await self.socket._send(OWN)


class SpeaksWhenSpokenTo(Bridge):
    """Sends its own audio only when it is spoken to, which the microphone's is needed for."""

    async def set_socket(self, socket):
        self.socket = socket


@pytest.mark.parametrize(("handler", "is_heard"), [(Bridge, False), (SpeaksWhenSpokenTo, True)])
def test_a_handler_that_sends_its_own_audio_is_the_only_one_from_then_on(mic, handler, is_heard):
    """What it sends is recorded, and what it plays is heard; a line says what became of the microphone."""
    result, _ = recorded(mic, handler=handler, allow_user_interrupt=True)
    session = load_session(result.folder)
    frames = [event.frame.payload for event in session.sent if event.frame.opcode == BINARY]
    assert (result.problem, session.header.complete, check_session(result.folder)) == (None, True, [])
    assert frames[-1] == OWN
    assert bool(set(frames) - {OWN}) is is_heard
    assert OWN not in frames[: -1 if is_heard else -2]
    assert re.search(r"handler's audio .*\bover$", result.ended)
    (note,) = [line for line in result.lines() if line.startswith("note: ")]
    told = "switched off at " if is_heard else "not opened"
    assert re.match(f"note: .*\\bsends .*\\bmicrophone .*{told}", note)
    samples, _ = soundfile.read(str(result.folder / "heard.wav"), dtype="int16", always_2d=True)
    assert wav.split(VOICE).samples in samples[:, 1].tobytes()


def test_without_a_microphone(mic, time_is_up_once):
    """None need be there, and none is opened; there is a speaker. Whether the app sends while it plays is its own business."""
    microphone, speaker = SoftwareMicrophone(FileSource(mic)), SoftwareSpeaker()
    time_is_up_once(lambda: speaker.heard_ns >= VOICE_NS)
    with serving() as url, software_sound(software_sounddevice(microphone, speaker)):
        result = record_live(LiveOptions(base_url=url, microphone="off", handler=Bridge, duration_s=60), lambda _: None)
    session = load_session(result.folder)
    assert (result.problem, result.silenced) == (None, None)
    assert microphone_bytes(session) == OWN * 2
    assert (microphone.began_at_ns, session.header.user_interrupt) == (None, "unknown")
    assert speaker.playbacks[0].samples.startswith(VOICE[44:])


def test_a_function_sees_all_and_playback_is_built_in(mic, software):
    """A function has no stream, so what the assistant says is played for it."""
    seen = []
    result, _ = recorded(mic, handler=lambda message: seen.append(message.type))
    assert result.problem is None
    assert seen == ["chat_metadata", *(message["type"] for message in REPLY)]
    assert software[0].speaker.playbacks[0].samples.startswith(VOICE[44:])


def test_a_handler_that_raises_does_not_end_the_conversation(mic):
    """The next message follows, the session is complete, and the fault is told with its place and exit code 3."""
    seen = []

    def wrong(message):
        seen.append(message.type)
        raise ValueError("no such luck")

    result, lines = recorded(mic, handler=wrong)
    assert seen[-1] == "assistant_end"
    assert load_session(result.folder).header.complete
    assert result.problem.exit_code == 3
    assert re.search(r"on_message .*ValueError: no such luck .*\bfirst of 5\b", str(result.problem))
    assert "test_record_live.py:" in result.problem.where
    assert len([line for line in lines if re.match("error: .*ValueError", line)]) == 5


def test_a_handler_that_reads_the_connection(mic, monkeypatch, tmp_path):
    """By a SPEC, with an argument, in a package: the file is played for it, the session is as any other and replays to the same handler."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "app" / "words.py").write_text("SEEN = []\n", encoding="utf-8")
    source = """
from pathlib import Path

from .words import SEEN


async def main(socket, stream, out):
    async for message in socket:
        SEEN.append(message.type)
        Path(out).write_text(",".join(SEEN), encoding="utf-8")
"""
    (tmp_path / "app" / "talk.py").write_text(source, encoding="utf-8")
    arguments = {"out": str(tmp_path / "seen")}
    result, lines = recorded(mic, handler="app/talk.py:main", arguments=arguments)
    session = load_session(result.folder)
    assert (result.problem, lines) == (None, [])
    assert re.search(r"file .*\bover$", result.ended)
    types_of_all = ["chat_metadata", *(message["type"] for message in REPLY)]
    assert (tmp_path / "seen").read_text().split(",") == types_of_all
    assert microphone_bytes(session)
    assert session.header.user_interrupt == "unknown"
    replay = replay_session(result.folder, handler="app/talk.py:main", arguments=arguments)
    assert replay.passed, replay.lines()
    assert (tmp_path / "seen").read_text().split(",") == types_of_all


@pytest.mark.parametrize("form", ["closure", "partial", "method"])
def test_every_form_of_handler_is_taken(mic, form):
    """Closures, partials and methods of an object."""
    seen = []

    def closure():
        async def talk(line):
            async for message in line:
                await asyncio.sleep(0)
                seen.append(message.type)

        return talk

    class Service:
        async def run(self, socket, n):
            await closure()(socket)

    handler = {"closure": closure(), "partial": functools.partial(Service().run, n=1), "method": Service().run}[form]
    result, _ = recorded(mic, handler=handler, arguments={"n": 1} if form == "method" else {})
    assert result.problem is None
    assert seen[-1] == "assistant_end"


def test_a_handler_that_sends_its_own_audio_ends_by_itself(mic):
    """The file is not played, and a line says so; the session holds what it sent."""

    async def main(socket):
        for _ in range(5):
            await websocket_of(socket).send(bytes(320))
        while (await socket.recv()).type != "assistant_end":
            pass

    result, _ = recorded(mic, handler=main, allow_user_interrupt=True)
    assert (result.problem, result.ended) == (None, "by the app")
    assert microphone_bytes(load_session(result.folder)) == bytes(1600)
    assert result.silenced is not None
    assert f"note: {result.silenced}" in result.lines()


def test_what_a_handler_that_reads_the_connection_raises_ends_it(mic):
    """With a complete session, the place, and exit code 3."""

    async def main(socket):
        async for message in socket:
            if message.type == "user_message":
                raise ValueError("no such luck")

    result, _ = recorded(mic, handler=main)
    assert load_session(result.folder).header.complete
    assert result.problem.exit_code == 3
    assert re.search("main .*ValueError: no such luck", str(result.problem))
    assert "test_record_live.py:" in result.problem.where


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"handler": "recorded"}, "plays a recording"),
        ({"arguments": {"place": "Bath"}}, "place.*no handler"),
        ({"handler": "app.py"}, "FILE.py:NAME"),
    ],
)
def test_what_is_no_handler_to_record_with_is_refused_before_anything(mic, options, says):
    """As a usage error, whatever else is missing."""
    with pytest.raises(UsageError, match=says):
        record_live(LiveOptions(mic=mic, base_url="http://127.0.0.1:9", **options), lambda _: None)


@pytest.mark.parametrize("where", ["on_open", "set_socket", "on_close", "on_error"])
def test_other_callbacks_that_raise_are_told(mic, where):
    """Whichever it is, the session is complete and readable."""

    def fail(*_):
        raise LookupError(f"in {where}")

    def on_message(message):
        if where == "on_error":
            raise ValueError("first")

    handler = type("Handler", (), {"on_message": staticmethod(on_message), where: fail})
    result, _ = recorded(mic, handler=handler)
    session = load_session(result.folder)
    assert (session.header.complete, result.problem.exit_code) == (True, 3)
    assert session.closed.code == 1000
    assert ("raised ValueError" if where == "on_error" else f"raised LookupError: in {where}") in str(result.problem)


def test_a_disk_that_fills_ends_the_recording_not_the_conversation(mic, monkeypatch):
    """The handler sees all; the folder opens and says that it is incomplete; so does the result, with exit code 3."""
    real, written = SessionWriter.write, []

    def write(self, event):
        written.append(event)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, event)

    monkeypatch.setattr(SessionWriter, "write", write)
    result, lines = recorded(mic)
    session = load_session(result.folder)
    assert lines[-1] == "closed"
    assert "assistant: Good day.\\x1b[31m" in lines
    assert (session.header.complete, len(session.events)) == (False, 4)
    assert result.problem.exit_code == 3
    assert "incomplete" in str(result.problem)
    assert "No space left" in str(result.problem)


def test_token_and_keys_stand_nowhere(mic, monkeypatch, capfd):
    """With a secret key a token is got and used; neither key nor token is in a file, in a line or on the terminal."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", SECRET)
    said = {**SAID, "message": {"role": "assistant", "content": f"Your key is {KEY}."}}
    result, lines = recorded(mic, CHAT, said, END, handler=None)
    asked = load_session(result.folder).handshake
    assert any(name.replace("_", "").lower() == "accesstoken" for name, _ in asked.query)
    written = b"".join(file.read_bytes() for file in result.folder.rglob("*") if file.is_file())
    told = "\n".join((*lines, *result.lines(), *capfd.readouterr())).encode()
    for secret in (KEY, SECRET, base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()):
        assert secret.encode() not in written
        assert secret.encode() not in told


def test_the_environment_is_read_from_dotenv(mic, tmp_path, monkeypatch):
    """Key, configuration and endpoint; what is given wins over it."""
    with serving(key=KEY) as url:
        monkeypatch.setenv("HUME_API_KEY", "")
        monkeypatch.delenv("HUME_API_KEY")
        (tmp_path / ".env").write_text(f"HUME_API_KEY={KEY}\nHUME_CONFIG_ID=from-env\nHUME_BASE_URL={url}/v0/evi/chat\n")
        with monkeypatch.context() as patch:
            # What load_dotenv sets is taken back at the end.
            for name in ("HUME_API_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL"):
                patch.setenv(name, "")
                patch.delenv(name)
            first = record_live(LiveOptions(mic=mic, duration_s=0.1), lambda _: None)
            second = record_live(LiveOptions(mic=mic, duration_s=0.1, config_id="mine"), lambda _: None)
    asked = [dict(load_session(result.folder).handshake.query)["config_id"] for result in (first, second)]
    assert asked == ["from-env", "mine"]


def refused(url, mic, **options):
    """The error of a recording that could not begin; nothing is left behind, and no exception with a request in it hangs on it."""
    with pytest.raises(EviHarnessError) as raised:
        record_live(LiveOptions(mic=mic, base_url=url, **options), lambda _: None)
    assert not (mic.parent / "sessions").exists()
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    return raised.value


def test_a_wrong_key_is_told(mic, monkeypatch):
    """In words, with the variables to look at, and without the key."""
    monkeypatch.setenv("HUME_API_KEY", "WrongKeyOfSomebody12345")
    with serving(key=KEY) as url:
        error = refused(url, mic)
    assert "401" in str(error)
    assert "HUME_API_KEY" in str(error)
    assert "WrongKey" not in str(error)


def test_an_endpoint_that_is_no_evi_is_told(mic):
    """It answers 404 where the chat should be."""
    with serving() as url:
        assert "404" in str(refused(f"{url}/elsewhere", mic))


def test_nothing_listens(mic):
    """The address is told, and the simulator."""
    error = refused("http://127.0.0.1:1", mic)
    assert "nothing listens there" in str(error)
    assert "serve --simulate" in str(error)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"base_url": "https://evi.example.com"}, EviHarnessError, "HUME_API_KEY is not set"),
        ({"base_url": "ftp://evi.example.com"}, UsageError, "ftp"),
        ({"device": "0"}, UsageError, "device"),
        ({"microphone": "loud"}, UsageError, "no microphone 'loud'"),
        ({"microphone": "off"}, UsageError, "^mic .*microphone"),
        ({"microphone": "off", "mic": None, "device": "0"}, UsageError, "^device .*microphone"),
        ({"microphone": "off", "mic": None, "allow_user_interrupt": True}, UsageError, "^allow_user_interrupt .*microphone"),
        ({"handler": "app.py"}, UsageError, "FILE.py:NAME"),
        ({"handler": "app.py:Handler"}, EviHarnessError, "app.py is not there"),
        ({"handler": 7}, UsageError, "handler"),
        ({"out": "mic.wav/below"}, EviHarnessError, "no session .*written"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_connected(mic, options, kind, said):
    """One error each, of its kind, and no folder."""
    fields = {"mic": mic, "base_url": "http://127.0.0.1:1", **options}
    if "out" in fields:
        fields["out"] = Path(fields["out"])
    with pytest.raises(kind, match=said) as raised:
        record_live(LiveOptions(**fields), lambda _: None)
    assert raised.value.exit_code == (2 if kind is UsageError else 3)
    assert not (mic.parent / "sessions").exists()


MICROPHONE = Device(0, "Built-in Microphone", "ALSA", 1, 0, ("input",))
SPEAKER = Device(1, "Built-in Speaker", "ALSA", 0, 2, ("output",))
OTHER = Device(2, "USB Microphone", "ALSA", 1, 0)


@pytest.mark.parametrize(
    ("devices", "wanted", "said"),
    [
        ([], None, "no microphone\\b"),
        ([SPEAKER], None, "no microphone\\b"),
        ([MICROPHONE], None, "no speaker"),
        ([OTHER, SPEAKER], None, "no microphone .*default"),
        ([MICROPHONE, SPEAKER], "4", "no input device '4'"),
        ([MICROPHONE, SPEAKER], "speaker", "'speaker'"),
        ([MICROPHONE, SPEAKER, OTHER], "mic", "2 input devices"),
    ],
)
def test_no_such_microphone(monkeypatch, devices, wanted, said):
    """Told before anything is connected, with what to do."""
    monkeypatch.setattr(live_session, "list_devices", lambda: devices)
    with pytest.raises(EviHarnessError, match=said) as raised:
        record_live(LiveOptions(base_url="http://127.0.0.1:1", device=wanted), lambda _: None)
    assert raised.value.hint


@pytest.mark.parametrize(("wanted", "index"), [(None, None), ("2", 2), ("usb", 2), ("built", 0)])
def test_a_device_by_index_or_name(monkeypatch, wanted, index):
    """None is the default one."""
    monkeypatch.setattr(live_session, "list_devices", lambda: [MICROPHONE, SPEAKER, OTHER])
    assert live_session._microphone(wanted) == index


@pytest.mark.parametrize("devices", [[], [MICROPHONE]])
def test_without_a_microphone_a_speaker_is_needed(monkeypatch, devices):
    """And the hint leads to a way that needs none, not to an option that cannot go with this one."""
    monkeypatch.setattr(live_session, "list_devices", lambda: devices)
    with pytest.raises(EviHarnessError, match="no speaker") as raised:
        record_live(LiveOptions(base_url="http://127.0.0.1:1", microphone="off"), lambda _: None)
    assert re.search("microphone='off', .*mic=FILE .*no sound system", raised.value.hint)


@pytest.mark.parametrize("device", [None, "1", "0", "software MIC"])
def test_a_microphone_of_the_machine(mic, device, time_is_up_once):
    """The SDK listens to the device that was named and plays to the default one; here both are software, set up from outside."""
    microphone, speaker = SoftwareMicrophone(FileSource(mic)), SoftwareSpeaker()
    stand_in = software_sounddevice(microphone, speaker)
    options = LiveOptions(duration_s=60, device=device, allow_user_interrupt=True)
    answers = Answers(REPLY, None)
    time_is_up_once(lambda: speaker.heard_ns >= VOICE_NS and answers.n_heard >= 1600)
    with serving_in_thread(lambda _: answers) as url, software_sound(stand_in):
        if device == "1":
            with pytest.raises(UsageError, match="has no input"):
                record_live(replace(options, base_url=url), lambda _: None)
            return
        result = record_live(replace(options, base_url=url), lambda _: None)
    played, _ = soundfile.read(str(mic), dtype="int16")
    assert (result.problem, result.ended) == (None, "--duration has elapsed")
    assert microphone_bytes(load_session(result.folder)).startswith(played.tobytes())
    assert speaker.playbacks[0].samples.startswith(VOICE[44:])


def test_sound_that_fails_ends_the_conversation(mic):
    """What the SDK's playback raises is told with the way without a sound system; the session is complete."""
    broken = {**SOUND, "data": base64.b64encode(b"RIFF\0\0\0\0WAVE no such thing, but as long as a header is").decode()}
    result, _ = recorded(mic, USER, broken)
    assert (result.problem.exit_code, result.ended) == (3, "by an error")
    assert re.search("microphone or .*failed", str(result.problem))
    assert load_session(result.folder).header.complete


def test_a_missing_portaudio_names_the_way_without(monkeypatch):
    """Beside how it is installed."""

    def missing():
        raise EviHarnessError("PortAudio is not installed", hint="install it")

    monkeypatch.setattr(live_session, "list_devices", missing)
    with pytest.raises(EviHarnessError, match=r"install it\. mic=FILE"):
        record_live(LiveOptions(base_url="http://127.0.0.1:1"), lambda _: None)


def test_the_folder_of_sessions_is_left_as_it_was(mic, tmp_path):
    """One that was there stays, empty as it is; what was made for a recording that never began is taken away."""
    (tmp_path / "there").mkdir()
    for out in ("there", "new/and/newer"):
        with pytest.raises(EviHarnessError):
            record_live(LiveOptions(mic=mic, base_url="http://127.0.0.1:1", out=Path(out)), lambda _: None)
    assert list((tmp_path / "there").iterdir()) == []
    assert not (tmp_path / "new").exists()
