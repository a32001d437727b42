"""Ids that the app makes up: which one in this run stands for which one in the recording.

A protocol may let the client choose the id of what it creates; the service then names it by that id. An app that makes up a new id in each
run waits for that one, and means it later.

Rules of living here: an id is the app's where the app gave it before the service named it; the service's ids stay as they are. Which ids
stand for one another follows from the messages that stand for one another, the latest of them if there are several. A dialect that knows
of no such ids costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from evi_harness.session.events import Event, Frame, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT, Dialect, NamedId, NamesIds
from evi_harness.session.wrapped_dialect import WrappedDialect

__all__ = ["NONE_GIVEN", "AppIds", "GivenIds", "given_in", "in_ids_of", "naming"]

# What an id is of, and the id.
Key = Tuple[str, str]
# In the place of an id of the recording that the app of this run did not give: it equals none.
_NOBODYS = "\x00 an id of another run"
# In the place of an id that a message gives and refers to as well: whatever it is, another message may do the same.
_ITS_OWN = "\x00 the id that it gives"


def naming(dialect: Dialect) -> Optional[NamesIds]:
    """What knows the ids in the messages of a dialect; None where apps choose none."""
    while isinstance(dialect, WrappedDialect):
        dialect = dialect.within
    return dialect if isinstance(dialect, NamesIds) else None


@dataclass(frozen=True)
class GivenIds:
    """The ids that the app gave in a session.

    Attributes:
        by_seq: Those that a sent message gives, by its seq; messages that give none are not there.
        named_by: The received events that name one of them, by seq.
        foreign: Those that the service gave.
    """

    by_seq: Mapping[int, Tuple[NamedId, ...]]
    named_by: FrozenSet[int] = frozenset()
    foreign: FrozenSet[Key] = frozenset()

    @staticmethod
    def of(events: Iterable[Event], sent: Iterable[Sent], names: Optional[NamesIds]) -> GivenIds:
        """Find them.

        Args:
            events: All events of the session, in time.
            sent: Those of the app's messages that may give ids.
            names: Knows the ids in messages; None where there are none.
        """
        given = {} if names is None else {event.seq: given_in(event.frame, names) for event in sent}
        if names is None or not any(given.values()):
            return NONE_GIVEN
        known: Set[Key] = set()
        foreign: Set[Key] = set()
        by_seq: Dict[int, Tuple[NamedId, ...]] = {}
        named_by = set()
        for event in events:
            if isinstance(event, Received):
                keys = {one.key for one in names.named_ids(RECEIVED, event.frame)}
                foreign |= keys - known
                if keys & known:
                    named_by.add(event.seq)
            elif event.seq in given:
                found = tuple(one for one in given[event.seq] if one.key not in foreign)
                known.update(one.key for one in found)
                if found:
                    by_seq[event.seq] = found
        return GivenIds(by_seq, frozenset(named_by), frozenset(foreign))

    @cached_property
    def keys(self) -> FrozenSet[Key]:
        """The ids, each once."""
        return frozenset(one.key for given in self.by_seq.values() for one in given)


NONE_GIVEN = GivenIds({})


def given_in(frame: Frame, names: NamesIds) -> Tuple[NamedId, ...]:
    """The ids that a sent frame gives."""
    return tuple(one for one in names.named_ids(SENT, frame) if one.is_given)


class AppIds:
    """Which id of this run stands for which one of the recording, as far as is known by now.

    Args:
        recorded: The ids that the recorded app gave.
        names: Knows the ids in messages.
    """

    def __init__(self, recorded: GivenIds, names: NamesIds) -> None:
        self._recorded = recorded
        self._names = names
        # The messages of this run that stand for recorded ones: what they give, by the seq of the recorded one, in time.
        self._pairs: Dict[int, Sequence[NamedId]] = {}
        self._to_live: Dict[Key, str] = {}
        self._to_recorded: Dict[Key, str] = {}
        self._compared: Dict[Key, str] = {}

    @property
    def differ(self) -> bool:
        """Whether any id is another one in this run by now."""
        return bool(self._to_live)

    def given(self, frame: Frame) -> Tuple[NamedId, ...]:
        """The ids that a message of this run gives."""
        return given_in(frame, self._names)

    def pair(self, seq: int, given: Sequence[NamedId]) -> None:
        """Take that a message of this run stands for a recorded one.

        Args:
            seq: The recorded one.
            given: The ids that the one of this run gives.
        """
        if seq in self._recorded.by_seq and given:
            self._pairs[seq] = given
            self._learn(seq, given)

    def hand_over(self, first: int, second: int) -> None:
        """Take that what stood for one recorded message stands for another.

        Args:
            first: The one for which it does not stand.
            second: The other.
        """
        given = self._pairs.pop(first, None)
        if given is None:
            return
        for known in (self._to_live, self._to_recorded, self._compared):
            known.clear()
        self._pairs[second] = given
        for seq, one in self._pairs.items():
            self._learn(seq, one)

    def meet(self, recorded: Sequence[NamedId], live: Sequence[NamedId]) -> None:
        """Take that the ids of two frames stand for one another, in their order; only those of the recorded app."""
        own = self._recorded.keys
        for then, now in zip(recorded, live):
            if then.what == now.what and then.key in own:
                self._stand(then.key, now.id)

    def to_live(self, kind: str, frame: Frame) -> Frame:
        """A frame of the recording as it is in this run."""
        return self._names.renamed(kind, frame, self._to_live) if self._to_live else frame

    def to_recorded(self, kind: str, frame: Frame) -> Frame:
        """A frame of this run as it was in the recording."""
        return self._names.renamed(kind, frame, self._to_recorded)

    def compared(self, frame: Frame) -> Frame:
        """A sent frame of this run as it is compared: by the recorded ids; one of the recording that is another one now equals none."""
        return self._names.renamed(SENT, frame, {**self._compared, **_its_own(self.given(frame))})

    def as_compared(self, frame: Frame) -> Frame:
        """A sent frame of the recording as ``compared`` ones are compared with it."""
        return self._names.renamed(SENT, frame, _its_own(self.given(frame)))

    def _learn(self, seq: int, given: Sequence[NamedId]) -> None:
        for what in dict.fromkeys(one.what for one in given):
            then = [one for one in self._recorded.by_seq.get(seq, ()) if one.what == what]
            for recorded, live in zip(then, (one for one in given if one.what == what)):
                self._stand(recorded.key, live.id)

    def _stand(self, recorded: Key, live: str) -> None:
        what, then = recorded
        now = (what, live)
        if now in self._recorded.foreign:
            return
        if live == then:
            self._to_live.pop(recorded, None)
        else:
            self._to_live[recorded] = live
            self._compared.setdefault(recorded, _NOBODYS)
        self._to_recorded[now] = self._compared[now] = then


def _its_own(given: Sequence[NamedId]) -> Dict[Key, str]:
    return {one.key: _ITS_OWN for one in given}


def in_ids_of(other: Sequence[Event], events: Sequence[Event], names: NamesIds) -> List[Event]:
    """Events of one run with the ids of another, in which the same was sent: the n-th frames that were sent stand for one another.

    One id stands for one id: one that would stand for two stands for the first, so that the frames differ.

    Args:
        other: The events of the other run.
        events: The events.
        names: Knows the ids in messages.
    """
    sent = [[event for event in run if isinstance(event, Sent)] for run in (events, other)]
    ours, theirs = (GivenIds.of(run, frames, names).by_seq for run, frames in zip((events, other), sent))
    to_other: Dict[Key, str] = {}
    back: Dict[Key, str] = {}
    for one, another in zip(*sent):
        for then, now in zip(ours.get(one.seq, ()), theirs.get(another.seq, ())):
            is_free = to_other.get(then.key, now.id) == now.id and back.get(now.key, then.id) == then.id
            if then.what == now.what and is_free:
                to_other[then.key], back[now.key] = now.id, then.id
    return [_renamed(event, to_other, names) for event in events]


def _renamed(event: Event, ids: Mapping[Key, str], names: NamesIds) -> Event:
    if not isinstance(event, (Sent, Received)):
        return event
    frame = names.renamed(event.kind, event.frame, ids)
    return event if frame is event.frame else replace(event, frame=frame)
