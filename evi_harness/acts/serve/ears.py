"""Speech detection for a server on an event loop: a ``session.protocols.LateHearing`` per chat, backed by another process.

Rules of living here: the loop writes and reads bytes and does nothing else with sound. An ear that nothing was said to costs nothing.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Type

from evi_harness.acts.serve.ear_process import HEARD, MARK, PIECE, hear_channel
from evi_harness.errors import EviHarnessError
from evi_harness.guard.held_interrupts import interrupts_held_back
from evi_harness.session.protocols import Mark
from evi_harness.session.wav import Pcm

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Ears", "RemoteEar"]

# A cold start on a busy machine takes seconds; only a process that hangs takes this long.
START_S = 60.0
END_S = 10.0
# Pieces of all chats are written together: a system call for each costs more than all else that is done for it.
GATHER_S = 0.004
# What was heard waits so long for the chat's next frame of audio, which asks for it anyway.
WAIT_S = 0.01
NAME_BYTES = 256
# From here on a chat's audio is more than its ear keeps up with, and no more of it is read.
BEHIND_BYTES = 128 * 1024


class Ears(asyncio.Protocol):
    """The process that hears. An asynchronous context manager; it hears in between.

    Attributes:
        name: Name and version of the detector.

    Raises:
        EviHarnessError: On entering: the process does not start, or no detector can be used.
    """

    def __init__(self) -> None:
        self.name = ""
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._transport: Optional[asyncio.Transport] = None
        self._open: Dict[int, RemoteEar] = {}
        self._n_opened = 0
        self._read = bytearray()
        # What is to be written, and when that will be done.
        self._out: List[bytes] = []
        self._flushing: Optional[asyncio.TimerHandle] = None
        # Ears with something that their chats have not asked for yet: those to be told next, and those after them.
        self._untold: List[RemoteEar] = []
        self._later: List[RemoteEar] = []
        self._telling: Optional[asyncio.TimerHandle] = None
        self._is_ending = False
        self._named: Optional[asyncio.Future[None]] = None

    def open(self) -> RemoteEar:
        """Make the ear of one chat."""
        self._n_opened += 1
        return RemoteEar(self, self._n_opened)

    async def __aenter__(self) -> Ears:
        loop = asyncio.get_running_loop()
        self._named = loop.create_future()
        here, there = socket.socketpair()
        with there:
            call = f"from {hear_channel.__module__} import hear_channel; hear_channel({there.fileno()})"
            # More threads than one would be in the way of the server's.
            alone = "import os; os.environ.update(OPENBLAS_NUM_THREADS='1', OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')"
            program = f"import sys; sys.path[:] = {sys.path!r}; {alone}; {call}"
            with interrupts_held_back():
                self._child = subprocess.Popen(  # noqa: S603, ASYNC220 - our own program; a moment, before anybody is served
                    [sys.executable, "-I", "-c", program], pass_fds=[there.fileno()], stdin=subprocess.DEVNULL
                )
        here.setblocking(False)
        self._transport, _ = await loop.create_connection(lambda: self, sock=here)
        try:
            await asyncio.wait_for(asyncio.shield(self._named), START_S)
        except asyncio.TimeoutError:
            await self._end()
            raise EviHarnessError(f"the process of the speech detector has not answered for {START_S:g} s") from None
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self._end()

    async def _end(self) -> None:
        self._is_ending = True
        for timer in (self._flushing, self._telling):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        child = self._child
        assert child is not None
        try:
            await asyncio.get_running_loop().run_in_executor(None, child.wait, END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    # What the loop calls.

    def data_received(self, data: bytes) -> None:
        """Take what was heard."""
        self._read += data
        if not self.name:
            if len(self._read) < NAME_BYTES:
                return
            self.name = bytes(self._read[:NAME_BYTES]).rstrip(b"\0").decode()
            del self._read[:NAME_BYTES]
            assert self._named is not None
            if not self._named.done():
                self._named.set_result(None)
        at = 0
        while len(self._read) - at >= HEARD.size:
            number, n_bytes, n_marks = HEARD.unpack_from(self._read, at)
            ends = at + HEARD.size + n_marks * MARK.size
            if len(self._read) < ends:
                break
            ear = self._open.get(number)
            if ear is not None:
                ear.take(n_bytes, [Mark(*MARK.unpack_from(self._read, start)) for start in range(at + HEARD.size, ends, MARK.size)])
            at = ends
        del self._read[:at]

    def connection_lost(self, error: Optional[Exception]) -> None:  # noqa: ARG002 - the signature is asyncio's
        """The process has gone: nothing is heard any more, and each chat says so."""
        if self._is_ending:
            return
        failure = EviHarnessError("the process of the speech detector has ended", hint="See its output for the reason.")
        if self._named is not None and not self._named.done():
            self._named.set_exception(failure)
        for ear in list(self._open.values()):
            ear.fail(failure)

    # What an ear calls.

    def write(self, ear: RemoteEar, message: bytes) -> None:
        """Send a message for an ear, which is known from then on."""
        self._open[ear.number] = ear
        self._out.append(message)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    def forget(self, ear: RemoteEar) -> None:
        """Let an ear go; nothing where nothing was said to it."""
        if self._open.pop(ear.number, None) is not None:
            self._out.append(PIECE.pack(ear.number, 0, 0, 0, 0, 0))
            if self._flushing is None:
                self._flushing = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    def tell_later(self, ear: RemoteEar) -> None:
        """Wake an ear's chat within ``WAIT_S``, and not before half of it, if it has not asked by then: one timer for all of them."""
        self._later.append(ear)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(WAIT_S / 2, self._tell)

    def _tell(self) -> None:
        told, self._untold, self._later = self._untold, self._later, []
        self._telling = asyncio.get_running_loop().call_later(WAIT_S / 2, self._tell) if self._untold else None
        for ear in told:
            ear.tell()

    def _flush(self) -> None:
        self._flushing = None
        out, self._out = self._out, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))


class RemoteEar:
    """The ear of one chat.

    Args:
        ears: The process.
        number: Its number there.

    Attributes:
        name: Name and version of the detector.
        number: Its number there.
    """

    def __init__(self, ears: Ears, number: int) -> None:
        self.name = ears.name
        self.number = number
        self._ears = ears
        self._marks: List[Mark] = []
        self._n_pending = 0
        self._wake: Callable[[], object] = lambda: None
        # Whether it is among those that will be told.
        self._is_untold = False
        self._failure: Optional[Exception] = None

    @property
    def has_heard(self) -> bool:
        """Whether there is something that ``heard`` gives, or raises."""
        return bool(self._marks) or self._failure is not None

    @property
    def is_behind(self) -> bool:
        """Whether there is so much to be heard that no more should be said to it for now."""
        return self._n_pending > BEHIND_BYTES

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what is to be called when something was heard that nobody has asked for yet."""
        self._wake = wake

    def hear(self, samples: bytes, pcm: Pcm, start_ns: int) -> Sequence[Mark]:
        """Hear a piece; see ``Hearing.hear``. What is known of it comes later.

        Raises:
            EviHarnessError: The process has ended.
        """
        if self._failure is None and samples:
            self._n_pending += len(samples)
            self._ears.write(self, PIECE.pack(self.number, start_ns, pcm.rate, pcm.channels, pcm.width, len(samples)) + samples)
        return self.heard()

    def heard(self) -> Sequence[Mark]:
        """What was heard and not given yet.

        Raises:
            EviHarnessError: The process has ended.
        """
        if self._failure is not None:
            raise self._failure
        if not self._marks:
            return ()
        marks, self._marks = self._marks, []
        return marks

    def close(self) -> None:
        """It is needed no more. Idempotent."""
        self._wake = lambda: None
        self._ears.forget(self)

    # What the process's protocol calls.

    def take(self, n_bytes: int, marks: Sequence[Mark]) -> None:
        """Take what was heard in so many bytes."""
        was_behind = self.is_behind
        self._n_pending -= n_bytes
        self._marks.extend(marks)
        if was_behind and not self.is_behind:
            self._wake()
        elif marks and not self._is_untold:
            self._is_untold = True
            self._ears.tell_later(self)

    def tell(self) -> None:
        """Have the chat ask, where it has not asked since something was heard."""
        self._is_untold = False
        if self._marks:
            self._wake()

    def fail(self, failure: Exception) -> None:
        """Nothing will be heard any more."""
        self._failure = failure
        self._wake()
