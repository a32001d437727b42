"""The other process that does a server's heavy work: how it is started, spoken with and ended.

Rules of living here: the loop writes and reads bytes, and does nothing else with what they are. A process that dies is told to all who wait
for something of it; nobody waits for what nobody does.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Callable, List, Optional, Type

from evi_harness.acts.serve.own_end import NAME_BYTES
from evi_harness.errors import EviHarnessError
from evi_harness.guard.held_interrupts import interrupts_held_back

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ChildChannel"]

# A cold start on a busy machine takes seconds; only a process that hangs takes this long.
START_S = 60.0
END_S = 10.0


class ChildChannel(asyncio.Protocol, ABC):
    """A process of our own, from its start to its end. An asynchronous context manager.

    Args:
        what: What it is the process of.
        main: What it does, called with the descriptor of its end of the channel.

    Attributes:
        name: What it has told of itself, empty before it has.
    """

    def __init__(self, what: str, main: Callable[[int], None]) -> None:
        self.name = ""
        self._what = what
        self._main = main
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._transport: Optional[asyncio.Transport] = None
        self._read = bytearray()
        self._is_ending = False
        self._named: Optional[asyncio.Future[None]] = None

    @abstractmethod
    def take(self, read: bytearray) -> int:
        """Take what has come; gives how many bytes of it are done with."""

    @abstractmethod
    def fail(self, failure: EviHarnessError) -> None:
        """The process has gone: nothing comes any more."""

    async def start(self) -> None:
        """Start it, and do not wait until it is ready: what is written meanwhile waits for it."""
        loop = asyncio.get_running_loop()
        self._named = loop.create_future()
        here, there = socket.socketpair()
        with there:
            call = f"from {self._main.__module__} import {self._main.__name__}; {self._main.__name__}({there.fileno()})"
            # More threads than one would be in the way of the server's.
            alone = "import os; os.environ.update(OPENBLAS_NUM_THREADS='1', OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')"
            program = f"import sys; sys.path[:] = {sys.path!r}; {alone}; {call}"
            with interrupts_held_back():
                self._child = subprocess.Popen(  # noqa: S603, ASYNC220 - our own program; a moment, before anybody is served
                    [sys.executable, "-I", "-c", program], pass_fds=[there.fileno()], stdin=subprocess.DEVNULL
                )
        here.setblocking(False)
        self._transport, _ = await loop.create_connection(lambda: self, sock=here)

    async def until_ready(self) -> None:
        """Wait until all is loaded in it.

        Raises:
            EviHarnessError: It ends before, or takes too long.
        """
        assert self._named is not None
        try:
            await asyncio.wait_for(asyncio.shield(self._named), START_S)
        except asyncio.TimeoutError:
            raise EviHarnessError(f"the process of the {self._what} has not answered for {START_S:g} s") from None

    async def end(self) -> None:
        """End it, and wait until it has ended."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()
        child = self._child
        if child is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(None, child.wait, END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.end()

    def write(self, messages: List[bytes]) -> None:
        """Send messages; nothing where the process has gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(messages))

    # What the loop calls.

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._read += data
        if not self.name:
            if len(self._read) < NAME_BYTES:
                return
            self.name = bytes(self._read[:NAME_BYTES]).rstrip(b"\0").decode()
            del self._read[:NAME_BYTES]
            assert self._named is not None
            if not self._named.done():
                self._named.set_result(None)
        del self._read[: self.take(self._read)]

    def connection_lost(self, error: Optional[Exception]) -> None:  # noqa: ARG002 - the signature is asyncio's
        """The process has gone, and everybody who waits for it is told."""
        if self._is_ending:
            return
        failure = EviHarnessError(f"the process of the {self._what} has ended", hint="See its output for the reason.")
        if self._named is not None and not self._named.done():
            self._named.set_exception(failure)
            # Where nobody has waited for it, that is no news of its own.
            self._named.exception()
        self.fail(failure)
