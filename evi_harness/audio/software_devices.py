"""The devices of a machine with software sound, and the settings that streams are opened with.

There are two. Any other index or name means a device on the developer's machine: an app that says ``device=4`` gets the microphone where it
listens and the speaker where it plays.

Rules of living here: answers and errors are those of sounddevice and PortAudio, with their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, Optional, Tuple, Union

from evi_harness.audio import software_microphone as microphones
from evi_harness.audio import software_speaker as speakers
from evi_harness.audio.sample_formats import sample_format
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import SoftwareSpeaker

__all__ = ["INPUT", "OUTPUT", "DeviceList", "PortAudioError", "SoftwareDevices", "StreamSettings", "portaudio_error"]

HOST = "evi-harness"
INPUT, OUTPUT = "input", "output"
_SIDES = {INPUT: 0, OUTPUT: 1}
_INVALID_CHANNELS = -9998
_INVALID_RATE = -9997
_INVALID_DEVICE = -9996


class PortAudioError(Exception):
    """An error as PortAudio would report it."""


class DeviceList(Tuple[Dict[str, Any], ...]):
    """The devices, as they are printed by ``print(sounddevice.query_devices())``."""

    defaults: Tuple[Any, Any] = (0, 1)

    def __repr__(self) -> str:
        return "\n".join(self._line(info) for info in self)

    __str__ = __repr__

    def _line(self, info: Dict[str, Any]) -> str:
        mark = (">" if info["index"] == self.defaults[0] else " ", "<" if info["index"] == self.defaults[1] else " ")
        both = "*" if mark == (">", "<") else "".join(mark).strip() or " "
        return f"{both} {info['index']} {info['name']}, {HOST} ({info['max_input_channels']} in, {info['max_output_channels']} out)"


class InOut:
    """A default with one value for input and one for output; a single value sets both. None gives back the first one."""

    def __init__(self, value: Tuple[Any, Any]) -> None:
        self._first = value
        self._pair: List[Any] = [None, None]

    def __getitem__(self, side: Union[int, str]) -> Any:
        index = _SIDES[side] if isinstance(side, str) else side
        return self._first[index] if self._pair[index] is None else self._pair[index]

    def __setitem__(self, side: Union[int, str], value: Any) -> None:
        self._pair[_SIDES[side] if isinstance(side, str) else side] = value

    def set(self, value: Any) -> None:
        """Set both sides, by one value or a pair of them."""
        is_pair = isinstance(value, (tuple, list, InOut))
        self._pair = [value[0], value[1]] if is_pair else [value, value]

    def __repr__(self) -> str:
        return f"[{self[0]!r}, {self[1]!r}]"


class DeviceDefaults:
    """What ``sounddevice.default`` is: settings for streams that do not say."""

    hostapi = 0
    _PAIRS: ClassVar[Dict[str, Tuple[Any, Any]]] = {
        "device": (0, 1),
        "channels": (None, None),
        "dtype": ("float32", "float32"),
        "latency": ("high", "high"),
        "extra_settings": (None, None),
    }
    _SINGLE: ClassVar[Dict[str, Any]] = {
        "samplerate": None,
        "blocksize": 0,
        "clip_off": False,
        "dither_off": False,
        "never_drop_input": False,
        "prime_output_buffers_using_stream_callback": False,
    }

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all back to what they were at first."""
        vars(self).update({name: InOut(value) for name, value in self._PAIRS.items()}, **self._SINGLE)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._PAIRS:
            vars(self)[name].set(value)
        elif name in self._SINGLE:
            vars(self)[name] = value
        else:
            raise AttributeError(f"'default' object has no attribute {name!r}")


@dataclass(frozen=True)
class StreamSettings:
    """What a stream is opened with, once every default is filled in."""

    device: Any
    rate: int
    channels: int
    dtype: str


class SoftwareDevices:
    """One microphone and one speaker, as the two devices of a machine.

    Args:
        microphone: Device 0.
        speaker: Device 1.
    """

    def __init__(self, microphone: SoftwareMicrophone, speaker: SoftwareSpeaker) -> None:
        self.microphone = microphone
        self.speaker = speaker
        self.default: Any = DeviceDefaults()

    def query_devices(self, device: Any = None, kind: Optional[str] = None) -> Any:
        """All devices, or one: by index, by a part of its name, or the default of a kind."""
        if kind not in (INPUT, OUTPUT, None):
            raise ValueError(f"Invalid kind: {kind!r}")
        if device is None and kind is None:
            devices = DeviceList(self._devices())
            devices.defaults = (self.default.device[0], self.default.device[1])
            return devices
        info = self._device(self.default.device[kind] if device is None else device)
        if kind is not None and info[f"max_{kind}_channels"] < 1:
            raise ValueError(f"Not an {kind} device: {info['name']!r}")
        return info

    def query_hostapis(self, index: Optional[int] = None) -> Any:
        """The one host API there is."""
        found = {"name": HOST, "devices": [0, 1], "default_input_device": 0, "default_output_device": 1}
        if index not in (None, 0):
            raise PortAudioError(f"Error querying host API {index}")
        return (found,) if index is None else found

    def check_input_settings(
        self, device: Any = None, channels: Any = None, dtype: Any = None, extra_settings: Any = None, samplerate: Any = None
    ) -> None:
        """Raise where no input stream can be opened with these settings."""
        del extra_settings
        self.settings(INPUT, device, channels, dtype, samplerate)

    def check_output_settings(
        self, device: Any = None, channels: Any = None, dtype: Any = None, extra_settings: Any = None, samplerate: Any = None
    ) -> None:
        """Raise where no output stream can be opened with these settings."""
        del extra_settings
        self.settings(OUTPUT, device, channels, dtype, samplerate)

    def settings(self, kind: str, device: Any, channels: Any, dtype: Any, samplerate: Any) -> StreamSettings:
        """Fill in the defaults and refuse what the devices cannot do."""
        info = self._device(self.default.device[kind] if device is None else device)
        most = info[f"max_{kind}_channels"]
        channels = channels or self.default.channels[kind] or most
        rate = samplerate or self.default.samplerate or info["default_samplerate"]
        named = sample_format(self.default.dtype[kind] if dtype is None else dtype)
        if not 1 <= channels <= most:
            raise portaudio_error(f"Invalid number of channels ({channels} of {most} of {info['name']})", _INVALID_CHANNELS)
        if named is None:
            # As sounddevice says it, before PortAudio is asked.
            raise ValueError(f"Invalid {kind} sample format")
        if rate != int(rate) or rate <= 0 or (kind == INPUT and rate != self.microphone.pcm.rate):
            raise portaudio_error(f"Invalid sample rate ({rate}; {info['name']} has {info['default_samplerate']:g})", _INVALID_RATE)
        return StreamSettings(info["index"], int(rate), int(channels), named)

    def _devices(self) -> List[Dict[str, Any]]:
        microphone, speaker = self.microphone.pcm, self.speaker
        return [
            _info(0, microphones.NAME, microphone.channels, 0, microphone.rate),
            _info(1, speakers.NAME, 0, speaker.channels, speaker.rate),
        ]

    def _device(self, device: Any) -> Dict[str, Any]:
        devices = self._devices()
        if isinstance(device, str):
            named = [info for info in devices if all(part in f"{info['name']}, {HOST}".lower() for part in device.lower().split())]
            if len(named) > 1:
                raise ValueError(f"Multiple devices found for {device!r}:\n{self.query_devices()}")
            return named[0] if named else self._stands_for(device)
        if isinstance(device, bool) or not isinstance(device, int):
            raise ValueError(f"Device must be an index or a name, not {device!r}")
        if device < 0:
            raise portaudio_error(f"Error querying device {device}", _INVALID_DEVICE)
        return devices[device] if device < len(devices) else self._stands_for(device)

    def _stands_for(self, device: Any) -> Dict[str, Any]:
        microphone, speaker = self.microphone.pcm, self.speaker
        return _info(device, f"device {device} (evi-harness software sound)", microphone.channels, speaker.channels, microphone.rate)


def _info(index: Any, name: str, n_in: int, n_out: int, rate: int) -> Dict[str, Any]:
    latency = 1 / microphones.BLOCKS_PER_S
    return {
        "name": name,
        "index": index,
        "hostapi": 0,
        "max_input_channels": n_in,
        "max_output_channels": n_out,
        "default_low_input_latency": latency,
        "default_low_output_latency": latency,
        "default_high_input_latency": latency,
        "default_high_output_latency": latency,
        "default_samplerate": float(rate),
    }


def portaudio_error(what: str, code: int) -> PortAudioError:
    """An error as PortAudio words it, with its number."""
    return PortAudioError(f"{what} [PaErrorCode {code}]", code)
