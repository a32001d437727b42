"""Recorded events that did not happen, described by their content rather than their number.

Rules of living here: the most telling first, as the dialect has it; audio is one row, however many messages it came in.
"""

from __future__ import annotations

from typing import AbstractSet, List, Sequence, Tuple

from evi_harness.report.timeline import Row
from evi_harness.session.events import Closed, Event, Received, Sent
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["lost", "lost_text"]

# So many of them are told to people.
_SHOWN = 3
_LAST = 1 << 30


def lost(seqs: Sequence[int], session: Session, dialect: Dialect) -> List[Row]:
    """Events by what they say.

    Args:
        seqs: Which ones.
        session: The recording that they are of.
        dialect: What it is in.

    Returns:
        A row each, the most telling first, else in time; all audio in one, from its first message to its last.
    """
    wanted = set(seqs)
    rows = _told(session, wanted, dialect)
    audio = _audio(session, wanted, dialect)
    return [row for _, row in sorted([*rows, *audio], key=lambda one: (one[0], one[1].at_ns, one[1].seq))]


def lost_text(seqs: Sequence[int], session: Session, dialect: Dialect) -> str:
    """The same in a line: the first few of them, and how many there are besides."""
    rows = lost(seqs, session, dialect)
    shown = [row.what for row in rows[:_SHOWN]]
    more = [f"{len(rows) - len(shown)} more"] if len(rows) > len(shown) else []
    return "; ".join([*shown, *more])


def _told(session: Session, wanted: AbstractSet[int], dialect: Dialect) -> List[Tuple[int, Row]]:
    audio = session.audio(dialect)
    found = []
    for event in session.events:
        if event.seq not in wanted:
            continue
        if isinstance(event, (Sent, Received)) and event not in audio:
            message = dialect.read(event.kind, event.frame)
            found.append((dialect.telling(event.kind, message), _row(event, dialect.describe(event.kind, message))))
        elif isinstance(event, Closed):
            found.append((_LAST, _row(event, f"the close by the {event.by}")))
    return found


def _row(event: Event, what: str) -> Row:
    return Row(event.seq, event.seq, event.at_ns, event.kind, what)


def _audio(session: Session, wanted: AbstractSet[int], dialect: Dialect) -> List[Tuple[int, Row]]:
    """What would have been heard, in one row; none where nothing would."""
    audio = session.audio(dialect)
    found: List[Received] = []
    length_ns = 0
    for event in session.received:
        if event.seq in wanted and event in audio:
            found.append(event)
            length_ns += audio.length_ns(event.seq) or 0
    if not found:
        return []
    n = len(found)
    length = f"{length_ns / 1e9:.2f} s of audio" if length_ns else "audio"
    what = f"{length} in {n} message{'' if n == 1 else 's'}"
    rank = dialect.telling(found[0].kind, dialect.read(found[0].kind, found[0].frame))
    return [(rank, Row(found[0].seq, found[-1].seq, found[0].at_ns, "received", what))]
