from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import queue
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import FileSource, PcmSource, SilenceSource
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import StuckError
from evi_harness.sdk.hume.connection import open_chat
from evi_harness.sdk.hume.playback_queue import virtual_playback_queue
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session import wav
from evi_harness.session.events import TEXT, Frame, Opened, Sent
from evi_harness.session.protocols import Close, Send
from evi_harness.session.wav import Pcm

ROOT = Path(__file__).resolve().parents[3]
MS = 1_000_000
WIDE = Pcm(48000, 1)


class Service:
    """Sends audio at its times (ms) and closes at the end; keeps what it takes."""

    def __init__(self, audio, end_ms):
        self.taken = []
        self._todo = [(at_ms * MS, Send(spoken(samples, pcm), due_ns=at_ms * MS)) for at_ms, samples, pcm in audio]
        self._todo.append((end_ms * MS, Close()))

    def take(self, event, at_ns):
        if isinstance(event, Sent):
            self.taken.append((at_ns, event.frame))
        assert isinstance(event, (Opened, Sent)) or not self._todo

    def due(self, at_ns):
        ready = [action for due_ns, action in self._todo if due_ns <= at_ns]
        del self._todo[: len(ready)]
        return ready

    def next_at_ns(self):
        return self._todo[0][0] if self._todo else None

    @property
    def settings(self):
        """What the microphone said of itself."""
        (frame,) = [frame for _, frame in self.taken if frame.is_text]
        return json.loads(frame.payload)

    @property
    def audio(self):
        """The microphone's frames with their times."""
        return [(at_ns, frame.payload) for at_ns, frame in self.taken if not frame.is_text]


def spoken(samples, pcm):
    """Audio of the assistant as the service sends it."""
    data = base64.b64encode(wav.header(pcm, len(samples)) + samples).decode()
    return Frame(TEXT, json.dumps({"type": "audio_output", "id": "s", "index": 0, "data": data}).encode())


async def quickstart(socket, **options):
    """Hume's quickstart: the microphone runs, audio that comes is handed to the playback."""
    from hume.empathic_voice.chat.audio.asyncio_utilities import Stream
    from hume.empathic_voice.chat.audio.microphone_interface import MicrophoneInterface

    stream = Stream.new()

    async def read():
        async for message in socket:
            if message.type == "audio_output":
                await stream.put(base64.b64decode(message.data))

    tasks = [asyncio.ensure_future(read()), asyncio.ensure_future(MicrophoneInterface.start(socket, byte_stream=stream, **options))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def converse(source, audio=(), end_ms=1000, **options):
    """A conversation of the real SDK in virtual time; gives service, microphone, speaker and loop."""

    async def main(loop):
        service = Service(audio, end_ms)
        microphone, speaker = SoftwareMicrophone(source, clock=loop), SoftwareSpeaker(clock=loop)
        server = ChatServer(lambda _: service, clock=loop, chat_paths=["/v0/evi/chat"])
        with software_sound(software_sounddevice(microphone, speaker)), virtual_playback_queue(loop, speaker):
            async with VirtualCarrier(loop, server) as carrier, open_chat(carrier.url, api_key="key", options={}) as socket:
                await quickstart(socket, **options)
        return service, microphone, speaker, loop

    return run_virtual(main)


def chunk(number, n_ms, pcm=WIDE):
    """Audio that is told from every other chunk."""
    return (number + 1).to_bytes(2, "little") * (pcm.rate * pcm.channels * n_ms // 1000)


@pytest.mark.parametrize("pcm", [Pcm(48000, 1), Pcm(44100, 2), Pcm(16000, 1)])
def test_the_service_hears_the_source(pcm):
    """The real microphone of the SDK says which format it has, and sends exactly the source's samples in blocks of 10 ms at exact times."""
    samples = b"".join((number % 65535 + 1).to_bytes(2, "little") * pcm.channels for number in range(pcm.rate // 2))
    service, microphone, _, _ = converse(PcmSource(samples, pcm))
    assert service.settings["type"] == "session_settings"
    assert service.settings["audio"] == {"encoding": "linear16", "sample_rate": pcm.rate, "channels": pcm.channels}
    n_bytes = pcm.rate // 100 * pcm.frame_bytes
    assert {len(block) for _, block in service.audio} == {n_bytes}
    heard = b"".join(block for _, block in service.audio)
    assert heard == samples.ljust(len(heard), b"\0")
    assert [at_ns for at_ns, _ in service.audio[:99]] == [10 * MS * number for number in range(1, 100)]
    assert microphone.ended_at_ns == 500 * MS


@pytest.mark.parametrize("device", [None, 0, 4])
def test_a_device_of_the_developers_own_machine_is_the_microphone(device):
    """``device=4`` of Hume's guide works where there is no such device."""
    service, _, _, _ = converse(SilenceSource(), end_ms=100, device=device)
    assert len(service.audio) in (9, 10)


def test_a_human_voice(shared_data):
    """A real recording reaches the service sample by sample."""
    path = shared_data / "speech" / "whats-the-weather-like.wav"
    service, _, _, _ = converse(FileSource(path), end_ms=2500)
    assert b"".join(block for _, block in service.audio).startswith(wav.split(path.read_bytes()).samples)


@pytest.mark.parametrize("pcm", [Pcm(48000, 1), Pcm(24000, 1), Pcm(44100, 2)])
def test_the_speaker_plays_what_the_app_was_sent(pcm):
    """Chunks come out whole and in order through the SDK's playback; the first sample of each at the exact time."""
    audio = [(100, chunk(0, 50, pcm), pcm), (120, chunk(1, 50, pcm), pcm), (400, chunk(2, 30, pcm), pcm)]
    _, _, speaker, _ = converse(SilenceSource(), audio)
    (playback,) = speaker.playbacks
    assert playback.pcm == pcm
    assert playback.samples == b"".join(samples for _, samples, _ in audio)
    assert playback.first_heard_ns(audio[0][1]) == playback.began_ns == 100 * MS
    assert playback.first_heard_ns(audio[1][1]) == 150 * MS
    # The stream runs in blocks of 256 frames: what comes while it is silent is heard with the next one.
    block = next(number for number in range(10**6) if number * 256 * 1000 >= 300 * pcm.rate)
    assert playback.first_heard_ns(audio[2][1]) == (100 * MS + block * 256 * 1_000_000_000 // pcm.rate)
    assert [span.is_silence for span in playback.spans] == [False, True, False, True]


def test_a_burst_blocks_the_loop_and_no_more():
    """A hundred chunks of 200 ms at once: no deadlock; the stall is that of real time, and all is heard without a gap."""
    audio = [(500, chunk(number, 200), WIDE) for number in range(100)]
    _, _, speaker, loop = converse(SilenceSource(), audio, end_ms=25_000)
    stall_ns = sum(charge.took_ns for charge in loop.charges)
    # 13.2 s was measured with real time; the queue holds 32 of them.
    assert abs(stall_ns - 13_200 * MS) < 500 * MS
    assert [charge.where for charge in loop.charges if "SDK's playback queue," not in charge.where] == []
    assert loop.charges
    assert all("audio_utilities.py:" in charge.where for charge in loop.charges)
    (playback,) = speaker.playbacks
    assert playback.samples == b"".join(samples for _, samples, _ in audio)
    assert [playback.first_heard_ns(samples) for _, samples, _ in audio] == [(500 + 200 * number) * MS for number in range(100)]


def test_two_bursts_are_the_same():
    """Charges and sounds of two runs are equal to the nanosecond."""
    audio = [(500, chunk(number, 100), WIDE) for number in range(50)]
    runs = [converse(SilenceSource(), audio, end_ms=8000) for _ in range(2)]
    charges, spans, taken = zip(*((loop.charges, speaker.playbacks[0].spans, service.taken) for service, _, speaker, loop in runs))
    assert charges[0] == charges[1]
    assert charges[0]
    assert spans[0] == spans[1]
    assert taken[0] == taken[1]


@pytest.mark.parametrize(("allowed", "dropped"), [(True, []), (False, list(range(210, 500, 10)))])
def test_the_microphone_is_not_heard_while_the_assistant_speaks(allowed, dropped):
    """Unless interrupting is allowed, the SDK drops the microphone's frames while 300 ms are played that came with the frame at 200 ms."""
    service, _, _, _ = converse(SilenceSource(), [(200, chunk(0, 300), WIDE)], allow_user_interrupt=allowed)
    times = {at_ns // MS for at_ns, _ in service.audio}
    assert [at_ms for at_ms in range(10, 1000, 10) if at_ms not in times] == dropped


def test_more_than_the_queue_holds_before_the_speaker_is_open():
    """In life the app hangs for ever: the SDK fills its queue before it opens the speaker. In virtual time that is told at once."""

    async def main(loop):
        speaker = SoftwareSpeaker(clock=loop)
        sd = software_sounddevice(SoftwareMicrophone(SilenceSource(), clock=loop), speaker)
        with software_sound(sd), virtual_playback_queue(loop, speaker):
            from hume.empathic_voice.chat.audio.asyncio_utilities import Stream
            from hume.empathic_voice.chat.audio.microphone_interface import MicrophoneInterface

            stream = Stream.new()
            for number in range(33):
                await stream.put(wav.header(WIDE, 1920) + chunk(number, 20))
            await MicrophoneInterface.start(Socket(lambda socket: None), stream)

    with pytest.raises(StuckError, match=r"audio_utilities.py:\d+: .*playback queue"):
        run_virtual(main)


class Socket:
    """What the SDK's microphone needs of a connection."""

    def __init__(self, enough):
        self.settings, self.audio = [], []
        self._enough = enough

    async def send_publish(self, message):
        self.settings.append(message)

    send_session_settings = send_publish

    async def _send(self, data):
        self.audio.append(data)
        self._enough(self)

    send = _send


def test_in_real_time_samples_are_whole_and_in_order():
    """On threads, as a sound card's: microphone and speaker lose nothing and mix nothing up."""
    samples = b"".join((number + 1).to_bytes(2, "little") for number in range(1600))
    chunks = [wav.header(Pcm(16000, 1), 640) + (number + 1).to_bytes(2, "little") * 320 for number in range(8)]
    speaker = SoftwareSpeaker()

    async def main():
        from hume.empathic_voice.chat.audio.asyncio_utilities import Stream
        from hume.empathic_voice.chat.audio.microphone_interface import MicrophoneInterface

        over, stream = asyncio.Event(), Stream.new()

        def enough(socket):
            is_played = speaker.playbacks and speaker.playbacks[0].n_heard == 640 * 8
            if is_played and len(b"".join(socket.audio)) > len(samples):
                over.set()

        socket = Socket(enough)
        for one in chunks:
            await stream.put(one)
        running = asyncio.ensure_future(MicrophoneInterface.start(socket, stream, allow_user_interrupt=True))
        await asyncio.wait({running, asyncio.ensure_future(over.wait())}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return socket

    with software_sound(software_sounddevice(SoftwareMicrophone(PcmSource(samples, Pcm(16000, 1))), speaker)):
        socket = asyncio.run(main())
    assert [message.audio.sample_rate for message in socket.settings] == [16000]
    heard = b"".join(socket.audio)
    assert heard == samples.ljust(len(heard), b"\0")
    (playback,) = speaker.playbacks
    assert playback.samples == b"".join(one[44:] for one in chunks)
    assert playback.ended_ns is not None


def names_of_the_sdk():
    """What the SDK holds of sounddevice at the moment."""
    audio = "hume.empathic_voice.chat.audio"
    held = [vars(sys.modules[f"{audio}.{name}"]) for name in ("microphone", "audio_utilities") if f"{audio}.{name}" in sys.modules]
    names = ("sounddevice", "sd", "RawInputStream", "CallbackFlags", "_FAILED_IMPORTS", "_missing")
    return [{name: (name in one, one.get(name)) for name in names} for one in held]


def silent():
    """A stand-in with nothing to hear."""
    return software_sounddevice(SoftwareMicrophone(SilenceSource()), SoftwareSpeaker())


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_all_is_put_back(monkeypatch, error):
    """However the block ends: sys.modules, the SDK's names, the names of a sounddevice that was there, and queue.Queue.put."""
    with software_sound(silent()):
        import hume.empathic_voice.chat.audio.microphone_interface  # noqa: F401 - so that the SDK is loaded, whatever ran before
    real = ModuleType("sounddevice")
    real.query_devices = lambda: "real"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", real)
    before = (names_of_the_sdk(), queue.Queue.put, dict(vars(real)))
    try:
        with software_sound(silent()) as sd, virtual_playback_queue(None, None):
            assert sys.modules["sounddevice"].query_devices is sd.query_devices
            assert real.query_devices is sd.query_devices
            assert queue.Queue.put is not before[1]
            assert names_of_the_sdk() != before[0]
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert sys.modules["sounddevice"] is real
    assert (names_of_the_sdk(), queue.Queue.put, dict(vars(real))) == before


def test_the_innermost_counts(monkeypatch):
    """Blocks nest: behind the inner one the outer one's devices are there again; who imported it once needs not do so again."""
    with software_sound(silent()) as outer:
        held: Any = importlib.import_module("sounddevice")
        assert held.query_devices is outer.query_devices
        with software_sound(silent()) as inner:
            assert held.query_devices is inner.query_devices
        assert held.query_devices is outer.query_devices
    real = ModuleType("sounddevice")
    real.query_devices = "real"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", real)
    assert held.query_devices == "real"


# Run in an interpreter of its own, with a sounddevice of its own: what was imported before cannot be undone in this one.
FRESH = """
import asyncio, importlib, sys
sys.path.insert(0, {folder!r})
{before}
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.sources import PcmSource
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.clocks.virtual import run_virtual
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session.wav import Pcm

class Enough(Exception):
    pass

class Socket:
    async def send_publish(self, message):
        self.rate = message.audio.sample_rate
    send_session_settings = send_publish
    async def _send(self, data):
        self.data = data
        raise Enough
    send = _send

def hear(start, rate):
    async def main(loop):
        from hume.empathic_voice.chat.audio.asyncio_utilities import Stream
        socket = Socket()
        try:
            await start(socket, Stream.new())
        except Enough:
            return socket.rate, socket.data[:2]
        finally:
            await asyncio.sleep(0)
    microphone = lambda loop: SoftwareMicrophone(PcmSource(b"ab" * rate, Pcm(rate, 1)), clock=loop)
    async def with_sound(loop):
        with software_sound(software_sounddevice(microphone(loop), SoftwareSpeaker(clock=loop))):
            from hume import MicrophoneInterface
            return await main(loop) if start else (MicrophoneInterface, None)
    if start is None:
        return run_virtual(with_sound)[0]
    return run_virtual(with_sound)

kept = hear(None, 16000)
print(hear(kept.start, 16000), hear(kept.start, 8000))
module = sys.modules["hume.empathic_voice.chat.audio.microphone"]
try:
    module.RawInputStream(dtype="int16")
    print("opened")
except Exception as error:
    print(type(error).__name__)
print("sounddevice" in sys.modules)
"""
BROKEN = "raise OSError('PortAudio library not found')"
ABSENT = "raise ModuleNotFoundError('no sounddevice', name='sounddevice')"
WORKING = "class RawInputStream:\n    def __init__(self, **_): pass\nclass CallbackFlags: pass\nclass CallbackStop(Exception): pass\n"
TRIED = "try:\n    from hume import MicrophoneInterface\nexcept OSError: pass\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sounddevice", "before", "then"),
    [
        (BROKEN, "", ["OSError", "False"]),
        (BROKEN, TRIED, ["OSError", "False"]),
        (ABSENT, "", ["ModuleNotFoundError", "False"]),
        (ABSENT, TRIED, ["AttributeError", "False"]),
        (WORKING, "", ["opened", "True"]),
        (WORKING, TRIED, ["opened", "True"]),
        (WORKING, "import sounddevice\n", ["opened", "True"]),
    ],
    ids=["broken", "broken-tried", "absent", "absent-tried", "working", "working-tried", "working-imported"],
)
def test_whatever_was_imported_before(tmp_path, sounddevice, before, then):
    """With PortAudio or sounddevice missing or both there; in two blocks, by one and the same class; and as it was behind them."""
    (tmp_path / "sounddevice.py").write_text(sounddevice, encoding="utf-8")
    script = FRESH.format(folder=str(tmp_path), before=before)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=str(ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stdout.splitlines() if not line.startswith(("Configuring", "Microphone connected"))]
    assert said == ["(16000, b'ab') (8000, b'ab')", *then], done.stderr
