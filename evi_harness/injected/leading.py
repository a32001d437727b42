"""Where the service's name leads in an app's own process: to another address of this machine, for whoever uses sockets themselves.

Rules of living here: the service's host only; every other host is where it was.
"""

from __future__ import annotations

import functools
import socket
from typing import Any, Callable, Optional, Tuple

__all__ = ["STANDING", "lead"]

# The address that stands for the service: of this machine, and nobody's else.
STANDING = "127.72.85.77"


def lead(
    serves: Callable[[str, Optional[int]], bool],
    place: Callable[[], Tuple[str, int]],
    reached: Callable[[Any], object] = lambda _: None,
) -> None:
    """Have the service's host lead elsewhere from now on.

    Args:
        serves: Whether the service is at a host; of a host with no port, at any.
        place: Gives the address that a connection is to lead to.
        reached: Called with each address to which a socket is about to be connected.
    """
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, family: Any = 0, type: Any = 0, proto: Any = 0, flags: Any = 0) -> Any:  # noqa: A002 - socket's
        """Resolve host and port into list of address info entries."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if serves(name, port if isinstance(port, int) else None):
            return real(STANDING, port, socket.AF_INET, type, proto)
        return real(host, port, family, type, proto, flags)

    socket.getaddrinfo = getaddrinfo
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _leading(getattr(socket.socket, name), place, reached))


def _leading(real: Callable[..., Any], place: Callable[[], Tuple[str, int]], reached: Callable[[Any], object]) -> Callable[..., Any]:
    @functools.wraps(real)
    def connect(sock: socket.socket, address: Any) -> Any:
        # Some keep the port that they asked for, so that the name alone cannot lead there.
        is_standing = isinstance(address, tuple) and address[0] == STANDING
        there = place() if is_standing else address
        reached(there)
        return real(sock, there)

    return connect
