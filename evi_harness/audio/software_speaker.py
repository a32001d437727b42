"""The software speaker: keeps what an app played, and when each part of it was heard.

An app hands a device its audio in a callback, block by block, and fills up with silence what it does not have. The blocks alone do not
tell that silence from silence that was played. Where the callback takes its audio out of a queue, as the SDK's does, the speaker counts
what is taken, so that it knows which bytes of a block are audio; where there is no queue, a block of nothing but zeros counts as silence.

Rules of living here: what was heard is kept whole and in order; a time is that at which a device would sound it, computed from when the
stream was started and how much was played since; at the greatest speed, where audio takes no time, that of its block.
"""

from __future__ import annotations

import functools
import queue
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from evi_harness.audio.cadence import AT_ITS_RATE, Cadence, Clock, Speed
from evi_harness.session.wav import Pcm

__all__ = ["NAME", "Heard", "Playback", "SoftwareSpeaker", "Span", "queues_of"]

NAME = "evi-harness software speaker"
BLOCKS_PER_S = 100

TakeBlock = Callable[[memoryview, int], bool]


@dataclass(frozen=True)
class Span:
    """A stretch of what a stream played: audio, or silence because nothing was there.

    Attributes:
        at_ns: When it began to sound, on the speaker's clock.
        start: Where in the playback's samples it begins; for silence, where it interrupts them.
        n_bytes: How long it is.
        is_silence: Whether nothing was there.
        offset: Where it begins in all that the stream played, silence included; bytes.
    """

    at_ns: int
    start: int
    n_bytes: int
    is_silence: bool
    offset: int


class Playback:
    """What one stream played, from its start to its stop.

    Args:
        pcm: The format it was opened with.
        began_ns: When it was started.
        speed: How many times as fast as its rate it plays.
        callback: The app's own that fills its blocks.
        held_ns: How much audio the stream may hold that the app has handed over and that has not sounded.

    Attributes:
        pcm: The format.
        speed: How many times as fast as its rate it plays; None for the greatest speed, at which audio takes no time.
        callback, held_ns: As given.
        began_ns: When it was started, on the speaker's clock.
        ended_ns: When it ended, None while it plays.
        spans: Audio and silence in turn, each as long as it lasted.
        chunks: Where in ``samples`` each chunk begins that the callback took out of its queue; empty where it has none.
    """

    def __init__(self, pcm: Pcm, began_ns: int, speed: Speed = AT_ITS_RATE, callback: Any = None, held_ns: int = 0) -> None:
        self.pcm = pcm
        self.speed = speed
        self.callback = callback
        self.held_ns = held_ns
        self.began_ns = began_ns
        self.ended_ns: Optional[int] = None
        self.spans: List[Span] = []
        self.chunks: List[int] = []
        self._samples = bytearray()
        self._n_bytes = 0
        # Where each span of audio begins in the samples, and its index among the spans.
        self._starts: List[int] = []
        self._indexes: List[int] = []

    def __getstate__(self) -> Dict[str, Any]:
        """What another process can have of it: all but the app's callback."""
        return {**vars(self), "callback": None}

    @property
    def samples(self) -> bytes:
        """The audio that was heard, one piece after another, without the silence between them."""
        return bytes(self._samples)

    @property
    def n_heard(self) -> int:
        """Bytes of audio heard so far."""
        return len(self._samples)

    def piece(self, start: int, stop: int) -> bytes:
        """A part of ``samples``, without a copy of the whole; from byte ``start`` to before byte ``stop``."""
        return bytes(self._samples[start:stop])

    def heard_ns(self, start: int) -> Optional[int]:
        """When a byte of ``samples`` was heard, None where it has not been."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or start >= len(self._samples):
            return None
        span = self.spans[self._indexes[index]]
        return self._time_ns(span.offset + start - span.start, span.at_ns)

    def first_heard_ns(self, samples: bytes, since_ns: int = 0) -> Optional[int]:
        """When some audio was first heard.

        Args:
            samples: Samples as they were handed on, without a WAV header.
            since_ns: Look from this time on; for audio that was played more than once.

        Returns:
            When its first sample sounded, None where it did not or was not audio.
        """
        for start in self._found(samples) if samples else ():
            at_ns = self.heard_ns(start)
            if at_ns is not None and at_ns >= since_ns:
                return at_ns
        return None

    def _found(self, samples: bytes) -> Iterator[int]:
        # Where chunks are known they are looked at first: digital silence would be found in the middle of any other.
        yield from (start for start in self.chunks if self._samples.startswith(samples, start))
        at = self._samples.find(samples)
        while at >= 0:
            if at % self.pcm.frame_bytes == 0:
                yield at
            at = self._samples.find(samples, at + 1)

    def add(self, block: bytes, n_heard: int, at_ns: int) -> None:
        """Add a block.

        Args:
            block: What was played.
            n_heard: How many bytes of it, from its beginning, are audio; the rest is silence.
            at_ns: When it began to sound; at any speed but the greatest, this is known without it.
        """
        for n_bytes, is_silence in ((n_heard, False), (len(block) - n_heard, True)):
            if n_bytes:
                self._extend(n_bytes, is_silence, at_ns)
        self._samples += block[:n_heard]

    def _extend(self, n_bytes: int, is_silence: bool, at_ns: int) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and last.is_silence == is_silence:
            self.spans[-1] = Span(last.at_ns, last.start, last.n_bytes + n_bytes, is_silence, last.offset)
        else:
            start = len(self._samples) if last is None or last.is_silence else last.start + last.n_bytes
            if not is_silence:
                self._starts.append(start)
                self._indexes.append(len(self.spans))
            self.spans.append(Span(self._time_ns(self._n_bytes, at_ns), start, n_bytes, is_silence, self._n_bytes))
        self._n_bytes += n_bytes

    def _time_ns(self, offset: int, block_at_ns: int) -> int:
        if self.speed is None:
            return block_at_ns
        ns = offset * 1_000_000_000 * self.speed.denominator
        return self.began_ns + ns // (self.pcm.frame_bytes * self.pcm.rate * self.speed.numerator)


@dataclass(frozen=True)
class Heard:
    """What the software speaker played in a run.

    Attributes:
        playbacks: The streams.
        opened_at_ns: Session time 0 on the speaker's clock.
        speed: How many times as fast as its rate audio went by in the run; None for the greatest speed.
    """

    playbacks: Sequence[Playback]
    opened_at_ns: int
    speed: Speed

    @staticmethod
    def of(playbacks: Optional[Sequence[Playback]], opened_at_ns: Optional[int], speed: Speed) -> Optional[Heard]:
        """What a run played; None where there was no software speaker, or no connection."""
        return None if playbacks is None or opened_at_ns is None else Heard(playbacks, opened_at_ns, speed)


class SoftwareSpeaker:
    """A speaker that keeps what it is given. Any number of streams may play at once, as on a device that mixes.

    Args:
        clock: Virtual time; None for real time.
        rate: Frames a second that it reports; streams may be opened at any rate.
        channels: Channels that it reports.
        block_frames: Frames a block where the app does not ask for a size; 10 ms by default.
        speed: How many times as fast as its rate it plays. At the greatest, what an app has is taken at once, and silence lasts as
            long as ever.

    Attributes:
        rate, channels: As given.
        playbacks: What was played, a playback for each time that a stream was started.
        failures: What callbacks raised, which ended their streams.
        clock: As given.
    """

    def __init__(
        self,
        *,
        clock: Optional[Clock] = None,
        rate: int = 48000,
        channels: int = 2,
        block_frames: Optional[int] = None,
        speed: Speed = AT_ITS_RATE,
    ) -> None:
        self.rate = rate
        self.channels = channels
        self.playbacks: List[Playback] = []
        self.failures: List[Exception] = []
        self.clock = clock
        self._block_frames = block_frames
        self._speed = speed
        self._playing: List[OpenSpeaker] = []

    @property
    def is_playing(self) -> bool:
        """Whether what the app gave is being played, be it silence, as far as that can be told."""
        return any(stream.n_heard for stream in self._playing)

    @property
    def heard_ns(self) -> int:
        """How much audio was heard so far, by all streams together; silence because nothing was there is none."""
        return sum(playback.pcm.length_ns(playback.n_heard) for playback in self.playbacks)

    def block_frames(self, rate: int) -> int:
        """Frames a block at a rate, where the app does not ask for a size."""
        return self._block_frames or max(1, rate // BLOCKS_PER_S)

    def open(
        self,
        pcm: Pcm,
        n_frames: int,
        fill: TakeBlock,
        ended: Callable[[], object],
        callback: Any = None,
        *,
        counts_items: bool = True,
        n_ahead: int = 0,
    ) -> OpenSpeaker:
        """Get ready to play.

        Args:
            pcm: The format.
            n_frames: Frames a block; the speaker's own where 0.
            fill: Fills a block, given the time at which it begins to sound; False ends the stream behind it. A last block
                with nothing in it is not played.
            ended: Called once when that has ended it.
            callback: The app's own, whose queues are watched; None for none.
            counts_items: Whether what the callback takes out of its queues is what it puts into blocks, byte for byte.
            n_ahead: Frames that the app may have written, and that wait to be played.
        """
        n_frames = n_frames or self.block_frames(pcm.rate)
        return OpenSpeaker(self, self.clock, pcm, n_frames, fill, ended, callback, self._speed, counts_items=counts_items, n_ahead=n_ahead)

    def drains_at_ns(self, waiting: Any) -> Optional[int]:
        """When a playing stream that takes its audio out of a queue wants its next block, None where there is no such stream."""
        return min((stream.cadence.next_at_ns for stream in self._draining(waiting)), default=None)

    def play_until(self, waiting: Any, at_ns: int) -> None:
        """Play the blocks that are due at a time on the streams that drain a queue; in virtual time, for a loop that is blocked."""
        for stream in list(self._draining(waiting)):
            stream.cadence.run_until(at_ns)

    def _draining(self, waiting: Any) -> Iterator[OpenSpeaker]:
        return (stream for stream in self._playing if stream.cadence.is_active and any(waiting is one for one in stream.queues))

    @property
    def is_sounding(self) -> bool:
        """Whether something is played at the moment."""
        return any(one.ended_ns is None and one.spans and not one.spans[-1].is_silence for one in self.playbacks)

    def began(self, stream: OpenSpeaker, playback: Playback) -> None:
        """A stream plays from now on."""
        self.playbacks.append(playback)
        self._playing.append(stream)

    def part(self) -> int:
        """End the playbacks here; a stream that plays on has another from its next block on.

        Returns:
            How many there are by now: those that come later are of another part.
        """
        for stream in self._playing:
            stream.part()
        return len(self.playbacks)

    def goes_on(self, playback: Playback) -> None:
        """A stream that has played until now has a playback for what comes."""
        self.playbacks.append(playback)

    def over(self, stream: OpenSpeaker) -> None:
        """A stream plays no longer."""
        if stream in self._playing:
            self._playing.remove(stream)


class OpenSpeaker:
    """One stream of a speaker.

    Attributes:
        cadence: Its blocks.
        queues: The queues that its callback takes audio out of.
        n_heard: Bytes of audio in the last block.
    """

    def __init__(
        self,
        speaker: SoftwareSpeaker,
        clock: Optional[Clock],
        pcm: Pcm,
        n_frames: int,
        fill: TakeBlock,
        ended: Callable[[], object],
        callback: Any,
        speed: Speed,
        *,
        counts_items: bool = True,
        n_ahead: int = 0,
    ) -> None:
        self._held_ns = pcm.length_ns((n_frames + n_ahead) * pcm.frame_bytes)
        self.queues = queues_of(callback)
        self._counts_items = counts_items and bool(self.queues)
        self._callback = callback
        self.cadence = Cadence(
            pcm.rate, n_frames, self._run_block, self._end, clock=clock, speed=speed, rests=lambda: not self.n_heard, name=NAME
        )
        self._speed = speed
        self.n_heard = 0
        self._speaker = speaker
        self._pcm = pcm
        self._block = bytearray(n_frames * pcm.frame_bytes)
        self._fill = fill
        self._ended = ended
        self._n_taken = 0
        self._playback = Playback(pcm, 0)
        self._is_parted = False

    def start(self) -> None:
        """Play from now on."""
        self._n_taken = 0
        self._is_parted = False
        self._playback = self._another(self.cadence.now_ns())
        self._speaker.began(self, self._playback)
        for one in self.queues:
            _watch(one, self._take)
        self.cadence.start(self._playback.began_ns)

    def stop(self) -> bool:
        """Stop playing.

        Returns:
            Whether it played until now.
        """
        was_active = self.cadence.stop()
        if was_active:
            self._over()
        return was_active

    def part(self) -> None:
        """Have what comes from now on be in a playback of its own."""
        self._is_parted = True
        self._playback.ended_ns = self.cadence.now_ns()

    def _another(self, began_ns: int) -> Playback:
        return Playback(self._pcm, began_ns, self._speed, self._callback, self._held_ns)

    def _run_block(self, at_ns: int) -> bool:
        if self._is_parted:
            # What waits in a queue was taken out of it for neither.
            self._is_parted = False
            self._n_taken -= self._playback.n_heard
            self._playback = self._another(at_ns)
            self._speaker.goes_on(self._playback)
        with memoryview(self._block) as block:
            block[:] = bytes(len(block))
            goes_on = self._fill(block, at_ns)
            played = bytes(block)
        if goes_on or any(played):
            self.n_heard = self._n_audio(played)
            self._playback.add(played, self.n_heard, at_ns)
        return goes_on

    def _n_audio(self, block: bytes) -> int:
        if self._counts_items:
            return min(len(block), self._n_taken - self._playback.n_heard)
        return len(block) if any(block) else 0

    def _take(self, item: Any) -> None:
        if self._counts_items and isinstance(item, (bytes, bytearray, memoryview)) and len(item):
            self._playback.chunks.append(self._n_taken)
            self._n_taken += len(item)

    def _end(self) -> None:
        self._over()
        self._ended()

    def _over(self) -> None:
        self._playback.ended_ns = self.cadence.now_ns()
        self._speaker.over(self)
        for one in self.queues:
            _unwatch(one)


def queues_of(callback: Any) -> Tuple[Any, ...]:
    """The queues that a callback can reach: closed over, bound to it, or handed to it by ``functools.partial``.

    Of a function that stands for another, as ``functools.wraps`` marks it, those of that other.
    """
    held: List[Any] = []
    while True:
        if isinstance(callback, functools.partial):
            held += [*callback.args, *callback.keywords.values()]
            callback = callback.func
        elif hasattr(callback, "__wrapped__"):
            callback = callback.__wrapped__
        else:
            break
    held += getattr(getattr(callback, "__self__", None), "__dict__", {}).values()
    # A cell is empty where the app has not come to assign it yet.
    cells = getattr(getattr(callback, "__func__", callback), "__closure__", None) or ()
    held += [contents for contents in map(_contents, cells) if contents is not None]
    return tuple(one for one in held if isinstance(one, queue.Queue))


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _watch(watched: Any, take: Callable[[Any], object]) -> None:
    # ``_get`` is what queue.Queue leaves to its subclasses: every way of taking goes through it.
    real = type(watched)._get

    def get() -> Any:
        item = real(watched)
        take(item)
        return item

    watched._get = get


def _unwatch(watched: Any) -> None:
    vars(watched).pop("_get", None)
