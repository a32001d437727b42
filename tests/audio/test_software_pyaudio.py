"""Software sound in the place of PyAudio."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import queue
import threading
from array import array

import pytest

from evi_harness.audio import software_pyaudio as ours
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.wav import Pcm

MS = 1_000_000
PCM = Pcm(1000, 1)


def ms(count, first=1):
    """So many samples, each of which is a millisecond."""
    return array("h", range(first, first + count)).tobytes()


def sound(clock=None):
    """A module with a microphone that counts, in blocks of 10 ms, and the speaker."""
    speaker = SoftwareSpeaker(clock=clock)
    return ours.software_pyaudio(SoftwareMicrophone(PcmSource(ms(1000), PCM), clock=clock), speaker), speaker


def virtually(act):
    """What ``act(pa, audio, speaker, loop)`` gives in virtual time."""

    async def main(loop):
        pa, speaker = sound(loop)
        return await act(pa, pa.PyAudio(), speaker, loop)

    return run_virtual(main)


def refused(call):
    """The type of the error that a call raises, and PortAudio's number, which is its first argument or its last; None for no number."""
    with pytest.raises((OSError, ValueError)) as caught:
        call()
    return type(caught.value), next((one for one in caught.value.args if isinstance(one, int)), None)


def test_a_blocking_read_and_write_take_their_time():
    """On the loop's thread the clock goes on by what was heard, and by what the buffer does not hold; ``stop_stream`` plays the rest."""

    async def act(pa, audio, speaker, loop):
        microphone = audio.open(1000, 1, pa.paInt16, input=True, frames_per_buffer=10)
        data = microphone.read(25)
        at = [loop.now_ns() // MS, microphone.get_read_available()]
        output = audio.open(rate=1000, channels=1, format=pa.paInt16, output=True, frames_per_buffer=10)
        assert output.get_write_available() == 20
        # What is no whole frame is left out, as are the frames that are not asked for.
        output.write(ms(50) + b"\1")
        output.write(ms(50, 51), num_frames=5)
        output.stop_stream()
        assert (output.is_stopped(), output.is_active(), microphone.is_active()) == (True, False, True)
        return data, at, speaker.playbacks[0].samples, speaker.playbacks[0].began_ns // MS, loop.now_ns() // MS

    # The last block is whole, and begins at 80 ms.
    assert virtually(act) == (ms(25), [30, 5], ms(55) + bytes(10), 30, 80)


def test_a_read_in_an_executor_lets_the_clock_go_on():
    """The result is there at the very time of its block."""

    async def act(pa, audio, speaker, loop):
        microphone = audio.open(1000, 1, pa.paInt16, input=True, frames_per_buffer=10)
        data = await loop.run_in_executor(None, microphone.read, 20)
        return data, loop.now_ns() // MS

    assert virtually(act) == (ms(20), 20)


def test_callbacks_hear_and_play():
    """What each is given and gives; too little of it is the end, and is played."""

    async def act(pa, audio, speaker, loop):
        heard, waiting = [], queue.Queue()

        def listen(data, n_frames, times, flags):
            heard.append((data, n_frames, sorted(times), flags))
            return None, pa.paComplete if len(heard) == 2 else pa.paContinue

        def play(data, n_frames, times, flags):
            assert (data, n_frames) == (None, 10)
            return waiting.get_nowait(), pa.paContinue

        for part in (ms(10), ms(10, 11), ms(3, 21)):
            waiting.put(part)
        microphone = audio.open(1000, 1, pa.paInt16, input=True, frames_per_buffer=10, stream_callback=listen)
        output = audio.open(1000, 1, pa.paInt16, output=True, frames_per_buffer=10, stream_callback=play)
        await asyncio.sleep(0.1)
        # Both have ended, and neither was stopped.
        assert [(one.is_active(), one.is_stopped()) for one in (microphone, output)] == [(False, False)] * 2
        (playback,) = speaker.playbacks
        return heard, playback.samples, playback.chunks

    times = ["current_time", "input_buffer_adc_time", "output_buffer_dac_time"]
    assert virtually(act) == ([(ms(10), 10, times, 0), (ms(10, 11), 10, times, 0)], ms(23), [0, 20, 40])


def test_one_callback_hears_and_plays():
    """What it gives sounds at once; before the first block there is silence."""

    async def act(pa, audio, speaker, loop):
        def echo(data, n_frames, times, flags):
            return data, pa.paContinue

        stream = audio.open(1000, 1, pa.paInt16, input=True, output=True, frames_per_buffer=10, stream_callback=echo)
        await asyncio.sleep(0.035)
        stream.close()
        (playback,) = speaker.playbacks
        return playback.samples, [(span.at_ns // MS, span.is_silence) for span in playback.spans]

    assert virtually(act) == (ms(30), [(0, True), (10, False)])


def test_a_stream_in_both_directions_is_read_and_written():
    """Each in its time; what has not sounded by the end is dropped, as there."""

    async def act(pa, audio, speaker, loop):
        stream = audio.open(1000, 1, pa.paInt16, input=True, output=True, frames_per_buffer=10)
        for _ in range(3):
            stream.write(stream.read(10))
        audio.terminate()
        return speaker.playbacks[0].samples, loop.now_ns() // MS

    assert virtually(act) == (ms(20), 30)


@pytest.mark.parametrize("answer", [None, ("only one",), (b"", 7), 1 / 3])
def test_a_callback_that_answers_wrongly_ends_its_stream(answer, capfd):
    """As one that raises: it is printed, and kept."""

    async def act(pa, audio, speaker, loop):
        stream = audio.open(1000, 1, pa.paInt16, output=True, stream_callback=lambda *_: answer)
        await asyncio.sleep(0.05)
        return stream.is_active(), [type(one) for one in speaker.failures]

    assert virtually(act) == (False, [ValueError if answer == (b"", 7) else TypeError])
    assert "Traceback" in capfd.readouterr().err


def test_whoever_asks_again_and_again_lets_time_pass():
    """A loop that only looks whether enough is there would hang in virtual time."""

    async def act(pa, audio, speaker, loop):
        microphone = audio.open(1000, 1, pa.paInt16, input=True, frames_per_buffer=10)
        while microphone.get_read_available() < 15:
            pass
        return microphone.read(15), loop.now_ns() // MS

    assert virtually(act) == (ms(15), 20)


def test_in_real_time_a_read_waits():
    """On the machine's clock."""
    pa, speaker = sound()
    audio, done = pa.PyAudio(), threading.Event()
    microphone = audio.open(1000, 1, pa.paInt16, input=True, frames_per_buffer=10)
    assert microphone.read(15) == ms(15)

    def play(data, n_frames, times, flags):
        done.set()
        return ms(4), pa.paContinue

    audio.open(1000, 1, pa.paInt16, output=True, stream_callback=play)
    assert done.wait(60)
    audio.terminate()
    assert speaker.playbacks[0].samples.startswith(ms(4))


def test_the_devices():
    """A microphone and a speaker; any other index is a device of the developer's machine."""
    pa, _ = sound()
    audio = pa.PyAudio()
    infos = [audio.get_device_info_by_index(index) for index in range(audio.get_device_count())]
    assert [(one["maxInputChannels"], one["maxOutputChannels"], one["defaultSampleRate"]) for one in infos] == [
        (1, 0, 1000.0),
        (0, 2, 48000.0),
    ]
    assert [audio.get_default_input_device_info(), audio.get_default_output_device_info()] == infos
    assert [audio.get_device_info_by_host_api_device_index(0, index) for index in range(2)] == infos
    assert audio.get_device_info_by_index(7)["maxInputChannels"] == 1
    assert audio.open(1000, 1, pa.paInt16, input=True, input_device_index=7, start=False).is_stopped() is True
    assert audio.get_default_host_api_info()["deviceCount"] == 2
    assert audio.get_host_api_info_by_type(pa.paALSA)["type"] == pa.paALSA
    assert audio.is_format_supported(1000, input_device=0, input_channels=1, input_format=pa.paInt16) is True
    assert (pa.get_sample_size(pa.paInt24), audio.get_format_from_width(1), pa.get_format_from_width(1, False)) == (
        3,
        pa.paUInt8,
        pa.paInt8,
    )


def test_errors_have_pyaudios_numbers():
    """And types; they were read off version 0.2.14."""
    pa, _ = sound()
    audio = pa.PyAudio()
    microphone = audio.open(1000, 1, pa.paInt16, input=True, start=False)
    output = audio.open(1000, 1, pa.paInt16, output=True)
    closed = audio.open(1000, 1, pa.paInt16, output=True, stream_callback=lambda *_: (b"", 0))
    assert refused(lambda: closed.write(b""))[1] == pa.paCanNotWriteToACallbackStream
    closed.close()
    closed.close()
    codes = {
        "no direction": refused(lambda: audio.open(1000, 1, pa.paInt16))[0],
        "no format": refused(lambda: audio.open(1000, 1, pa.paCustomFormat, input=True)),
        "no index": refused(lambda: audio.open(1000, 1, pa.paInt16, input=True, input_device_index="a"))[0],
        "channels": refused(lambda: audio.open(1000, 9, pa.paInt16, input=True))[1],
        "rate": refused(lambda: audio.open(8000, 1, pa.paInt16, input=True))[1],
        "read": refused(lambda: output.read(1)),
        "write": refused(lambda: microphone.write(b"")),
        "stopped": refused(lambda: microphone.read(1))[1],
        "closed": refused(closed.is_active),
        "device": refused(lambda: audio.get_device_info_by_index(-1)),
        "of host": refused(lambda: audio.get_device_info_by_host_api_device_index(0, 9)),
        "host": refused(lambda: audio.get_host_api_info_by_index(7)),
        "type": refused(lambda: audio.get_host_api_info_by_type(99)),
        "size": refused(lambda: audio.get_sample_size(77)),
        "supported": refused(lambda: audio.is_format_supported(8000, input_device=0, input_channels=1, input_format=pa.paInt16))[1],
    }
    assert codes == {
        "no direction": ValueError,
        "no format": (OSError, -9994),
        "no index": ValueError,
        "channels": -9998,
        "rate": -9997,
        "read": (OSError, -9975),
        "write": (OSError, -9974),
        "stopped": -9983,
        "closed": (OSError, -9988),
        "device": (OSError, -9996),
        "of host": (OSError, -9996),
        "host": (OSError, -9978),
        "type": (OSError, -9979),
        "size": (ValueError, -9994),
        "supported": -9997,
    }
    with pytest.raises(ValueError, match="not found"):
        audio.close(closed)
    audio.close(microphone)


def test_the_names_are_those_of_the_installed_version():
    """Constants with their values, functions and methods with their arguments."""
    if importlib.util.find_spec("pyaudio") is None:
        pytest.skip("PyAudio is not installed: nothing to compare with")
    real = pytest.importorskip("pyaudio", reason="PyAudio is installed without its library")
    pa, _ = sound()
    constants = {name: value for name, value in vars(real).items() if name.startswith("pa") and isinstance(value, int)}
    assert {name: getattr(pa, name) for name in constants if "MacCore" not in name} == constants
    for theirs, own in ((real, pa), (real.PyAudio, pa.PyAudio), (real.PyAudio.Stream, pa.PyAudio.Stream)):
        calls = {name: one for name, one in vars(theirs).items() if inspect.isfunction(one) and (name == "__init__" or name[0] != "_")}
        for name, one in calls.items():
            if name not in ("__init__", "open"):
                assert [*inspect.signature(getattr(own, name)).parameters] == [*inspect.signature(one).parameters], name
    options = [*inspect.signature(real.PyAudio.Stream.__init__).parameters]
    assert [*inspect.signature(pa.PyAudio.Stream.__init__).parameters] == options
