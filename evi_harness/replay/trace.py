"""The trace of a replay: its events and notes as lines, so that two runs can be compared byte for byte.

Samples (notes whose data say ``sample``) depend on the machine and are left out, and events are numbered as if none of them were there; all
else must be the same at every run in virtual time, but for ids that the app makes up in each.
"""

from __future__ import annotations

import hashlib
import json
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.app_ids import in_ids_of
from evi_harness.session.events import Closed, Event, Note, Opened, Received, Sent
from evi_harness.session.json_value import Json
from evi_harness.session.notes import is_sample
from evi_harness.session.protocols import NamesIds

__all__ = ["compared", "first_difference", "trace"]


def trace(events: Iterable[Event]) -> List[str]:
    """One line an event, in the order given; frames by digest. ``seq`` is the number of the event among those that are compared."""
    kept = [event for event in events if not is_sample(event)]
    numbers = {event.seq: number for number, event in enumerate(compared(kept))}
    return [_line(event, numbers) for event in kept]


def compared(events: Iterable[Event]) -> List[Event]:
    """The events that are compared, in the order of their numbers."""
    return sorted((event for event in events if not is_sample(event)), key=lambda event: event.seq)


def first_difference(one: Sequence[Event], other: Sequence[Event], names: Optional[NamesIds] = None) -> Optional[Tuple[str, str]]:
    """The first lines in which two traces differ, None where they are identical; an absent line is ``(nothing)``.

    Args:
        one: The events of one run.
        other: Those of the other.
        names: Knows the ids that an app may choose, so that those of one run can replace the other's; None for none.
    """
    found = _first(trace(one), trace(other))
    return found if found is None or names is None else _first(trace(in_ids_of(other, one, names)), trace(other))


def _first(left: List[str], right: List[str]) -> Optional[Tuple[str, str]]:
    for index in range(max(len(left), len(right))):
        pair = _at(left, index), _at(right, index)
        if pair[0] != pair[1]:
            return pair
    return None


def _at(lines: List[str], index: int) -> str:
    return lines[index] if index < len(lines) else "(nothing)"


def _line(event: Event, numbers: Mapping[int, int]) -> str:
    fields: Dict[str, Json] = {"seq": numbers[event.seq], "at_ns": event.at_ns, "event": event.kind}
    if isinstance(event, (Sent, Received)):
        fields["frame"] = event.frame.opcode
        fields["sha256"] = hashlib.sha256(event.frame.payload).hexdigest()
    elif isinstance(event, Note):
        fields.update({"note": event.name, "of": None if event.of is None else numbers.get(event.of, event.of), "data": dict(event.data)})
    elif isinstance(event, Closed):
        fields.update({"by": event.by, "code": event.code, "reason": event.reason})
    elif isinstance(event, Opened):
        fields["path"] = event.handshake.path
        fields["query"] = event.handshake.query
    return json.dumps(fields, sort_keys=True)
