from __future__ import annotations

import ast
import importlib.util
import inspect
import queue
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from evi_harness.audio.software_devices import PortAudioError
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.software_streams import CallbackFlags
from evi_harness.audio.sources import PcmSource, SilenceSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
NARROW = Pcm(16000, 1)


def sound(source=None, clock=None):
    """A stand-in with a microphone and a speaker."""
    return software_sounddevice(SoftwareMicrophone(source or SilenceSource(NARROW), clock=clock), SoftwareSpeaker(clock=clock))


def in_virtual_time(act, until_ms=100, source=None):
    """Let ``act`` use a stand-in; gives what it returned, at the end of the time given."""

    async def main(loop):
        over = loop.create_future()
        result = act(sound(source, loop), loop)
        loop.call_at_ns(until_ms * MS, lambda: over.set_result(None))
        await over
        return result

    return run_virtual(main)


def test_defaults_count_where_a_stream_does_not_say():
    """Type, rate, device and block of ``sounddevice.default``; float32 is its own default."""

    def act(sd, loop):
        one = sd.RawOutputStream(callback=print)
        assert (one.dtype, one.samplesize) == ("float32", 4)
        sd.default.dtype, sd.default.samplerate, sd.default.blocksize, sd.default.channels = "int16", 16000, 64, 1
        return sd.RawOutputStream(callback=print), sd.RawInputStream(callback=print)

    for stream in in_virtual_time(act):
        assert (stream.samplerate, stream.blocksize, stream.channels, stream.dtype, stream.samplesize) == (16000.0, 64, 1, "int16", 2)
        assert stream.latency == 64 / 16000
        assert stream.cpu_load == 0.0


def test_what_a_microphones_callback_gets():
    """Bytes that last, how many frames, the times of PortAudio, and no flags."""
    samples = b"".join(number.to_bytes(2, "little") for number in range(1, 481))

    def act(sd, loop):
        calls = []
        sd.RawInputStream(dtype="int16", callback=lambda *args: calls.append(args)).start()
        return calls

    calls = in_virtual_time(act, 35, PcmSource(samples, NARROW))
    assert b"".join(indata[:] for indata, *_ in calls) == samples
    assert [(frames, bool(status)) for _, frames, _, status in calls] == [(160, False)] * 3
    assert [(times.inputBufferAdcTime, times.currentTime) for _, _, times, _ in calls] == [(0.0, 0.01), (0.01, 0.02), (0.02, 0.03)]


def test_a_stream_with_fewer_channels_gets_the_first_ones():
    """As PortAudio does."""

    def act(sd, loop):
        heard = []
        sd.RawInputStream(dtype="int16", channels=1, callback=lambda indata, *_: heard.append(indata[:])).start()
        return heard

    assert in_virtual_time(act, 15, PcmSource(b"\1\0\2\0" * 80, Pcm(8000, 2))) == [b"\1\0" * 80]


def test_a_block_has_the_size_it_has():
    """A callback that fills it with more or less than it holds is told so, and its stream ends."""

    def act(sd, loop):
        seen = []

        def callback(outdata, frames, *_):
            assert (frames, len(outdata), bytes(outdata)) == (100, 200, bytes(200))
            with pytest.raises(ValueError):
                outdata[:] = bytes(199)
            outdata[:] = bytes(200)
            seen.append(1)

        sd.RawOutputStream(10000, 100, None, 1, "int16", callback=callback).start()
        return seen

    assert len(in_virtual_time(act, 95)) == 10


@pytest.mark.parametrize("kind", ["RawInputStream", "RawOutputStream"])
def test_the_life_of_a_stream(kind):
    """Stopped, active, stopped, closed; the end is told once for each time it was active, and a closed one does not start."""

    def act(sd, loop):
        ends = []
        stream = getattr(sd, kind)(dtype="int16", callback=lambda *_: None, finished_callback=lambda: ends.append(1))
        states = [(stream.active, stream.stopped, stream.closed)]
        stream.stop()
        with stream as entered:
            assert entered is stream
            stream.start()
            states.append((stream.active, stream.stopped, stream.closed, stream.time))
        states.append((stream.active, stream.stopped, stream.closed, len(ends)))
        stream.close()
        with pytest.raises(PortAudioError, match="closed"):
            stream.start()
        again = getattr(sd, kind)(dtype="int16", callback=lambda *_: None, finished_callback=lambda: ends.append(1))
        again.start()
        again.abort()
        again.start()
        again.stop()
        return [*states, len(ends)]

    assert in_virtual_time(act) == [(False, True, False), (True, False, False, 0.0), (False, True, True, 1), 3]


@pytest.mark.parametrize(("raises", "is_told"), [("CallbackStop", False), ("CallbackAbort", False), (None, True)])
@pytest.mark.parametrize("kind", ["RawInputStream", "RawOutputStream"])
def test_a_callback_that_raises_ends_its_stream(capsys, kind, raises, is_told):
    """The end is told; a real error is printed besides, as PortAudio's binding does."""

    def act(sd, loop):
        calls = []

        def callback(*_):
            calls.append(loop.now_ns() // MS)
            if len(calls) == 3:
                raise getattr(sd, raises) if raises else KeyError("broken")

        stream = getattr(sd, kind)(dtype="int16", samplerate=16000, callback=callback, finished_callback=lambda: calls.append("ended"))
        stream.start()
        return calls, stream

    calls, stream = in_virtual_time(act)
    first = 10 if kind == "RawInputStream" else 0
    assert calls == [first, first + 10, first + 20, "ended"]
    assert stream.active is False
    assert ("broken" in capsys.readouterr().err) is is_told


@pytest.mark.parametrize(("raises", "heard"), [("CallbackStop", b"\1\0" * 25), ("CallbackAbort", b"\1\0" * 20), (None, b"\1\0" * 20)])
def test_the_last_block_is_heard_where_the_callback_stops_in_good_order(raises, heard):
    """As sounddevice's own example plays a file: what is left, then zeros, then CallbackStop. After an abort or an error it is lost."""
    rest = b"\1\0" * 25

    async def main(loop):
        speaker, over = SoftwareSpeaker(clock=loop), loop.create_future()
        sd = software_sounddevice(SoftwareMicrophone(SilenceSource(), clock=loop), speaker)

        def callback(outdata, *_):
            nonlocal rest
            part, rest = rest[: len(outdata)], rest[len(outdata) :]
            outdata[: len(part)] = part
            if len(part) < len(outdata):
                raise getattr(sd, raises) if raises else KeyError

        sd.RawOutputStream(1000, 10, None, 1, "int16", callback=callback, finished_callback=lambda: over.set_result(None)).start()
        await over
        return speaker.playbacks[0].samples.rstrip(b"\0") + b"\0"

    assert run_virtual(main) == heard


def test_an_end_that_raises_does_no_harm(capsys):
    """It is printed."""

    def act(sd, loop):
        stream = sd.RawOutputStream(dtype="int16", callback=lambda *_: None, finished_callback=lambda: {}["gone"])
        with stream:
            pass
        return stream.closed

    assert in_virtual_time(act) is True
    assert "gone" in capsys.readouterr().err


def test_one_microphone_has_one_listener():
    """A second stream is refused while the first is open, and not behind that."""

    def act(sd, loop):
        first, second = (sd.RawInputStream(dtype="int16", callback=lambda *_: None) for _ in range(2))
        with first, pytest.raises(PortAudioError, match="unavailable"):
            second.start()
        with second:
            return second.active

    assert in_virtual_time(act) is True


def test_in_real_time_a_stream_stops_from_within():
    """A callback may end its stream; what it played until then is kept."""
    sd, ended, blocks = sound(), threading.Event(), [b"\1\0" * 50, b"\2\0" * 50]

    def callback(outdata, *_):
        if not blocks:
            raise sd.CallbackStop
        outdata[:] = blocks.pop(0)

    with sd.RawOutputStream(10000, 50, None, 1, "int16", callback=callback, finished_callback=ended.set) as stream:
        assert ended.wait(60)
        assert stream.active is False
    assert stream.closed is True


def test_flags():
    """They are sounddevice's: settable together, readable one by one, false where there are none."""
    flags = CallbackFlags()
    assert (bool(flags), flags.output_underflow, str(flags)) == (False, False, "")
    flags |= CallbackFlags(0x6)
    assert (bool(flags), flags.output_underflow, flags.input_overflow, flags.priming_output) == (True, True, True, False)
    assert repr(flags) == "<sounddevice.CallbackFlags: input overflow, output underflow>"
    with pytest.raises(AttributeError):
        flags.underwater  # noqa: B018 - reading it is what is tried


RAMP = b"".join((256 * number - 32767).to_bytes(2, "little", signed=True) for number in range(256))


@pytest.mark.parametrize("dtype", ["float32", "int16", "int32", np.int16, np.float32, "float32 by 32767"])
def test_arrays_of_a_microphone_and_a_speaker_lose_nothing(dtype):
    """What the microphone hears comes as rows of samples in the type that was asked for; played again, it is heard bit for bit."""

    async def main(loop):
        over, speaker = loop.create_future(), SoftwareSpeaker(clock=loop)
        sd = software_sounddevice(SoftwareMicrophone(PcmSource(RAMP, Pcm(1000, 1)), clock=loop), speaker)
        heard, name = [], dtype.split()[0] if isinstance(dtype, str) else dtype

        def listen(indata, frames, times, status):
            assert (indata.shape, indata.dtype, frames) == ((64, 1), np.dtype(name), 64)
            heard.append(indata.copy() * np.float32(32768 / 32767) if dtype == "float32 by 32767" else indata)
            if len(heard) == 4:
                raise sd.CallbackStop

        def speak(outdata, frames, times, status):
            outdata[:] = heard.pop(0)
            if not heard:
                raise sd.CallbackStop

        listening = sd.InputStream(1000, 64, channels=1, dtype=name, callback=listen, finished_callback=lambda: speaking.start())
        speaking = sd.OutputStream(1000, 64, channels=1, dtype=name, callback=speak, finished_callback=lambda: over.set_result(None))
        listening.start()
        await over
        return speaker.playbacks[0].samples

    assert run_virtual(main) == RAMP


def test_an_array_may_be_kept_longer_than_its_block():
    """As sounddevice's does, it shows what was there; the next block is another."""

    def act(sd, loop):
        kept = []
        sd.OutputStream(1000, 10, channels=2, dtype="int16", callback=lambda outdata, *_: kept.append(outdata)).start()
        return kept

    kept = in_virtual_time(act, 25)
    kept[0][:] = 7
    assert [block.tolist() for block in kept] == [[[7, 7]] * 10, [[0, 0]] * 10, [[0, 0]] * 10]


def test_what_an_array_stream_plays_is_heard_whatever_waits_in_its_queue():
    """Bytes in a queue that the callback converts are not counted as the bytes of its blocks."""

    async def main(loop):
        over, speaker, waiting = loop.create_future(), SoftwareSpeaker(clock=loop), queue.Queue()
        sd = software_sounddevice(SoftwareMicrophone(SilenceSource(), clock=loop), speaker)
        for number in range(1, 4):
            waiting.put(number.to_bytes(2, "little") * 10)

        def speak(outdata, *_):
            if waiting.empty():
                raise sd.CallbackAbort
            outdata[:, 0] = np.frombuffer(waiting.get(), np.int16).astype(np.float32) / 32768

        sd.OutputStream(1000, 10, channels=1, callback=speak, finished_callback=lambda: over.set_result(None)).start()
        await over
        return speaker.playbacks[0]

    played = run_virtual(main)
    assert played.samples == b"".join(number.to_bytes(2, "little") * 10 for number in range(1, 4))
    assert [(span.at_ns, span.n_bytes, span.is_silence) for span in played.spans] == [(0, 60, False)]


def test_streams_of_arrays_need_numpy_where_they_are_opened(monkeypatch):
    """An environment without it has the other streams."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    sd = sound()
    assert sd.RawOutputStream(callback=print).dtype == "float32"
    with pytest.raises(ImportError):
        sd.OutputStream(callback=print)


@pytest.mark.parametrize("dtype", ["float16", "int64", "words", 16])
def test_a_format_that_is_none_is_refused(dtype):
    """By the exception that sounddevice raises."""
    with pytest.raises(ValueError, match="output"):
        sound().OutputStream(dtype=dtype, callback=print)


@pytest.mark.parametrize("name", ["AsioSettings", "CoreAudioSettings", "WasapiSettings"])
def test_what_is_left_out_says_so(name):
    """An app that needs more than the SDK does learns what is there instead."""
    with pytest.raises(PortAudioError, match=rf"sounddevice\.{name} .*RawInputStream"):
        getattr(sound(), name)(samplerate=48000)


def test_every_public_name_of_sounddevice_is_there():
    """Nothing that an app may look up is missing; the arguments of the streams are those of the installed version."""
    found = importlib.util.find_spec("sounddevice")
    if found is None or found.origin is None:
        pytest.skip("sounddevice is not installed: nothing to compare with")
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    public = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")}
    sd = sound()
    assert [name for name in public if not hasattr(sd, name)] == []
    for kind in ("RawInputStream", "RawOutputStream", "RawStream", "InputStream", "OutputStream", "Stream"):
        init = next(node for node in public[kind].body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        options = {argument.arg: None for argument in init.args.args[1:]}
        assert getattr(sd, kind)(**{**options, "callback": print, "dtype": "int16"}).closed is False
    for name in ("play", "rec", "playrec", "wait", "stop", "get_status", "get_stream"):
        arguments = public[name].args
        named = [one.arg for one in (*arguments.args, *filter(None, [arguments.kwarg]))]
        assert [*inspect.signature(getattr(sd, name)).parameters] == named
    assert (sd.get_portaudio_version()[0], sd._initialize(), sd._terminate()) == (0, None, None)
