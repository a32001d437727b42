"""From a SPEC to the thing it names: ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``.

Rules of living here: imports happen when and where the caller says (inside the running loop, for a replay). A script is run anew for each
call; a file of a package is imported as the module that it is, once, as Python does. ``restored_process`` forgets both, so that two runs of
one handler do not share what its modules keep.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Set, Tuple

from evi_harness.errors import HandlerError, Parameter, SpecError, Words
from evi_harness.guard.developers import DEVELOPER, HARNESS, owner
from evi_harness.guard.ending import UsersInterrupt
from evi_harness.guard.process_state import forget_modules_of
from evi_harness.input_file import file_problem
from evi_harness.runs.names_in_file import likely_names
from evi_harness.runs.packages import Membership, membership_of
from evi_harness.runs.unguarded import refused_run, unguarded_run
from evi_harness.sdk.adapter import Adapter
from evi_harness.sdk.making_handlers import by_a_function

__all__ = ["has_loaded", "load", "split_spec"]

_LOADED: Set[str] = set()
_FORM = "Give FILE.py:NAME or PACKAGE.MODULE:NAME, for example app.py:WebSocketInterface."
# So many names are suggested.
_MOST_MEANT = 3
# A SPEC with a call in it: the place, and the call.
_CALLED = re.compile(r"([^:(]+):([\w.]+\(.*\))", re.DOTALL)


def split_spec(spec: str) -> Tuple[str, str]:
    """Take a SPEC apart.

    Returns:
        The file or module, and the name in it.

    Raises:
        SpecError: It is not a SPEC.
    """
    called = _CALLED.fullmatch(spec)
    hint: str
    if called is not None:
        # Nothing in a SPEC is evaluated.
        hint = Words(
            "Name it without arguments. ", Parameter("arguments", {"KEY": "VALUE"}), " gives it text. ", by_a_function(called[1], called[2])
        )
        raise SpecError(f"{spec!r} does not name a handler", hint=hint)
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name or not all(part.isidentifier() for part in name.split(".")):
        hint = "Did you mean recorded, which checks the replay itself?" if spec.strip().lower() == "recorded" else _meant(spec.rstrip(":"))
        raise SpecError(f"{spec!r} does not name a handler", hint=hint)
    if not place.endswith(".py") and os.path.isfile(place):  # noqa: PTH113 - where no file can have such a name, Path raises
        raise SpecError(f"{spec!r} does not name a handler: {place} does not end in .py", hint=_FORM)
    if not place.endswith(".py") and not all(part.isidentifier() for part in place.split(".")):
        hint = f"Did you mean {place}.py:{name}?" if os.path.isfile(f"{place}.py") else _FORM  # noqa: PTH113 - likewise
        raise SpecError(f"{spec!r} does not name a handler: {place!r} is neither a .py file nor a module", hint=hint)
    return place, name


def _meant(file: str) -> str:
    """What a SPEC without a name may mean, where it names a file: by what stands in it."""
    names = likely_names(file) if file.endswith(".py") else []
    meant = " or ".join(f"{file}:{name}" for name in names[:_MOST_MEANT])
    return f"Did you mean {meant}?" if names else _FORM


def load(spec: str, adapter: Optional[Adapter] = None) -> Any:
    """Import what a SPEC names.

    Args:
        spec: The SPEC.
        adapter: The SDK that it uses, which may know why its import fails; None where nobody knows.

    Raises:
        SpecError: It is not a SPEC.
        HandlerError: The file or module is not there, fails to import, or has no such name.
    """
    place, name = split_spec(spec)
    _LOADED.add(spec)
    try:
        return _loaded(spec, place, name)
    except HandlerError as error:
        # Where its SDK is not as the handler has it, who knows the SDK helps best.
        hint = adapter.import_hint(error.__cause__) if adapter is not None and isinstance(error.__cause__, ImportError) else None
        if hint is not None:
            error.hint = hint
        raise


def _loaded(spec: str, place: str, name: str) -> Any:
    found: Any = _file(place) if place.endswith(".py") else _module(place)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise HandlerError(f"{spec}: no {part!r} in {place}", hint=f"It has: {_names(found)}.") from None
        except Exception as error:
            # A module's own __getattr__, or a descriptor.
            raise _failed(spec, error) from error
    return found


def has_loaded() -> bool:
    """Whether this process has imported code of a developer's, or begun to: in a replay that is the child's to do."""
    return bool(_LOADED)


def _names(thing: Any) -> str:
    """What a module or class has, as far as it is meant to be seen: its own first, then what was imported from elsewhere."""
    # Only looked at: a module's own __getattr__ may do anything.
    there = {name: inspect.getattr_static(thing, name, None) for name in dir(thing) if not name.startswith("_")}
    names = sorted(name for name, value in there.items() if not isinstance(value, ModuleType))
    here = getattr(thing, "__name__", None)
    own = [name for name in names if getattr(there[name], "__module__", here) == here]
    return ", ".join([*own, *(name for name in names if name not in own)]) or "nothing public"


def _file(place: str) -> ModuleType:
    try:
        problem = file_problem(place, "handler")
    except (OSError, ValueError):
        # It is nowhere, or its name is one that no file can have.
        raise HandlerError(f"{place} is not there", hint=f"The current folder is {Path.cwd()}.") from None
    if problem is not None:
        raise HandlerError(f"{place} cannot be imported: {problem[0]}", hint=problem[1])
    # As a whole name: Python 3.9 would keep a relative one, and its code then says nothing of where it stands.
    path = Path(os.path.normpath(Path.cwd() / place))
    refused = unguarded_run(path, place)
    if refused is not None:
        raise refused
    membership = membership_of(path)
    return _script(path, place) if membership is None else _in_package(path, membership, place)


def _script(path: Path, place: str) -> ModuleType:
    # A script finds its siblings, as under "python FILE.py".
    _put_first(str(path.parent.resolve()))
    name = _free_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
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


def _in_package(path: Path, membership: Membership, place: str) -> ModuleType:
    name, root = membership.name, membership.root
    if name not in sys.modules:
        _put_first(str(root), though_known=True)
        # A folder that was looked into a moment ago may have more in it by now.
        importlib.invalidate_caches()
    module = _imported(name, place)
    if not _is_of(module, path):
        there = getattr(module, "__file__", None) or "elsewhere"
        what = f"{place} would be imported as the module {name}, and another file has that name already: {there}"
        raise HandlerError(what, hint="Rename its package, or run it where the other one is not imported.")
    return module


def _free_name(path: Path) -> str:
    """What to call the module of a file: its own name, unless a module that is not an earlier load of it has that name already."""
    name = path.stem
    while name in sys.modules and not _is_of(sys.modules[name], path):
        name += "_"
    return name


def _is_of(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path.resolve()


def _module(place: str) -> ModuleType:
    _put_first(str(Path.cwd()))
    return _imported(place, place)


def _imported(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except UsersInterrupt:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise _failed(place, error) from error


def _put_first(folder: str, *, though_known: bool = False) -> None:
    """Have modules looked for in a folder first, and forgotten behind the run that they are loaded in.

    Args:
        folder: The folder.
        though_known: Whether it comes first also where it is looked into already, behind others.
    """
    forget_modules_of(folder)
    if folder not in sys.path or (though_known and sys.path[0] != folder):
        sys.path.insert(0, folder)


def _is_ours(file: str) -> bool:
    return owner(file) == HARNESS or file.startswith(("<frozen", str(importlib.__file__)))


def _failed(place: str, error: BaseException) -> HandlerError:
    refused = refused_run(place, error)
    if refused is not None:
        return refused
    where: Optional[str]
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    else:
        # Our own lines and Python's import machinery stand around the developer's, and what these call may raise.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
        own = [frame for frame in frames if owner(frame.filename) == DEVELOPER] or frames
        where = f"{own[-1].filename}:{own[-1].lineno}" if own else None
    what = (error.msg if isinstance(error, SyntaxError) else str(error)) or "no message"
    top = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    in_src = Path("src", *place.split(".")).with_suffix(".py")
    if top and top == place.partition(".")[0] and in_src.is_file():
        hint = f"{in_src} is there: name it as FILE.py:NAME, install its project, or have src on PYTHONPATH."
    else:
        hint = "Import it in Python to see the whole trace."
    return HandlerError(f"{place} does not import: {type(error).__name__}: {what}", where=where, hint=hint)
