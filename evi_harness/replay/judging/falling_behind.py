"""Whether a handler falls behind: it takes longer for its messages than the gaps between them.

Rules of living here: read off a replay's session alone, so it is exact where its clock is. A message that waits long is not a fault in
itself: one slow callback delays whatever arrives meanwhile, and only its own length shows that. What counts is the delay that several
callbacks add up to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.judging.findings import Finding, recorded_seqs
from evi_harness.session.events import Note
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import (
    BLOCKED,
    HANDLER_ENTERED,
    HANDLER_RETURNED,
    HANDLER_WAITS,
    MAYBE_BLOCKED,
    PLAYBACK_STALL,
    BlockedFacts,
    of_kinds,
)
from evi_harness.session.session import Session

__all__ = ["THRESHOLD_NS", "falling_behind"]

# A reply that is a second late is noticed by everybody.
THRESHOLD_NS = 1_000_000_000

# Each stands where its step ended. Not LONGEST_BLOCK: that one says how long, and stands at the end of the run.
_BLOCKED: Tuple[KindOf[BlockedFacts], ...] = (BLOCKED, MAYBE_BLOCKED, PLAYBACK_STALL)

Span = Tuple[int, int]


@dataclass(frozen=True)
class _Callback:
    """A callback of the handler's.

    Attributes:
        span: From when to when it ran.
        name: What it is called.
        of: The message that it had, by seq, None where it had none.
    """

    span: Span
    name: str
    of: Optional[int]


@dataclass(frozen=True)
class _Wait:
    """One message's wait.

    Attributes:
        seq: The message.
        span: From when it came until a callback began with it.
        added_ns: How much of it several callbacks add up to: what ran of them, without what the loop was blocked in them, and without the
            longest.
        n_callbacks: How many callbacks it waited for.
        n_waiting: How many messages had come by then and were waiting, itself included.
        longest: The callback that kept it waiting for the longest, None where none did.
    """

    seq: int
    span: Span
    added_ns: int
    n_callbacks: int
    n_waiting: int
    longest: Optional[_Callback] = None


def falling_behind(live: Session, threshold_ns: int = THRESHOLD_NS) -> List[Finding]:
    """Find where a handler fell behind.

    A message waits from when it came until a callback of the handler's begins with it. What callbacks ran meanwhile is added up, but for
    what the loop was blocked in them, which is a finding of its own, and for the longest single one. While none ran, the message was on
    its way, or the machine did something else.

    Args:
        live: The session that a replay yielded.
        threshold_ns: From how long on, in nanoseconds.

    Returns:
        One finding for each stretch in which messages wait without a pause, about the message that fell behind furthest, with the
        callback that kept it waiting for the longest.
    """
    repeats = recorded_seqs(live)
    return [
        _finding(worst, repeats, live)
        for stretch in _stretches(_waits(live))
        for worst in [max(stretch, key=lambda wait: wait.added_ns)]
        if worst.added_ns >= threshold_ns
    ]


def _finding(worst: _Wait, repeats: Mapping[int, int], live: Session) -> Finding:
    came_ns, begun_ns = worst.span
    what = (
        f"the handler took up a message {(begun_ns - came_ns) / 1e9:.3f} s after it had arrived, behind {worst.n_callbacks} other "
        f"callbacks; by then, {worst.n_waiting} {'message was' if worst.n_waiting == 1 else 'messages were'} waiting"
    )
    detail = () if worst.longest is None else _told(worst.longest, repeats, live)
    return Finding("falls_behind", what, at_ns=begun_ns, live_seq=worst.seq, recorded_seq=repeats.get(worst.seq), detail=detail)


def _told(longest: _Callback, repeats: Mapping[int, int], live: Session) -> Tuple[str, ...]:
    """What took the longest, and where it waited, as far as a note tells."""
    begin_ns, end_ns = longest.span
    recorded_seq = None if longest.of is None else repeats.get(longest.of)
    message = "" if recorded_seq is None else f" with #{recorded_seq}"
    looks = (look for note, look in live.noted(HANDLER_WAITS) if note.of == longest.of)
    places = next((look.detail for look in looks if begin_ns <= look.at_ns <= end_ns), ())
    took = f"the longest was {longest.name}{message}: {(end_ns - begin_ns) / 1e9:.3f} s"
    return (took, *(f"it waited at {place}" for place in places[:1]), *places[1:])


def _stretches(waits: Sequence[_Wait]) -> Iterator[List[_Wait]]:
    """Messages in a row of which each had to wait."""
    stretch: List[_Wait] = []
    for wait in waits:
        if wait.span[0] < wait.span[1]:
            stretch.append(wait)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _waits(live: Session) -> List[_Wait]:
    """The wait of each message that a callback began with, in the order of their coming."""
    begun = _begun(live)
    callbacks, blocked = _callbacks(live), _blocked(live)
    taken = [(event.seq, (event.at_ns, begun[event.seq])) for event in live.received if event.seq in begun]
    waits = []
    # Only callbacks that ended after a message came can have kept it waiting, and both are in time.
    first, n_come = 0, 0
    for index, (seq, span) in enumerate(taken):
        while first < len(callbacks) and callbacks[first].span[1] <= span[0]:
            first += 1
        while n_come < len(taken) and taken[n_come][1][0] <= span[1]:
            n_come += 1
        overlaps = {one: _shared(one.span, span) for one in _until(callbacks, first, span[1])}
        kept = [one for one, shared_ns in overlaps.items() if shared_ns > 0]
        longest = max(kept, key=overlaps.__getitem__, default=None)
        longest_ns = 0 if longest is None else overlaps[longest]
        blocked_ns = sum(_shared(one.span, _overlap(each, span)) for each in blocked if _shared(each, span) for one in kept)
        added_ns = sum(overlaps.values()) - blocked_ns - longest_ns
        waits.append(_Wait(seq, span, added_ns, len(kept), n_come - index, longest))
    return waits


def _until(callbacks: Sequence[_Callback], first: int, end_ns: int) -> Iterator[_Callback]:
    for at in range(first, len(callbacks)):
        if callbacks[at].span[0] >= end_ns:
            return
        yield callbacks[at]


def _begun(live: Session) -> Dict[int, int]:
    """When a callback first began with each message, by seq."""
    begun: Dict[int, int] = {}
    for note in live.notes_of(HANDLER_ENTERED):
        if note.of is not None:
            begun.setdefault(note.of, note.at_ns)
    return begun


def _callbacks(live: Session) -> List[_Callback]:
    """The outermost callbacks: what one calls within itself is part of it."""
    callbacks: List[_Callback] = []
    running: List[Note] = []
    for note in live.notes:
        if HANDLER_ENTERED.matches(note):
            running.append(note)
        elif HANDLER_RETURNED.matches(note) and running:
            entered = running.pop()
            if not running:
                facts = HANDLER_ENTERED.read(entered)
                callbacks.append(_Callback((entered.at_ns, note.at_ns), "?" if facts is None else facts.callback, entered.of))
    return callbacks


def _blocked(live: Session) -> List[Span]:
    """When the loop was blocked, by the handler or by the SDK."""
    noted = of_kinds(live.notes, _BLOCKED)
    return [(note.at_ns - facts.blocked_ns, note.at_ns) for note, facts in noted if facts.blocked_ns is not None]


def _overlap(one: Span, other: Span) -> Span:
    return max(one[0], other[0]), min(one[1], other[1])


def _shared(one: Span, other: Span) -> int:
    """How long two spans overlap."""
    begin_ns, end_ns = _overlap(one, other)
    return max(0, end_ns - begin_ns)
