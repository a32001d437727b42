"""Speech detection for a server on an event loop: a ``session.protocols.LateHearing`` per chat, backed by another process.

Rules of living here: the loop writes and reads bytes and does nothing else with sound. An ear that nothing was said to costs nothing.
"""

from __future__ import annotations

import asyncio
from typing import Callable, Dict, List, Optional, Sequence

from evi_harness.acts.serve.child_channel import ChildChannel
from evi_harness.acts.serve.ear_process import HEARD, MARK, PIECE, hear_channel
from evi_harness.errors import EviHarnessError
from evi_harness.session.protocols import Mark
from evi_harness.session.wav import Pcm

__all__ = ["Ears", "RemoteEar"]

# Pieces of all chats are written together: a system call for each costs more than all else that is done for it.
GATHER_S = 0.004
# What was heard waits so long for the chat's next frame of audio, which asks for it anyway.
WAIT_S = 0.01
# From here on a chat's audio is more than its ear keeps up with, and no more of it is read.
BEHIND_BYTES = 128 * 1024


class Ears(ChildChannel):
    """The process that hears. An asynchronous context manager; it hears in between.

    Attributes:
        name: Name and version of the detector.

    Raises:
        EviHarnessError: On entering: the process does not start, or no detector can be used.
    """

    def __init__(self) -> None:
        super().__init__("speech detector", hear_channel)
        self._open: Dict[int, RemoteEar] = {}
        self._n_opened = 0
        # What is to be written, and when that will be done.
        self._out: List[bytes] = []
        self._flushing: Optional[asyncio.TimerHandle] = None
        # Ears with something that their chats have not asked for yet: those to be told next, and those after them.
        self._untold: List[RemoteEar] = []
        self._later: List[RemoteEar] = []
        self._telling: Optional[asyncio.TimerHandle] = None

    def open(self) -> RemoteEar:
        """Make the ear of one chat."""
        self._n_opened += 1
        return RemoteEar(self, self._n_opened)

    async def __aenter__(self) -> Ears:
        await self.start()
        try:
            await self.until_ready()
        except BaseException:
            await self.end()
            raise
        return self

    async def end(self) -> None:
        """End the process, and wait until it has ended."""
        for timer in (self._flushing, self._telling):
            if timer is not None:
                timer.cancel()
        await super().end()

    def take(self, read: bytearray) -> int:
        """Take what was heard."""
        at = 0
        while len(read) - at >= HEARD.size:
            number, n_bytes, n_marks = HEARD.unpack_from(read, at)
            ends = at + HEARD.size + n_marks * MARK.size
            if len(read) < ends:
                break
            ear = self._open.get(number)
            if ear is not None:
                ear.take(n_bytes, [Mark(*MARK.unpack_from(read, start)) for start in range(at + HEARD.size, ends, MARK.size)])
            at = ends
        return at

    def fail(self, failure: EviHarnessError) -> None:
        """Nothing is heard any more, and each chat says so."""
        for ear in list(self._open.values()):
            ear.fail(failure)

    # What an ear calls.

    def say(self, ear: RemoteEar, message: bytes) -> None:
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
        self.write(out)


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
            self._ears.say(self, PIECE.pack(self.number, start_ns, pcm.rate, pcm.channels, pcm.width, len(samples)) + samples)
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
