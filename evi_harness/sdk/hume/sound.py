"""Software sound for the SDK: replace sounddevice, and restore it.

It works whether or not the SDK's audio modules, or sounddevice itself, were imported before, and where sounddevice cannot be imported at
all for lack of PortAudio. The real sounddevice is never imported here; an app that comes to need it behind the block imports it then.

Rules of living here: the SDK on disk is never touched; what is changed in memory is put back, whatever happens.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from evi_harness.guard.patches import Hooks
from evi_harness.sdk.hume.old_playback import old_playback

__all__ = ["software_sound", "standing_sound"]

SOUNDDEVICE = "sounddevice"
_AUDIO = "hume.empathic_voice.chat.audio"
_MICROPHONE = f"{_AUDIO}.microphone"
_PLAYBACK = f"{_AUDIO}.audio_utilities"
# Names that other modules take out of sounddevice and keep.
_KEPT = ("RawInputStream", "RawOutputStream", "CallbackFlags", "CallbackStop")


class _Switch(ModuleType):
    """The sounddevice module as it is at the moment: the innermost stand-in, else the real one.

    Whoever imported sounddevice within a block holds this for good, and with it whatever is right whenever it is used.
    """

    def __init__(self) -> None:
        super().__init__(SOUNDDEVICE, "sounddevice, or its current replacement.")
        self.__spec__ = ModuleSpec(SOUNDDEVICE, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(_STANDING[-1] if _STANDING else importlib.import_module(SOUNDDEVICE), name)


# The stand-ins, the innermost last.
_STANDING: List[ModuleType] = []
_SWITCH = _Switch()


@contextmanager
def software_sound(stand_in: ModuleType) -> Iterator[ModuleType]:
    """Let the SDK, and whoever imports sounddevice, use software sound for as long as the block runs.

    Blocks may be nested; the innermost counts. Streams that were opened before go on as they are. It holds for the whole process.

    Args:
        stand_in: What stands in, as ``evi_harness.audio.software_sound`` makes it.

    Yields:
        The stand-in.
    """
    with ExitStack() as undo:
        real = sys.modules.get(SOUNDDEVICE)
        _STANDING.append(stand_in)
        undo.callback(_no_longer, stand_in)
        undo.callback(_let_go)
        hooks = Hooks()
        undo.callback(hooks.restore)
        hooks.set_item(sys.modules, SOUNDDEVICE, _SWITCH, is_firm=True)
        # In this order: the one may import the modules that the other looks at.
        for name, changes in {**old_playback(stand_in), **_changes(stand_in)}.items():
            if name in sys.modules:
                _change(hooks, sys.modules[name], changes)
        if real is not None and real is not _SWITCH:
            # Modules of the app that hold the real one from before get the stand-in's functions through it.
            _change(hooks, real, _public(stand_in))
        yield stand_in


def standing_sound() -> Optional[ModuleType]:
    """The stand-in of the innermost block that is open, None outside of all."""
    return _STANDING[-1] if _STANDING else None


def _changes(stand_in: ModuleType) -> Dict[str, Dict[str, Any]]:
    """What to set in the SDK's modules, by module. They took sounddevice's names on import, or noted that it was not there."""
    failed = [
        error for error in getattr(sys.modules.get(_MICROPHONE), "_FAILED_IMPORTS", []) if getattr(error, "name", None) != SOUNDDEVICE
    ]
    kept = {name: getattr(stand_in, name) for name in ("RawInputStream", "CallbackFlags")}
    return {
        _MICROPHONE: {SOUNDDEVICE: _SWITCH, **kept, "_FAILED_IMPORTS": failed},
        _PLAYBACK: {"sd": _SWITCH, "_missing": None},
    }


def _public(module: ModuleType) -> Dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def _change(hooks: Hooks, module: ModuleType, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        hooks.set(module, name, value, is_firm=True)


def _no_longer(stand_in: ModuleType) -> None:
    # The last of them: a block may stand in another with the same one.
    del _STANDING[max(index for index, one in enumerate(_STANDING) if one is stand_in)]


def _let_go() -> None:
    """Free what was imported within the block from the stand-in of that block."""
    for name in (_MICROPHONE, _PLAYBACK):
        module = sys.modules.get(name)
        if module is None or _SWITCH not in (vars(module).get(SOUNDDEVICE), vars(module).get("sd")):
            continue
        for kept in _KEPT:
            if kept in vars(module):
                vars(module)[kept] = _as_it_is(kept)


@cache
def _as_it_is(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(_SWITCH, name)(*args, **kwargs)

    call.__name__ = name
    return call
