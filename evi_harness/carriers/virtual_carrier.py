"""Connects a service to an app in virtual time.

Rules of living here: a carrier gives a URL and keeps the duties of ``tests/wire/carrier_duties.py``; it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence, Type

from evi_harness.session.events import Event

if TYPE_CHECKING:
    from types import TracebackType

    from evi_harness.carriers.server import ChatServer
    from evi_harness.clocks.virtual import VirtualLoop

__all__ = ["VirtualCarrier"]

# RFC 2606 sets .invalid aside: the name can never resolve, so nothing leaves the process by mistake.
HOST = "evi.invalid"


class VirtualCarrier:
    """Carries a server over socket pairs on a virtual loop, to any number of connections.

    Clients reach it through ``loop.create_connection``: the websockets library, the SDK, httpx. aiohttp's client makes its sockets
    itself and cannot.

    Args:
        loop: The running loop.
        server: The server; the carrier starts and stops it.
        host: The name it serves under; one that never resolves.
        port: The port, likewise free to choose.

    Raises:
        UsageError: On entering: another carrier serves under that name and port.
        Exception: On leaving: what a service raised, unless the block raises already.
    """

    def __init__(self, loop: VirtualLoop, server: ChatServer, *, host: str = HOST, port: int = 80) -> None:
        self._loop = loop
        self._server = server
        self._host = host
        self._port = port

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self._host}" if self._port == 80 else f"http://{self._host}:{self._port}"

    def now_ns(self) -> int:
        """The time on the virtual clock."""
        return self._loop.now_ns()

    def sessions(self) -> Sequence[Sequence[Event]]:
        """The events of the conversations so far, in the order in which they were opened."""
        return [journal.events for journal in self._server.journals]

    async def __aenter__(self) -> VirtualCarrier:
        self._loop.carry(self._host, self._port, await self._server.start())
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._loop.drop(self._host, self._port)
        await self._server.stop()
        if error is None and self._server.failures:
            raise self._server.failures[0]
