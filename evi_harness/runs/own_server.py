"""A server in its own process, for a block of code: the address for an app in this process, and what happened there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Optional, Sequence, Type

from evi_harness.carriers.lateness import Lateness, lateness_ns
from evi_harness.carriers.server_process import ServerProcess
from evi_harness.session.events import Event

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Served"]


class Served:
    """A server in a process of its own, for a block of code. A context manager, of both kinds.

    Args:
        process: The server.
    """

    def __init__(self, process: ServerProcess) -> None:
        self._process = process

    @property
    def url(self) -> str:
        """The http URL of the server, without a trailing slash; empty before the block."""
        return self._process.url

    @property
    def sessions(self) -> Sequence[Sequence[Event]]:
        """The events of all conversations so far, in the order of their opening."""
        return [one.events for one in self._process.look()]

    @property
    def events(self) -> Sequence[Event]:
        """The events of the first conversation so far; empty if nobody has connected."""
        sessions = self.sessions
        return sessions[0] if sessions else ()

    @property
    def opened_at_ns(self) -> Optional[int]:
        """When the first conversation opened, by ``time.monotonic_ns``, which all processes share; None if none has."""
        served = self._process.look()
        return served[0].opened_at_ns if served else None

    @property
    def lateness(self) -> Lateness:
        """How late the server sent its messages, by its own record, in all conversations so far."""
        return Lateness.of(late_ns for events in self.sessions for late_ns in lateness_ns(events))

    def __enter__(self) -> Served:
        self._process.__enter__()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._process.__exit__(kind, error, trace)

    async def __aenter__(self) -> Served:
        await asyncio.get_running_loop().run_in_executor(None, self.__enter__)
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.__exit__, kind, error, trace)
