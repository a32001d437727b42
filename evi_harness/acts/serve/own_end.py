"""The end of a channel in a process that a server has started, for as long as there is something to do.

Rules of living here: the process ends when its channel does, and on no signal: when that is, is its parent's decision. It loads no more
than its work needs, which is why the parent's end is elsewhere.
"""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager
from typing import Iterator

from evi_harness.guard.held_interrupts import ignore_interrupts

__all__ = ["NAME_BYTES", "named_channel", "own_channel"]

# What the parent is told first: a name, in so many bytes.
NAME_BYTES = 256


@contextmanager
def own_channel(descriptor: int) -> Iterator[socket.socket]:
    """Work in the block, which ends where the parent goes.

    Args:
        descriptor: This end of the channel.
    """
    ignore_interrupts()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as channel:
        try:
            yield channel
        except ConnectionError:
            # The server has gone.
            return


def named_channel(channel: socket.socket, name: str) -> None:
    """Tell the parent that all is loaded.

    Args:
        channel: This end.
        name: The name and version of what does the work.
    """
    channel.sendall(name.encode().ljust(NAME_BYTES, b"\0"))
