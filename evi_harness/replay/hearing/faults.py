"""Faults in played audio, reply by reply: lost, repeated, out of order, changed, or something else.

Samples that are equal are certain. If a reply has samples on both sides that are not equal, they are compared by likeness: from
``likeness.ALIKE`` on, the app changed the audio, and what can no longer be checked is named; below, it is not what was received. The app's
own sound beside a reply that was played completely is not a fault. Audio that is too short, or has too little voice, to be judged is
reported as such.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import accumulate
from statistics import median
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from evi_harness.replay.hearing.appearance import HEADER, Suspect, appearance, has_header, rate_as
from evi_harness.replay.hearing.likeness import N_WINDOWS, RatedSamples, likeness, similarity
from evi_harness.replay.hearing.match import Match, Matched, Unmatched
from evi_harness.replay.hearing.streams import QUIET, PlayedAudio, ReplyAudio, peak
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import (
    CHANGED_AUDIO,
    NEVER_PLAYED,
    OUT_OF_ORDER_AUDIO,
    OWN_SOUND,
    PLAYED_TWICE,
    UNJUDGED_AUDIO,
    WRONG_AUDIO,
    WRONG_LENGTH,
    FindingFacts,
    PlaysOnFacts,
    WrongTruncationFacts,
)

__all__ = ["IDLE_NS", "LOST_NS", "UNJUDGED_NS", "Fault", "Interruption", "faults"]

# For so long a player has had nothing to play: what is there and is not played by then is not played at all.
IDLE_NS = 1_000_000_000
# A loss from here on is missed by itself; shorter ones are missed where they add up.
LOST_NS = 20_000_000
# How far the length of a reply may be off: this share, and at least so much.
LENGTH_SHARE = 0.02
LENGTH_NS = 100_000_000
# Shorter sounds cannot be told from others by likeness.
UNJUDGED_NS = 300_000_000
# Where so many parts were not what they should be, the others are not looked for far from their places.
N_FAR_TRIED = 8
# How many windows of a part are compared at least: the median of fewer may be alike by chance, for two sentences of one voice.
N_LEAST = 5
# What fills its place exactly, and is too short for windows, is the same sound from here on: a fade from nothing gives 0.8.
ALIKE_SHORT = 0.5
# An app that was seen to play this share of a reply unchanged has not changed the rest.
UNCHANGED_SHARE = 0.5
# What cannot be checked of audio that the app changed.
CHECKS_OFF = ("never_played", "played_twice", "out_of_order_audio", "plays_on", "underrun", "to_speaker", "interruption.silent")
# How many of the replies that are not what was received are looked at for what they look like.
N_APPEARANCES = 3
# How many of the parts of a reply are compared, the longest first.
N_COMPARED = 8
# What an app plays may be as faint as this and still be what it made of what it received: a fade, a low volume.
FAINTEST = 16
# A stretch of samples that is repeated or moved is one from here on.
PART_NS = 20_000_000
_SHOWN = 40


@dataclass(frozen=True)
class Fault:
    """Something wrong with what was played.

    Attributes:
        kind: The note that tells of it: a finding, or ``OWN_SOUND``, which is none.
        seq: The message that it is about, None where it is about none.
        at_ns: When it showed.
        what: One sentence.
        detail: More for people.
        pieces: Numbers of the pieces that were played wrongly.
        facts: Figures for programs, by name.
    """

    kind: KindOf[Union[FindingFacts, PlaysOnFacts, WrongTruncationFacts]]
    seq: Optional[int]
    at_ns: int
    what: str
    detail: Tuple[str, ...] = ()
    pieces: Tuple[int, ...] = ()
    facts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Interruption:
    """The user interrupted.

    Attributes:
        seq: The message that says so.
        at_ns: When it came.
        taken_ns: When the app had dealt with it, None where it never had.
        n_pieces: How many pieces had been handed on by then.
    """

    seq: int
    at_ns: int
    taken_ns: Optional[int] = None
    n_pieces: int = 0


def faults(
    match: Match, replies: Sequence[ReplyAudio], interruptions: Sequence[Interruption], end_ns: int, *, is_handed_on: bool = False
) -> List[Fault]:
    """Judge what was played.

    Args:
        match: What was played beside what was received.
        replies: The replies whose audio was received.
        interruptions: When the user interrupted, in time.
        end_ns: When the conversation was over.
        is_handed_on: Whether what was played is what the app handed on, so that its times are those at which it did; for the words.

    Returns:
        What is wrong, in time; nothing where nothing was received.
    """
    judging = _Judging(match, {reply.number: reply for reply in replies}, interruptions, end_ns, "passed on" if is_handed_on else "played")
    found = sorted(judging.faults(), key=lambda fault: (fault.at_ns, fault.seq or 0, fault.kind.name))
    lengths = [fault for fault in found if fault.kind is WRONG_LENGTH]
    if len(lengths) > 1:
        # One cause, told once.
        others = "one more reply" if len(lengths) == 2 else f"{len(lengths) - 1} more replies"
        pieces = tuple(number for fault in lengths for number in fault.pieces)
        found[found.index(lengths[0])] = replace(lengths[0], what=f"{lengths[0].what}; likewise in {others}", pieces=pieces)
    return [fault for fault in found if fault not in lengths[1:]]


class _Loss(NamedTuple):
    """Audible samples of one chunk that were never played: from where to where, in samples."""

    chunk: int
    start: int
    stop: int


class _Part(NamedTuple):
    """What was played of a reply and matches nothing: from where to where, and between which received samples."""

    stream: int
    start: int
    stop: int
    after: Optional[int]
    before: Optional[int]


@dataclass
class _Heard:
    """One reply, as it was played.

    Attributes:
        reply: The reply.
        first, last: From where to where its chunks are, in received samples.
        n_chunks: How many chunks it has.
        losses: What of it was never played.
        unplayed: From where to where what of it was never played is, what is quiet included; empty where all of it was.
        parts: What was played at its time and matches nothing, without what is silent.
        silent_ns: How long silence was played at its time.
        faint_ns: How long something was played at its time that is too faint to be a part.
    """

    reply: ReplyAudio
    first: int
    last: int
    n_chunks: int = 0
    losses: List[_Loss] = field(default_factory=list)
    unplayed: Tuple[int, int] = (0, 0)
    parts: List[_Part] = field(default_factory=list)
    silent_ns: int = 0
    faint_ns: int = 0


# To which reply samples belong, and from where to where they are.
_Owned = Tuple[int, int, int]
# What was played before anything had come.
_NO_REPLY = -1


class _Comparison(NamedTuple):
    """How much of what was played of a reply is alike, unlike, or cannot be told; in nanoseconds."""

    alike_ns: int
    unlike_ns: int
    unknown_ns: int
    likeness: float
    n_voiced: int


class _Strange(NamedTuple):
    """A reply that is not what was received: its number, what it looks like, how much of it, since when, which pieces."""

    heard: _Heard
    looks: str
    length_ns: int
    at_ns: int
    pieces: Tuple[int, ...]


class _Judging:
    def __init__(
        self, match: Match, replies: Mapping[int, ReplyAudio], interruptions: Sequence[Interruption], end_ns: int, played: str
    ) -> None:
        self._match = match
        self._played = played
        self._received = match.received
        self._interruptions = interruptions
        self._end_ns = end_ns
        self._replies = replies
        self._last_ns = max((stream.ends_ns for stream in match.played), default=0)
        # Where each match begins in what was received, and when the first of those from there on was played.
        by_place = sorted(match.matched, key=lambda one: one.at)
        self._places = [one.at for one in by_place]
        self._first_behind_ns = list(accumulate((self._time_ns(one) for one in reversed(by_place)), min))[::-1]
        # Replies of which a little of many chunks was lost.
        self._crumbs: List[Tuple[_Heard, Sequence[_Loss]]] = []
        self._n_unlike = 0
        self._n_looked_at, self._last_looks = 0, ""
        self._before = _Heard(ReplyAudio(_NO_REPLY), 0, 0)
        self._missed: Dict[_Loss, Optional[int]] = {}
        self._heard = self._by_reply()
        self._by_number = {one.reply.number: one for one in self._heard}

    def faults(self) -> Iterator[Fault]:
        yield from self._own_sound(self._before)
        yield from self._wrong_rate()
        yield from self._replies_judged()
        yield from self._played_twice()
        yield from self._out_of_order()

    # A reply at a time.

    def _by_reply(self) -> List[_Heard]:
        """The replies in the order in which they came, each with what was lost of it and what was played in its place."""
        heard: Dict[int, _Heard] = {}
        for index, chunk in enumerate(self._received.chunks):
            start, stop = self._received.starts[index : index + 2]
            one = heard.get(chunk.reply)
            if one is None:
                one = heard[chunk.reply] = _Heard(self._replies.get(chunk.reply, ReplyAudio(chunk.reply)), start, stop)
            one.last = max(one.last, stop)
            one.n_chunks += 1
        for loss in self._losses():
            heard[self._received.chunks[loss.chunk].reply].losses.append(loss)
        for one in heard.values():
            unplayed = self._match.unplayed_within(one.first, one.last)
            if unplayed:
                one.unplayed = unplayed[0][0], unplayed[-1][1]
        for part in self._match.unmatched:
            self._give(part, heard)
        return list(heard.values())

    def _losses(self) -> Iterator[_Loss]:
        starts = self._received.starts
        for start, stop in self._match.unplayed:
            while start < stop:
                index = self._received.index_at(start)
                end = min(stop, starts[index + 1])
                audible = _audible(self._received.samples(start, end))
                if audible is not None:
                    yield _Loss(index, start + audible[0], start + audible[1])
                start = end

    def _give(self, part: Unmatched, heard: Dict[int, _Heard]) -> None:
        """Give what matches nothing to the replies that it may have been made of."""
        stream = self._match.played[part.stream]
        for number, start, stop in self._owners(part, stream, heard):
            one = heard.get(number, self._before)
            if part.is_silent:
                one.silent_ns += _ns(stop - start, stream.pcm.rate)
            elif peak(stream.samples(start, stop)) >= FAINTEST:
                one.parts.append(_Part(part.stream, start, stop, part.after, part.before))
            else:
                one.faint_ns += _ns(stop - start, stream.pcm.rate)

    def _owners(self, part: Unmatched, stream: PlayedAudio, heard: Mapping[int, _Heard]) -> Iterator[_Owned]:
        """To which reply which samples may belong: the one between whose samples they are, else the last of which audio had come."""
        if part.after is not None and part.before is not None and 0 < part.after <= part.before < self._received.n_samples:
            before, behind = self._received.chunk_at(part.after - 1).reply, self._received.chunk_at(part.before).reply
            if before == behind:
                yield before, part.start, part.stop
                return
        run: Optional[_Owned] = None
        for start, stop in stream.spans_pieces(part.start, part.stop):
            arrived = self._received.arrived(stream.time_ns(start))
            number = self._received.chunk_at(arrived - 1).reply if arrived else _NO_REPLY
            if run is not None and run[0] == number:
                run = number, run[1], stop
                continue
            if run is not None:
                yield from self._spread(run, stream.pcm.rate, heard)
            run = number, start, stop
        if run is not None:
            yield from self._spread(run, stream.pcm.rate, heard)

    def _spread(self, run: _Owned, rate: int, heard: Mapping[int, _Heard]) -> Iterator[_Owned]:
        """Give samples to several replies, in turn, where they are too many for one and nothing was played of those before it.

        So it is where an app holds the audio back until more than one reply has come.
        """
        number, start, stop = run
        numbers = list(heard)
        before = numbers[: numbers.index(number)] if number in heard else []
        waiting = [one for one in before if heard[one].losses and not heard[one].parts and not heard[one].silent_ns]
        for earlier in waiting:
            n = self._lost_ns(heard[earlier]) * rate // 1_000_000_000
            rest_ns = _ns(stop - start, rate) - self._lost_ns(heard[number])
            if 2 * rest_ns < self._lost_ns(heard[earlier]) or start + n >= stop:
                continue
            yield earlier, start, start + n
            start += n
        yield number, start, stop

    def _lost_ns(self, one: _Heard) -> int:
        """How long what was lost of a reply plays, with the silence between."""
        return self._received.length_ns(one.losses[0].start, one.losses[-1].stop) if one.losses else 0

    def _replies_judged(self) -> Iterator[Fault]:
        strange: List[_Strange] = []
        changed: List[Tuple[_Heard, float]] = []
        unjudged: List[_Heard] = []
        for one in self._heard:
            lost = [loss for loss in one.losses if self._missed_ns(loss) is not None]
            headers = [part for part in one.parts if has_header(self._suspect(part, one).raw)]
            if headers:
                strange.append(self._strange(one, headers, HEADER))
            elif not one.losses:
                yield from self._own_sound(one)
            elif not one.parts:
                # Silence in its own time was played then; that somebody interrupted another reply later excuses nothing.
                if self._is_silenced(one) and (lost or one.reply.interrupted_ns is None):
                    strange.append(self._silenced(one))
                else:
                    yield from self._lost(one, lost)
            else:
                yield from self._compared(one, lost, strange, changed, unjudged)
        yield from self._crumbled()
        yield from self._wrong(strange)
        yield from self._changed(changed)
        yield from self._unjudged(unjudged)

    def _compared(
        self, one: _Heard, lost: Sequence[_Loss], strange: List[_Strange], changed: List[Tuple[_Heard, float]], unjudged: List[_Heard]
    ) -> Iterator[Fault]:
        """Judge a reply of which something was lost and in whose time something else was played."""
        found = self._compare(one)
        if found.alike_ns > found.unlike_ns and found.alike_ns >= found.unknown_ns:
            changed.append((one, found.likeness))
            unexplained = [loss for loss in lost if not self._is_explained(loss, one)]
            yield from self._lost(one, unexplained) if unexplained else self._length(one)
        elif self._unchanged_share(one) >= UNCHANGED_SHARE or (not found.unlike_ns and 2 * found.unknown_ns < self._lost_ns(one)):
            # What was played besides is the app's own, or is too short to be all of the reply.
            yield from self._lost(one, lost)
            yield from self._own_sound(one)
        elif not lost and 2 * found.unlike_ns < self._lost_ns(one):
            yield from self._own_sound(one)
        elif found.unlike_ns >= UNJUDGED_NS and found.n_voiced >= 2:
            strange.append(self._strange(one, one.parts))
        else:
            # Of parts that are each too short to be compared, it may be known all the same what they are.
            looks = self._looks(one) if found.unlike_ns or found.unknown_ns else ""
            if looks:
                strange.append(self._strange(one, one.parts, looks))
            else:
                unjudged.append(one)

    def _is_explained(self, loss: _Loss, one: _Heard) -> bool:
        """Whether something was played in the very place of a loss that the app may have made of it, and not much less."""
        suspects = (self._suspect(part, one) for part in one.parts if 2 * self._part_ns(part) >= self._loss_ns(loss))
        return any(suspect.first <= loss.start and loss.stop <= suspect.last for suspect in suspects)

    def _compare(self, one: _Heard) -> _Comparison:
        """Compare what was played of a reply with what it should be, part by part."""
        found = [self._compare_short(self._suspect(part, one)) for part in one.parts if self._part_ns(part) < UNJUDGED_NS]
        long = sorted((part for part in one.parts if self._part_ns(part) >= UNJUDGED_NS), key=self._part_ns, reverse=True)[:N_COMPARED]
        whole_ns = sum(map(self._part_ns, long))
        n_windows = [max(N_LEAST, N_WINDOWS * self._part_ns(part) // whole_ns) for part in long]
        found += [self._compare_long(self._suspect(part, one), n) for part, n in zip(long, n_windows)]
        known = [one.likeness for one in found if one.alike_ns or one.unlike_ns]
        middle = median(known) if known else 0.0
        alike_ns, unlike_ns, unknown_ns, n_voiced = (sum(each) for each in zip(*((*one[:3], one.n_voiced) for one in found)))
        return _Comparison(alike_ns, unlike_ns, unknown_ns, middle, n_voiced)

    def _compare_short(self, suspect: Suspect) -> _Comparison:
        """A part that is too short for windows is alike where it fills its place exactly, as a fade does."""
        length_ns = _ns(suspect.stop - suspect.start, suspect.stream.pcm.rate)
        there = self._received.samples(suspect.first, suspect.last)
        found = similarity(suspect.stream.samples(suspect.start, suspect.stop), there)
        if found >= ALIKE_SHORT and suspect.stream.pcm.rate == self._rate_at(suspect.first):
            return _Comparison(length_ns, 0, 0, found, 0)
        is_faint = peak(suspect.stream.samples(suspect.start, suspect.stop)) < QUIET
        return _Comparison(0, 0, 0 if is_faint else length_ns, 0.0, 0)

    def _compare_long(self, suspect: Suspect, n_windows: int) -> _Comparison:
        played = RatedSamples(suspect.stream.samples(suspect.start, suspect.stop), suspect.stream.pcm.rate)
        there = RatedSamples(self._received.samples(suspect.first, suspect.last), self._rate_at(suspect.first))
        found = likeness(played, there, n_windows, is_far_tried=self._n_unlike < N_FAR_TRIED)
        length_ns = _ns(suspect.stop - suspect.start, suspect.stream.pcm.rate)
        self._n_unlike += not found.is_alike
        if not found.correlations:
            # There is nothing in it to be told by, as in a pause.
            return _Comparison(0, 0, 0, 0.0, 0)
        if found.is_alike:
            return _Comparison(length_ns, 0, 0, found.median, found.n_voiced)
        return _Comparison(0, length_ns, 0, found.median, found.n_voiced)

    def _part_peak(self, part: _Part) -> int:
        return peak(self._match.played[part.stream].samples(part.start, part.stop))

    def _part_ns(self, part: _Part) -> int:
        return _ns(part.stop - part.start, self._match.played[part.stream].pcm.rate)

    def _suspect(self, part: _Part, one: _Heard) -> Suspect:
        """What was played beside what it should be: between the samples that were played before and behind it, as far as of this reply."""
        first, last = one.unplayed if any(one.unplayed) else (one.first, one.last)
        after, before = part.after, part.before
        if after is not None and one.first <= after < one.last:
            first = after
        if before is not None and one.first < before <= one.last and before > first:
            last = before
        return Suspect(self._match.played[part.stream], part.start, part.stop, self._received, first, max(first, last))

    def _rate_at(self, at: int) -> int:
        return self._received.chunk_at(min(at, self._received.n_samples - 1)).pcm.rate

    def _unchanged_share(self, one: _Heard) -> float:
        """How much of a reply was played unchanged."""
        n_lost = sum(stop - start for start, stop in self._match.unplayed_within(one.first, one.last))
        return 1 - n_lost / (one.last - one.first) if one.last > one.first else 0.0

    # What was lost.

    def _missed_ns(self, loss: _Loss) -> Optional[int]:
        """When it was clear that something is not played; None where it is not, and where the user's interruption excuses it."""
        if loss not in self._missed:
            self._missed[loss] = self._when_missed(loss)
        return self._missed[loss]

    def _when_missed(self, loss: _Loss) -> Optional[int]:
        chunk = self._received.chunks[loss.chunk]
        skipped_ns = self._skipped_ns(loss)
        free_ns = max(chunk.at_ns, self._last_ns) + IDLE_NS
        times = [at_ns for at_ns in (skipped_ns, free_ns if free_ns <= self._end_ns else None) if at_ns is not None]
        if not times:
            return None
        missed_ns = min(times)
        reply = self._replies.get(chunk.reply)
        if reply is not None and reply.interrupted_ns is not None and reply.interrupted_ns <= missed_ns:
            return None
        return None if any(chunk.at_ns <= one.at_ns <= missed_ns for one in self._interruptions) else missed_ns

    def _skipped_ns(self, loss: _Loss) -> Optional[int]:
        """When something was played that comes behind a loss."""
        index = bisect_left(self._places, loss.stop)
        return self._first_behind_ns[index] if index < len(self._places) else None

    def _lost(self, one: _Heard, lost: Sequence[_Loss]) -> Iterator[Fault]:
        """What was lost of a reply: all of it, stretches, or a little of many chunks."""
        if not lost:
            return
        long = [loss for loss in lost if self._loss_ns(loss) >= LOST_NS]
        if long:
            yield self._never_played(one, long)
            return
        chunks = {loss.chunk for loss in lost}
        is_habit = len(chunks) >= 3 and 2 * len(chunks) >= one.n_chunks
        if is_habit or sum(map(self._loss_ns, lost)) > self._tolerance_ns(one):
            self._crumbs.append((one, lost))

    def _crumbled(self) -> Iterator[Fault]:
        """A little of many chunks was lost: one fault for all replies."""
        if not self._crumbs:
            return
        _, lost = self._crumbs[0]
        n_chunks = sum(len({loss.chunk for loss in losses}) for _, losses in self._crumbs)
        of_chunks = sum(each.n_chunks for each, _ in self._crumbs)
        lost_ns = sum(self._loss_ns(loss) for _, losses in self._crumbs for loss in losses)
        replies = self._replies_told([each for each, _ in self._crumbs])
        what = f"{_s(lost_ns)} are missing from {replies}: about {_ms(lost_ns // n_chunks)} of each of {n_chunks} chunks of {of_chunks}"
        times_ns = [at_ns for at_ns in map(self._missed_ns, lost) if at_ns is not None]
        yield Fault(WRONG_LENGTH, self._received.chunks[lost[0].chunk].seq, min(times_ns), what)

    def _whole_ns(self, one: _Heard) -> int:
        """How long a reply plays."""
        return self._received.length_ns(one.first, one.last)

    def _never_played(self, one: _Heard, lost: Sequence[_Loss]) -> Fault:
        lost_ns = sum(map(self._loss_ns, lost))
        chunks = sorted({loss.chunk for loss in lost})
        first = self._received.chunks[chunks[0]]
        missed_ns = min(at_ns for at_ns in map(self._missed_ns, lost) if at_ns is not None)
        came = f"came from {first.at_ns / 1e9:.3f} s on" if len(chunks) > 1 else f"came at {first.at_ns / 1e9:.3f} s"
        if self._unchanged_share(one) <= LENGTH_SHARE:
            what = f"{_whole(one)} was never played: {_s(lost_ns)} of audio in {_count(one.n_chunks, 'chunk')} that {came}"
            return Fault(NEVER_PLAYED, first.seq, missed_ns, what)
        what = f"{_of(one)}{_s(lost_ns)} of audio that {came} was never played{self._equal(chunks)}"
        if len(chunks) > 1:
            what += f"; it is missing from {len(chunks)} chunks"
        detail = [self._told(loss) for loss in lost[1:6]] if len(chunks) > 1 else []
        return Fault(NEVER_PLAYED, first.seq, missed_ns, what, tuple(detail))

    def _told(self, loss: _Loss) -> str:
        return f"also missing: {_s(self._loss_ns(loss))} of the chunk that came at {self._received.chunks[loss.chunk].at_ns / 1e9:.3f} s"

    def _loss_ns(self, loss: _Loss) -> int:
        return _ns(loss.stop - loss.start, self._received.chunks[loss.chunk].pcm.rate)

    def _tolerance_ns(self, one: _Heard) -> int:
        return max(LENGTH_NS, int(LENGTH_SHARE * self._whole_ns(one)))

    def _is_silenced(self, one: _Heard) -> bool:
        """Whether nothing but zeros was played in the time of a reply, about as long as it is."""
        return self._unchanged_share(one) <= LENGTH_SHARE and 2 * one.silent_ns >= self._whole_ns(one)

    # What is not what was received.

    def _silenced(self, one: _Heard) -> _Strange:
        first = self._received.chunk_at(one.first)
        return _Strange(one, "it is nothing but zeros", one.silent_ns, first.at_ns, ())

    def _strange(self, one: _Heard, parts: Sequence[_Part], looks: str = "") -> _Strange:
        streams = self._match.played
        length_ns = sum(map(self._part_ns, parts))
        at_ns = min(streams[part.stream].time_ns(part.start) for part in parts)
        pieces = tuple(dict.fromkeys(streams[part.stream].piece_at(part.start).number for part in parts))
        return _Strange(one, looks, length_ns, at_ns, pieces)

    def _looks(self, one: _Heard) -> str:
        """What a reply looks like; behind the first few, what the one before it did."""
        if self._n_looked_at < N_APPEARANCES:
            self._n_looked_at += 1
            self._last_looks = appearance(self._suspect(max(one.parts, key=self._part_ns), one))
        return self._last_looks

    def _wrong(self, strange: Sequence[_Strange]) -> Iterator[Fault]:
        """One fault for all replies that look alike."""
        by_looks: Dict[str, List[_Strange]] = {}
        for one in strange:
            by_looks.setdefault(one.looks or self._looks(one.heard), []).append(one)
        for looks, ones in by_looks.items():
            first, replies = ones[0], self._replies_told([one.heard for one in ones])
            length, whole = (_s(sum(lengths)) for lengths in zip(*((one.length_ns, self._whole_ns(one.heard)) for one in ones)))
            what = f"the audio played is not the audio received: {length} in place of {whole} of {replies}"
            pieces = tuple(number for one in ones for number in one.pieces)
            chunk = self._received.chunk_at(first.heard.first)
            yield Fault(WRONG_AUDIO, chunk.seq, first.at_ns, f"{what}; {looks}" if looks else what, pieces=pieces)

    def _wrong_rate(self) -> Iterator[Fault]:
        """Samples that are the received ones, and play at another rate."""
        found: Dict[Tuple[int, int], List[Matched]] = {}
        for one in self._match.matched:
            rate, played = self._rate_at(one.at), self._match.played[one.stream].pcm.rate
            if rate != played and self._is_part(one):
                found.setdefault((rate, played), []).append(one)
        for (rate, played), ones in found.items():
            first = ones[0]
            length = _s(sum(_ns(one.n, rate) for one in ones))
            seq = self._received.chunk_at(first.at).seq
            piece = self._match.played[first.stream].piece_at(first.start)
            what = f"the audio played is not the audio received: {rate_as(rate, played)}, {length} of it"
            yield Fault(WRONG_AUDIO, seq, self._time_ns(first), what, pieces=(piece.number,))

    def _length(self, one: _Heard) -> Iterator[Fault]:
        """Whether a reply that the app changed plays as long as it should."""
        played_ns = sum(map(self._part_ns, one.parts)) + one.faint_ns
        unplayed = self._match.unplayed_within(one.first, one.last)
        whole_ns = sum(self._received.length_ns(start, stop) for start, stop in unplayed)
        tolerance_ns = self._tolerance_ns(one)
        off_ns = min(played_ns - whole_ns, played_ns + one.silent_ns - whole_ns, key=abs)
        if abs(off_ns) > tolerance_ns:
            # Silence at either end may have been trimmed, and pauses may have been put in: what explains the length best is believed.
            zeros_ns = sum(self._zeros_ns(part) for part in one.parts)
            audible_ns = sum(self._audible_ns(part) for part in one.parts)
            received_ns = sum(_audible_ns(self._received.samples(start, stop), self._rate_at(start)) for start, stop in unplayed)
            off_ns = min(off_ns, played_ns - zeros_ns - whole_ns, audible_ns - received_ns, key=abs)
        too_short = off_ns < 0
        if abs(off_ns) <= tolerance_ns or (too_short and any(self._missed_ns(loss) is None for loss in one.losses)):
            return
        chunk, strange = self._received.chunk_at(one.first), self._strange(one, one.parts)
        how = "shorter" if too_short else "longer"
        what = f"{_of(one)}the app's version plays {_s(abs(off_ns))} {how} than the {_s(whole_ns)} that were received"
        yield Fault(WRONG_LENGTH, chunk.seq, strange.at_ns, what, pieces=strange.pieces)

    def _audible_ns(self, part: _Part) -> int:
        stream = self._match.played[part.stream]
        return _audible_ns(stream.samples(part.start, part.stop), stream.pcm.rate)

    def _zeros_ns(self, part: _Part) -> int:
        """How long the digital silence in a part is, in stretches of 5 ms and more."""
        stream = self._match.played[part.stream]
        zeros = re.finditer(b"\\0{%d,}" % (2 * (stream.pcm.rate // 200)), stream.data[2 * part.start : 2 * part.stop])
        return sum(_ns((run.end() - run.start()) // 2, stream.pcm.rate) for run in zeros)

    def _changed(self, changed: Sequence[Tuple[_Heard, float]]) -> Iterator[Fault]:
        if not changed:
            return
        first = changed[0][0]
        alike = min(share for _, share in changed)
        what = (
            f"the app changed the audio of {self._replies_told([one for one, _ in changed])} before it was played: it is similar "
            f"(correlation {alike:.2f}), but not the same samples"
        )
        strange = self._strange(first, first.parts)
        detail = (f"not checked there: {', '.join(CHECKS_OFF)}",)
        yield Fault(CHANGED_AUDIO, self._received.chunk_at(first.first).seq, strange.at_ns, what, detail, strange.pieces)

    def _unjudged(self, unjudged: Sequence[_Heard]) -> Iterator[Fault]:
        if not unjudged:
            return
        first = unjudged[0]
        strange = self._strange(first, first.parts)
        what = (
            f"what was played in place of {self._replies_told(unjudged)} cannot be judged: its samples differ, "
            "and it is too short, or has too little speech, to compare"
        )
        detail = (f"not checked there: wrong_audio, wrong_length, {', '.join(CHECKS_OFF)}",)
        yield Fault(UNJUDGED_AUDIO, self._received.chunk_at(first.first).seq, strange.at_ns, what, detail, strange.pieces)

    def _own_sound(self, one: _Heard) -> Iterator[Fault]:
        """Sound of the app's own: no fault, and not passed over in silence either."""
        long = [part for part in one.parts if self._part_ns(part) >= PART_NS and self._part_peak(part) >= QUIET]
        if long:
            strange = self._strange(one, long)
            beside = "before anything was received" if one is self._before else f"beside {_whole(one)}"
            what = f"the app played {_s(strange.length_ns)} of sound that was not received, {beside}"
            seq = None if one is self._before else self._received.chunk_at(one.first).seq
            yield Fault(OWN_SOUND, seq, strange.at_ns, what, pieces=strange.pieces)

    # What was played again, and in another order.

    def _played_twice(self) -> Iterator[Fault]:
        again: Dict[int, List[Matched]] = {}
        short: Dict[int, List[Matched]] = {}
        for one in self._match.matched:
            if one.is_again and self._received.length_ns(one.at, one.until) < PART_NS:
                short.setdefault(self._received.chunk_at(one.at).reply, []).append(one)
            elif one.is_again and self._is_part(one):
                again.setdefault(self._received.chunk_at(one.at).reply, []).append(one)
        for number, ones in short.items():
            yield from self._stutters(self._by_number[number], ones)
        for number, ones in again.items():
            chunks = sorted({self._received.index_at(one.at) for one in ones})
            first = ones[0]
            length_ns = sum(self._received.length_ns(one.at, one.until) for one in ones)
            before_ns = self._first_time_ns(first)
            times = f" {len(ones)} times" if len(ones) > 1 else ""
            heard = self._by_number[number]
            what = (
                f"{_of(heard)}{_s(length_ns)} of audio was {self._played} again{times}: at {before_ns / 1e9:.3f} s, and again at "
                f"{self._time_ns(first) / 1e9:.3f} s{self._equal(chunks)}"
            )
            pieces = tuple(dict.fromkeys(self._match.played[one.stream].piece_at(one.start).number for one in ones))
            yield Fault(PLAYED_TWICE, self._received.chunks[chunks[0]].seq, self._time_ns(first), what, pieces=pieces)

    def _stutters(self, heard: _Heard, ones: Sequence[Matched]) -> Iterator[Fault]:
        """Stretches that are each too short to be told as repeated, and add up to a reply that plays longer."""
        heard_twice = [one for one in ones if _audible(self._received.samples(one.at, one.until)) is not None]
        length_ns = sum(self._received.length_ns(one.at, one.until) for one in heard_twice)
        if length_ns > self._tolerance_ns(heard):
            first = heard_twice[0]
            what = f"{_of(heard)}{_s(length_ns)} of audio was played again, in {len(heard_twice)} stretches shorter than {_ms(PART_NS)}"
            piece = self._match.played[first.stream].piece_at(first.start)
            seq = self._received.chunk_at(first.at).seq
            yield Fault(WRONG_LENGTH, seq, self._time_ns(first), what, pieces=(piece.number,))

    def _first_time_ns(self, again: Matched) -> int:
        times = [self._time_ns(one, max(0, again.at - one.at)) for one in self._match.matched if one.at <= again.at < one.until]
        return min(times, default=self._time_ns(again))

    def _out_of_order(self) -> Iterator[Fault]:
        known = [one for one in self._match.matched if not one.is_again and self._is_part(one) and self._is_one_of_a_kind(one)]
        known.sort(key=lambda one: (self._time_ns(one), one.stream, one.start))
        placed = self._placed()
        late: Dict[int, List[Tuple[Matched, Matched]]] = {}
        for before, one in zip(known, known[1:]):
            if self._comes_late(before, one, placed):
                late.setdefault(self._received.chunk_at(one.at).reply, []).append((before, one))
        for number, pairs in late.items():
            before, one = pairs[0]
            chunk, other = self._received.chunk_at(one.at), self._received.chunk_at(before.at)
            heard = self._by_number[number]
            more = f"; {len(pairs)} times in this reply" if len(pairs) > 1 else ""
            behind = f"at {other.at_ns / 1e9:.3f} s" if chunk is not other else "in the same chunk"
            what = f"{_of(heard)}audio that came at {chunk.at_ns / 1e9:.3f} s was {self._played} after what follows it, {behind}{more}"
            piece = self._match.played[one.stream].piece_at(one.start)
            yield Fault(OUT_OF_ORDER_AUDIO, chunk.seq, self._time_ns(one), what, pieces=(piece.number,))

    def _comes_late(self, before: Matched, one: Matched, placed: Mapping[int, Tuple[int, int]]) -> bool:
        """Whether something was played behind what comes after it: by neither its coming nor its place in the reply."""
        if one.at >= before.at:
            return False
        chunk, other = self._received.index_at(one.at), self._received.index_at(before.at)
        if chunk != other and placed[chunk] >= placed[other]:
            return False
        since_ns, now_ns = self._received.chunks[other].at_ns, self._time_ns(one)
        return not any(since_ns <= interruption.at_ns <= now_ns for interruption in self._interruptions)

    def _placed(self) -> Mapping[int, Tuple[int, int]]:
        """Where each chunk belongs by its sentence and its place in that; by its coming where it has none."""
        first: Dict[str, int] = {}
        chunks = self._received.chunks
        for index, chunk in enumerate(chunks):
            if chunk.place is not None:
                first.setdefault(chunk.place[0], index)
        return {index: (index, 0) if chunk.place is None else (first[chunk.place[0]], chunk.place[1]) for index, chunk in enumerate(chunks)}

    def _is_part(self, one: Matched) -> bool:
        """Whether something is long enough to be more than chance, and audible."""
        if self._received.length_ns(one.at, one.until) < PART_NS:
            return False
        first = next(self._audible_parts(one.at, one.until), None)
        last = next(self._audible_parts(one.at, one.until, from_the_end=True), None)
        return first is not None and last is not None and self._received.length_ns(first[0], last[1]) >= PART_NS

    def _audible_parts(self, start: int, stop: int, *, from_the_end: bool = False) -> Iterator[Tuple[int, int]]:
        """From where to where something is audible, a second at a time: most matches are long, and audible soon."""
        seconds = range(start, stop, self._rate_at(start))
        for at in reversed(seconds) if from_the_end else seconds:
            audible = _audible(self._received.samples(at, min(stop, at + seconds.step)))
            if audible is not None:
                yield at + audible[0], at + audible[1]

    def _is_one_of_a_kind(self, one: Matched) -> bool:
        return len(self._received.copies(self._received.index_at(one.at))) == 1

    def _equal(self, chunks: Sequence[int]) -> str:
        """What is said of chunks that others equal."""
        n_equal = max(len(self._received.copies(index)) for index in chunks)
        return f" (one of {n_equal} equal chunks; it cannot be known which one)" if n_equal > 1 else ""

    def _time_ns(self, one: Matched, n_within: int = 0) -> int:
        return self._match.played[one.stream].time_ns(one.start + n_within)

    def _replies_told(self, ones: Sequence[_Heard]) -> str:
        if len(ones) == 1:
            return _whole(ones[0])
        n_replies = len(self._heard)
        which = f"all {n_replies} replies" if len(ones) == n_replies else f"{len(ones)} of {n_replies} replies"
        return f"{which}, first in {_whole(ones[0])}"


def _audible(samples: array[int]) -> Optional[Tuple[int, int]]:
    """From where to where samples are audible, None where none of them is."""
    first = _first_audible(samples)
    if first is None:
        return None
    behind = _first_audible(samples[::-1])
    assert behind is not None
    return first, len(samples) - behind


def _first_audible(samples: array[int]) -> Optional[int]:
    for at in range(0, len(samples), 64):
        part = samples[at : at + 64]
        if max(part) >= QUIET or min(part) <= -QUIET:
            return at + next(index for index, value in enumerate(part) if not -QUIET < value < QUIET)
    return None


def _audible_ns(samples: array[int], rate: int) -> int:
    """How long the parts of a sound play that are not at least 40 dB below its peak, in steps of 10 ms."""
    block = max(1, rate // 100)
    peaks = [max(max(part), -min(part)) for part in (samples[at : at + block] for at in range(0, len(samples), block))]
    floor = max(peaks, default=0) // 100
    return sum(one > floor for one in peaks) * 10_000_000


def _ns(n_samples: int, rate: int) -> int:
    return n_samples * 1_000_000_000 // rate


def _whole(one: _Heard) -> str:
    return f'the reply "{_short(one.reply.text)}"' if one.reply.text else "a reply"


def _of(one: _Heard) -> str:
    return f'in the reply "{_short(one.reply.text)}", ' if one.reply.text else ""


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _s(length_ns: int) -> str:
    return f"{length_ns / 1e9:.2f} s"


def _ms(length_ns: int) -> str:
    return f"{length_ns / 1e6:.1f} ms"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
