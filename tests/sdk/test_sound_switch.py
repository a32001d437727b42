"""Software sound in the place of sounddevice, for apps without an SDK."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.sdk.plain_client import PLAIN
from evi_harness.sdk.sound_switch import (
    SOUNDDEVICE,
    SWITCH,
    software_packages_in_place,
    software_sounddevice_in_place,
    standing_sound,
)


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


NAME = "a_sound_package"


def standing_for(name: str = NAME, **names: object) -> ModuleType:
    """What stands in for a package."""
    module = ModuleType(name)
    vars(module).update(names)
    return module


def test_a_package_that_is_not_installed_is_not_there() -> None:
    """An app that does without it does so in a replay, too."""
    with software_packages_in_place([standing_for(value=1)]), pytest.raises(ModuleNotFoundError):
        importlib.import_module(NAME)


def test_a_package_that_is_installed_is_replaced_even_if_its_library_is_not_there(monkeypatch, tmp_path) -> None:
    """Whoever imports it within the block, for as long as that runs; the innermost block counts, and no finder is left."""
    (tmp_path / f"{NAME}.py").write_text("raise ImportError('no library')\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    with software_packages_in_place([standing_for(value=1)]):
        module = importlib.import_module(NAME)
        assert (module.value, importlib.import_module(NAME)) == (1, module)
        with software_packages_in_place([standing_for(value=2)]):
            assert module.value == importlib.import_module(NAME).value == 2
        assert module.value == 1
    assert (NAME in sys.modules, sys.meta_path) == (False, before)
    with pytest.raises(ImportError, match="no library"):
        importlib.import_module(NAME)
    (tmp_path / f"{NAME}.py").write_text("value = 'the real one'\n")
    importlib.invalidate_caches()
    assert module.value == "the real one"
    sys.modules.pop(NAME)


def test_whoever_has_imported_a_package_before_has_the_stand_ins_names(monkeypatch) -> None:
    """Behind the block all is as it was."""
    real = standing_for(value="the real one")
    monkeypatch.setitem(sys.modules, NAME, real)
    with software_packages_in_place([standing_for(value=1, other=2)]):
        assert (real.value, real.other, importlib.import_module(NAME).value) == (1, 2, 1)  # type: ignore[attr-defined]
    assert (real.value, hasattr(real, "other"), sys.modules[NAME]) == ("the real one", False, real)  # type: ignore[attr-defined]
