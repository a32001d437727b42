"""Findings: what is wrong in itself, whatever was recorded. Read off the notes of a replay's session.

Rules of living here: a finding is a note that the observing room wrote, made comparable; no judgement is added but which of them ended
the run. The names are those of the notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple

from evi_harness.session.session import Session

__all__ = ["FINDINGS", "Finding", "findings", "recorded_seqs"]

# Kinds of finding, and what each says.
FINDINGS: Mapping[str, str] = {
    "raised": "the handler raised an exception",
    "unparseable": "the installed SDK cannot parse a message",
    "blocked": "the event loop was blocked",
    "plays_on": "the handler played on after an interruption",
}


@dataclass(frozen=True)
class Finding:
    """Something wrong in itself.

    Attributes:
        kind: One of ``FINDINGS``.
        what: One sentence.
        at_ns: When, in live time.
        live_seq: The event of the replay's session it is about, if any.
        recorded_seq: The event of the recording that this one repeats, if any.
        ended: Whether it ended the connection.
        detail: More for people, in lines.
        consequences: Events of the recording that did not happen because of it, by seq; not counted.
    """

    kind: str
    what: str
    at_ns: int
    live_seq: Optional[int] = None
    recorded_seq: Optional[int] = None
    ended: bool = False
    detail: Tuple[str, ...] = ()
    consequences: Tuple[int, ...] = ()


def recorded_seqs(live: Session) -> Dict[int, int]:
    """Which event of the recording each received event of a replay repeats, by seq."""
    found = ((note.of, note.data.get("recorded_seq")) for note in live.notes if note.name == "due")
    return {live_seq: seq for live_seq, seq in found if live_seq is not None and seq is not None}


def findings(live: Session) -> List[Finding]:
    """The findings of a replay, in time.

    Args:
        live: The session that the replay yielded. A note that is a finding has ``what``, and may have ``detail`` and ``ended``.
    """
    repeats = recorded_seqs(live)
    return [
        Finding(
            kind=note.name,
            what=str(note.data["what"]),
            at_ns=note.at_ns,
            live_seq=note.of,
            recorded_seq=None if note.of is None else repeats.get(note.of),
            ended=bool(note.data.get("ended", False)),
            detail=tuple(note.data.get("detail", ())),
        )
        for note in live.notes
        if note.name in FINDINGS
    ]
