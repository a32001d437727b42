"""The ids that an app may choose, and where the messages of the Realtime protocol have them.

An app may give the items that it creates an id, and each of its events. The service then names the item by that id, and the event in the
error that answers it. All other ids are the service's: those of its events, responses, calls, and of items that the app did not create.

Rules of living here: only the places in the table; an id in a text is text. A frame is changed by the places of its bytes, and nothing else
of it is.

Source: section 2 of the protocol's facts, and ``openai.types.realtime`` of the openai package 3.57 (``item.id`` "may be provided by the
client", ``event_id``, ``previous_item_id``, ``error.event_id``, references to items in ``response.input``, ``response.metadata``).
"""

from __future__ import annotations

import json
from typing import Any, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from evi_harness.openai_realtime.realtime_reading import read
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.json_places import Member, members, string_value
from evi_harness.session.protocols import RECEIVED, SENT, NamedId

__all__ = ["EVENT", "ITEM", "named_ids", "renamed"]

# What the ids are of.
ITEM = "item"
EVENT = "event"


class _Place(NamedTuple):
    """Where an id is: the names on the way, "*" for any, through objects and lists of them, and how many of both are around it."""

    names: Tuple[str, ...]
    depth: int
    what: str
    # The type of the messages that give it there; "*" for all, empty for none.
    given_by: str = ""


# What an app attaches to a response, and gets back with it: some attach the id of the event by which they asked for it.
_ATTACHED = _Place(("response", "metadata", "*"), 3, EVENT)
_ITEM_PLACES = (_Place(("item_id",), 1, ITEM), _Place(("previous_item_id",), 1, ITEM))
_PLACES: Mapping[str, Sequence[_Place]] = {
    SENT: (
        _Place(("event_id",), 1, EVENT, given_by="*"),
        _Place(("item", "id"), 2, ITEM, given_by="conversation.item.create"),
        *_ITEM_PLACES,
        _Place(("response", "input", "id"), 4, ITEM),
        _ATTACHED,
    ),
    # What is called event_id beside the type is the service's own.
    RECEIVED: (_Place(("item", "id"), 2, ITEM), *_ITEM_PLACES, _Place(("error", "event_id"), 2, EVENT), _ATTACHED),
}


def named_ids(kind: str, frame: Frame) -> List[NamedId]:
    """The ids in a frame at places where an app may have chosen them; see ``NamesIds``."""
    message = read(kind, frame)
    return [
        NamedId(place.what, value, place.given_by in ("*", message.type))
        for place in _PLACES[kind]
        for value in _values(message.fields, place.names, place.depth)
    ]


def renamed(kind: str, frame: Frame, ids: Mapping[Tuple[str, str], str]) -> Frame:
    """A frame with other ids; see ``NamesIds``."""
    if not any(ids.get(one.key, one.id) != one.id for one in named_ids(kind, frame)):
        return frame
    payload = frame.payload
    try:
        found = list(_found(payload, _PLACES[kind]))
    except ValueError:
        # It can be read, but is not strict JSON: its places are not known.
        return frame
    for what, member in found:
        then = string_value(payload, member.start, member.stop)
        now = ids.get((what, then), then)
        if now != then:
            payload = payload[: member.start] + json.dumps(now).encode() + payload[member.stop :]
    return Frame(TEXT, payload)


def _values(value: Any, names: Sequence[str], depth: int) -> Iterator[str]:
    """The texts at a place in a parsed message."""
    if isinstance(value, list):
        for one in value:
            yield from _values(one, names, depth - 1)
    elif names and isinstance(value, dict):
        for one in value.values() if names[0] == "*" else (value.get(names[0]),):
            yield from _values(one, names[1:], depth - 1)
    elif not names and not depth and isinstance(value, str):
        yield value


def _found(payload: bytes, places: Sequence[_Place]) -> Iterator[Tuple[str, Member]]:
    """The texts at some places in a message's bytes, and what each is the id of, from its end on; of names that are repeated, all."""
    # Backwards, each member comes before those within it.
    around: List[Member] = []
    for member in reversed(list(members(payload))):
        while around and member.start < around[-1].start:
            around.pop()
        around.append(member)
        if payload[member.start : member.start + 1] == b'"':
            yield from ((place.what, member) for place in places if place.depth == member.depth and _leads(place.names, around))


def _leads(names: Sequence[str], around: Sequence[Member]) -> bool:
    """Whether names are those of members that hold one another."""
    return len(names) == len(around) and all(name in ("*", one.name) for name, one in zip(names, around))
