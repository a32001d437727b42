"""Expectations: accepted messages that replace the recorded ones, and a recording that expects them.

The modules that play, pair, compare and report get a session whose sent messages are the expected ones, and know nothing else. So an
expected message releases what waited for it, and causes are derived from what is expected.

Rules of living here: received events and audio stay as they were recorded, in time and order. A message that replaces a recorded one keeps
its place; another is put where it was sent, among the received events, on the recording's axis of time. The order of what was sent is
today's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, FrozenSet, List, Optional, Sequence, Tuple

from evi_harness.replay.judging.alignment import DIFFERENT, EQUAL
from evi_harness.replay.judging.deviations import Meeting, compare_sent
from evi_harness.replay.judging.findings import recorded_seqs
from evi_harness.replay.judging.made_up_ids import in_ids_of_the_replay
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.session.events import Event, Handshake, Opened, Received, Sent, order
from evi_harness.session.expectation import Expectation
from evi_harness.session.notes import LEFT_EARLY, OVER_TIME, STUCK, UNMET
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["expectation_of", "expecting", "misplaced", "obstacle"]


def expecting(recorded: Session, expected: Optional[Expectation], dialect: Dialect) -> Session:
    """A recording that expects other messages than the app sent then.

    Args:
        recorded: The recording.
        expected: What is expected, None for what was recorded.
        dialect: What it is in.

    Returns:
        The recording with the expected messages in the place of its own. Its received events, its audio and its notes are untouched.
    """
    if expected is None:
        return recorded
    own = _messages(recorded, dialect)
    events = [event for event in recorded.events if event.seq not in own]
    events = [_asking(event, expected.handshake) for event in events]
    known = replace(recorded.header.recorded, sent=True)
    return replace(
        recorded,
        header=replace(recorded.header, recorded=known),
        events=tuple(sorted([*events, *expected.sent], key=order)),
    )


def misplaced(recorded: Session, expected: Expectation, dialect: Dialect) -> List[int]:
    """The seqs of expected messages that another event of the recording has: a file of another session, or one that was tampered with."""
    taken = {event.seq for event in recorded.events} - _messages(recorded, dialect)
    return [event.seq for event in expected.sent if event.seq in taken]


def obstacle(verdict: Verdict, live: Session) -> Optional[str]:
    """Why what was sent in a replay cannot be accepted: it is not all that the app would send.

    Args:
        verdict: The verdict on the replay.
        live: The session that it yielded.

    Returns:
        A sentence, None where it can be.
    """
    finding = next((finding for finding in verdict.findings if finding.fails), None)
    if finding is not None:
        return f"the replay has a finding ({finding.kind}), and what was sent may be its consequence"
    if live.notes_of(STUCK):
        return "the app was stuck, so it did not send everything that it would have"
    if live.notes_of(OVER_TIME):
        return "the run was ended because it took too long, so the app did not send everything that it would have"
    if live.notes_of(LEFT_EARLY):
        return "the app closed the connection early, so it never got some of the messages that it would have answered"
    given_up = next((facts.awaited for _, facts in live.noted(UNMET) if facts.skipped), None)
    if given_up is not None:
        return (
            f"#{given_up} was waited for and did not come, so what depended on it was not played; what the app would send then is not known"
        )
    return None


def expectation_of(recorded: Session, live: Session, dialect: Dialect, *, handshake_by_app: bool = False) -> Optional[Expectation]:
    """What a replay sent, as what is expected of later ones.

    Args:
        recorded: The recording as it was recorded, whatever was expected in the replay.
        live: The session that the replay yielded.
        dialect: What both are in; what it calls equal stays as it was recorded.
        handshake_by_app: Whether the app itself opened the connection.

    Returns:
        The expectation, None where it is what was recorded.
    """
    messages = _placed(recorded, live, dialect)
    handshake = _handshake(recorded, live, dialect) if handshake_by_app else None
    seqs = _messages(recorded, dialect)
    own = tuple(event for event in recorded.sent if event.seq in seqs)
    if recorded.header.recorded.sent and handshake is None and messages == own:
        return None
    return Expectation(recorded.header.id, messages, handshake)


@dataclass(frozen=True)
class _Message:
    """A message that was sent, and where it may stand in the recording.

    Attributes:
        event: It.
        stands_for: The recorded message that it stands for, None where it stands for none, or elsewhere.
        is_equal: Whether it says the same.
        wished_ns: As long after the received event before it as it was sent, by the recording's clock.
        before_ns: When the received event or the close after it came in the recording, None where neither did.
    """

    event: Sent
    stands_for: Optional[Sent]
    is_equal: bool
    wished_ns: int
    before_ns: Optional[int]


def _placed(recorded: Session, live: Session, dialect: Dialect) -> Tuple[Sent, ...]:
    messages = _in_order(recorded, live, compare_sent(recorded, live, dialect).meetings)
    # The received events name what the app creates by the ids of the recording.
    renamed = in_ids_of_the_replay(recorded, live, dialect)
    next_seq = 1 + max((event.seq for event in recorded.events), default=-1)
    place = (-1, -1)
    placed = []
    for index, one in enumerate(messages):
        kept = one.stands_for
        if kept is not None and order(kept) > place:
            placed.append(kept if one.is_equal else replace(kept, frame=renamed.as_recorded(one.event.frame)))
        else:
            placed.append(Sent(next_seq, _at_ns(messages, index, place[0]), renamed.as_recorded(one.event.frame)))
            next_seq += 1
        place = order(placed[-1])
    return tuple(placed)


def _at_ns(messages: Sequence[_Message], index: int, floor_ns: int) -> int:
    """When a message without a place of its own is sent: not before the message before it, and before what came after it if it can."""
    later = (one.stands_for.at_ns for one in messages[index + 1 :] if one.stands_for is not None)
    bounds = [bound for bound in (messages[index].before_ns, next(later, None)) if bound is not None]
    return max(min([messages[index].wished_ns, *(bound - 1 for bound in bounds)]), floor_ns, 0)


def _in_order(recorded: Session, live: Session, meetings: Sequence[Meeting]) -> List[_Message]:
    """What was sent live, in its order."""
    by_live = {meeting.live_seq: meeting for meeting in meetings if meeting.live_seq is not None}
    then = {event.seq: event for event in recorded.events}
    repeats = recorded_seqs(live)
    # The received event before: when it came in the recording, and when it came live.
    before = (0, 0)
    found = []
    for event, after_ns in zip(live.events, _came_after(recorded, live, then, repeats)):
        if isinstance(event, Received) and event.seq in repeats:
            before = (then[repeats[event.seq]].at_ns, event.at_ns)
        elif isinstance(event, Sent) and event.seq in by_live:
            meeting = by_live[event.seq]
            stands_for = then.get(-1 if meeting.recorded_seq is None else meeting.recorded_seq)
            keeps = meeting.outcome in (EQUAL, DIFFERENT) and isinstance(stands_for, Sent)
            found.append(
                _Message(
                    event=event,
                    stands_for=stands_for if keeps and isinstance(stands_for, Sent) else None,
                    is_equal=meeting.outcome == EQUAL,
                    wished_ns=before[0] + event.at_ns - before[1],
                    before_ns=after_ns,
                )
            )
    return found


def _came_after(recorded: Session, live: Session, then: Dict[int, Event], repeats: Dict[int, int]) -> List[Optional[int]]:
    """For each live event when the next received one after it came in the recording; behind the last of them, when it was closed."""
    after_ns = None if recorded.closed is None else recorded.closed.at_ns
    found: List[Optional[int]] = []
    for event in reversed(live.events):
        found.append(after_ns)
        if isinstance(event, Received) and event.seq in repeats:
            after_ns = then[repeats[event.seq]].at_ns
    return found[::-1]


def _handshake(recorded: Session, live: Session, dialect: Dialect) -> Optional[Handshake]:
    """What was asked for, None where the recording asks for the same."""
    then, now = recorded.handshake, live.handshake
    if then is None or now is None:
        return None
    comparable = dialect.comparable_handshakes(then, now)
    is_same = recorded.header.recorded.sent and comparable[0] == comparable[1]
    return None if is_same else Handshake(now.path, now.query)


def _messages(session: Session, dialect: Dialect) -> FrozenSet[int]:
    """The seqs of what was sent and is not audio."""
    audio = session.audio(dialect)
    sent = [event for event in session.sent if event not in audio]
    return frozenset(event.seq for event in sent if event.outcome == "sent")


def _asking(event: Event, handshake: Optional[Handshake]) -> Event:
    if handshake is None or not isinstance(event, Opened):
        return event
    return replace(event, handshake=Handshake(handshake.path, handshake.query, event.handshake.headers))
