"""A session in the ids of another, as a recording in those of a replay: where the app makes up ids, so that the two can be compared.

Rules of living here: the messages that stand for one another are found as they are compared, with all made-up ids left out; what the replay
served is believed before that. A message that stands for none keeps its ids. A session in which nothing is another one is the same object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from evi_harness.replay.app_ids import AppIds, GivenIds, naming
from evi_harness.replay.judging.alignment import align
from evi_harness.replay.judging.findings import recorded_seqs
from evi_harness.replay.judging.pairing import Comparable, comparable
from evi_harness.session.events import Event, Frame, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT, Dialect, NamesIds
from evi_harness.session.session import Session

__all__ = ["Renamed", "in_ids_of_another", "in_ids_of_the_replay"]


@dataclass(frozen=True)
class Renamed:
    """A recording in the ids of a replay.

    Attributes:
        session: The recording; the same object where no id is another one.
        ids: Which id stands for which; None where no id is another one.
    """

    session: Session
    ids: Optional[AppIds] = None

    def as_recorded(self, frame: Frame) -> Frame:
        """A frame that the replay's app sent, in the ids of the recording."""
        return frame if self.ids is None else self.ids.to_recorded(SENT, frame)


def in_ids_of_the_replay(recorded: Session, live: Session, dialect: Dialect) -> Renamed:
    """Put the ids that the app made up in a replay in the place of those that it made up in the recording.

    Args:
        recorded: The recording.
        live: The session that the replay yielded.
        dialect: What both are in.
    """

    def served() -> Dict[int, Frame]:
        by_seq = {event.seq: event.frame for event in live.received}
        return {seq: by_seq[live_seq] for live_seq, seq in recorded_seqs(live).items() if live_seq in by_seq}

    return in_ids_of_another(recorded, live, dialect, served)


def in_ids_of_another(recorded: Session, live: Session, dialect: Dialect, served: Callable[[], Mapping[int, Frame]] = dict) -> Renamed:
    """Put the ids that the app made up in one session in the place of those that it made up in another.

    Args:
        recorded: The other, which is renamed.
        live: The one.
        dialect: What both are in.
        served: Finds the frames that were received in the one in the place of the other's, by seq of these, as far as that is known.
    """
    names = naming(dialect)
    if names is None:
        return Renamed(recorded)
    then, now = _messages(recorded, dialect), _messages(live, dialect)
    given, given_now = GivenIds.of(recorded.events, then, names), GivenIds.of(live.events, now, names)
    if not given.by_seq or not given_now.by_seq:
        return Renamed(recorded)
    pairs = align(_without_ids(then, given, dialect, names), _without_ids(now, given_now, dialect, names))
    stands_for = {
        then[pair.recorded].seq: given_now.by_seq.get(now[pair.live].seq, ())
        for pair in pairs
        if pair.recorded is not None and pair.live is not None
    }
    came = served()
    ids = AppIds(given, names)
    events: List[Event] = []
    for event in recorded.events:
        if isinstance(event, Sent):
            ids.pair(event.seq, stands_for.get(event.seq, ()))
        elif isinstance(event, Received) and event.seq in given.named_by and event.seq in came:
            ids.meet(names.named_ids(RECEIVED, event.frame), names.named_ids(RECEIVED, came[event.seq]))
        events.append(_renamed(event, ids))
    if all(one is other for one, other in zip(events, recorded.events)):
        return Renamed(recorded)
    return Renamed(replace(recorded, events=tuple(events)), ids)


def _renamed(event: Event, ids: AppIds) -> Event:
    if not ids.differ or not isinstance(event, (Sent, Received)):
        return event
    frame = ids.to_live(event.kind, event.frame)
    return event if frame is event.frame else replace(event, frame=frame)


def _messages(session: Session, dialect: Dialect) -> List[Sent]:
    audio = session.audio(dialect).frames
    return [event for event in session.sent if event.seq not in audio and event.outcome == "sent"]


def _without_ids(sent: Sequence[Sent], given: GivenIds, dialect: Dialect, names: NamesIds) -> List[Comparable]:
    """Messages as comparisons see them, with nothing in the place of the ids that the app made up."""
    blank = dict.fromkeys(given.keys, "")
    return [comparable(dialect.read(SENT, names.renamed(SENT, event.frame, blank)), dialect) for event in sent]
