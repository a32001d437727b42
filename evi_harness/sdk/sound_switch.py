"""Software sound in the place of sounddevice, whoever imports it, and sounddevice again behind it.

It works whether or not sounddevice was imported before, and where it cannot be imported at all for lack of PortAudio. The real one is
never imported here; an app that comes to need it behind the block imports it then.

Rules of living here: nothing on disk is touched; what is changed in memory is put back, whatever happens.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional

from evi_harness.guard.patches import Hooks

__all__ = ["SOUNDDEVICE", "SWITCH", "software_sounddevice_in_place", "standing_sound"]

SOUNDDEVICE = "sounddevice"


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
SWITCH = _Switch()


@contextmanager
def software_sounddevice_in_place(stand_in: ModuleType) -> Iterator[ModuleType]:
    """Let whoever imports sounddevice use software sound for as long as the block runs.

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
        hooks = Hooks()
        undo.callback(hooks.restore)
        hooks.set_item(sys.modules, SOUNDDEVICE, SWITCH, is_firm=True)
        if real is not None and real is not SWITCH:
            # Modules of the app that hold the real one from before get the stand-in's functions through it.
            for name, value in _public(stand_in).items():
                hooks.set(real, name, value, is_firm=True)
        yield stand_in


def standing_sound() -> Optional[ModuleType]:
    """The stand-in of the innermost block that is open, None outside of all."""
    return _STANDING[-1] if _STANDING else None


def _public(module: ModuleType) -> Dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def _no_longer(stand_in: ModuleType) -> None:
    # The last of them: a block may stand in another with the same one.
    del _STANDING[max(index for index, one in enumerate(_STANDING) if one is stand_in)]
