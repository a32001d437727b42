"""Software sound in the place of the packages that reach a sound card, whoever imports them, and these packages again behind it.

It works whether or not a package was imported before, and where it cannot be imported for lack of its library. The real one is never
imported here; an app that comes to need it behind the block imports it then. sounddevice, which SDKs use, is there for everybody; PyAudio
and simpleaudio are there where they are installed: an app that does without one where it is missing does so in a replay, too.

Rules of living here: nothing on disk is touched; what is changed in memory is put back, whatever happens.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack, contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional, Sequence

from evi_harness.guard.patches import Hooks

__all__ = ["SOUNDDEVICE", "SWITCH", "software_packages_in_place", "software_sounddevice_in_place", "standing_sound"]

SOUNDDEVICE = "sounddevice"


class _Switch(ModuleType):
    """A module as it is at the moment: the innermost stand-in, else the real one.

    Whoever imported it within a block holds this for good, and with it whatever is right whenever it is used.

    Args:
        name: The module's.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, f"{name}, or its current replacement.")
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Any:
        package = self.__name__
        standing = _STANDING.get(package)
        return getattr(standing[-1] if standing else importlib.import_module(package), name)


# The stand-ins of each package, the innermost last; and what leads to them.
_STANDING: Dict[str, List[ModuleType]] = {}
SWITCH = _Switch(SOUNDDEVICE)
_SWITCHES: Dict[str, _Switch] = {SOUNDDEVICE: SWITCH}


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
        _stand(stand_in, undo)
        hooks = Hooks()
        undo.callback(hooks.restore)
        hooks.set_item(sys.modules, SOUNDDEVICE, SWITCH, is_firm=True)
        _lead(hooks, real, stand_in)
        yield stand_in


@contextmanager
def software_packages_in_place(stand_ins: Sequence[ModuleType]) -> Iterator[None]:
    """Let whoever imports a package that is installed get another one for as long as the block runs, as for sounddevice.

    Whether it is installed is looked at when it is imported; where it is not, the import fails as it would.

    Args:
        stand_ins: What stands in, each with the name of what it stands for.
    """
    with ExitStack() as undo:
        finder = _Finder([one.__name__ for one in stand_ins])
        for stand_in in stand_ins:
            name = stand_in.__name__
            switch = _SWITCHES.setdefault(name, _Switch(name))
            real = sys.modules.get(name)
            hooks = Hooks()
            if real is None:
                undo.callback(_forget, switch)
            else:
                undo.callback(hooks.restore)
                hooks.set_item(sys.modules, name, switch, is_firm=True)
                _lead(hooks, real, stand_in)
            _stand(stand_in, undo)
        sys.meta_path.insert(0, finder)
        undo.callback(_take_out, finder)
        yield


def standing_sound() -> Optional[ModuleType]:
    """The stand-in for sounddevice of the innermost block that is open, None outside of all."""
    standing = _STANDING.get(SOUNDDEVICE)
    return standing[-1] if standing else None


class _Finder(MetaPathFinder):
    """Finds the switches of packages that others find.

    Args:
        names: The packages.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Any, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        """The switch, where a package is installed."""
        if fullname not in self._names:
            return None
        for finder in list(sys.meta_path):
            find = None if isinstance(finder, _Finder) else getattr(finder, "find_spec", None)
            found = None if find is None else find(fullname, path, target)
            if found is not None:
                return ModuleSpec(fullname, _Loader(), origin=found.origin)
        return None


class _Loader(Loader):
    """Loads a switch."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The one that there is."""
        return _SWITCHES[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it leads to what stands there."""


def _stand(stand_in: ModuleType, undo: ExitStack) -> None:
    """Have a stand-in be the innermost."""
    standing = _STANDING.setdefault(stand_in.__name__, [])
    standing.append(stand_in)
    # The last of them goes: a block may stand in another with the same one.
    undo.callback(lambda: standing.pop(max(index for index, one in enumerate(standing) if one is stand_in)))


def _lead(hooks: Hooks, real: Optional[ModuleType], stand_in: ModuleType) -> None:
    """Have modules of the app that hold the real one from before get the stand-in's functions through it."""
    if real is not None and not isinstance(real, _Switch):
        for name, value in _public(stand_in).items():
            hooks.set(real, name, value, is_firm=True)


def _public(module: ModuleType) -> Dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def _forget(switch: _Switch) -> None:
    """Have the real one be imported the next time, unless another block is open."""
    if not _STANDING[switch.__name__] and sys.modules.get(switch.__name__) is switch:
        del sys.modules[switch.__name__]


def _take_out(finder: _Finder) -> None:
    # Who keeps the finders as they were before the app may have done so.
    with suppress(ValueError):
        sys.meta_path.remove(finder)
