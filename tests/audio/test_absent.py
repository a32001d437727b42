"""sounddevice of a machine without PortAudio: what can be imported, what it does in a replay and outside."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any, List, Optional

import pytest

from evi_harness.audio import software_devices as devices
from evi_harness.audio import software_sound as software
from evi_harness.audio.absent import AbsentSound
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource

STANDING: List[ModuleType] = []


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, in place of sounddevice; what stands in for it is the last of STANDING."""
    STANDING.clear()

    def standing() -> Optional[ModuleType]:
        return STANDING[-1] if STANDING else None

    module = AbsentSound("sounddevice", OSError("PortAudio library not found"), standing)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


@pytest.fixture
def sound() -> ModuleType:
    """Software sound."""
    return software_sounddevice(SoftwareMicrophone(SilenceSource()), SoftwareSpeaker())


def test_it_has_every_name_of_software_sound(absent: Any, sound: ModuleType) -> None:
    """What can be imported in a replay can be imported before it, errors and flags as the same objects."""
    assert {name for name in vars(sound) if not name.startswith("__")} <= set(vars(absent))
    assert absent.__version__ == software.VERSION
    assert absent.PortAudioError is devices.PortAudioError
    assert (absent.CallbackStop, absent.CallbackAbort) == (software.CallbackStop, software.CallbackAbort)
    assert importlib.util.find_spec("sounddevice") is not None


@pytest.mark.parametrize("name", ["RawInputStream", "RawOutputStream", "InputStream", "Stream", "play", "rec", "check_input_settings"])
def test_what_needs_a_device_raises(absent: Any, name: str) -> None:
    """With what was called, and why it cannot be."""
    with pytest.raises(devices.PortAudioError, match=rf"sounddevice\.{name}: .*no sound .*PortAudio library"):
        getattr(absent, name)()


def test_who_looks_for_devices_finds_none(absent: Any) -> None:
    """No list has anything in it, and one device by name is an error."""
    assert isinstance(absent.query_devices(), devices.DeviceList)
    assert (list(absent.query_devices()), str(absent.query_devices()), absent.query_hostapis()) == ([], "", ())
    for ask in (lambda: absent.query_devices(kind="input"), lambda: absent.query_devices(3), lambda: absent.query_hostapis(0)):
        with pytest.raises(devices.PortAudioError):
            ask()
    absent.sleep(0)
    # Nothing is played: there is nothing to stop.
    assert (absent.stop(), absent.wait()) == (None, None)
    absent._initialize()
    absent._terminate()


def test_names_that_were_kept_use_what_stands_in(absent: Any, sound: Any) -> None:
    """A stream, a list of devices: taken before, they are software sound's for as long as that stands in."""
    stream_class, query_devices = absent.RawOutputStream, absent.query_devices
    STANDING.append(sound)
    stream = stream_class(samplerate=24_000, channels=1, dtype="int16", callback=lambda *_: None)
    assert isinstance(stream, sound.RawOutputStream)
    assert len(query_devices()) == 2
    STANDING.clear()
    assert len(query_devices()) == 0


def test_a_subclass_is_refused(absent: Any, sound: ModuleType) -> None:
    """It is made of a class that is not the one that would be opened: what it overrides must not be left out in silence."""

    class Player(absent.RawOutputStream):  # type: ignore[misc, name-defined]
        pass

    STANDING.append(sound)
    with pytest.raises(devices.PortAudioError, match=r"Player inherits from sounddevice\.RawOutputStream"):
        Player(callback=lambda *_: None)
