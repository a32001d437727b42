"""Who sends audio over a connection: told by who calls, on a connection that only keeps what it is given."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.carriers.acted_client import send_frame
from evi_harness.sdk.hume.own_audio import OwnAudio
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.sdk.user_voice import UserVoice
from evi_harness.session.events import BINARY, TEXT, Frame

AUDIO = json.dumps({"type": "audio_input", "data": base64.b64encode(bytes(4)).decode()})
ESCAPED = AUDIO.replace("audio_input", "audio\\u005finput")


@pytest.fixture(autouse=True)
def _sound():
    """Without it the SDK's microphone cannot be imported where there is no sound system."""
    with software_sound(software_sounddevice(SoftwareMicrophone(SilenceSource()), SoftwareSpeaker())):
        yield


class Connection:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = []

    async def send(self, message):
        self.sent.append(message)


class Socket:
    """The SDK's connection, as far as its microphone knows it."""

    def __init__(self, connection):
        self.connection = connection

    async def _send(self, data):
        await self.connection.send(data)


async def blocks(*payloads):
    """A microphone that hears so much."""
    for payload in payloads:
        yield payload


async def from_microphone(connection, *payloads):
    """Send as the SDK's own microphone does."""
    from hume.empathic_voice.chat.audio.microphone_sender import MicrophoneSender

    sender = MicrophoneSender.new(microphone=blocks(*payloads), allow_interrupt=True)
    await sender.send(socket=Socket(connection))


def watched(act, voice=None):
    """Run a coroutine function with a connection that is watched; gives how often own audio was found, and what was sent."""
    found, connection = [], Connection()

    async def main():
        own = OwnAudio(voice or UserVoice(), lambda: found.append(len(connection.sent)))
        own.watch(connection)
        await act(connection)
        own.restore()
        assert "send" not in vars(connection)

    asyncio.run(main())
    return found, connection.sent


@pytest.mark.parametrize("message", [b"ab", bytearray(b"ab"), memoryview(b"ab"), b"", AUDIO, ESCAPED])
def test_audio_of_the_apps_own_is_found_before_it_is_sent(message):
    """In a binary frame, which may be empty, and in a message; once, and it is sent as it is."""

    async def act(connection):
        await connection.send(json.dumps({"type": "user_input", "text": "audio_input"}))
        await connection.send(message)
        await connection.send(message)

    found, sent = watched(act)
    assert found == [1]
    assert sent[1:] == [message, message]


@pytest.mark.parametrize(
    "message", ["", "{", "[]", "\ud800 audio_input", '{"type": "session_settings"}', '{"type": "audio_output", "data": "AAAA"}']
)
def test_a_message_without_audio_is_none(message):
    """Whatever it is."""
    assert watched(lambda connection: connection.send(message)) == ([], [message])


@pytest.mark.parametrize("frame", [Frame(BINARY, b"ab"), Frame(TEXT, AUDIO.encode())])
def test_the_recorded_audio_is_not_the_apps(frame):
    """What is acted out of the recording comes from us."""
    found, sent = watched(lambda connection: send_frame(connection, frame))
    assert (found, len(sent)) == ([], 1)


def test_what_the_sdks_microphone_sends_is_not_the_apps():
    """Whoever runs it, also in a task of its own."""

    async def act(connection):
        await from_microphone(connection, b"ab", b"cd")
        await asyncio.ensure_future(from_microphone(connection, b"ef"))

    assert watched(act) == ([], [b"ab", b"cd", b"ef"])


def test_what_a_task_sends_is_the_apps():
    """Also where nothing but Python and the SDK is on its stack."""

    async def act(connection):
        await asyncio.ensure_future(connection.send(b"ab"))
        await asyncio.gather(asyncio.ensure_future(Socket(connection)._send(b"cd")))

    assert watched(act) == ([0], [b"ab", b"cd"])


@pytest.mark.parametrize(
    ("voice", "kept"),
    [
        (UserVoice(is_off=True, has_begun=True), [b"mic", b"own"]),
        (UserVoice(is_off=True), [b"mic", b"own", b"mic"]),
        (UserVoice(has_begun=True), [b"mic", b"own", b"mic"]),
    ],
    ids=["ours, off", "the app's own", "on"],
)
def test_the_sdks_microphone_is_silenced_where_it_is_ours_and_off(voice, kept):
    """From the first frame of the app's own on; what else is sent is sent."""

    async def act(connection):
        await from_microphone(connection, b"mic")
        await connection.send(b"own")
        await from_microphone(connection, b"mic")
        await connection.send(AUDIO)
        await connection.send("{}")
        await send_frame(connection, Frame(BINARY, b"recorded"))

    assert watched(act, voice) == ([1], [*kept, AUDIO, "{}", b"recorded"])


def test_a_message_in_fragments_is_left_alone():
    """No service of EVI's takes one."""

    async def act(connection):
        await connection.send([b"ab", b"cd"])

    assert watched(act) == ([], [[b"ab", b"cd"]])
