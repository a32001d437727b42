"""The Python programs that an app starts beside itself, and those that it becomes: what begins in its own process begins in theirs too.

Rules of living here: only their environment and the descriptors that they inherit are changed; their arguments are not.
"""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from multiprocessing import util
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from evi_harness.guard.variables import variables_in
from evi_harness.runs.app_channel import CHANNEL, with_site

__all__ = ["follow", "follow_becoming"]

# Where ``env`` stands among what ``Popen`` is called with.
_ENV = 10
# What is changed of an environment.
_NAMES = ("PYTHONPATH", CHANNEL)


def follow(channel: str) -> None:
    """Follow what is started by ``subprocess``, by asyncio's, by ``multiprocessing`` and by ``os``, for as long as the process lives.

    ``os.popen`` is among them, since it calls ``subprocess``.

    Args:
        channel: What the environment of a process says of the two ends.
    """
    descriptors = tuple(sorted({number for number in map(int, channel.split(",")) if number >= 0}))
    real, real_spawn = subprocess.Popen.__init__, util.spawnv_passfds

    @functools.wraps(real)
    def start(self: Any, *args: Any, **options: Any) -> None:
        if len(args) <= _ENV:
            given = options.get("env")
            options["env"] = with_site(os.environ if given is None else given, channel)
            if options.get("close_fds", True):
                options["pass_fds"] = (*options.get("pass_fds", ()), *descriptors)
        real(self, *args, **options)

    def spawn(path: Any, words: Any, passed: Tuple[int, ...]) -> Any:
        before = {name: os.environ.get(name) for name in _NAMES}
        changed = with_site(os.environ, channel)
        os.environ.update({name: changed[name] for name in _NAMES})
        try:
            return real_spawn(path, words, tuple(sorted({*passed, *descriptors})))
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]
    util.spawnv_passfds = spawn  # type: ignore[assignment]
    _follow_os(channel)


def follow_becoming(channel: str, is_followed: Callable[[], bool], ends: Callable[[], object]) -> None:
    """Follow what this process becomes by ``os.execve`` or one of its relatives, which all call it or ``os.execv``.

    Whoever starts programs so, as ``poetry run`` does, becomes the app.

    Args:
        channel: What the environment of a process says of the two ends.
        is_followed: Whether the program is, asked for each. A fork of this process asks, too.
        ends: Called before this program ends so, in this process, where there is one that it can become: of a name without a folder,
            Python tries one folder of PATH after the other.
    """
    real, process = os.execve, os.getpid()

    def become(path: Any, words: Any, environment: Mapping[Any, Any]) -> None:
        is_there = isinstance(path, int) or (os.access(path, os.X_OK) and not os.path.isdir(path))  # noqa: PTH112 - it may be bytes
        if is_there and os.getpid() == process:
            ends()
        real(path, words, _told(environment, channel) if is_followed() else environment)

    os.execve = become  # type: ignore[assignment]
    os.execv = lambda path, words: become(path, words, os.environ)  # type: ignore[assignment, return-value]


def _follow_os(channel: str) -> None:
    """Follow what is started by ``os.system``, ``os.posix_spawn`` and those that begin with ``os.spawn``.

    They hand on what this process has of descriptors, and so these two.
    """
    real_system, real_spawnvef = os.system, os._spawnvef  # type: ignore[attr-defined]

    def system(command: Any) -> int:
        # Other threads start others meanwhile: the environment of this process is left alone.
        told = _told(os.environ, channel)
        exported = "".join(f"{name}={shlex.quote(told[name])} " for name in _NAMES)
        return real_system(b"export %b; %b" % (os.fsencode(exported), os.fsencode(command)))

    def spawnvef(mode: int, file: Any, args: Any, env: Optional[Mapping[Any, Any]], func: Callable[..., Any]) -> Any:
        with_environment = {os.execv: os.execve, os.execvp: os.execvpe}.get(func, func)
        return real_spawnvef(mode, file, args, _told(os.environ if env is None else env, channel), with_environment)

    def spawning(real: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(real)
        def spawn(path: Any, argv: Any, env: Optional[Mapping[Any, Any]], *args: Any, **options: Any) -> int:
            return real(path, argv, _told(os.environ if env is None else env, channel), *args, **options)

        return spawn

    os.system = system
    os._spawnvef = spawnvef  # type: ignore[attr-defined]
    # Not every system has both.
    for name in ("posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            setattr(os, name, spawning(getattr(os, name)))


def _told(environment: Mapping[Any, Any], channel: str) -> Dict[str, str]:
    """The environment of a process that is followed, whose names and values may be bytes."""
    return with_site({os.fsdecode(name): os.fsdecode(value) for name, value in variables_in(environment).items()}, channel)
