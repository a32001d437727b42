"""The lanes of a replay: the handler at work, blocked, or with messages waiting, and late events.

Rules of living here: read off the notes of a replay; if there are none, the page says so and draws nothing.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.measure.client_family import due_ns, unobserved
from evi_harness.pages.axis_ms import ms
from evi_harness.session.json_value import Json
from evi_harness.session.notes import (
    BLOCKED,
    DUE,
    HANDLER_ENTERED,
    HANDLER_RETURNED,
    HANDLER_WAITS,
    MAYBE_BLOCKED,
    PLAYBACK_STALL,
    of_kinds,
)
from evi_harness.session.places import places_in
from evi_harness.session.session import Session

__all__ = ["handled", "handler_lane", "late_lane"]

# What is later than this is drawn as waiting, or late: a millisecond is nothing that people see or hear.
_FLOOR_NS = 1_000_000

Handled = Mapping[int, Tuple[int, Optional[int]]]


def handled(session: Session) -> Dict[int, Tuple[int, Optional[int]]]:
    """When the handler began with each received message, and when it was done with it; None where that was never seen."""
    found: Dict[int, Tuple[int, Optional[int]]] = {}
    for note in session.notes_of(HANDLER_ENTERED):
        if note.of is not None:
            found.setdefault(note.of, (note.at_ns, None))
    for note in session.notes_of(HANDLER_RETURNED):
        if note.of in found and note.of is not None:
            found[note.of] = (found[note.of][0], note.at_ns)
    return found


def handler_lane(session: Session, types: Mapping[int, str], had: Handled) -> Dict[str, Json]:
    """The handler at work.

    Args:
        session: The session that a replay yielded, or any other.
        types: The type of each received message, by seq.
        had: When the handler had each, see ``handled``.

    Returns:
        Spans of three kinds: ``handling`` a message, the loop ``blocked``, and a message ``waiting`` for the handler.
    """
    why = unobserved(session)
    if why is not None:
        return {"why": why, "spans": []}
    spans = [_span("handling", begin_ns, end_ns, seq, types.get(seq, "")) for seq, (begin_ns, end_ns) in had.items()]
    for note, facts in of_kinds(session.notes, (BLOCKED, MAYBE_BLOCKED, PLAYBACK_STALL)):
        end_ns = note.at_ns if facts.at_ns is None else facts.at_ns
        begin_ns = end_ns - (facts.blocked_ns or facts.cpu_ns or 0)
        spans.append(_span("blocked", max(0, begin_ns), end_ns, note.of, facts.what))
    for seq, due in due_ns(session).items():
        if seq in had and had[seq][0] - due > _FLOOR_NS:
            spans.append(_span("waiting", due, had[seq][0], seq, f"{types.get(seq, '')} waits for the handler"))
    for note in session.notes_of(HANDLER_WAITS):
        where = "".join(f" at {place}" for place in places_in(note.data)[:1])
        spans.append(_span("waiting", note.at_ns, note.at_ns, note.of, f"the handler waits{where}"))
    return {"why": None, "spans": sorted(spans, key=lambda one: (one["begin_ms"], one["kind"]))}


def _span(kind: str, begin_ns: int, end_ns: Optional[int], seq: Optional[int], what: str) -> Dict[str, Json]:
    return {"kind": kind, "begin_ms": ms(begin_ns), "end_ms": ms(end_ns), "seq": seq, "what": what}


def late_lane(session: Session, types: Mapping[int, str], told: Sequence[Mapping[str, Json]]) -> List[Dict[str, Json]]:
    """What came late: messages that reached the app later than they were due, and what the report calls late of what it sent.

    Args:
        session: The session that a replay yielded, or any other.
        types: The type of each received message, by seq.
        told: ``late`` of the report.
    """
    at_ns = {event.seq: event.at_ns for event in session.events}
    found = []
    for note, due in session.noted(DUE):
        late_ns = at_ns.get(note.of or -1, 0) - due.due_ns
        if note.of is not None and late_ns > _FLOOR_NS:
            held = ", held back by what came before it" if due.held_ns > late_ns // 2 else ""
            found.append(_late(at_ns[note.of], late_ns, note.of, f"{types.get(note.of, '')} came late{held}"))
    for one in told:
        seq, told_ns = one.get("live_seq"), one.get("late_ns")
        if type(seq) is int and seq in at_ns and type(told_ns) is int:
            found.append(_late(at_ns[seq], told_ns, seq, str(one.get("what", ""))))
    return sorted(found, key=lambda one: (one["at_ms"], one["seq"]))


def _late(at_ns: int, late_ns: int, seq: int, what: str) -> Dict[str, Json]:
    return {"at_ms": ms(at_ns), "due_ms": ms(max(0, at_ns - late_ns)), "late_ms": ms(late_ns), "seq": seq, "what": what}
