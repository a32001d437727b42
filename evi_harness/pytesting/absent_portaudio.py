"""An import hook: if sounddevice cannot be imported without PortAudio, a module without devices replaces it.

An app imports the SDK's microphone at its top, and that imports sounddevice, which raises OSError on a machine without PortAudio. So the
test file that imports the app would not load, and no replay, which needs no sound card, could begin.

Rules of living here: the real sounddevice is tried first, wherever it comes from, and only its OSError leads to the replacement. Modules
that are already in ``sys.modules`` are left alone. Nothing of the harness is imported before it is needed: this module is loaded in every
test run if evi-harness is installed.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from copy import copy
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Optional

__all__ = ["stand_in_where_absent"]

_SOUNDDEVICE = "sounddevice"


def stand_in_where_absent() -> Callable[[], None]:
    """Have ``import sounddevice`` succeed from now on in this process. Idempotent.

    Returns:
        What takes the hook out again; it does nothing where another call had put it in. A module that was imported stays.
    """
    if any(isinstance(one, _Finder) for one in sys.meta_path):
        return lambda: None
    finder: Any = _Finder()
    sys.meta_path.insert(0, finder)

    def take_out() -> None:
        with suppress(ValueError):
            sys.meta_path.remove(finder)

    return take_out


class _Finder:
    """Finds sounddevice as everybody else does, and has its loading watched."""

    def __init__(self) -> None:
        self._looking = threading.local()

    def find_spec(self, name: str, path: Any = None, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        # Another hook of this kind asks all the others as well, this one among them.
        if name != _SOUNDDEVICE or getattr(self._looking, "is_on", False):
            return None
        self._looking.is_on = True
        try:
            spec = self._others_spec(name, path, target)
        finally:
            self._looking.is_on = False
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        # A finder may keep the spec that it gives.
        watched, loader = copy(spec), _Loader(spec.loader)
        watched.loader = loader  # type: ignore[assignment]
        return watched

    def _others_spec(self, name: str, path: Any, target: Optional[ModuleType]) -> Optional[ModuleSpec]:
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: Optional[ModuleSpec] = None if find_spec is None else find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


class _Loader:
    """Loads sounddevice by its own loader; what that raises for lack of PortAudio is not passed on."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        # From here on it is a module like any other: who asks for its source asks its own loader.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        try:
            self._loader.exec_module(module)
        except OSError as error:
            from evi_harness.audio.absent import AbsentSound
            from evi_harness.dialects import adapter_for, default_dialect

            # The import takes what stands here when the loader returns.
            sys.modules[_SOUNDDEVICE] = AbsentSound(_SOUNDDEVICE, error, adapter_for(default_dialect()).standing_sound)
