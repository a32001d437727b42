"""Whether the audio that was received is what was heard: all of it, once, in order, without a gap.

Rules of living here: a piece that was heard is known by its very samples. What cannot be known is no fault: an app may change what it
plays, play it elsewhere, or not at all, and drops what is left of a reply when the user interrupts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Counter as Counts
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.session.wav import Pcm

__all__ = ["IDLE_NS", "MIN_NS", "UNDERRUN_NS", "Chunk", "Fault", "Piece", "faults", "first_heard"]

# Below this a speaker is not dry: a player takes its blocks when it takes them.
UNDERRUN_NS = 100_000_000
# For so long a speaker has had nothing to play: what is there and is not played by then is not played at all.
IDLE_NS = 1_000_000_000
# Less than this may be the same by chance.
MIN_NS = 20_000_000


@dataclass(frozen=True)
class Chunk:
    """Audio that was received.

    Attributes:
        seq: Its event.
        at_ns: When it came.
        pcm: Its format.
        samples: Its samples.
        tail: What stands behind them in the message; a player that only cuts off the header plays it too.
        reply: Which reply it belongs to, 0 where that is not known.
        place: Its sentence and its place in that, None where it has none.
    """

    seq: int
    at_ns: int
    pcm: Pcm
    samples: bytes
    tail: bytes = b""
    reply: int = 0
    place: Optional[Tuple[str, int]] = None


@dataclass(frozen=True)
class Piece:
    """Audio that was heard, as it was handed to the speaker.

    Attributes:
        at_ns: When it began to sound, on the clock of the chunks.
        end_ns: When it had sounded.
        samples: Its samples.
        is_last: Whether it was the last of its stream, and may have been cut off.
    """

    at_ns: int
    end_ns: int
    samples: bytes
    is_last: bool = False


@dataclass(frozen=True)
class Fault:
    """Something wrong with what was heard.

    Attributes:
        kind: The finding.
        seq: The chunk that it is about.
        at_ns: When it showed.
        what: One sentence.
    """

    kind: str
    seq: int
    at_ns: int
    what: str


def faults(chunks: Sequence[Chunk], pieces: Sequence[Piece], interruptions: Sequence[int], end_ns: int) -> List[Fault]:
    """Compare what was received with what was heard.

    Args:
        chunks: The assistant's audio, in the order in which it came.
        pieces: What was heard, of all streams, by when each began.
        interruptions: When the user interrupted, in time.
        end_ns: When the conversation was over.

    Returns:
        What is wrong, in time; nothing where nothing was heard.
    """
    heard = _Heard(chunks, sorted(pieces, key=lambda piece: piece.at_ns), interruptions, end_ns)
    found = [*heard.never_played(), *heard.played_twice(), *heard.out_of_order(), *heard.underruns()]
    return sorted(found, key=lambda fault: (fault.at_ns, fault.seq))


def first_heard(chunks: Sequence[Chunk], pieces: Sequence[Piece]) -> Dict[int, Piece]:
    """What was heard of each chunk, the first time, by the chunk's seq; silence and what cannot be recognised is left out.

    Args:
        chunks: The assistant's audio, in the order in which it came.
        pieces: What was heard, of all streams.
    """
    sounding = sorted((piece for piece in pieces if any(piece.samples)), key=lambda piece: piece.at_ns)
    found: Dict[int, Piece] = {}
    for match in _matches([chunk for chunk in chunks if any(chunk.samples)], sounding):
        if match.chunk is not None:
            found.setdefault(match.chunk.seq, match.piece)
    return found


@dataclass(frozen=True)
class _Match:
    """A piece and the chunk that it is, None where that is not known."""

    piece: Piece
    chunk: Optional[Chunk]
    is_whole: bool = False
    is_again: bool = False


class _Heard:
    def __init__(self, chunks: Sequence[Chunk], pieces: Sequence[Piece], interruptions: Sequence[int], end_ns: int) -> None:
        self._chunks = [chunk for chunk in chunks if any(chunk.samples)]
        self._interruptions = interruptions
        self._end_ns = end_ns
        self._order = {chunk.seq: index for index, chunk in enumerate(chunks)}
        # Silence that was played is like any other; it is neither missed nor a piece nobody knows.
        self._matches = list(_matches(self._chunks, [piece for piece in pieces if any(piece.samples)]))
        self._heard = {match.chunk.seq: match for match in reversed(self._matches) if match.chunk is not None}

    def never_played(self) -> Iterator[Fault]:
        """Chunks that were not heard although the speaker came to what followed, or had nothing to play."""
        if not self._matches or any(match.chunk is None for match in self._matches):
            # Nothing was played here, or something that the app has made of what it received: of what, nobody knows.
            return
        for chunk in self._chunks:
            if chunk.seq in self._heard:
                continue
            missed_ns = self._missed_at_ns(chunk)
            if missed_ns is not None and not any(chunk.at_ns <= at_ns <= missed_ns for at_ns in self._interruptions):
                what = f"{_length(chunk)} of audio came at {chunk.at_ns / 1e9:.3f} s and was never played"
                yield Fault("never_played", chunk.seq, missed_ns, what)

    def _missed_at_ns(self, chunk: Chunk) -> Optional[int]:
        """When it was clear that a chunk is not played, None where it is not."""
        later = (match.piece.at_ns for seq, match in self._heard.items() if self._order[seq] > self._order[chunk.seq])
        skipped_ns = min(later, default=None)
        # The speaker was free from the end of the last piece on, or from when the chunk came.
        free_ns = max(chunk.at_ns, max(match.piece.end_ns for match in self._matches)) + IDLE_NS
        idle_ns = free_ns if free_ns <= self._end_ns else None
        return min((at_ns for at_ns in (skipped_ns, idle_ns) if at_ns is not None), default=None)

    def played_twice(self) -> Iterator[Fault]:
        """Chunks that were heard more often than they were received."""
        for match in self._matches:
            if match.is_again and match.chunk is not None and match.chunk.pcm.length_ns(len(match.chunk.samples)) >= MIN_NS:
                first_ns = self._heard[match.chunk.seq].piece.at_ns
                what = f"{_length(match.chunk)} of audio was played at {first_ns / 1e9:.3f} s and again at {match.piece.at_ns / 1e9:.3f} s"
                yield Fault("played_twice", match.chunk.seq, match.piece.at_ns, what)

    def out_of_order(self) -> Iterator[Fault]:
        """Chunks that were heard after one that came behind them: by neither their coming nor their places in the reply."""
        copies: Counts[bytes] = Counter(chunk.samples for chunk in self._chunks)
        sure = [(one.piece, one.chunk) for one in self._matches if one.chunk is not None and one.is_whole and not one.is_again]
        known = [(piece, chunk) for piece, chunk in sure if copies[chunk.samples] == 1]
        placed = self._placed([chunk for _, chunk in known])
        for (_, before), (piece, chunk) in zip(known, known[1:]):
            is_late = self._order[chunk.seq] < self._order[before.seq] and placed[chunk.seq] < placed[before.seq]
            if is_late and not any(before.at_ns <= at_ns <= piece.at_ns for at_ns in self._interruptions):
                came, later = (f"{one.at_ns / 1e9:.3f} s" for one in (chunk, before))
                what = f"audio that came at {came} was played after audio that came behind it, at {later}"
                yield Fault("out_of_order_audio", chunk.seq, piece.at_ns, what)

    def _placed(self, chunks: Sequence[Chunk]) -> Mapping[int, Tuple[int, int]]:
        """Where each chunk belongs by its sentence and its place in that; by its coming where it has none."""
        first: Dict[str, int] = {}
        for chunk in self._chunks:
            if chunk.place is not None:
                first.setdefault(chunk.place[0], self._order[chunk.seq])
        return {
            chunk.seq: (self._order[chunk.seq], 0) if chunk.place is None else (first[chunk.place[0]], chunk.place[1]) for chunk in chunks
        }

    def underruns(self) -> Iterator[Fault]:
        """Gaps within a reply during which the next chunk was there."""
        for before, match in zip(self._matches, self._matches[1:]):
            if before.chunk is None or match.chunk is None or not before.chunk.reply == match.chunk.reply != 0:
                continue
            from_ns = max(before.piece.end_ns, match.chunk.at_ns)
            dry_ns = match.piece.at_ns - from_ns
            if dry_ns >= UNDERRUN_NS and not any(before.piece.at_ns <= at_ns <= match.piece.at_ns for at_ns in self._interruptions):
                came_ns = match.chunk.at_ns
                what = f"the speaker was dry for {dry_ns / 1e6:.0f} ms although the next audio had come at {came_ns / 1e9:.3f} s"
                yield Fault("underrun", match.chunk.seq, from_ns, what)


def _matches(chunks: Sequence[Chunk], pieces: Sequence[Piece]) -> Iterator[_Match]:
    """Which chunk each piece is: of equal ones, each in its turn."""
    waiting: Dict[bytes, List[Chunk]] = {}
    taken: Dict[bytes, Chunk] = {}
    for chunk in chunks:
        for samples in {chunk.samples, chunk.samples + chunk.tail}:
            waiting.setdefault(samples, []).append(chunk)
    for piece in pieces:
        equal = [chunk for chunk in waiting.get(piece.samples, ()) if chunk.at_ns <= piece.at_ns]
        if equal:
            chunk = equal[0]
            for samples in {chunk.samples, chunk.samples + chunk.tail}:
                waiting[samples].remove(chunk)
                taken[samples] = chunk
            yield _Match(piece, chunk, is_whole=True)
        elif piece.samples in taken:
            yield _Match(piece, taken[piece.samples], is_whole=True, is_again=True)
        else:
            yield _Match(piece, _cut_off(chunks, piece))


def _cut_off(chunks: Sequence[Chunk], piece: Piece) -> Optional[Chunk]:
    """The chunk that a last piece is the beginning of; None where there is none."""
    if not piece.is_last:
        return None
    return next((one for one in chunks if one.at_ns <= piece.at_ns and one.samples.startswith(piece.samples)), None)


def _length(chunk: Chunk) -> str:
    return f"{chunk.pcm.length_ns(len(chunk.samples)) / 1e9:.2f} s"
