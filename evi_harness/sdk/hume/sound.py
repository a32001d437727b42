"""Software sound for the SDK: replace sounddevice, also where the SDK's modules hold names of it, and restore it.

It works whether or not the SDK's audio modules were imported before.

Rules of living here: the SDK on disk is never touched; what is changed in memory is put back, whatever happens.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, Mapping

from evi_harness.guard.patches import Hooks
from evi_harness.sdk.hume.old_playback import old_playback
from evi_harness.sdk.sound_switch import SOUNDDEVICE, SWITCH, software_sounddevice_in_place

__all__ = ["software_sound"]

_AUDIO = "hume.empathic_voice.chat.audio"
_MICROPHONE = f"{_AUDIO}.microphone"
_PLAYBACK = f"{_AUDIO}.audio_utilities"
# Names that other modules take out of sounddevice and keep.
_KEPT = ("RawInputStream", "RawOutputStream", "CallbackFlags", "CallbackStop")


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
        undo.enter_context(software_sounddevice_in_place(stand_in))
        undo.callback(_let_go)
        hooks = Hooks()
        undo.callback(hooks.restore)
        # In this order: the one may import the modules that the other looks at.
        for name, changes in {**old_playback(stand_in), **_changes(stand_in)}.items():
            if name in sys.modules:
                _change(hooks, sys.modules[name], changes)
        yield stand_in


def _changes(stand_in: ModuleType) -> Dict[str, Dict[str, Any]]:
    """What to set in the SDK's modules, by module. They took sounddevice's names on import, or noted that it was not there."""
    failed = [
        error for error in getattr(sys.modules.get(_MICROPHONE), "_FAILED_IMPORTS", []) if getattr(error, "name", None) != SOUNDDEVICE
    ]
    kept = {name: getattr(stand_in, name) for name in ("RawInputStream", "CallbackFlags")}
    return {
        _MICROPHONE: {SOUNDDEVICE: SWITCH, **kept, "_FAILED_IMPORTS": failed},
        _PLAYBACK: {"sd": SWITCH, "_missing": None},
    }


def _change(hooks: Hooks, module: ModuleType, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        hooks.set(module, name, value, is_firm=True)


def _let_go() -> None:
    """Free what was imported within the block from the stand-in of that block."""
    for name in (_MICROPHONE, _PLAYBACK):
        module = sys.modules.get(name)
        if module is None or SWITCH not in (vars(module).get(SOUNDDEVICE), vars(module).get("sd")):
            continue
        for kept in _KEPT:
            if kept in vars(module):
                vars(module)[kept] = _as_it_is(kept)


@cache
def _as_it_is(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(SWITCH, name)(*args, **kwargs)

    call.__name__ = name
    return call
