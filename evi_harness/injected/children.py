"""The Python programs that an app starts beside itself: what begins in its own process begins in theirs too.

Rules of living here: only their environment and the descriptors that they inherit are changed; their arguments are not.
"""

from __future__ import annotations

import functools
import os
import subprocess
from multiprocessing import util
from typing import Any, Callable, Tuple

from evi_harness.runs.app_channel import CHANNEL, with_site

__all__ = ["follow"]

# Where ``env`` stands among what ``Popen`` is called with.
_ENV = 10


def follow(channel: str, begins: Callable[[], object]) -> None:
    """Follow what is started by ``subprocess``, by asyncio's and by ``multiprocessing``, for as long as the process lives.

    Args:
        channel: What the environment of a process says of the two ends.
        begins: Called before one is started.
    """
    descriptors = tuple(sorted({number for number in map(int, channel.split(",")) if number >= 0}))
    real, real_spawn = subprocess.Popen.__init__, util.spawnv_passfds

    @functools.wraps(real)
    def start(self: Any, *args: Any, **options: Any) -> None:
        if len(args) <= _ENV:
            begins()
            given = options.get("env")
            options["env"] = with_site(os.environ if given is None else given, channel)
            if options.get("close_fds", True):
                options["pass_fds"] = (*options.get("pass_fds", ()), *descriptors)
        real(self, *args, **options)

    def spawn(path: Any, words: Any, passed: Tuple[int, ...]) -> Any:
        begins()
        names = ("PYTHONPATH", CHANNEL)
        before = {name: os.environ.get(name) for name in names}
        changed = with_site(os.environ, channel)
        os.environ.update({name: changed[name] for name in names})
        try:
            return real_spawn(path, words, tuple(sorted({*passed, *descriptors})))
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]
    util.spawnv_passfds = spawn  # type: ignore[assignment]
