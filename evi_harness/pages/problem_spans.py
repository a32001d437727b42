"""How long a finding lasted: a report has its moment, and the session's notes have the rest.

Rules of living here: read off the session that a replay yielded; what nobody noted has no length, and nothing is guessed.
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

from evi_harness.session.notes import BLOCKED, HANDLER_ENTERED, MAYBE_BLOCKED, NEVER_PLAYED, NEVER_RETURNS, PLAYS_ON, UNDERRUN, of_kinds
from evi_harness.session.session import Session

__all__ = ["Spans", "problem_spans"]

# Kind, the event that it is about, when it showed → from when until when it lasted.
Spans = Mapping[Tuple[str, Optional[int], int], Tuple[int, int]]


def problem_spans(session: Session, silent_ns: Mapping[int, int], lost_ns: Mapping[int, Tuple[int, int]]) -> Spans:
    """How long findings lasted.

    Args:
        session: The session that a replay yielded.
        silent_ns: When the speaker fell silent after each interruption, by seq.
        lost_ns: From when until when each piece of audio was missing, by the seq of its message.
    """
    found: Dict[Tuple[str, Optional[int], int], Tuple[int, int]] = {}
    for note, facts in of_kinds(session.notes, (BLOCKED, MAYBE_BLOCKED)):
        if facts.blocked_ns is not None:
            at_ns = note.at_ns if facts.at_ns is None else facts.at_ns
            found[note.name, note.of, at_ns] = max(0, at_ns - facts.blocked_ns), at_ns
    for note, plays in session.noted(PLAYS_ON):
        at_ns = note.at_ns if plays.at_ns is None else plays.at_ns
        if note.of in silent_ns and note.of is not None:
            found[note.name, note.of, at_ns] = at_ns, max(at_ns, silent_ns[note.of])
    for note, lost in of_kinds(session.notes, (NEVER_PLAYED, UNDERRUN)):
        if note.of is not None and note.of in lost_ns:
            found[note.name, note.of, note.at_ns if lost.at_ns is None else lost.at_ns] = lost_ns[note.of]
    entered = {note.of: note.at_ns for note in session.notes_of(HANDLER_ENTERED) if note.of is not None}
    for note in session.notes_of(NEVER_RETURNS):
        if note.of in entered:
            found[note.name, note.of, note.at_ns] = entered[note.of], note.at_ns
    came = {event.seq: event.at_ns for event in session.received}
    for of, at_ns in entered.items():
        # A message that waited for the handler: the finding is about when it was begun.
        if of in came and of is not None and at_ns > came[of]:
            found["falls_behind", of, at_ns] = came[of], at_ns
    return found
