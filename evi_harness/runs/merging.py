"""Merge two sides into one session: the server process's record, and the observations of the app in this process.

Both use the machine's monotonic clock, so their times are comparable. Events on the wire come from the server alone; from the app's side
only the notes are used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Mapping, Sequence

from evi_harness.session.events import Event, Note, Received
from evi_harness.session.notes import SESSION_TIMES

__all__ = ["merged"]


def merged(kept: Sequence[Event], observed: Sequence[Event], ahead_ns: int) -> List[Event]:
    """Bring both sides together in time, with seqs given anew.

    Args:
        kept: The server's events, in the order of writing; none where nobody connected.
        observed: The app's side, in the order of writing. The n-th message that it took is the n-th that the server sent.
        ahead_ns: How long after the server's opening the app's side opened; a little below 0 is possible.

    Returns:
        The events, by time and seq. A note refers to the same event as before. None lies before the opening.
    """
    rows = [_Row(event.at_ns, False, event) for event in kept]
    rows += [_Row(max(0, event.at_ns + ahead_ns), True, event) for event in observed if isinstance(event, Note)]
    # Of what has the same time, the server's comes first: an observation follows what it is about.
    rows.sort(key=lambda row: (row.at_ns, row.is_observed))
    new = {row.event.seq: seq for seq, row in enumerate(rows) if not row.is_observed}
    sent = [event.seq for event in kept if isinstance(event, Received)]
    taken = [event.seq for event in observed if isinstance(event, Received)]
    new_of_taken = {one: new[other] for one, other in zip(taken, sent)}
    return [_placed(row, seq, new_of_taken if row.is_observed else new, ahead_ns) for seq, row in enumerate(rows)]


@dataclass(frozen=True)
class _Row:
    """An event of either side, with its time by the server's opening."""

    at_ns: int
    is_observed: bool
    event: Event


def _placed(row: _Row, seq: int, new: Mapping[int, int], ahead_ns: int) -> Event:
    event = replace(row.event, seq=seq, at_ns=row.at_ns)
    if not isinstance(event, Note):
        return event
    event = event if event.of is None else replace(event, of=new.get(event.of))
    times = {name: max(0, event.data[name] + ahead_ns) for name in SESSION_TIMES if row.is_observed and name in event.data}
    return replace(event, data={**event.data, **times}) if times else event
