"""Truncations beside what was heard: an app tells the service how much of a reply its user has heard, and what it played says whether so.

The service takes the rest of the reply out of the conversation; said too late, the assistant believes that it told the user what nobody
heard. Apps go wrong where they count what was received, what the service made, or the time since, and not what was played
(openai/openai-agents-python 1999 and 4122).

Rules of living here: only what was matched by samples is known to have been heard; where an app changed the audio, nothing is judged.
"""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Sequence, Tuple

from evi_harness.replay.hearing.faults import Fault
from evi_harness.replay.hearing.match import Match
from evi_harness.replay.hearing.timing import by_chunk
from evi_harness.session.notes import WRONG_TRUNCATION

__all__ = ["SLACK_NS", "Truncation", "truncations"]

# How far off an app may be, besides what its stream holds: what plays counts in pieces of 20 to 100 ms (the samples of openai's SDK: 50),
# and no word is that short.
SLACK_NS = 100_000_000


class Truncation(NamedTuple):
    """How much of an item of the assistant's an app says was heard.

    Attributes:
        seq: The message that says so.
        at_ns: When it was sent.
        item: The item.
        heard_ns: How much, from the item's beginning.
    """

    seq: int
    at_ns: int
    item: str
    heard_ns: int


def truncations(match: Match, items: Mapping[int, str], said: Sequence[Truncation], held_ns: int) -> Tuple[List[Fault], List[Truncation]]:
    """Judge what an app says was heard.

    Args:
        match: What the speaker played beside what was received.
        items: The item that each message with audio belongs to, by seq.
        said: What the app says.
        held_ns: How much audio the app's stream may hold that the app has handed over and nobody has heard: a block, or its buffer.

    Returns:
        The faults; and those that cannot be judged, since what was played then is not what was received.
    """
    faults, unjudged = [], []
    for one in said:
        if _is_changed(match, items, one):
            unjudged.append(one)
            continue
        least_ns, most_ns = _heard(match, items, one)
        if not least_ns - SLACK_NS - held_ns <= one.heard_ns <= most_ns + SLACK_NS + held_ns:
            faults.append(_fault(match, items, one, least_ns))
    return faults, unjudged


def _fault(match: Match, items: Mapping[int, str], one: Truncation, heard_ns: int) -> Fault:
    of_item = [chunk for chunk in match.received.chunks if items.get(chunk.seq) == one.item]
    came_ns = sum(chunk.length_ns for chunk in of_item if chunk.at_ns <= one.at_ns)
    claimed, heard, came = (f"{ns / 1e6:.0f} ms" for ns in (one.heard_ns, heard_ns, came_ns))
    what = f"the app truncated {one.item:.40} at {claimed}, but the user had heard {heard} of it by then; {came} had been received"
    # A count of what was received is off by less than a millisecond; one of what was played, by chance alone.
    is_received = abs(one.heard_ns - came_ns) <= 1_000_000
    detail = ("that is the length of what had been received: count what was played",) if is_received else ()
    return Fault(WRONG_TRUNCATION, one.seq, one.at_ns, what, detail, facts={"claimed_ns": one.heard_ns, "heard_ns": heard_ns})


def _heard(match: Match, items: Mapping[int, str], one: Truncation) -> Tuple[int, int]:
    """Up to where an item was heard until it was truncated, at least and at most: whether silence has sounded, nobody can hear."""
    received, offsets, came_ns = match.received, {}, 0
    for index, chunk in enumerate(received.chunks):
        if items.get(chunk.seq) == one.item:
            offsets[index] = came_ns
            came_ns += chunk.length_ns
    if not offsets:
        return 0, 0
    first = min(offsets)
    # Up to where in the item, when that had sounded, and the sample behind it.
    last = (0, received.chunks[first].at_ns, received.starts[first])
    for part in match.matched:
        if part.is_again:
            continue
        stream = match.played[part.stream]
        for index, start, stop in by_chunk(match, part):
            if index not in offsets:
                continue
            for begin, end in stream.spans_pieces(start, stop):
                at_ns = stream.time_ns(begin)
                at = part.at + begin - part.start
                n_ns = min(received.length_ns(at, at + end - begin), one.at_ns - at_ns)
                if n_ns > 0:
                    heard_ns = offsets[index] + received.length_ns(received.starts[index], at) + n_ns
                    last = max(last, (heard_ns, at_ns + n_ns, at + end - begin))
    heard_ns, until_ns, behind = last
    silence_ns = received.length_ns(behind, received.sounds_from(behind, received.starts[max(offsets) + 1]))
    return heard_ns, heard_ns + max(0, min(silence_ns, one.at_ns - until_ns))


def _is_changed(match: Match, items: Mapping[int, str], one: Truncation) -> bool:
    """Whether something else than what was received sounded between the item's first audio and its truncation."""
    came_ns = [chunk.at_ns for chunk in match.received.chunks if items.get(chunk.seq) == one.item]
    if not came_ns:
        return False
    others = (part for part in match.unmatched if not part.is_silent)
    return any(min(came_ns) <= match.played[part.stream].time_ns(part.start) < one.at_ns for part in others)
