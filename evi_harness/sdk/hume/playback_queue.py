"""The SDK's blocking playback queue, in virtual time.

The SDK puts what it plays into a ``queue.Queue(maxsize=32)``, on the event loop's thread. Where the queue is full, ``put`` blocks the loop
until the sound card's thread has taken something out. In virtual time there is no such thread, and a speaker on a timer of the blocked
loop would never come to play: so a full ``put`` plays the speaker's blocks itself, one by one, each at its time, until there is room. The
time is charged as what it is, a blocked loop.

Rules of living here: only queues that a playing speaker drains, on the loop's thread, while the loop runs; every other ``put`` is the real
one. What is replaced is put back, whatever happens.
"""

from __future__ import annotations

import functools
import queue
import sys
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Iterator, Optional, Protocol, Tuple

from evi_harness.clocks.blocking import caller
from evi_harness.clocks.steps import Step
from evi_harness.errors import StuckError
from evi_harness.guard.patches import SharedHooks
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import BLOCKED, PLAYBACK_STALL, BlockedFacts

__all__ = ["Drains", "VirtualTime", "kind_of_step", "virtual_playback_queue"]

_SDKS_PLAYBACK = "hume.empathic_voice.chat.audio.audio_utilities"
_PLAYBACK_FILE = str(Path(*_SDKS_PLAYBACK.split("."))) + ".py"


class VirtualTime(Protocol):
    """The loop that a full queue blocks. ``VirtualLoop`` is one."""

    def now_ns(self) -> int:
        """The time."""

    def charge(self, took_ns: int, where: str, kind: KindOf[BlockedFacts] = ...) -> None:
        """Move the clock on because the app blocked the loop."""

    def runs_here(self) -> bool:
        """Whether the loop runs on the calling thread."""


class Drains(Protocol):
    """What takes the audio out of the queue: ``SoftwareSpeaker``."""

    def drains_at_ns(self, waiting: Any) -> Optional[int]:
        """When the next block is due that takes something out of a queue, None where none will be."""

    def play_until(self, waiting: Any, at_ns: int) -> None:
        """Play the blocks that are due at a time."""


_PLAYING: SharedHooks[Tuple[VirtualTime, Drains]] = SharedHooks(lambda hooks: hooks.wrap(queue.Queue, "put", _playing))


@contextmanager
def virtual_playback_queue(loop: VirtualTime, speaker: Drains) -> Iterator[None]:
    """Let a full playback queue block the virtual clock instead of the process, for as long as the block runs.

    Args:
        loop: The loop to charge.
        speaker: What drains the queue, on the same clock.

    Raises:
        StuckError: Within the block, out of the SDK's own ``put``: the queue is full and no speaker plays that could ever drain it.
    """
    one = (loop, speaker)
    _PLAYING.join(one)
    try:
        yield
    finally:
        _PLAYING.leave(one)


def kind_of_step(step: Step) -> KindOf[BlockedFacts]:
    """What a step of the loop that took long in real time is noted as: the SDK's playback is told from everything else.

    Args:
        step: The step.
    """
    return PLAYBACK_STALL if step.file.endswith(_PLAYBACK_FILE) else BLOCKED


def _playing(real: Callable[..., None]) -> Callable[..., None]:
    def put(self: Any, item: Any, block: bool = True, timeout: Optional[float] = None) -> None:
        """Put an item into the queue; in virtual time a full one is drained by the speaker meanwhile."""
        playing = _here() if block and _is_full(self) and (timeout is None or timeout >= 0) else None
        if playing is not None:
            loop, speaker = playing
            is_sdks = sys._getframe(1).f_globals.get("__name__") == _SDKS_PLAYBACK
            whose, kind = ("the SDK's playback queue", PLAYBACK_STALL) if is_sdks else ("a queue of the speaker's", BLOCKED)
            charge = functools.partial(loop.charge, where=f"{whose}, which was full ({caller()})", kind=kind)
            if _make_room(loop, speaker, self, timeout, charge):
                # The time for waiting has passed: what is full now is full.
                block, timeout = False, None
            elif is_sdks:
                raise _never_drained(sys._getframe(1))
        real(self, item, block, timeout)

    return put


def _here() -> Optional[Tuple[VirtualTime, Drains]]:
    """The innermost loop that runs on the calling thread, and its speaker."""
    return next((one for one in reversed(_PLAYING) if one[0].runs_here()), None)


def _is_full(waiting: Any) -> bool:
    return bool(0 < waiting.maxsize <= waiting.qsize())


def _make_room(loop: VirtualTime, speaker: Drains, waiting: Any, timeout: Optional[float], charge: Callable[[int], object]) -> bool:
    """Play until there is room or the time is over; False where nobody plays any more and it is still full."""
    until_ns = None if timeout is None else loop.now_ns() + round(timeout * 1e9)
    while _is_full(waiting):
        due_ns = speaker.drains_at_ns(waiting)
        if due_ns is None:
            return False
        is_over = until_ns is not None and due_ns > until_ns
        next_ns = until_ns if is_over and until_ns is not None else due_ns
        charge(max(0, next_ns - loop.now_ns()))
        if is_over:
            return True
        speaker.play_until(waiting, due_ns)
    return True


def _never_drained(frame: FrameType) -> StuckError:
    return StuckError(
        "the SDK's playback queue is full and no speaker is open that would drain it: outside of virtual time the app hangs here forever",
        where=f"{frame.f_code.co_filename}:{frame.f_lineno}",
        hint="More than 32 chunks were there before the SDK opened the speaker. Put them into byte_strs as they are received.",
    )
