"""Who sends the user's audio: through whole replays, and what is read off a recording before one."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.audio.sources import SilenceSource, UserTrack
from evi_harness.evi.dialect import EVI
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.user_audio import user_audio
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session import wav
from evi_harness.session.wav import Pcm

MS = 1_000_000
RATE = 16000
SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": RATE, "channels": 1}}
CHAT = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}


def spoken(number, n_ms):
    """Samples of so many milliseconds that are told from all others."""
    return (number + 1).to_bytes(2, "little") * (RATE * n_ms // 1000)


def microphone(begin_ms, end_ms, block_ms=20):
    """Rows of frames as a microphone's that was opened at a time: each is sent when it is full."""
    return [("sent", at_ms + block_ms, spoken(at_ms, block_ms)) for at_ms in range(begin_ms, end_ms, block_ms)]


def chunk(number, n_ms, rate=24000):
    """A message with so many milliseconds of audio."""
    samples = (number + 1).to_bytes(2, "little") * (rate * n_ms // 1000)
    data = base64.b64encode(wav.header(Pcm(rate, 1), len(samples)) + samples).decode()
    return {"type": "audio_output", "id": "s", "index": number, "data": data}


@pytest.fixture
def session(session_of):
    """Half a second of speech from 40 ms on, then a reply of 200 ms; the app closes at one second."""
    rows = [("received", 30, CHAT), ("sent", 39, SETTINGS), *microphone(40, 540), ("received", 700, chunk(0, 200))]
    return session_of([*sorted(rows, key=lambda row: row[1]), ("closed", 1500, ("app", 1000, ""))])


class Plays:
    """Puts what is to be played into byte_strs, as the quickstart does."""

    def __init__(self):
        from hume import Stream

        self.byte_strs = Stream.new()

    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        if message.type == "audio_output":
            await self.byte_strs.put(base64.b64decode(message.data))


class OnlyHears:
    """Has no byte_strs."""

    def on_message(self, message): ...


class OpensItself(Plays):
    """Opens the microphone in the callback that the class names, as some apps after Hume's guide do."""

    allow_user_interrupt = True

    async def speak(self):
        from hume import MicrophoneInterface

        await MicrophoneInterface.start(self.socket, byte_stream=self.byte_strs, allow_user_interrupt=self.allow_user_interrupt)

    def set_socket(self, socket):
        super().set_socket(socket)
        self.task = asyncio.ensure_future(self.speak())

    async def on_close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def replayed(session, handler, **options):
    """The result of a replay; the same twice over where time is virtual."""
    result = replay_session(session, handler=handler, write=lambda line: None, **{"twice": options.get("clock") != "real", **options})
    assert not result.report.twice, result.report.twice
    return result


def audio_of(session):
    """The user's audio that was sent, and when."""
    return [(event.at_ns, event.frame.payload) for event in session.sent if not event.frame.is_text]


def notes(result, name):
    """The notes of one name."""
    return [note for note in result.session.notes if note.name == name]


@pytest.mark.parametrize("handler", [None, Plays, OnlyHears, OpensItself], ids=["built in", "class", "no byte_strs", "itself"])
def test_the_sdks_microphone_sends_what_was_said_when_it_was_said(session, handler):
    """Block by block, at the recorded times, through the SDK; behind it silence until the close. One message tells of the format."""
    result = replayed(session, handler)
    assert result.passed, result.lines()
    live, recorded = audio_of(result.session), audio_of(session)
    assert live[: len(recorded)] == recorded
    assert len(live) > len(recorded)
    assert set(itertools.chain.from_iterable(payload for _, payload in live[len(recorded) :])) == {0}
    assert sum(event.frame.is_text for event in result.session.sent) == 1
    assert not notes(result, "sent_as_recorded")


def test_a_function_gets_the_recorded_frames(session):
    """It has no connection to open a microphone on."""
    result = replayed(session, lambda message: None)
    assert result.passed
    assert audio_of(result.session) == audio_of(session)


def test_what_the_sdk_says_to_the_terminal_is_kept_from_it(session, capsys):
    """Nobody is there to say something."""
    replayed(session, Plays)
    assert capsys.readouterr().out == ""


def test_replies_are_played(session_of, session):
    """What is in byte_strs keeps the microphone from being sent as long as it is heard, where interrupting is not allowed."""
    rows = [("received", 30, CHAT), ("sent", 39, SETTINGS), *microphone(40, 340), ("received", 350, chunk(0, 200)), *microphone(560, 800)]
    gap = [at_ns // MS for at_ns, _ in audio_of(session_of(rows))]
    for allowed, n_dropped in (("dropped", 10), ("unknown", 10), ("allowed", 0)):
        recorded = session_of([*rows, ("closed", 900, ("app", 1000, ""))], user_interrupt=allowed)
        sent = [at_ns // MS for at_ns, _ in audio_of(replayed(recorded, Plays).session) if at_ns <= 800 * MS]
        assert set(gap) <= set(sent)
        assert len(range(60, 801, 20)) - len(sent) == n_dropped


def test_a_burst_stalls_the_loop_and_is_not_the_handlers_fault(session_of):
    """A hundred chunks of 200 ms at once: no deadlock, and 13.2 s of the SDK's own making, which was measured in real time."""
    burst = [("received", 600, chunk(number, 200)) for number in range(100)]
    rows = [("received", 30, CHAT), ("sent", 39, SETTINGS), *microphone(40, 540), *burst, ("closed", 30_000, ("app", 1000, ""))]
    result = replayed(session_of(rows), Plays)
    stalls = notes(result, "playback_stall")
    assert result.passed
    assert abs(sum(note.data["blocked_ns"] for note in stalls) - 13_200 * MS) < 500 * MS
    assert all(note.of is None and "audio_utilities.py:" in note.data["what"] for note in stalls)
    assert not notes(result, "blocked")
    assert any(line.startswith("note ") and "playback queue, " in line for line in result.lines())


def test_what_the_player_had_taken_is_a_note(session_of):
    """Interrupted 300 ms into a reply of a second that lies with the player; the handler hands on no more, so it plays on nothing."""
    interruption = {"type": "user_interruption", "time": 900}
    reply = [("received", 600, chunk(number, 500)) for number in range(2)]
    rows = [("received", 30, CHAT), ("sent", 39, SETTINGS), *microphone(40, 540), *reply, ("received", 900, interruption)]
    result = replayed(session_of([*rows, ("closed", 3000, ("app", 1000, ""))], user_interrupt="allowed"), Plays)
    (note,) = notes(result, "player_tail")
    assert result.passed
    # The SDK's blocks are of 256 frames.
    assert abs(note.data["tail_ns"] - 700 * MS) < 256 / 24000 * 1e9


class PutsNoAudio(Plays):
    """Puts what the SDK cannot play."""

    async def on_message(self, message):
        if message.type == "audio_output":
            await self.byte_strs.put(wav.header(Pcm(24000, 1, 1), 100) + bytes(100))


def test_a_microphone_that_fails_is_a_finding_and_ends_the_app(session):
    """As in the quickstart, whose main ends with it; nothing hangs, and what did not happen is its consequence."""
    result = replayed(session, PutsNoAudio)
    (finding,) = [one for one in result.verdict.findings if one.kind == "raised"]
    assert finding.ended
    assert re.match("the SDK's microphone .* raised ", finding.what)
    assert result.verdict.deviations == ()
    assert result.session.closed.by == "app"
    assert 700 * MS <= result.session.closed.at_ns < 800 * MS


def in_files(rows, rate=16000):
    """The same frames, each a WAV file."""
    pcm = Pcm(rate, 1)
    return [(kind, at_ms, wav.header(pcm, len(samples)) + samples) for kind, at_ms, samples in rows]


OTHER_SETTINGS = {**SETTINGS, "system_prompt": "Be brief."}
WEBM = b"\x1aE\xdf\xa3" + bytes(60)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("sent", 39, OTHER_SETTINGS), *microphone(40, 540)], "describe its audio"),
        ([("sent", 60, WEBM), ("sent", 160, WEBM)], "16-bit PCM at event 2"),
        ([("sent", 39, SETTINGS), *[("sent", 100, spoken(number, 100)) for number in range(30)]], "faster than"),
        ([("sent", 39, SETTINGS), *in_files(microphone(40, 540))], "with WAV headers"),
        ([("sent", 39, SETTINGS), *in_files(microphone(40, 540), 8000)], "with WAV headers"),
        ([("sent", 39, SETTINGS), *microphone(40, 240), *in_files(microphone(240, 540), 8000)], "format at event 13"),
    ],
    ids=["told otherwise", "webm", "a file", "files", "files at another rate than told", "files behind plain samples"],
)
@pytest.mark.parametrize("handler", [None, Plays], ids=["built in", "object"])
def test_what_the_sdks_microphone_would_not_send_is_sent_as_it_was(session_of, rows, why, handler):
    """All of it, at its times, and a note says why."""
    session = session_of([("received", 30, CHAT), *rows, ("closed", 1500, ("app", 1000, ""))])
    result = replayed(session, handler)
    assert result.passed, result.lines()
    assert [event.frame for event in result.session.sent] == [event.frame for event in session.sent]
    (note,) = notes(result, "sent_as_recorded")
    assert why in note.data["what"]
    assert any(why in line for line in result.lines())


QUERY = [(f"session_settings[audio][{name}]", str(value)) for name, value in SETTINGS["audio"].items()]


@pytest.mark.parametrize("handler", [None, Plays, lambda message: None], ids=["built in", "object", "function"])
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_the_format_may_stand_in_the_handshake(session_of, handler, clock):
    """Replays say it there too, as far as the SDK can, and no message more; what is sent in it is taken."""
    session = session_of([("received", 30, CHAT), *microphone(40, 540), ("closed", 700, ("app", 1000, ""))], query=QUERY)
    result = replayed(session, handler, clock=clock)
    assert result.passed, result.lines()
    assert [event.frame for event in result.session.sent] == [event.frame for event in session.sent]
    told = EVI.reader(result.session.handshake).told
    if told.user is not None:
        assert told.user == Pcm(RATE, 1)
        audio = result.session.audio(EVI)
        assert {audio.length_ns(event.seq) for event in result.session.sent} == {20 * MS}
    else:
        assert tuple(map(int, installed_version().split(".")[:3])) < (0, 12, 1)


def test_both_ways_of_telling_the_format_go_together(session_of):
    """In the handshake and in a message: then the SDK's microphone stands for the recorded app."""
    rows = [("received", 30, CHAT), ("sent", 39, SETTINGS), *microphone(40, 540), ("closed", 700, ("app", 1000, ""))]
    result = replayed(session_of(rows, query=QUERY), Plays)
    assert result.passed, result.lines()
    assert not notes(result, "sent_as_recorded")


def test_an_app_that_listens_by_itself_is_not_spoken_for(session_of):
    """Also where the SDK's microphone could not stand for it: its own frames are all that is sent."""

    class Listens(Plays):
        def set_socket(self, socket):
            import sounddevice

            super().set_socket(socket)
            self.heard = asyncio.Queue()
            loop = asyncio.get_running_loop()

            def take(block, *_):
                loop.call_soon_threadsafe(self.heard.put_nowait, bytes(block))

            self.stream = sounddevice.RawInputStream(callback=take, dtype="int16")
            self.stream.start()
            self.task = asyncio.ensure_future(self.speak())

        async def speak(self):
            await self.socket._send(OTHER_SETTINGS)
            while True:
                await self.socket._send(await self.heard.get())

        async def on_close(self):
            self.stream.stop()
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    session = session_of([("received", 30, CHAT), ("sent", 39, OTHER_SETTINGS), *microphone(40, 540), ("closed", 1500, ("app", 1000, ""))])
    result = replayed(session, Listens)
    assert result.passed, result.lines()
    assert audio_of(result.session)[:25] == audio_of(session)
    assert not notes(result, "sent_as_recorded")


@pytest.mark.parametrize("handler", [None, Plays, OpensItself], ids=["built in", "object", "itself"])
def test_where_nobody_spoke_no_microphone_is_opened(session_of, handler):
    """A session that was typed, and one whose sent side is not known, send no audio and tell of none; an app's own microphone is silent."""
    for rows in ([("received", 30, CHAT)], [("received", 30, CHAT), ("received", 700, chunk(0, 200))]):
        result = replayed(session_of([*rows, ("closed", 900, ("app", 1000, ""))]), handler)
        is_silent = not any(itertools.chain.from_iterable(payload for _, payload in audio_of(result.session)))
        assert is_silent
        assert bool(result.session.sent) is (handler is OpensItself)


@pytest.mark.slow
@pytest.mark.parametrize("handler", [Plays, OpensItself], ids=["object", "itself"])
def test_in_real_time_too(session, handler):
    """What was said comes whole and in order, through the SDK; the session passes."""
    result = replayed(session, handler, clock="real")
    assert [one.kind for one in result.verdict.findings if one.kind != "maybe_blocked"] == []
    assert result.verdict.deviations == ()
    said = b"".join(payload for _, payload in audio_of(session))
    assert b"".join(payload for _, payload in audio_of(result.session)).startswith(said)


def test_what_is_read_off_a_recording(session):
    """The track, when it began, in which blocks, and what the microphone sends by itself."""
    audio = user_audio(PlayedRecording.of(session, EVI), EVI, HUME)
    assert isinstance(audio.source, UserTrack)
    assert (audio.begins_ns, audio.block_frames, audio.why_not) == (40 * MS, 320, None)
    assert audio.seqs == {event.seq for event in session.sent}
    assert EVI.sets_audio(EVI.read("sent", session.sent[0].frame))


@pytest.mark.parametrize(("header", "allowed"), [("allowed", True), ("dropped", False), ("unknown", None)])
def test_whether_interrupting_was_allowed_is_the_headers_word(session_of, header, allowed):
    """Where it says nothing, the SDK's default holds."""
    rows = [("sent", 39, SETTINGS), *microphone(40, 140)]
    assert user_audio(PlayedRecording.of(session_of(rows, user_interrupt=header), EVI), EVI, HUME).allow_user_interrupt is allowed


def test_silence_is_all_where_nobody_spoke(session_of):
    """And there is nothing to begin."""
    audio = user_audio(PlayedRecording.of(session_of([("received", 30, CHAT)]), EVI), EVI, HUME)
    assert isinstance(audio.source, SilenceSource)
    assert (audio.begins_ns, audio.seqs, audio.why_not) == (None, frozenset(), None)


class QueuesText(Plays):
    """Forgets to decode."""

    async def on_message(self, message):
        if message.type == "audio_output":
            await self.byte_strs.put(message.data)


def test_playback_that_dies_is_a_finding(session):
    """In life PortAudio prints what the callback raised and is silent from then on; here it is told, with what byte_strs takes."""
    result = replayed(session, QueuesText)
    # What is no audio cannot be judged, either.
    (finding,) = [one for one in result.findings if one.kind == "raised"]
    assert {one.kind for one in result.findings} == {"raised", "unjudged_audio"}
    assert "concat str to bytes" in finding.what
    assert "b64decode" in finding.detail[0]
