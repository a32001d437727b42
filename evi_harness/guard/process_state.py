"""Save the process state that an app may change before a run, and restore it afterwards.

An app may change its folder, its environment, its signal handlers; but the replay, and the next one, go on in the same process. What is put
back is a row of ``_ATTRIBUTES`` or a pair of functions below.

Rules of living here: only what has changed is touched. What can be had on the main thread alone is left alone on others.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the library's own, which has no stubs
import asyncio
import locale
import os
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from evi_harness.guard.developers import DEVELOPER, is_installed, owner
from evi_harness.guard.variables import decoded, kept_variables

__all__ = ["forget_modules_of", "restored_process"]

_SIGNALS = tuple(map(int, signal.valid_signals()))

# Attributes that an app may set, and the objects that have them.
_ATTRIBUTES: Tuple[Tuple[Any, str], ...] = (
    *((sys, name) for name in ("stdin", "stdout", "stderr", "excepthook", "unraisablehook", "displayhook", "argv")),
    (threading, "excepthook"),
    (warnings, "showwarning"),
)

# The folders that handlers were loaded from, in the order in which they were named.
_LOADED_FROM: List[str] = []


@contextmanager
def restored_process() -> Iterator[None]:
    """Put back, when the block ends, what an app may have changed of the process.

    That is the working directory, the umask, the environment, signal handlers, the event loop policy and this thread's event loop, warning
    filters, the locale, ``sys.path``, hooks and standard streams, and the modules that it has loaded from the folders it was imported from.

    An installed package that was imported meanwhile stays loaded, so what it has put up to be found by stays too: finders, and folders of
    its own on ``sys.path``. importlib_metadata replaces the standard library's finder by its own, so taking that away would have every
    package of the process look uninstalled; six and setuptools would no longer find their own parts.
    """
    with ExitStack() as stack:
        # Modules are told by what has come to ``sys.path``, so they come before that is put back.
        for one in (_attributes, _ways_to_modules, _environment, _umask, _folder, _locale, _signals, _event_loop, _limits, _modules):
            stack.enter_context(one())
        stack.enter_context(warnings.catch_warnings())
        yield


@contextmanager
def _folder() -> Iterator[None]:
    try:
        before = os.open(".", os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        # It has been deleted, or may not be read: then there is no way back.
        yield
        return
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@contextmanager
def _umask() -> Iterator[None]:
    # It can be asked for only by setting it; meanwhile nothing may be made that others can read.
    before = os.umask(0o077)
    os.umask(before)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _environment() -> Iterator[None]:
    variables, kept = os.environ, kept_variables()
    try:
        yield
    finally:
        if kept_variables() != kept:
            _put_variables_back(decoded(kept, variables))


def _put_variables_back(before: Dict[str, str]) -> None:
    added = [name for name in os.environ if name not in before]
    for name in added:
        # Another thread may have taken it away again.
        os.environ.pop(name, None)
    changed = {name: value for name, value in before.items() if os.environ.get(name) != value}
    os.environ.update(changed)
    if "TZ" in changed or "TZ" in added:
        time.tzset()


@contextmanager
def _attributes() -> Iterator[None]:
    before = [(owner_, name, getattr(owner_, name)) for owner_, name in _ATTRIBUTES]
    lists = [(found, list(found)) for _, _, found in before if isinstance(found, list)]
    try:
        yield
    finally:
        for owner_, name, value in before:
            if getattr(owner_, name, None) is not value:
                setattr(owner_, name, value)
        for found, content in lists:
            if found != content:
                found[:] = content


@contextmanager
def _ways_to_modules() -> Iterator[None]:
    before = [(name, getattr(sys, name), list(getattr(sys, name)), stays) for name, stays in (("path", _is_inside), ("meta_path", _is_of))]
    try:
        yield
    finally:
        for name, found, content, stays in before:
            now = getattr(sys, name, None)
            wanted = _with_what_stays(content, now, stays) if isinstance(now, list) else content
            if now is not found:
                setattr(sys, name, found)
            if found != wanted:
                found[:] = wanted


def _with_what_stays(before: List[Any], now: List[Any], stays: Callable[[Any], bool]) -> List[Any]:
    """What there was, in its order, and what has come and stays: ahead of it or behind, as it stands now."""
    added = [one for one in now if one not in before]
    if not added:
        return before
    first = next((at for at, one in enumerate(now) if one in before), 0)
    ahead = [one for one in now[:first] if stays(one)]
    return [*ahead, *before, *(one for one in now[first:] if one in added and stays(one))]


def _is_inside(folder: Any) -> bool:
    """Whether a folder is an installed package's own, as that of what it has vendored."""
    return isinstance(folder, str) and is_installed(folder)


def _is_of(finder: Any) -> bool:
    """Whether a finder is an installed package's that is loaded."""
    made_by = finder if isinstance(finder, type) else type(finder)
    file = getattr(sys.modules.get(made_by.__module__), "__file__", None)
    return isinstance(file, str) and is_installed(file)


@contextmanager
def _locale() -> Iterator[None]:
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        if locale.setlocale(locale.LC_ALL) != before:
            with suppress(locale.Error):
                locale.setlocale(locale.LC_ALL, before)


@contextmanager
def _signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # None is a handler that Python has not set, and cannot. The function of ``signal`` makes an enum of each: 0.2 ms a run.
    handlers = {number: _signal.getsignal(number) for number in _SIGNALS}
    wakes = signal.set_wakeup_fd(-1)
    _wake_by(wakes)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None and _signal.getsignal(number) != handler:
                signal.signal(number, handler)
        if signal.set_wakeup_fd(-1) != wakes or wakes != -1:
            _wake_by(wakes)


def _wake_by(descriptor: int) -> None:
    # One that has been closed meanwhile is refused.
    with suppress(ValueError, OSError):
        signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)


@contextmanager
def _event_loop() -> Iterator[None]:
    # Asked for, a policy would be made, and a loop.
    before = asyncio.events._event_loop_policy  # type: ignore[attr-defined]
    local = getattr(before, "_local", None)
    loops: Dict[str, Any] = dict(vars(local)) if local is not None else {}
    try:
        yield
    finally:
        if asyncio.events._event_loop_policy is not before:  # type: ignore[attr-defined]
            asyncio.events._event_loop_policy = before  # type: ignore[attr-defined]
        if local is not None and vars(local) != loops:
            vars(local).clear()
            vars(local).update(loops)


@contextmanager
def _limits() -> Iterator[None]:
    recursion, timeout_s = sys.getrecursionlimit(), socket.getdefaulttimeout()
    try:
        yield
    finally:
        if sys.getrecursionlimit() != recursion:
            sys.setrecursionlimit(recursion)
        if socket.getdefaulttimeout() != timeout_s:
            socket.setdefaulttimeout(timeout_s)


def forget_modules_of(folder: str) -> None:
    """Have what the run loads from a folder forgotten behind it, though the folder was on ``sys.path`` before.

    Args:
        folder: The folder. What has been loaded from it before the run stays.
    """
    _LOADED_FROM.append(folder)


@contextmanager
def _modules() -> Iterator[None]:
    # By ``copy``: of a dictionary that something was taken out of, ``dict`` takes thirty times as long.
    modules, folders, n_named = sys.modules.copy(), list(sys.path), len(_LOADED_FROM)
    try:
        yield
    finally:
        # The folders that the handler was imported from; what its file is called by others stays for these.
        added = [folder for folder in sys.path if folder not in folders] if isinstance(sys.path, list) else []
        found = [*added, *_LOADED_FROM[n_named:]]
        del _LOADED_FROM[n_named:]
        for name, module in list(sys.modules.items()) if found else ():
            if modules.get(name) is not module and _is_below(module, found):
                _put_back(name, module, modules.get(name))


def _put_back(name: str, module: ModuleType, before: Optional[ModuleType]) -> None:
    """Have a module be again what it was before, if anything; also for the package that it is part of."""
    package, _, inner = name.rpartition(".")
    holder = sys.modules.get(package)
    is_held = vars(holder).get(inner) is module if holder is not None else False
    if before is not None:
        sys.modules[name] = before
    else:
        del sys.modules[name]
    if holder is not None and is_held and before is not None:
        setattr(holder, inner, before)
    elif holder is not None and is_held:
        delattr(holder, inner)


def _is_below(module: ModuleType, folders: List[str]) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or owner(file) != DEVELOPER:
        return False
    return any(Path(folder) in Path(file).parents for folder in folders)
