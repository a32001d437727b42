"""Tell when an app's own process listens for callers: a socket of it waits for connections from then on.

Rules of living here: sockets of the Internet only, and nothing about them is changed.
"""

from __future__ import annotations

import functools
import socket
from typing import Any, Callable

__all__ = ["tell_of_listening"]


def tell_of_listening(tell: Callable[[str, int], object]) -> None:
    """Tell of each socket that begins to listen, for as long as the process lives.

    Args:
        tell: Called with its address and port, once it does.
    """
    real = socket.socket.listen

    @functools.wraps(real)
    def listen(sock: socket.socket, *args: Any) -> None:
        real(sock, *args)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            tell(*sock.getsockname()[:2])

    socket.socket.listen = listen  # type: ignore[method-assign, assignment]
