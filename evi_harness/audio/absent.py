"""A replacement for sounddevice on a machine without PortAudio: an app can import its names, but there are no devices.

Its names are those of software sound, and each passes on to what stands in when it is used: an app that took them at its top, before a
replay, gets the software microphone and speaker within it. Where nothing stands in, what needs a device raises a PortAudioError.

Rules of living here: nothing pretends to be a sound card; a program that looks for devices finds none.
"""

from __future__ import annotations

import time
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Mapping, NoReturn, Optional, Tuple

from evi_harness.audio.software_devices import DeviceList, PortAudioError
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import is_stream, software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource

__all__ = ["AbsentSound"]

# What tells a module from any other, and is not sounddevice's.
_MODULES_OWN = ("__name__", "__doc__", "__package__", "__loader__", "__spec__")

Standing = Callable[[], Optional[ModuleType]]


class AbsentSound(ModuleType):
    """A module to stand where ``sounddevice`` does in a process that has no PortAudio.

    Args:
        name: What it is imported by.
        why: What importing the real one raised.
        standing: Gives the module that stands in at the moment, as ``software_sounddevice`` makes it; None where none does.
    """

    def __init__(self, name: str, why: OSError, standing: Standing) -> None:
        super().__init__(name, "sounddevice without PortAudio: software sound within a replay, no device outside.")
        self.__spec__ = ModuleSpec(name, None)
        # Its names are read off, it is never opened.
        model = software_sounddevice(SoftwareMicrophone(SilenceSource()), SoftwareSpeaker())
        sentence = f"this machine has no sound ({why}); a replay uses software sound instead"
        for named, value in vars(model).items():
            if named not in _MODULES_OWN:
                vars(self)[named] = _passing_on(named, value, standing, sentence)


def _passing_on(name: str, value: Any, standing: Standing, sentence: str) -> Any:
    """What a name of software sound is here: errors, flags and constants are the same objects."""

    def passed_on(*args: Any, **kwargs: Any) -> Any:
        module = standing()
        if module is not None:
            return getattr(module, name)(*args, **kwargs)
        if name in _WITHOUT_DEVICES:
            return _WITHOUT_DEVICES[name](*args, **kwargs)
        return _refuse(f"sounddevice.{name}: {sentence}")

    if is_stream(value):
        return _stream_class(name, passed_on)
    if isinstance(value, type) or not callable(value):
        return value
    passed_on.__name__ = name
    return passed_on


def _stream_class(name: str, make: Callable[..., Any]) -> type:
    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        if cls is not stream:
            # What the subclass overrides would be left out without a word.
            _refuse(f"{cls.__name__} inherits from sounddevice.{name} of a machine without PortAudio: import its module in the replay")
        return make(*args, **kwargs)

    # A class, since apps name it in their annotations.
    stream = type(name, (), {"__new__": new})
    return stream


def _refuse(sentence: str) -> NoReturn:
    raise PortAudioError(sentence)


def _query_devices(device: Any = None, kind: Optional[str] = None) -> DeviceList:
    if device is not None or kind is not None:
        _refuse(f"there is no {kind or 'sound'} device on this machine")
    return DeviceList()


def _query_hostapis(index: Optional[int] = None) -> Tuple[Any, ...]:
    if index is not None:
        _refuse("there is no host API on this machine")
    return ()


_WITHOUT_DEVICES: Mapping[str, Callable[..., Any]] = {
    "query_devices": _query_devices,
    "query_hostapis": _query_hostapis,
    "sleep": lambda msec: time.sleep(msec / 1000),
    # There is nothing to stop, or to wait for.
    "stop": lambda ignore_errors=True: None,  # noqa: ARG005 - sounddevice's name
    "wait": lambda ignore_errors=True: None,  # noqa: ARG005 - likewise
    "_initialize": lambda: None,
    "_terminate": lambda: None,
}
