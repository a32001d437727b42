"""From a SPEC to the thing it names: ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``.

Rules of living here: imports happen when and where the caller says (inside the running loop, for a replay). A file is run anew for each
call, so that two runs of one handler do not share what its module keeps; a module of a package is imported once, as Python does.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Tuple

from evi_harness.errors import HandlerError, SpecError
from evi_harness.live.ending import UsersInterrupt
from evi_harness.sdk.version import installed_version

__all__ = ["load", "split_spec"]

_FORM = "A handler is given as FILE.py:NAME or PACKAGE.MODULE:NAME, for example app.py:WebSocketInterface."


def split_spec(spec: str) -> Tuple[str, str]:
    """Take a SPEC apart.

    Returns:
        The file or module, and the name in it.

    Raises:
        SpecError: It is no SPEC.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name or not all(part.isidentifier() for part in name.split(".")):
        hint = "Did you mean recorded, the null test?" if spec.strip().lower() == "recorded" else _FORM
        raise SpecError(f"{spec!r} is no handler SPEC", hint=hint)
    if not place.endswith(".py") and Path(place).is_file():
        raise SpecError(f"{spec!r} is no handler SPEC: {place} does not end in .py", hint=_FORM)
    if not place.endswith(".py") and not all(part.isidentifier() for part in place.split(".")):
        hint = f"Did you mean {place}.py:{name}?" if Path(f"{place}.py").is_file() else _FORM
        raise SpecError(f"{spec!r} is no handler SPEC: {place!r} is neither a .py file nor a module", hint=hint)
    return place, name


def load(spec: str) -> Any:
    """Import what a SPEC names.

    Raises:
        SpecError: It is no SPEC.
        HandlerError: The file or module is not there, fails to import, or has no such name.
    """
    place, name = split_spec(spec)
    found: Any = _file(place) if place.endswith(".py") else _module(place)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise HandlerError(f"{spec}: no {part!r} in {place}", hint=f"It has: {_names(found)}.") from None
    return found


def _names(thing: Any) -> str:
    """What a module or class has, as far as it is meant to be seen: its own first, then what was imported from elsewhere."""
    names = sorted(name for name in dir(thing) if not name.startswith("_") and not isinstance(getattr(thing, name, None), ModuleType))
    here = getattr(thing, "__name__", None)
    own = [name for name in names if getattr(getattr(thing, name, None), "__module__", here) == here]
    return ", ".join([*own, *(name for name in names if name not in own)]) or "nothing public"


def _file(place: str) -> ModuleType:
    path = Path(place)
    if not _is_file(path):
        raise HandlerError(f"{place} is not there", hint=f"The current folder is {Path.cwd()}.")
    # A script finds its siblings, as under "python FILE.py".
    _put_first(str(path.resolve().parent))
    name = _free_name(path)
    # As a whole name: Python 3.9 would keep a relative one, and its code then says nothing of where it stands.
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    if spec is None or spec.loader is None:
        raise HandlerError(f"{place} cannot be imported as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, UsersInterrupt):
            raise _failed(place, error) from error
        raise
    return module


def _free_name(path: Path) -> str:
    """What to call the module of a file: its own name, unless a module that is no earlier load of it has that name already."""
    name = path.stem
    while name in sys.modules and not _is_of(sys.modules[name], path):
        name += "_"
    return name


def _is_of(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path.resolve()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name that no file can have.
        return False


def _module(place: str) -> ModuleType:
    _put_first(str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except UsersInterrupt:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise _failed(place, error) from error


def _put_first(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


_NOT_THE_DEVELOPERS = ("<frozen", __file__, str(importlib.__file__))


def _failed(place: str, error: BaseException) -> HandlerError:
    where: Optional[str]
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    else:
        # Our own lines and Python's import machinery stand before the developer's.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_NOT_THE_DEVELOPERS)]
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
    what = (error.msg if isinstance(error, SyntaxError) else str(error)) or "no further word"
    # What stands in Hume's guide has moved from one version to the next.
    is_sdks = isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "hume"
    hint = (
        f"docs/guide.md, Imports, says where hume {installed_version()} has it."
        if is_sdks
        else "Import it in Python to see the whole trace."
    )
    return HandlerError(f"{place} does not import: {type(error).__name__}: {what}", where=where, hint=hint)
