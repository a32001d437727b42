"""A software microphone that delivers each block when the recorded app sent it, so that an app that is the same sends the same again.

A microphone with a fixed rhythm delivers the same samples, but what the app sends then differs by a block here and there: at the end of
each reply, since no two machines play it in quite the same time, and about each message of the app's, since no two answer as fast. Where
nothing was sent for a while there is silence, but not just behind the last block before, nor just before the next.

Rules of living here: virtual time; each sample once, in order. It waits for what the recorded app did before it sent a block, and never
for long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator, Optional, Sequence

from evi_harness.audio.cadence import Cadence, Clock, Timer
from evi_harness.audio.sent_blocks import SOONER_NS, SentBlock, SentBlocks
from evi_harness.audio.software_microphone import NAME, SoftwareMicrophone
from evi_harness.session.protocols import AudioSource

__all__ = ["Going", "SentMicrophone"]

# How long a block waits for what was before it; and how far silence keeps from what was sent.
PATIENCE_NS = 500_000_000
# How often it is looked meanwhile.
LOOK_NS = 1_000_000


@dataclass(frozen=True)
class Going:
    """What the microphone asks about the replay.

    Attributes:
        live_ns: When a session time is by the clock; None before the connection is open.
        sent_ns: When the app has sent messages besides audio, by the clock.
        is_playing: Whether something is to be heard of the speaker.
    """

    live_ns: Callable[[int], Optional[int]]
    sent_ns: Sequence[int]
    is_playing: Callable[[], bool]


class SentMicrophone(SoftwareMicrophone):
    """A microphone that plays what was sent, as it was sent. An app that asks for blocks of another size gets them on a grid.

    Args:
        blocks: What was sent.
        source: The same, for who asks for blocks of another size.
        going: See there.
        clock: Virtual time.
        block_frames: Frames a block, as in the recording.
        began_ns: As of ``SoftwareMicrophone``.
    """

    def __init__(
        self,
        blocks: SentBlocks,
        source: AudioSource,
        going: Going,
        *,
        clock: Clock,
        block_frames: int,
        began_ns: Callable[[int], int] = lambda now_ns: now_ns,
    ) -> None:
        super().__init__(source, clock=clock, block_frames=block_frames, began_ns=began_ns)
        self._clock_there = clock
        self._began = began_ns
        self._left = _Left(iter(blocks))
        self._is_as_sent = blocks.is_even
        self._ends_at_ns = blocks.ends_at_ns
        self._going = going

    def open(
        self, take: Callable[[bytes, int], bool], ended: Callable[[], object], n_frames: Optional[int] = None, *, is_read: bool = False
    ) -> Cadence:
        """Get ready to deliver, as ``SoftwareMicrophone`` does."""
        if is_read or not self._is_as_sent or (n_frames or self.block_frames) != self.block_frames:
            self._is_as_sent = False
            return super().open(take, ended, n_frames)
        cadence = _AsSent(self, self._left, take, ended, self._ends_at_ns, self._going, self._clock_there)
        self._opened.append(cadence)
        return cadence


class _Left:
    """What is left to be delivered.

    Attributes:
        next: The next of it; None where that is all.
        n_before: How many messages had been sent before the first.
    """

    def __init__(self, blocks: Iterator[SentBlock]) -> None:
        self._blocks = blocks
        self.next = next(blocks, None)
        self.n_before = 0 if self.next is None else self.next.n_before

    def take(self) -> None:
        """Go on to the one behind it."""
        self.next = next(self._blocks, None)


class _AsSent(Cadence):
    """Delivers what was sent.

    Args:
        microphone: Whose it is.
        left: What is left to be delivered.
        take, ended: As of ``SoftwareMicrophone.open``.
        ends_at_ns: When the recording was over.
        going: See there.
        clock: Virtual time.
    """

    def __init__(
        self,
        microphone: SoftwareMicrophone,
        left: _Left,
        take: Callable[[bytes, int], bool],
        ended: Callable[[], object],
        ends_at_ns: int,
        going: Going,
        clock: Clock,
    ) -> None:
        super().__init__(microphone.pcm.rate, microphone.block_frames, lambda _: True, ended, clock=clock, first=1, name=NAME)
        self._microphone = microphone
        self._left = left
        self._take = take
        self._ends_at_ns = ends_at_ns
        self._going = going
        self._clock_here = clock
        self._silence = bytes(microphone.block_frames * microphone.pcm.frame_bytes)
        self._length_ns = microphone.pcm.length_ns(len(self._silence))
        # By the clock: how much later than the recorded one it was opened, and when the last block was, recorded or of silence.
        self._late_ns = 0
        self._last_ns = self._filled_ns = 0
        # Messages that are not waited for any more.
        self._n_forgiven = 0

    def start(self, began_ns: Optional[int] = None, *, is_driven: bool = False) -> None:  # noqa: ARG002 - what is driven is read, on a grid
        """Begin."""
        now_ns = self.now_ns()
        self.began_ns = now_ns if began_ns is None else began_ns
        self._last_ns = self._filled_ns = now_ns
        self.is_active = True
        due_ns = self._due_ns()
        if due_ns is not None and due_ns < now_ns:
            # Opened late, or once more: what was due goes on from here.
            self._late_ns += now_ns - due_ns + self._length_ns
        self._plan()

    def stop(self) -> bool:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()
        return self._end()

    def _due_ns(self) -> Optional[int]:
        """When the next block is due by the clock, or the recording over; None before the connection is open."""
        at_ns = self._ends_at_ns if self._left.next is None else self._left.next.at_ns
        live_ns = self._going.live_ns(at_ns)
        return None if live_ns is None else live_ns + self._late_ns - self._early_ns()

    def _early_ns(self) -> int:
        """How much sooner than in the recording the app's last message was sent: what answers it comes as much sooner, and so does this.

        Too soon does no harm: a block waits for what was before it.
        """
        block, sent_ns = self._left.next, self._going.sent_ns
        if block is None or not self._left.n_before < block.n_before <= len(sent_ns):
            return 0
        live_ns = self._going.live_ns(block.message_at_ns)
        return 0 if live_ns is None else max(0, live_ns + self._late_ns - sent_ns[block.n_before - 1])

    def _plan(self) -> None:
        now_ns, due_ns = self.now_ns(), self._due_ns()
        fill_ns = max(self._filled_ns, self._last_ns + PATIENCE_NS) + self._length_ns
        if due_ns is None:
            # The connection may open at any time.
            at_ns = min(fill_ns, now_ns + self._length_ns)
        elif self._left.next is None and now_ns >= due_ns:
            at_ns = max(fill_ns, due_ns + PATIENCE_NS)
        else:
            at_ns = fill_ns if fill_ns < due_ns - PATIENCE_NS else due_ns
            if self._left.next is not None and self._n_missing(self._left.next) > 0:
                # With the message it may be due sooner.
                at_ns = min(at_ns, max(due_ns - SOONER_NS, now_ns + LOOK_NS))
        self._set(max(at_ns, now_ns))

    def _set(self, at_ns: int) -> None:
        self._timer: Optional[Timer] = self._clock_here.call_at_ns(at_ns, self._tick)

    def _tick(self) -> None:
        now_ns, due_ns, block = self.now_ns(), self._due_ns(), self._left.next
        if due_ns is None or block is None or now_ns < due_ns:
            is_near = now_ns - self._last_ns <= PATIENCE_NS or (due_ns is not None and abs(due_ns - now_ns) < PATIENCE_NS)
            if not is_near and now_ns >= self._filled_ns + self._length_ns:
                self._filled_ns = now_ns
                self._deliver(self._silence, now_ns)
        elif self._is_ready(block, now_ns - due_ns):
            self._left.take()
            self._last_ns = self._filled_ns = now_ns
            self._deliver(block.samples, now_ns)
        else:
            self._set(now_ns + LOOK_NS)
            return
        if self.is_active:
            self._plan()

    def _is_ready(self, block: SentBlock, waited_ns: int) -> bool:
        """Whether all is there that was before it."""
        n_missing = self._n_missing(block)
        if n_missing <= 0 and not (block.is_behind_hole and self._going.is_playing()):
            return True
        if waited_ns < PATIENCE_NS:
            return False
        self._n_forgiven += max(0, n_missing)
        return True

    def _n_missing(self, block: SentBlock) -> int:
        return block.n_before - len(self._going.sent_ns) - self._n_forgiven

    def _deliver(self, block: bytes, now_ns: int) -> None:
        if self._microphone.began_at_ns is None:
            self._microphone.began_at_ns = now_ns - self._length_ns
        if not self._take(block, now_ns) and self._end():
            self._ended()
