"""Received and played audio, each as one stream of 16-bit mono samples with times.

Received audio is decoded as it came, whatever header it had. Played audio is looked at in two places: what the app handed on to be played,
and what the speaker played. Both are pieces here, and pieces of one stream and format follow one another without a gap: where one ends and
the next begins means nothing to a listener, so nothing here depends on it.

Channels are folded into one. The channels of a copy are equal, so a stereo copy has the very samples of its mono original.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.session.wav import Pcm

__all__ = ["QUIET", "Chunk", "Piece", "PlayedAudio", "ReceivedAudio", "ReplyAudio", "folded", "peak", "played_streams"]

# Below this peak (-44 dB of full scale) nothing is audible beside speech: the floor of a recording, and what apps trim as silence.
QUIET = 200

# A block of received audio is found by its first samples. Fewer than these may be alike by chance.
KEY_BYTES = 160
_BLOCKS_PER_S = 100
_NO_ZERO = re.compile(rb"[^\0]")


@dataclass(frozen=True)
class Chunk:
    """Audio that was received in one message.

    Attributes:
        seq: The event.
        at_ns: When it came, in session time.
        pcm: Its format, 16 bits wide.
        samples: Its samples, whole frames.
        reply: Number of the reply that it belongs to, 0 where that is not known.
        place: Its sentence and its place in that, None where it has none.
    """

    seq: int
    at_ns: int
    pcm: Pcm
    samples: bytes
    reply: int = 0
    place: Optional[Tuple[str, int]] = None

    @property
    def length_ns(self) -> int:
        """How long it plays."""
        return self.pcm.length_ns(len(self.samples))


@dataclass(frozen=True)
class Piece:
    """Audio that was played.

    Attributes:
        at_ns: When it was handed on, or when it began to sound; in session time.
        end_ns: When it had sounded; for what was handed on, ``at_ns``.
        pcm: The format in which it plays, 16 bits wide.
        samples: Its bytes; they need not end with a whole frame where the next piece goes on.
        stream: Which stream it is part of. Streams may play at once.
        number: Tells it from all others, for whoever knows more of it.
    """

    at_ns: int
    end_ns: int
    pcm: Pcm
    samples: Union[bytes, memoryview]
    stream: int = 0
    number: int = 0


@dataclass(frozen=True)
class ReplyAudio:
    """What is known of one reply.

    Attributes:
        number: Of its turn; 0 for audio whose reply is not known.
        text: What it says, for people; empty where that is not known.
        interrupted_ns: When the user interrupted it, None where nobody did.
    """

    number: int
    text: str = ""
    interrupted_ns: Optional[int] = None


class ReceivedAudio:
    """All audio that was received, one chunk after another.

    Args:
        chunks: In the order in which they came.

    Attributes:
        chunks: As given.
        data: The samples of all: 16-bit, mono.
        starts: Where each chunk begins, in samples; and, last, where all ends.
    """

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self.chunks: Sequence[Chunk] = tuple(chunks)
        self._mono = [folded(chunk.samples, chunk.pcm.channels) for chunk in self.chunks]
        self.data = b"".join(self._mono)
        self.starts: List[int] = [0, *accumulate(len(one) // 2 for one in self._mono)]
        self._times = [chunk.at_ns for chunk in self.chunks]
        self._table: Optional[Dict[bytes, List[int]]] = None
        self._copies: Optional[Dict[bytes, List[int]]] = None

    @property
    def n_samples(self) -> int:
        """How many samples there are."""
        return self.starts[-1]

    def index_at(self, at: int) -> int:
        """The index of the chunk that a sample belongs to."""
        return bisect_right(self.starts, at, 0, len(self.chunks)) - 1

    def chunk_at(self, at: int) -> Chunk:
        """The chunk that a sample belongs to."""
        return self.chunks[self.index_at(at)]

    def arrived(self, at_ns: int) -> int:
        """How many samples had come by a time."""
        return self.starts[bisect_right(self._times, at_ns)]

    def length_ns(self, start: int, stop: int) -> int:
        """How long the samples between two places play."""
        total = 0
        while start < stop:
            index = self.index_at(start)
            end = min(stop, self.starts[index + 1])
            total += (end - start) * 1_000_000_000 // self.chunks[index].pcm.rate
            start = end
        return total

    def samples(self, start: int, stop: int) -> array[int]:
        """The samples between two places."""
        return _array(self.data[2 * start : 2 * stop])

    def copies(self, index: int) -> Sequence[int]:
        """The indexes of all chunks that have the samples of one, itself included."""
        if self._copies is None:
            self._copies = {}
            for number, samples in enumerate(self._mono):
                self._copies.setdefault(samples, []).append(number)
        return self._copies[self._mono[index]]

    def sounds_from(self, at: int, stop: int) -> int:
        """The first sample from a place on that is not zero; ``stop`` where there is none before it."""
        found = _NO_ZERO.search(self.data, 2 * at, 2 * stop)
        return stop if found is None else found.start() // 2

    @property
    def table(self) -> Mapping[bytes, Sequence[int]]:
        """Where each 10 ms of the audio begin, in samples, by their first samples, in order. Made when first asked for.

        What is quiet is left out, and what stands still: it could be found anywhere.
        """
        if self._table is None:
            self._table = {}
            for chunk, start, stop in zip(self.chunks, self.starts, self.starts[1:]):
                for at in range(start, stop, max(1, chunk.pcm.rate // _BLOCKS_PER_S)):
                    key = self.data[2 * at : 2 * at + KEY_BYTES]
                    # The upper bytes of samples below 256 are all zeros or all ones.
                    if key[1::2].strip(b"\x00\xff") and key[2:] != key[:-2] and len(key) == KEY_BYTES:
                        self._table.setdefault(key, []).append(at)
        return self._table


class PlayedAudio:
    """Pieces of one stream in one format, as one.

    Args:
        pieces: In the order in which they were played.

    Attributes:
        pieces: As given.
        pcm: Their format.
        raw: Their bytes as they were played.
        data: Their samples: 16-bit, mono.
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces: Sequence[Piece] = tuple(pieces)
        self.pcm = self.pieces[0].pcm
        self.raw = b"".join(piece.samples for piece in self.pieces)
        self.data = folded(self.raw, self.pcm.channels)
        self._offsets = [0, *accumulate(len(piece.samples) for piece in self.pieces)]

    @property
    def n_samples(self) -> int:
        """How many samples there are."""
        return len(self.data) // 2

    @property
    def begins_ns(self) -> int:
        """When the first piece began."""
        return self.pieces[0].at_ns

    @property
    def ends_ns(self) -> int:
        """When the last piece was over."""
        return self.pieces[-1].end_ns

    @property
    def is_handed_on(self) -> bool:
        """Whether its times are those at which it was handed on: none of its pieces takes time."""
        return all(piece.end_ns == piece.at_ns for piece in self.pieces)

    def piece_at(self, at: int) -> Piece:
        """The piece that a sample belongs to."""
        return self.pieces[self._index_at(at)]

    def time_ns(self, at: int) -> int:
        """When a sample was played, or handed on."""
        index = self._index_at(at)
        piece = self.pieces[index]
        within = at * self.pcm.frame_bytes - self._offsets[index]
        return min(piece.at_ns + self.pcm.length_ns(max(0, within)), max(piece.at_ns, piece.end_ns))

    def first_at(self, at_ns: int, start: int, stop: int) -> int:
        """The first sample between two places that was played at a time or later; the second place where none was."""
        while start < stop:
            middle = (start + stop) // 2
            if self.time_ns(middle) >= at_ns:
                stop = middle
            else:
                start = middle + 1
        return start

    def spans_pieces(self, start: int, stop: int) -> List[Tuple[int, int]]:
        """The places between two others, cut where pieces end."""
        cuts = [start]
        for offset in self._offsets[self._index_at(start) + 1 :]:
            # A sample that begins in one piece and ends in the next belongs to the first.
            at = -(-offset // self.pcm.frame_bytes)
            if at >= stop:
                break
            if at > cuts[-1]:
                cuts.append(at)
        return list(zip(cuts, [*cuts[1:], stop]))

    def dry_ns(self, start: int, stop: int) -> int:
        """For how long nothing was there to play between two samples."""
        first, last = self._index_at(start), self._index_at(stop)
        pairs = zip(self.pieces[first:last], self.pieces[first + 1 : last + 1])
        return sum(max(0, later.at_ns - before.end_ns) for before, later in pairs)

    def samples(self, start: int, stop: int) -> array[int]:
        """The samples between two places."""
        return _array(self.data[2 * start : 2 * stop])

    def _index_at(self, at: int) -> int:
        return max(0, bisect_right(self._offsets, at * self.pcm.frame_bytes, 0, len(self.pieces)) - 1)


def played_streams(pieces: Iterable[Piece]) -> List[PlayedAudio]:
    """Put pieces together, stream by stream, as long as the format stays the same.

    Args:
        pieces: Of all streams, those of one in the order in which they were played.

    Returns:
        The streams, by when each began.
    """
    by_stream: Dict[int, List[List[Piece]]] = {}
    for piece in pieces:
        runs = by_stream.setdefault(piece.stream, [])
        if not runs or runs[-1][-1].pcm != piece.pcm:
            runs.append([])
        runs[-1].append(piece)
    streams = [PlayedAudio(run) for runs in by_stream.values() for run in runs]
    return sorted(streams, key=lambda one: one.begins_ns)


def folded(samples: bytes, n_channels: int) -> bytes:
    """Fold the channels of 16-bit samples into one: the mean, which is the sample itself where all channels are equal.

    Args:
        samples: Interleaved; a broken last frame is left out.
        n_channels: How many channels there are.
    """
    frame = 2 * n_channels
    samples = samples[: len(samples) // frame * frame]
    if n_channels == 1:
        return samples
    values = _array(samples)
    channels = [values[number::n_channels] for number in range(n_channels)]
    if all(channel == channels[0] for channel in channels[1:]):
        return channels[0].tobytes()
    return array("h", [sum(frame) // n_channels for frame in zip(*channels)]).tobytes()


def peak(samples: Sequence[int]) -> int:
    """The largest magnitude among samples, 0 where there are none."""
    return max(max(samples), -min(samples)) if samples else 0


def _array(data: bytes) -> array[int]:
    values = array("h")
    values.frombytes(data)
    return values
