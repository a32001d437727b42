from __future__ import annotations

import asyncio
import json
import re
import sys

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.hume.microphone import microphone_settings, microphone_trouble, run_microphone, run_playback
from evi_harness.sdk.hume.playback_queue import virtual_playback_queue
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.sdk.user_voice import require_microphone
from evi_harness.session import wav
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.wav import Pcm

MS = 1_000_000
NARROW = Pcm(16000, 1)


class Socket:
    """What the SDK's microphone needs of a connection; it is closed after so many frames."""

    def __init__(self, n_frames=5):
        self.settings, self.audio, self.n_frames = [], [], n_frames

    async def send_publish(self, message):
        self.settings.append(message)

    send_session_settings = send_publish

    async def _send(self, data):
        if len(self.audio) == self.n_frames:
            raise ConnectionClosedOK(None, None)
        self.audio.append(data)


def spoken(socket, *, byte_strs=None, allow_user_interrupt=None, cancel_at_ms=None, pcm=NARROW):
    """Runs the microphone in virtual time; gives what it raised, and the tasks and devices that were left at its end."""

    async def main(loop):
        speaker, microphone = SoftwareSpeaker(clock=loop), SoftwareMicrophone(SilenceSource(pcm), clock=loop)
        with software_sound(software_sounddevice(microphone, speaker)), virtual_playback_queue(loop, speaker):
            stream = await byte_strs() if byte_strs else None
            running = asyncio.ensure_future(run_microphone(socket, stream, allow_user_interrupt))
            if cancel_at_ms is not None:
                loop.call_at_ns(cancel_at_ms * MS, running.cancel)
            await asyncio.wait({running}, timeout=10)
            raised = asyncio.CancelledError() if running.cancelled() else running.exception()
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            playing = [one for one in speaker.playbacks if one.ended_ns is None]
            return raised, left, microphone.is_open or bool(playing)

    return run_virtual(main)


def stream_of(*items):
    """Makes a stream that holds these items."""

    async def make():
        from hume import Stream

        stream = Stream.new()
        for item in items:
            await stream.put(item)
        return stream

    return make


WAV = wav.header(Pcm(24000, 1), 9600) + b"\1\0" * 4800


@pytest.mark.parametrize("pcm", [Pcm(16000, 1), Pcm(48000, 2)])
def test_the_settings_are_those_that_the_sdk_sends(pcm):
    """Compared by value, as a replay compares them."""
    socket = Socket()
    spoken(socket, pcm=pcm)
    (sent,) = socket.settings
    dump = getattr(sent, "model_dump", None) or sent.dict
    fields = dump(exclude_unset=True, exclude_none=True)
    assert {"type": "session_settings", **fields} == microphone_settings(pcm)
    assert EVI.sets_audio(EVI.read("sent", Frame(TEXT, json.dumps(microphone_settings(pcm)).encode())))


@pytest.mark.parametrize(
    ("byte_strs", "error", "cancel_at_ms"),
    [
        (None, ConnectionClosed, None),
        (stream_of(WAV), ConnectionClosed, None),
        (stream_of(wav.header(Pcm(24000, 1, 1), 100) + bytes(100)), Exception, None),
        (stream_of(WAV), asyncio.CancelledError, 35),
    ],
    ids=["closed", "closed while it plays", "cannot be played", "cancelled"],
)
def test_nothing_is_left_behind(byte_strs, error, cancel_at_ms):
    """However it ends: no task of the SDK's, no open device; and the SDK's print is as it was."""
    raised, left, is_open = spoken(Socket(), byte_strs=byte_strs, cancel_at_ms=cancel_at_ms, allow_user_interrupt=True)
    assert isinstance(raised, error)
    assert (left, is_open) == ([], False)
    assert "print" not in vars(sys.modules["hume.empathic_voice.chat.audio.microphone_interface"])


@pytest.mark.parametrize(("allowed", "is_sent"), [(True, True), (False, False), (None, False)])
def test_whether_it_is_sent_while_the_assistant_plays(allowed, is_sent):
    """As told; the SDK's default is not to."""
    socket = Socket(n_frames=100)
    spoken(socket, byte_strs=stream_of(WAV), allow_user_interrupt=allowed, cancel_at_ms=105)
    assert (len(socket.audio) == 10) is is_sent


def played(byte_strs, cancel_at_ms=500):
    """Plays in virtual time and sends nothing; gives what it raised, what was heard, and the tasks that were left."""
    socket = Socket()

    async def main(loop):
        speaker, microphone = SoftwareSpeaker(clock=loop), SoftwareMicrophone(SilenceSource(NARROW), clock=loop)
        with software_sound(software_sounddevice(microphone, speaker)), virtual_playback_queue(loop, speaker):
            running = asyncio.ensure_future(run_playback(socket, await byte_strs()))
            loop.call_at_ns(cancel_at_ms * MS, running.cancel)
            await asyncio.wait({running})
            raised = None if running.cancelled() else running.exception()
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not microphone.is_open
            return raised, b"".join(one.samples for one in speaker.playbacks), left

    found = run_virtual(main)
    assert (socket.settings, socket.audio) == ([], [])
    return found


def test_playback_alone_plays_and_sends_nothing():
    """Neither audio nor its format, until it is cancelled; nothing is left behind."""
    raised, heard, left = played(stream_of(WAV, WAV))
    assert (raised, left) == (None, [])
    # What the SDK loses at the end of a chunk is below a block.
    assert heard.startswith(wav.split(WAV).samples[:9000])
    assert len(heard) > 2 * 9000


def test_playback_alone_raises_what_playback_raises():
    """And leaves nothing behind."""
    raised, _, left = played(stream_of(wav.header(Pcm(24000, 1, 1), 100) + bytes(100)))
    assert raised is not None
    assert left == []


@pytest.mark.parametrize("name", ["on", "", None, "OFF"])
def test_what_is_no_microphone_is_refused(name):
    """With those that there are."""
    with pytest.raises(UsageError) as refused:
        require_microphone(name)
    assert refused.value.what.endswith(f" microphone {name!r}")
    assert all(one in refused.value.hint for one in ("auto", "sdk", "off"))
    for known in ("auto", "sdk", "off"):
        require_microphone(known)


def test_the_terminal_hears_nothing(capsys):
    """Of what the SDK prints."""
    spoken(Socket())
    assert capsys.readouterr().out == ""


def test_what_the_sdk_lacks_is_told(monkeypatch):
    """And that nothing is lacking; the audio packages are an extra of the SDK's."""
    with software_sound(software_sounddevice(SoftwareMicrophone(SilenceSource()), SoftwareSpeaker())):
        assert microphone_trouble() is None
        failed = [ModuleNotFoundError("no", name="_cffi_backend")]
        monkeypatch.setattr("hume.empathic_voice.chat.audio.microphone._FAILED_IMPORTS", failed)
        assert re.search(r"microphone .* _cffi_backend .*pip install 'hume\[microphone\]'", microphone_trouble())
