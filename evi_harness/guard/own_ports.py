"""The ports that this process itself listens on.

Rules of living here: the process's own descriptors are asked, so that it does not matter who opened them, and when.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

__all__ = ["listens_on"]

# Linux and macOS both have it.
_DESCRIPTORS = Path("/dev/fd")


def listens_on(port: int) -> bool:
    """Whether a socket of this process waits for connections or datagrams on a port."""
    return any(_waits(int(path.name), port) for path in _DESCRIPTORS.iterdir())


def _waits(descriptor: int, port: int) -> bool:
    # The descriptor may be gone by now: another thread's, or the one that listed the folder.
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as found:
            if found.family not in (socket.AF_INET, socket.AF_INET6) or found.getsockname()[1] != port:
                return False
            return found.type == socket.SOCK_DGRAM or bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return False
