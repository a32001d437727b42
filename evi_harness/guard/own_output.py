"""Keep libraries from writing to a server's standard error: they log what clients send, including keys.

Rules of living here: for a process that is ours alone. A line of a library's is dropped, or becomes one of ours that quotes no client.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Any, Callable, Dict

__all__ = ["silence_libraries", "told_by_us"]

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def silence_libraries() -> None:
    """Have the server's libraries log nothing. For the whole process."""
    for name in ("aiohttp", "asyncio"):
        logger = logging.getLogger(name)
        # Without a handler of its own Python would write it all the same.
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def told_by_us(loop: asyncio.AbstractEventLoop, tell: Callable[[str, str], object]) -> None:
    """Have what a loop would log told in a line of ours.

    Args:
        loop: The loop, for as long as it lives.
        tell: Takes a kind and a line.
    """
    loop.set_exception_handler(lambda _, context: tell(*_line(context)))


def _line(context: Dict[str, Any]) -> Any:
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return "room", f"cannot accept connections: {error.strerror}; retrying every second"
    # What the exception says may be the client's own words.
    kind = "" if error is None else f": {type(error).__name__}"
    return f"loop{kind}", f"an error occurred in the server, which keeps running{kind}"
