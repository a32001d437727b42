"""The software microphone: plays a source into an app, block by block, as a device would.

Rules of living here: not one sample of the source is lost, changed or delivered twice, whatever the size of the blocks; behind its end
there is silence, for a microphone does not stop because nobody speaks.
"""

from __future__ import annotations

from typing import Callable, List, Optional

from evi_harness.audio.cadence import AT_ITS_RATE, Cadence, Clock, Speed
from evi_harness.audio.sources import SilenceSource
from evi_harness.session.protocols import AudioSource

__all__ = ["NAME", "SoftwareMicrophone"]

NAME = "evi-harness software microphone"
# A hundredth of a second: what JACK and most sound cards deliver.
BLOCKS_PER_S = 100


class SoftwareMicrophone:
    """A microphone that plays a source. The source begins when an app first opens it, and goes on where it stood when one opens it again.

    Args:
        source: What it plays: 16-bit PCM. Its rate and channels are the microphone's.
        clock: Virtual time; None for real time.
        block_frames: Frames a block where the app does not ask for a size; 10 ms by default.
        on_end: Called once, when the last of the source has been delivered: on the loop in virtual time, else on the device's thread.
            A source that never ends never calls it; an empty one calls it with the first block.
        began_ns: Asked when it is opened, with the time by its clock: when it counts as opened. By default that is then. A time to come is
            that of a device which takes its time; of one that is past, what was due since is delivered at once.
        speed: How many times as fast as its rate it plays. At the greatest, what it has is delivered as fast as it is taken, and the
            silence that is behind it, or that it is from the start, at its rate.

    Attributes:
        pcm: The format.
        block_frames: Frames a block.
        began_at_ns: When the source began on the microphone's clock (the machine's monotonic one in real time), None before.
        ended_at_ns: When the last of it was delivered, None before.
        clock: As given.
    """

    def __init__(
        self,
        source: AudioSource,
        *,
        clock: Optional[Clock] = None,
        block_frames: Optional[int] = None,
        on_end: Optional[Callable[[], object]] = None,
        began_ns: Callable[[int], int] = lambda now_ns: now_ns,
        speed: Speed = AT_ITS_RATE,
    ) -> None:
        self.pcm = source.pcm
        self.block_frames = block_frames or max(1, self.pcm.rate // BLOCKS_PER_S)
        self.began_at_ns: Optional[int] = None
        self.ended_at_ns: Optional[int] = None
        self._source = source
        self.clock = clock
        self._on_end = on_end
        self._speed = speed
        self._began_ns = began_ns
        self._opened: List[Cadence] = []
        self._ahead = bytearray()
        self._is_read = False

    @property
    def is_open(self) -> bool:
        """Whether an app listens."""
        return any(cadence.is_active for cadence in self._opened)

    def start(self, cadence: Cadence, *, is_driven: bool = False) -> None:
        """Begin to deliver.

        Args:
            cadence: As ``open`` gave it.
            is_driven: As of ``Cadence.start``.
        """
        cadence.start(self._began_ns(cadence.now_ns()), is_driven=is_driven)

    def has_other_listener(self, cadence: Cadence) -> bool:
        """Whether an app listens already, by another stream than that of a cadence."""
        return any(one.is_active and one is not cadence for one in self._opened)

    def open(
        self,
        take: Callable[[bytes, int], bool],
        ended: Callable[[], object],
        n_frames: Optional[int] = None,
        *,
        is_read: bool = False,  # noqa: ARG002 - all microphones have it
    ) -> Cadence:
        """Get ready to deliver; ``start`` begins, and ``stop`` is the cadence's.

        Args:
            take: Takes one block and the time at which it was complete; False ends the delivery.
            ended: Called once when that has ended it.
            n_frames: Frames a block; the microphone's own where None or 0.
            is_read: Whether the app waits for its blocks, so that each must come at its time.
        """
        n_frames = n_frames or self.block_frames

        def run_block(at_ns: int) -> bool:
            if self.began_at_ns is None:
                # The first sample was heard when the block began to fill.
                self.began_at_ns = cadence.began_ns
            goes_on = take(self._block(n_frames), at_ns)
            self._look_at_end(at_ns)
            return goes_on

        cadence = Cadence(
            self.pcm.rate, n_frames, run_block, ended, clock=self.clock, first=1, speed=self._speed, rests=self._has_nothing, name=NAME
        )
        self._opened.append(cadence)
        return cadence

    def _has_nothing(self) -> bool:
        return isinstance(self._source, SilenceSource) or self.ended_at_ns is not None

    def _block(self, n_frames: int) -> bytes:
        n_bytes = n_frames * self.pcm.frame_bytes
        # One byte more than the block, so that the end is known with the last sample and not with the block behind it.
        while not self._is_read and len(self._ahead) <= n_bytes:
            more = self._source.read(n_frames)
            self._is_read = not more
            self._ahead += more
        block = bytes(self._ahead[:n_bytes])
        del self._ahead[:n_bytes]
        return block.ljust(n_bytes, b"\0")

    def _look_at_end(self, at_ns: int) -> None:
        if self._is_read and not self._ahead and self.ended_at_ns is None:
            self.ended_at_ns = at_ns
            if self._on_end is not None:
                self._on_end()
