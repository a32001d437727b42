"""Timing of the played samples: when each chunk was heard, where the speaker ran dry, what was played on.

All of it is read off the match by samples: of audio that the app changed, nothing is known here.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from evi_harness.replay.hearing.faults import Fault, Interruption
from evi_harness.replay.hearing.match import Match, Matched
from evi_harness.replay.hearing.streams import ReceivedAudio, ReplyAudio
from evi_harness.session.notes import PLAYS_ON, UNDERRUN

__all__ = ["UNDERRUN_NS", "HeardChunk", "by_chunk", "heard_chunks", "plays_on", "underruns"]

# Below this a speaker is not dry: a player takes its blocks when it takes them.
UNDERRUN_NS = 100_000_000
# What an app's own player may still hold when the user interrupts, and play to its end.
TAIL_NS = 500_000_000


class HeardChunk(NamedTuple):
    """When a chunk was heard for the first time.

    Attributes:
        seq: The chunk.
        at_ns: When its first sample that was heard sounded.
        until_ns: When its last one had.
    """

    seq: int
    at_ns: int
    until_ns: int


def heard_chunks(match: Match) -> List[HeardChunk]:
    """When each chunk was heard, in the order in which they came; without those of which nothing was."""
    found: Dict[int, HeardChunk] = {}
    for one in match.matched:
        if one.is_again:
            continue
        for index, start, stop in by_chunk(match, one):
            stream = match.played[one.stream]
            at_ns, until_ns = stream.time_ns(start), stream.time_ns(stop - 1)
            seq = match.received.chunks[index].seq
            before = found.get(index)
            if before is None or at_ns < before.at_ns:
                at_ns, until_ns = at_ns, max(until_ns, 0 if before is None else before.until_ns)
            else:
                at_ns, until_ns = before.at_ns, max(until_ns, before.until_ns)
            found[index] = HeardChunk(seq, at_ns, until_ns)
    return [found[index] for index in sorted(found)]


def underruns(match: Match, interruptions: Sequence[Interruption]) -> Iterator[Fault]:
    """Gaps within a reply during which the speaker had nothing to play, although the next audio of the reply was there.

    Args:
        match: What the speaker played beside what was received.
        interruptions: When the user interrupted.
    """
    received = match.received
    ordered = sorted((one for one in match.matched if not one.is_again), key=lambda one: match.played[one.stream].time_ns(one.start))
    for before, one in _neighbours(match, ordered):
        chunk, other = received.chunk_at(one[0]), received.chunk_at(before[0])
        if not chunk.reply == other.reply != 0 or _may_be_new(received, one[0], chunk.at_ns, one[1]):
            continue
        from_ns = max(before[1], chunk.at_ns)
        dry_ns = min(one[1] - from_ns, one[2])
        if dry_ns >= UNDERRUN_NS and not any(before[1] <= each.at_ns <= one[1] for each in interruptions):
            what = (
                f"the speaker had nothing to play for {dry_ns / 1e6:.0f} ms although the next audio had come at {chunk.at_ns / 1e9:.3f} s"
            )
            yield Fault(UNDERRUN, chunk.seq, from_ns, what)


# A place in what was received, when it sounded, and for how long nothing was there to play before it.
_Place = Tuple[int, int, int]


def _neighbours(match: Match, ordered: Sequence[Matched]) -> Iterator[Tuple[_Place, _Place]]:
    """Samples that were heard one behind another, across pieces: the last before a gap, and the first behind it."""
    last: Optional[Tuple[Matched, _Place]] = None
    for one in ordered:
        stream = match.played[one.stream]
        cuts = stream.spans_pieces(one.start, one.stop)
        for start, stop in cuts:
            at = one.at + start - one.start
            at_ns = stream.time_ns(start)
            if last is not None:
                before, place = last
                dry_ns = at_ns - place[1]
                if before.stream == one.stream and start > before.start:
                    # What the app played between the two was something to play.
                    dry_ns = stream.dry_ns(min(start, before.stop if before is not one else start) - 1, start)
                yield place, (at, at_ns, dry_ns)
            end_ns = stream.time_ns(stop - 1)
            last = one, (one.at + stop - 1 - one.start, end_ns, 0)


def plays_on(match: Match, replies: Sequence[ReplyAudio], interruptions: Sequence[Interruption], *, is_handed_on: bool) -> Iterator[Fault]:
    """Audio of an interrupted reply that was played although the app had dealt with the interruption.

    Args:
        match: What was played beside what was received.
        replies: The replies.
        interruptions: When the user interrupted.
        is_handed_on: Whether what was played is what the app handed on; else it is what its own player played, which may hold a tail.
    """
    for interruption in interruptions:
        interrupted = {reply.number for reply in replies if reply.interrupted_ns == interruption.at_ns}
        if interruption.taken_ns is None or not interrupted:
            continue
        late = [span for span in _late(match, interruption, is_handed_on) if match.received.chunk_at(span[1]).reply <= max(interrupted)]
        if not late:
            continue
        at_ns = min(span[0] for span in late)
        held_ns = sum(match.received.length_ns(start, stop) for _, start, stop, _ in late)
        where = "was passed on" if is_handed_on else "was played"
        late_ns = at_ns - interruption.taken_ns
        what = (
            f"{held_ns / 1e9:.2f} s of the interrupted reply {where} after the app had handled the interruption, the first of it "
            f"{late_ns / 1e6:.0f} ms later"
        )
        pieces = tuple(dict.fromkeys(number for _, _, _, number in late))
        yield Fault(PLAYS_ON, interruption.seq, at_ns, what, pieces=pieces, facts={"late_ns": late_ns, "held_ns": held_ns})


def _late(match: Match, interruption: Interruption, is_handed_on: bool) -> Iterator[Tuple[int, int, int, int]]:
    """What had come before an interruption and was played behind it: when, from where to where, and in which piece."""
    assert interruption.taken_ns is not None
    arrived = match.received.arrived(interruption.at_ns)
    for one in match.matched:
        if one.is_again or one.at >= arrived:
            continue
        stream = match.played[one.stream]
        for start, stop in stream.spans_pieces(one.start, one.stop):
            piece = stream.piece_at(start)
            # What was handed on was handed on as a whole; a piece that was played may have begun before the interruption.
            if is_handed_on:
                late = start if piece.number >= interruption.n_pieces else stop
            else:
                late = stream.first_at(interruption.taken_ns + TAIL_NS, start, stop)
            at = one.at + late - one.start
            if late < stop and at < arrived and not _may_be_new(match.received, at, interruption.at_ns, stream.time_ns(late)):
                yield stream.time_ns(late), at, min(arrived, at + stop - late), piece.number


def _may_be_new(received: ReceivedAudio, at: int, since_ns: int, now_ns: int) -> bool:
    """Whether the very samples of a chunk came again between two times, so that nobody can know which of the two was played."""
    copies = received.copies(received.index_at(at))
    return any(since_ns < received.chunks[index].at_ns <= now_ns for index in copies)


def by_chunk(match: Match, one: Matched) -> Iterator[Tuple[int, int, int]]:
    """The chunks that matched samples are of, and from where to where each is in its stream."""
    at, start = one.at, one.start
    while at < one.until:
        index = match.received.index_at(at)
        n = min(one.until, match.received.starts[index + 1]) - at
        yield index, start, start + n
        at, start = at + n, start + n
