"""The sound devices of this machine, as sounddevice knows them.

sounddevice is imported when devices are listed; if something is missing, the error names the command that installs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import EviHarnessError, UsageError

__all__ = ["INSTALL_PORTAUDIO", "Device", "choose_device", "device_lines", "list_devices", "portaudio_version", "refused_rates"]

INPUT, OUTPUT = "input", "output"

# System → how PortAudio comes onto it.
INSTALL_PORTAUDIO: Mapping[str, str] = {
    "Debian/Ubuntu": "sudo apt-get install libportaudio2",
    "macOS": "brew install portaudio",
}


@dataclass(frozen=True)
class Device:
    """One sound device.

    Attributes:
        index: Its number, by which an app asks for it.
        name: Its name.
        host_api: What reaches it, such as ALSA or Core Audio.
        n_input: Channels that it records.
        n_output: Channels that it plays.
        default_for: ``input``, ``output``, both or neither: for which it is taken where none is asked for.
    """

    index: int
    name: str
    host_api: str
    n_input: int
    n_output: int
    default_for: Tuple[str, ...] = ()

    def channels(self, kind: str) -> int:
        """How many channels it has for ``input`` or ``output``."""
        return self.n_input if kind == INPUT else self.n_output


def list_devices() -> List[Device]:
    """List the sound devices, in the order of their indexes; empty where there are none.

    Raises:
        EviHarnessError: sounddevice or PortAudio is missing, or PortAudio fails.
    """
    sounddevice = _sounddevice()
    try:
        names = [one["name"] for one in sounddevice.query_hostapis()]
        infos = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        raise EviHarnessError(f"PortAudio cannot list the sound devices: {error}", hint="Is the sound server running?") from None
    defaults = {kind: _default(sounddevice, kind) for kind in (INPUT, OUTPUT)}
    return [_device(index, info, names, defaults) for index, info in enumerate(infos)]


def portaudio_version() -> str:
    """Which PortAudio there is, in its own words.

    Raises:
        EviHarnessError: sounddevice or PortAudio is missing.
    """
    version = getattr(_sounddevice(), "get_portaudio_version", None)
    return str(version()[1]).partition(",")[0] if version is not None else "PortAudio"


def refused_rates(device: Device, rates: Sequence[int]) -> List[int]:
    """Which rates a speaker does not play as the SDK plays: in 16 bits, mono. Not every sound system resamples.

    Args:
        device: The speaker.
        rates: Frames a second.

    Raises:
        EviHarnessError: sounddevice or PortAudio is missing.
    """
    sounddevice = _sounddevice()
    refused = []
    for rate in rates:
        try:
            sounddevice.check_output_settings(device=device.index, channels=1, dtype="int16", samplerate=rate)
        except sounddevice.PortAudioError:
            refused.append(rate)
    return refused


def device_lines(devices: Sequence[Device]) -> List[str]:
    """The list as Hume's guide shows it: index, name, host API, channels; ``>`` is the default microphone, ``<`` the default speaker."""
    width = len(str(max((device.index for device in devices), default=0)))
    return [
        f"{_mark(device)} {device.index:{width}} {device.name}, {device.host_api} ({device.n_input} in, {device.n_output} out)"
        for device in devices
    ]


def choose_device(devices: Sequence[Device], wanted: str, kind: str = INPUT) -> Device:
    """Find the device that a user means.

    Args:
        devices: The devices there are.
        wanted: Its index, its name, or a part of its name in either case.
        kind: ``input`` or ``output``, which it must be able to do.

    Raises:
        UsageError: There is none, there are several, or it cannot do that; with the devices that can.
    """
    able = [device for device in devices if device.channels(kind)]
    number = wanted.strip()
    # A name may be a number, but an index is what people mean by one.
    meant = [device for device in devices if number == str(device.index)]
    meant = meant or [device for device in able if device.name == wanted]
    meant = meant or [device for device in able if number and number.lower() in device.name.lower()]
    if len(meant) == 1 and meant[0].channels(kind):
        return meant[0]
    if len(meant) == 1:
        what = f"device {meant[0].index}, {meant[0].name}, has no {kind}"
    else:
        what = f"{len(meant)} {kind} devices are called {wanted!r}" if meant else f"there is no {kind} device {wanted!r}"
    listed = "\n".join(device_lines(meant if len(meant) > 1 else able)) or f"There is no {kind} device at all."
    raise UsageError(what, hint=listed)


def _sounddevice() -> Any:
    from evi_harness.audio.absent import AbsentSound

    try:
        import sounddevice
    except ImportError:
        raise EviHarnessError("the package sounddevice is not installed", hint="pip install 'hume[microphone]'") from None
    except OSError:
        raise _no_portaudio() from None
    if isinstance(sounddevice, AbsentSound):
        # In a test run that one stands where the import failed.
        raise _no_portaudio()
    return sounddevice


def _no_portaudio() -> EviHarnessError:
    commands = "; ".join(f"{system}: {command}" for system, command in INSTALL_PORTAUDIO.items())
    return EviHarnessError("PortAudio is not installed: it is the system library that sounddevice uses", hint=commands)


def _default(sounddevice: Any, kind: str) -> Optional[int]:
    try:
        index = sounddevice.query_devices(kind=kind)["index"]
    except (sounddevice.PortAudioError, ValueError, KeyError):
        return None
    return int(index)


def _device(index: int, info: Mapping[str, Any], host_apis: Sequence[str], defaults: Mapping[str, Optional[int]]) -> Device:
    host_api = info["hostapi"]
    return Device(
        index=index,
        name=" ".join(str(info["name"]).split()),
        host_api=host_apis[host_api] if 0 <= host_api < len(host_apis) else "",
        n_input=int(info["max_input_channels"]),
        n_output=int(info["max_output_channels"]),
        default_for=tuple(kind for kind in (INPUT, OUTPUT) if defaults[kind] == index),
    )


def _mark(device: Device) -> str:
    return {(): " ", (INPUT,): ">", (OUTPUT,): "<"}.get(device.default_for, "*")
