"""The carrier of real time: a loopback TCP port on the running loop.

Rules of living here: only loopback addresses are ever bound, whatever is asked for. How precise it is depends on the loop: ``pacing`` has
one that is.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from typing import TYPE_CHECKING, Callable, Optional, Sequence, Type

from evi_harness.clocks.clock import RealClock
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words
from evi_harness.session.events import Event

if TYPE_CHECKING:
    from types import TracebackType

    from evi_harness.carriers.server import ChatServer

__all__ = ["LOOPBACK", "RealCarrier", "listen", "loopback"]

LOOPBACK = "127.0.0.1"
# How many connections the system keeps that have not been taken yet; asyncio's 100 are less than come at once.
BACKLOG = 1024


def loopback(host: str) -> str:
    """The loopback address that a host stands for.

    Args:
        host: An address, or ``localhost``, which is never looked up.

    Raises:
        UsageError: It is not a loopback address.
    """
    name = LOOPBACK if host == "localhost" else host
    try:
        if ipaddress.ip_address(name).is_loopback:
            return name
    except ValueError:
        pass
    what = Words("invalid value for ", Parameter("host"), f": {host!r} is not a loopback address, and evi-harness listens on no other")
    raise UsageError(what, hint=f"Use {LOOPBACK}, ::1 or localhost.")


class RealCarrier:
    """Carries a server on a loopback port, to any number of connections.

    Args:
        server: The server; the carrier starts and stops it. Its clock is to be a ``RealClock``.
        host: A loopback address.
        port: The port; 0 picks one that is free.

    Raises:
        UsageError: The host is not a loopback address.
        EviHarnessError: On entering: the port cannot be had.
        Exception: On leaving: what a service raised, unless the block raises already.
    """

    def __init__(self, server: ChatServer, *, host: str = LOOPBACK, port: int = 0) -> None:
        self._server = server
        self._host = loopback(host)
        self._port = port
        self._clock = RealClock()
        self._listening: Optional[asyncio.base_events.Server] = None

    @property
    def url(self) -> str:
        """Where it serves; with port 0, only once it does."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def now_ns(self) -> int:
        """The time on the machine's monotonic clock."""
        return self._clock.now_ns()

    def sessions(self) -> Sequence[Sequence[Event]]:
        """The events of the conversations so far, in the order in which they were opened."""
        return [journal.events for journal in self._server.journals]

    async def __aenter__(self) -> RealCarrier:
        factory = await self._server.start()
        try:
            self._listening = await listen(factory, self._host, self._port)
        except EviHarnessError:
            await self._server.stop()
            raise
        self._port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._server.stop()
        if error is None and self._server.failures:
            raise self._server.failures[0]


async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.base_events.Server:
    """Listen on a loopback port.

    Args:
        factory: Makes the protocol of one connection.
        host: A loopback address, as ``loopback`` gives it.
        port: The port; 0 picks one that is free.

    Raises:
        EviHarnessError: The port cannot be had.
    """
    try:
        bound = _bound(host, port)
        # asyncio takes as many connections in a row as this says, and where there is no descriptor left, says so for each of them and
        # tries each again. One at a time also lets others be served between two.
        listening = await asyncio.get_running_loop().create_server(factory, sock=bound, backlog=1)
        bound.listen(BACKLOG)
    except OSError as error:
        raise _not_listening(host, port, error) from error
    return listening


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, as asyncio binds one."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _not_listening(host: str, port: int, error: OSError) -> EviHarnessError:
    hint = "Give another port, or 0 for any that is free."
    if error.errno == errno.EADDRINUSE:
        return EviHarnessError(f"port {port} on {host} is in use", hint=hint)
    if error.errno in (errno.EACCES, errno.EPERM):
        return EviHarnessError(
            f"port {port} on {host} is not allowed to this user", hint="Give a port from 1024 on, or 0 for any that is free."
        )
    return EviHarnessError(f"port {port} on {host} cannot be listened on: {error.strerror or error}", hint=hint)
