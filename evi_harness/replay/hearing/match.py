"""Matching of played samples with received samples.

The played audio is followed through the received audio with a cursor. As long as the two are equal, stretches of doubling length are
compared at once. Where they are not, silence on either side is passed over; else the place at which the played audio goes on is looked up
in a table of the received audio, one block every 10 ms. Of several places, the nearest ahead of the cursor that was not played yet is
taken, then the nearest behind it, then one that was played already.

What matches nothing costs about 0.3 µs a sample to look up, so behind ``THOROUGH_NS`` of it only a part is looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from evi_harness.replay.hearing.streams import KEY_BYTES, PlayedAudio, ReceivedAudio

__all__ = ["Match", "Matched", "Unmatched", "matched"]

# What follows an inserted or a trimmed silence counts as the continuation from so many equal samples on.
MIN_CONTINUATION = 48
# So much of a stream that matches nothing is looked at sample by sample; behind it, this much of every stride. What was found gives
# some of it back.
THOROUGH_NS = 10_000_000_000
AGAIN_THOROUGH_NS = 1_000_000_000
LOOKED_AT_NS = 15_000_000
STRIDE_NS = 250_000_000
# How far ahead what comes next is looked for first, and at how many places of what was played.
NEAR_NS = 1_000_000_000
NEAR_STEP_NS = 2_500_000
N_NEAR = 12
MIN_NEAR = 240
# Places with the same first samples that are tried before the first of them will do.
N_TRIED = 64

_KEY = KEY_BYTES // 2
_NO_ZERO = re.compile(rb"[^\0]")


class Matched(NamedTuple):
    """Samples that are equal on both sides.

    Attributes:
        stream: What was played: an index.
        start: Where it begins there, in samples.
        at: Where it begins in what was received.
        n: How many samples.
        is_again: Whether they had been played already.
    """

    stream: int
    start: int
    at: int
    n: int
    is_again: bool

    @property
    def stop(self) -> int:
        """Where it ends in its stream."""
        return self.start + self.n

    @property
    def until(self) -> int:
        """Where it ends in what was received."""
        return self.at + self.n


class Unmatched(NamedTuple):
    """Samples that were played and match nothing.

    Attributes:
        stream: What was played: an index.
        start, stop: From where to where, in samples.
        is_silent: Whether they are nothing but zeros.
        after: Where in what was received the matched samples before it end, None where there are none in its stream.
        before: Where those behind it begin, likewise.
    """

    stream: int
    start: int
    stop: int
    is_silent: bool
    after: Optional[int] = None
    before: Optional[int] = None


@dataclass(frozen=True)
class Match:
    """What was played beside what was received.

    Attributes:
        received: What was received.
        played: The streams that were played.
        matched: What is equal, in the order of the streams and in each of them.
        unmatched: What was played besides, likewise.
        unplayed: From where to where what was received was never played, in samples, in order.
    """

    received: ReceivedAudio
    played: Sequence[PlayedAudio]
    matched: Sequence[Matched]
    unmatched: Sequence[Unmatched]
    unplayed: Sequence[Tuple[int, int]]

    def unplayed_within(self, first: int, last: int) -> List[Tuple[int, int]]:
        """What was never played between two received samples."""
        index = bisect_right(self.unplayed, (first, first)) - 1
        found = []
        for start, stop in self.unplayed[max(0, index) :]:
            if start >= last:
                break
            if stop > first < last:
                found.append((max(first, start), min(last, stop)))
        return found


def matched(received: ReceivedAudio, played: Sequence[PlayedAudio]) -> Match:
    """Match what was played with what was received.

    Args:
        received: What was received.
        played: The streams that were played, by when each began.
    """
    coverage = _Coverage(received.n_samples)
    found: List[Matched] = []
    besides: List[Unmatched] = []
    for index, stream in enumerate(played):
        walk = _Walk(received, stream, index, coverage)
        walk.go()
        found += walk.matched
        besides += walk.besides()
    return Match(received, played, found, besides, coverage.gaps())


class _Coverage:
    """Which of the received samples have been played: intervals, apart and in order."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._starts: List[int] = []
        self._stops: List[int] = []

    def is_covered(self, at: int) -> bool:
        index = bisect_right(self._starts, at) - 1
        return index >= 0 and at < self._stops[index]

    def change_at(self, at: int) -> int:
        """The next place behind this one at which what is covered begins or ends."""
        index = bisect_right(self._starts, at) - 1
        if index >= 0 and at < self._stops[index]:
            return self._stops[index]
        return self._starts[index + 1] if index + 1 < len(self._starts) else self._n_samples

    def add(self, start: int, stop: int) -> None:
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]

    def first_gap(self) -> int:
        """The first place that is not covered."""
        return self._stops[0] if self._starts and self._starts[0] == 0 else 0

    def gaps(self) -> List[Tuple[int, int]]:
        ends = zip([0, *self._stops], [*self._starts, self._n_samples])
        return [(start, stop) for start, stop in ends if start < stop]


class _Walk:
    """One stream, followed through what was received."""

    def __init__(self, received: ReceivedAudio, stream: PlayedAudio, index: int, coverage: _Coverage) -> None:
        self.matched: List[Matched] = []
        self._received = received
        self._stream = stream
        self._index = index
        self._coverage = coverage
        self._played = stream.data
        self._there = received.data
        self._is_handed_on = stream.is_handed_on
        # Where the two stand: in what was played, and in what was received.
        self._start = 0
        self._at = coverage.first_gap()
        self._unmatched: List[Tuple[int, int, bool]] = []
        self._n_thorough = _samples(THOROUGH_NS, stream.pcm.rate)

    def go(self) -> None:
        n_samples = self._stream.n_samples
        while self._start < n_samples:
            if not (self._go_on() or self._pass_silence() or self._look_near()):
                self._look_up()

    def besides(self) -> Iterator[Unmatched]:
        """What matches nothing, each between what does."""
        index = 0
        for start, stop, is_silent in self._unmatched:
            while index < len(self.matched) and self.matched[index].start < start:
                index += 1
            after = self.matched[index - 1].until if index else None
            before = self.matched[index].at if index < len(self.matched) else None
            yield Unmatched(self._index, start, stop, is_silent, after, before)

    def _go_on(self) -> bool:
        """Take what is equal from here on, as far as it is all new or all known; whether anything is."""
        if self._at >= self._received.n_samples:
            return False
        most = self._most(self._start, self._at)
        if most <= 0:
            return False
        n = _equal(self._played, self._start, self._there, self._at, most)
        is_new = not self._coverage.is_covered(self._at)
        if not n or (not is_new and self._goes_on_elsewhere()):
            return False
        self._take(self._start, self._at, n)
        return True

    def _most(self, start: int, at: int) -> int:
        """How many samples can be equal from two places on: none that had not come when it was handed on, and all new or all known."""
        ends = [self._coverage.change_at(at)]
        if self._is_handed_on:
            # A device's blocks have the times at which they were due; on a busy machine they are filled later.
            ends.append(self._received.arrived(self._stream.time_ns(start)))
        return min(self._stream.n_samples - start, min(ends) - at)

    def _goes_on_elsewhere(self) -> bool:
        """Whether what comes next stands somewhere that was not played yet, so that it need not be taken for a repetition."""
        place = self._place(self._start)
        return place is not None and not self._coverage.is_covered(place)

    def _take(self, start: int, at: int, n: int) -> None:
        while n:
            step = min(n, self._coverage.change_at(at) - at)
            is_again = self._coverage.is_covered(at)
            self._join(Matched(self._index, start, at, step, is_again))
            self._coverage.add(at, at + step)
            start, at, n = start + step, at + step, n - step
        self._start, self._at = start, at

    def _join(self, one: Matched) -> None:
        last = self.matched[-1] if self.matched else None
        if last is not None and (last.stop, last.until, last.is_again) == (one.start, one.at, one.is_again):
            self.matched[-1] = last._replace(n=last.n + one.n)
        else:
            self.matched.append(one)

    def _pass_silence(self) -> bool:
        """Pass over zeros on either side, or on both, where what follows goes on; whether it does."""
        here = _zeros(self._played, self._start)
        there = _zeros(self._there, self._at)
        for start, at in ((self._start + here, self._at), (self._start, self._at + there), (self._start + here, self._at + there)):
            if (start, at) != (self._start, self._at) and self._continues(start, at):
                self._leave(self._start, start, is_silent=True)
                self._start, self._at = start, at
                return True
        if here and self._start + here >= self._stream.n_samples:
            self._leave(self._start, self._stream.n_samples, is_silent=True)
            self._start = self._stream.n_samples
            return True
        return False

    def _continues(self, start: int, at: int) -> bool:
        most = min(self._stream.n_samples - start, self._received.n_samples - at, MIN_CONTINUATION)
        return most > 0 and _equal(self._played, start, self._there, at, most) == most

    def _leave(self, start: int, stop: int, *, is_silent: bool) -> None:
        if start < stop:
            self._unmatched.append((start, stop, is_silent))

    def _look_near(self) -> bool:
        """Find samples that come soon in what follows soon, however quiet they are: what the table does not have; whether any are."""
        rate, n_samples = self._stream.pcm.rate, self._stream.n_samples
        reach = min(self._at + _samples(NEAR_NS, rate), self._received.arrived(self._stream.time_ns(self._start)))
        if reach - self._at < _KEY:
            return False
        region = self._there[2 * self._at : 2 * reach]
        step = max(1, _samples(NEAR_STEP_NS, rate))
        for start in range(self._start, min(n_samples - _KEY, self._start + N_NEAR * step), step):
            key = self._played[2 * start : 2 * start + KEY_BYTES]
            found = region.find(key) if key[2:] != key[:-2] else -1
            if found < 0 or found % 2:
                continue
            at = self._at + found // 2
            most = self._most(start, at)
            n = _equal(self._played, start, self._there, at, most)
            if n < min(most, MIN_NEAR) or self._coverage.is_covered(at):
                continue
            back = _equal_back(self._played, self._start, start, self._there, at)
            if any(self._place(one) is not None for one in range(self._start, start - back - _KEY + 1)):
                # What would be passed over stands somewhere else.
                return False
            self._pass_over(start - back)
            self._take(start - back, at - back, back + n)
            return True
        return False

    def _look_up(self) -> None:
        """Find the next samples that stand somewhere, and what belongs to them before; what is passed over matches nothing."""
        n_samples, rate = self._stream.n_samples, self._stream.pcm.rate
        played, known = self._played, self._received.table
        for start in self._looked_at(n_samples - _KEY):
            # Most of what matches nothing is told here, so this is what it costs.
            if played[2 * start : 2 * start + KEY_BYTES] not in known:
                continue
            place = self._place(start)
            if place is None:
                continue
            back = _equal_back(self._played, self._start, start, self._there, place)
            self._n_thorough = max(self._n_thorough - (start - back - self._start), _samples(AGAIN_THOROUGH_NS, rate))
            self._pass_over(start - back)
            most = self._most(start, place)
            n = _equal(self._played, start, self._there, place, most)
            self._take(start - back, place - back, back + n)
            return
        self._pass_over(n_samples)
        self._start = n_samples

    def _looked_at(self, stop: int) -> Iterator[int]:
        """The samples at which the received audio is looked up: all at first, then some of every stride."""
        thorough = self._start + self._n_thorough
        yield from range(self._start, min(stop, thorough) + 1)
        look, stride = (_samples(ns, self._stream.pcm.rate) for ns in (LOOKED_AT_NS, STRIDE_NS))
        for begin in range(thorough + stride, stop + 1, stride):
            yield from range(begin, min(stop, begin + look) + 1)

    def _pass_over(self, stop: int) -> None:
        """Leave what matches nothing, with the zeros at its beginning apart: silence before a sound is not part of it."""
        zeros = min(_zeros(self._played, self._start), stop - self._start)
        self._leave(self._start, self._start + zeros, is_silent=True)
        self._leave(self._start + zeros, stop, is_silent=False)

    def _place(self, start: int) -> Optional[int]:
        """Where in what had been received by then the samples from here on stand; None where nowhere."""
        places = self._received.table.get(self._played[2 * start : 2 * start + KEY_BYTES])
        if places is None:
            return None
        places = places[: bisect_left(places, self._received.arrived(self._stream.time_ns(start)))]
        if not places:
            return None
        middle = bisect_left(places, self._at)
        ahead, behind = places[middle : middle + N_TRIED], places[max(0, middle - N_TRIED) : middle][::-1]
        nearest = [*ahead, *behind]
        return next((place for place in nearest if not self._coverage.is_covered(place)), nearest[0])


def _samples(ns: int, rate: int) -> int:
    return ns * rate // 1_000_000_000


def _equal(one: bytes, start: int, other: bytes, at: int, most: int) -> int:
    """How many samples are equal from two places on, at most so many."""
    # Compared where they are: the stretches of an hour are megabytes, and a copy of both costs far more than to compare them.
    there = memoryview(other)
    return _n_equal(lambda n, till: one.startswith(there[2 * (at + n) : 2 * (at + till)], 2 * (start + n)), most)


def _equal_back(one: bytes, first: int, start: int, other: bytes, at: int) -> int:
    """How many samples before two places are equal, back to a first place on the one side."""
    most = min(start - first, at)
    return _n_equal(lambda n, till: one[2 * (start - till) : 2 * (start - n)] == other[2 * (at - till) : 2 * (at - n)], most)


def _n_equal(is_equal: Callable[[int, int], bool], most: int) -> int:
    """How many samples are equal, told by stretches of doubling length: from how many samples to how many."""
    n, step = 0, 1024
    while n < most:
        step = min(step, most - n)
        if is_equal(n, n + step):
            n, step = n + step, min(2 * step, 1 << 20)
        elif step == 1:
            break
        else:
            # The difference is within this step.
            most, step = n + step, step // 2
    return n


def _zeros(data: bytes, start: int) -> int:
    """How many samples from a place on are zero."""
    found = _NO_ZERO.search(data, 2 * start)
    return ((len(data) if found is None else found.start()) - 2 * start) // 2
