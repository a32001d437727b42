"""A replacement for the sounddevice module: its streams on a software microphone and a software speaker.

The surface is that of sounddevice 0.4.7, as far as voice apps use it; what is left out raises a PortAudioError that says so.

Rules of living here: names, arguments, states and errors are sounddevice's, so that an app cannot tell.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any, Callable, NoReturn, Tuple

from evi_harness.audio.array_sound import ArraySound
from evi_harness.audio.duplex_sound import RawStream, Stream
from evi_harness.audio.software_devices import DeviceList, PortAudioError, SoftwareDevices
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.software_streams import (
    CallbackAbort,
    CallbackFlags,
    CallbackStop,
    InputStream,
    OutputStream,
    RawInputStream,
    RawOutputStream,
    SoundStream,
)

__all__ = ["is_stream", "software_sounddevice"]

# The version of sounddevice whose surface this has.
VERSION = "0.4.7+evi.harness"
_NOT_THERE = ("AsioSettings", "CoreAudioSettings", "WasapiSettings")


def is_stream(value: Any) -> bool:
    """Whether a name of software sound is a class of streams.

    Args:
        value: What the name stands for.
    """
    return isinstance(value, type) and issubclass(value, (SoundStream, RawStream))


_STREAMS: Tuple[type, ...] = (RawInputStream, RawOutputStream, RawStream, InputStream, OutputStream, Stream)
_IS_THERE = "RawInputStream, RawOutputStream, RawStream, InputStream, OutputStream and Stream, without settings of a host API"


def _left_out(name: str) -> Callable[..., NoReturn]:
    def left_out(*_: Any, **__: Any) -> NoReturn:
        raise PortAudioError(f"sounddevice.{name} is not available in software sound, which has {_IS_THERE}")

    left_out.__name__ = name
    return left_out


def software_sounddevice(microphone: SoftwareMicrophone, speaker: SoftwareSpeaker) -> ModuleType:
    """Make a module that can stand where ``sounddevice`` does.

    Args:
        microphone: What an app hears.
        speaker: What an app plays to.

    Returns:
        A new module; it is not put anywhere.
    """
    sound = SoftwareDevices(microphone, speaker)
    module: Any = ModuleType("sounddevice", "evi-harness software sound, in place of sounddevice.")
    vars(module).update({name: _left_out(name) for name in _NOT_THERE})
    streams = {stream.__name__: type(stream.__name__, (stream,), {"_sound": sound}) for stream in _STREAMS}
    vars(module).update(streams, **ArraySound(sound, streams).functions)
    vars(module).update(
        __version__=VERSION,
        PortAudioError=PortAudioError,
        CallbackStop=CallbackStop,
        CallbackAbort=CallbackAbort,
        CallbackFlags=CallbackFlags,
        DeviceList=DeviceList,
        default=sound.default,
        query_devices=sound.query_devices,
        query_hostapis=sound.query_hostapis,
        check_input_settings=sound.check_input_settings,
        check_output_settings=sound.check_output_settings,
        get_portaudio_version=lambda: (0, "evi-harness software sound"),
        sleep=lambda msec: time.sleep(msec / 1000),
        _initialize=lambda: None,
        _terminate=lambda: None,
    )
    return module  # type: ignore[no-any-return]
