"""Audio that was not heard as it came: skipped, cut short, late, or dropped at an interruption; marked below the waveform.

Rules of living here: only what a speaker was noted to play is known. Where that was not judged, or time went by at another speed, nothing
is called lost.
"""

from __future__ import annotations

from typing import Dict, List, Optional

from evi_harness.measure.session_times import Reading
from evi_harness.pages.axis_ms import ms
from evi_harness.replay.hearing.faults import LOST_NS
from evi_harness.replay.hearing.timing import TAIL_NS, UNDERRUN_NS
from evi_harness.session.json_value import Json
from evi_harness.session.notes import CHANGED_AUDIO, HEARD, PLAYS_NOTHING, UNJUDGED_AUDIO, WRONG_AUDIO, WRONG_LENGTH
from evi_harness.session.sounding import Span

__all__ = ["lost_audio"]

# Where the app played it otherwise than it came, no samples say what of it was heard.
_PLAYED_OTHERWISE = (CHANGED_AUDIO, WRONG_AUDIO, WRONG_LENGTH, UNJUDGED_AUDIO)

SKIPPED = "skipped"
CUT = "cut"
LATE = "late"
# As it should be: the user interrupted, or the session was over.
DROPPED = "dropped"
ENDED = "ended"


def lost_audio(reading: Reading) -> List[Dict[str, Json]]:
    """The pieces of a session's audio that were not heard as they came.

    Args:
        reading: The session that a replay yielded, or any other.

    Returns:
        A row each, in time. One that was not heard begins where it would have been; one that was late lasts from then until it was.
    """
    session = reading.session
    over_ns = session.duration_ns
    noted = {note.of: (heard.at_ns, heard.until_ns) for note, heard in session.noted(HEARD) if note.of is not None}
    unknown = any(session.notes_of(kind) for kind in _PLAYED_OTHERWISE)
    axis = session.header.source.get("axis")
    if unknown or (not noted and not session.notes_of(PLAYS_NOTHING)) or (isinstance(axis, dict) and "speed" in axis):
        return []
    found: List[Dict[str, Json]] = []
    free_ns = lost_ns = 0
    for turn in reading.turns:
        interrupted_ns = None if turn.interrupted_by is None else reading.at_ns[turn.interrupted_by]
        for seq in turn.reply:
            length_ns = reading.length_ns(seq)
            if not length_ns:
                continue
            due_ns = max(free_ns, reading.at_ns[seq])
            span = noted.get(seq)
            if span is None:
                begin_ns = max(due_ns, lost_ns)
                lost_ns = begin_ns + length_ns
                if length_ns >= LOST_NS:
                    kind = ENDED if lost_ns > over_ns else _why(lost_ns, interrupted_ns)
                    found.append(_piece(kind, (min(begin_ns, over_ns), min(lost_ns, over_ns)), length_ns, seq, turn.number))
                continue
            if span[0] - due_ns >= UNDERRUN_NS:
                found.append(_piece(LATE, (due_ns, span[0]), span[0] - due_ns, seq, turn.number))
            missing_ns = length_ns - (span[1] - span[0])
            if missing_ns >= LOST_NS:
                until_ns = span[1] + missing_ns
                kind = ENDED if until_ns > over_ns else DROPPED if _why(until_ns, interrupted_ns) == DROPPED else CUT
                found.append(_piece(kind, (span[1], min(until_ns, over_ns)), missing_ns, seq, turn.number))
            free_ns = max(free_ns, span[1])
    return sorted(found, key=lambda one: (one["begin_ms"], one["seq"]))


def _why(end_ns: int, interrupted_ns: Optional[int]) -> str:
    """Whether what was not heard would still have sounded when the user interrupted, or shortly before, or thereafter."""
    return DROPPED if interrupted_ns is not None and end_ns > interrupted_ns - TAIL_NS else SKIPPED


def _piece(kind: str, span: Span, length_ns: int, seq: int, turn: int) -> Dict[str, Json]:
    return {"kind": kind, "begin_ms": ms(span[0]), "end_ms": ms(span[1]), "length_ms": ms(length_ns), "seq": seq, "turn": turn}
