"""Synthetic voices for a server on an event loop: a ``simulate.voice.VoiceMaker`` per chat, backed by another process.

Rules of living here: one voice is made at a time, in the order in which they were asked for. What waits, waits here, so that what a chat
that is over has asked for is not made.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, List, Optional

from evi_harness.acts.serve.child_channel import ChildChannel
from evi_harness.acts.serve.voice_process import MADE, WANTED, make_voices
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import Pcm

__all__ = ["LateVoice", "Voices"]


class Voices(ChildChannel):
    """The process. An asynchronous context manager; voices are made in between.

    It is not waited for at its start: what is asked for meanwhile is made when it is ready.
    """

    def __init__(self) -> None:
        super().__init__("voices", make_voices)
        self._waiting: Deque[Making] = deque()
        self._making: Optional[Making] = None
        self._failure: Optional[EviHarnessError] = None

    def open(self) -> LateVoice:
        """Make the voice of one chat."""
        return LateVoice(self)

    async def __aenter__(self) -> Voices:
        await self.start()
        return self

    def want(self, making: Making) -> None:
        """Have a voice made, behind those that were wanted before.

        Raises:
            EviHarnessError: The process has ended.
        """
        if self._failure is not None:
            raise self._failure
        self._waiting.append(making)
        self._make_next()

    def _make_next(self) -> None:
        while self._making is None and self._waiting:
            making = self._waiting.popleft()
            if making.is_wanted:
                self._making = making
                self.write([making.request])

    def take(self, read: bytearray) -> int:
        """Take a voice."""
        if len(read) < MADE.size:
            return 0
        (size,) = MADE.unpack_from(read)
        ends = MADE.size + int(size)
        if len(read) < ends:
            return 0
        making, self._making = self._making, None
        assert making is not None
        # The next one is begun before anybody does anything with this one.
        self._make_next()
        making.take(bytes(read[MADE.size : ends]))
        return ends

    def fail(self, failure: EviHarnessError) -> None:
        """No voice is made any more, and each chat that waits for one says so."""
        self._failure = failure
        waiting = [*([] if self._making is None else [self._making]), *self._waiting]
        self._making = None
        self._waiting.clear()
        for making in waiting:
            making.fail(failure)


class Making:
    """A voice that is being made.

    Args:
        request: What the process is to be sent for it.
        told: Called when it is there, or will never be.

    Attributes:
        request: See above.
        is_wanted: Whether anybody still waits for it.
    """

    def __init__(self, request: bytes, told: Callable[[Making], object]) -> None:
        self.request = request
        self.is_wanted = True
        self._told = told
        self._samples: Optional[bytes] = None
        self._failure: Optional[EviHarnessError] = None

    @property
    def samples(self) -> Optional[bytes]:
        """The voice, None until it is there.

        Raises:
            EviHarnessError: The process has ended.
        """
        if self._failure is not None:
            raise self._failure
        return self._samples

    def take(self, samples: bytes) -> None:
        """It is there."""
        self._samples = samples
        self._told(self)

    def fail(self, failure: EviHarnessError) -> None:
        """It will never be there."""
        self._failure = failure
        self._told(self)


class LateVoice:
    """The voice of one chat.

    Args:
        voices: The process.
    """

    def __init__(self, voices: Voices) -> None:
        self._voices = voices
        self._wake: Callable[[], object] = lambda: None
        self._pending: List[Making] = []

    def __call__(self, text: str, seed: int, pcm: Pcm) -> Making:
        """Begin to make what a text sounds like; see ``simulate.voice.spoken``.

        Raises:
            EviHarnessError: The process has ended.
        """
        said = text.encode("utf-8", "surrogatepass")
        making = Making(WANTED.pack(seed, pcm.rate, pcm.channels, pcm.width, len(said)) + said, self._told)
        self._voices.want(making)
        self._pending.append(making)
        return making

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what is to be called when a voice is there."""
        self._wake = wake

    def close(self) -> None:
        """No more is needed: what is not begun is not made."""
        self._wake = lambda: None
        for making in self._pending:
            making.is_wanted = False

    def _told(self, making: Making) -> None:
        self._pending.remove(making)
        self._wake()
