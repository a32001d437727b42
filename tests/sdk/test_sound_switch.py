"""Software sound in the place of sounddevice, for apps without an SDK."""

from __future__ import annotations

import sys
from types import ModuleType

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.sdk.plain_client import PLAIN
from evi_harness.sdk.sound_switch import SOUNDDEVICE, SWITCH, software_sounddevice_in_place, standing_sound


def stand_in() -> ModuleType:
    """One more."""
    return software_sounddevice(SoftwareMicrophone(SilenceSource()), SoftwareSpeaker())


def test_whoever_imports_sounddevice_gets_the_innermost(monkeypatch) -> None:
    """Also who has imported the real one, or the switch, before; behind the block all is as it was."""
    real = ModuleType(SOUNDDEVICE)
    real.InputStream = "the real one"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, SOUNDDEVICE, real)
    outer, inner = stand_in(), stand_in()
    with PLAIN.sound(outer):
        assert sys.modules[SOUNDDEVICE] is SWITCH
        assert (SWITCH.InputStream, real.InputStream) == (outer.InputStream, outer.InputStream)  # type: ignore[attr-defined]
        with software_sounddevice_in_place(inner):
            assert SWITCH.OutputStream is inner.OutputStream
            assert PLAIN.standing_sound() is standing_sound() is inner
        assert SWITCH.OutputStream is outer.OutputStream
    assert sys.modules[SOUNDDEVICE] is real
    assert (real.InputStream, hasattr(real, "OutputStream"), standing_sound()) == ("the real one", False, None)  # type: ignore[attr-defined]
    assert SWITCH.InputStream == "the real one"
