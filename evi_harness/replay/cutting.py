"""Cutting: a part of a recording as a session of its own.

What is left is the opening, what sets a session up, what lies between two places, and an end. What sets it up keeps its times; what lies
between the places follows on it at once.

Rules of living here: what sets a session up is kept where it came before the user said anything, and the format of the audio wherever it
was given, by a message or by a frame's header. What answered something that is cut off comes at its time. A call and its answer are kept or
cut off together. Where something is cut off at the end, the session ends there as if the app had closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Dict, Iterator, List, Optional, Set, Tuple

from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.replay.moments import Bound, Moment, beginning_of, end_of
from evi_harness.replay.played_recording import PlayedRecording, blocks, moved
from evi_harness.session.events import Closed, Event, Opened, Received, Sent, order
from evi_harness.session.protocols import POSITION, RECEIVED, Dialect
from evi_harness.session.session import Session

__all__ = ["Window", "cut", "nothing_within"]

_START: Bound = (0, -1)
_END: Bound = (inf, inf)
_CODE = 1000


@dataclass(frozen=True)
class Window:
    """From where to where; both places are within.

    Attributes:
        first: Where it begins; None for the beginning of the session.
        last: Where it ends; None for the end of the session.
    """

    first: Optional[Moment] = None
    last: Optional[Moment] = None


def cut(recording: PlayedRecording, dialect: Dialect, window: Window) -> PlayedRecording:
    """Cut a part out of a recording.

    Args:
        recording: The recording, on the axis on which it was recorded.
        dialect: What its messages are in.
        window: Which part; with no place in it, the recording comes back as it is.

    Returns:
        The part, its events still under their own seqs. A close where none was recorded has a seq behind all others.

    Raises:
        UsageError: A place is not in the recording, or nothing lies between the two.
    """
    if window == Window():
        return recording
    first = _START if window.first is None else beginning_of(window.first, recording, dialect)
    last = _END if window.last is None else end_of(window.last, recording, dialect)
    events = recording.session.events
    kept = {event.seq for event in events if first <= order(event) <= last}
    if not kept:
        raise nothing_within(window, recording.session)
    setting_up, joint_ns = _setting_up(recording, dialect, first)
    kept |= setting_up
    for call in _calls(recording.session, dialect):
        if not call <= kept:
            kept -= call
    # A header gives the format of the audio behind it, too.
    audio = blocks(recording.session, dialect, recording.speed)
    kept |= {block.format_seq for block in audio if block.seq in kept and block.format_seq is not None}
    begins_ns = max(int(first[0]), joint_ns)

    def time(at_ns: int) -> int:
        return min(at_ns, joint_ns) if at_ns < begins_ns else at_ns - begins_ns + joint_ns

    part = moved(recording, dialect, time, left_out={event.seq for event in events} - kept, speed=recording.speed)
    if all(order(event) <= last for event in events):
        return part
    return _closed(part, time(int(last[0])), seq=max(event.seq for event in events) + 1)


def _setting_up(recording: PlayedRecording, dialect: Dialect, first: Bound) -> Tuple[Set[int], int]:
    """What sets the session up before a place, and the time of the last of it that came before the user said anything."""
    users = {turn.user for turn in dialect.turns(recording.session.events)}
    kept: Set[int] = set()
    is_beginning, joint_ns = True, 0
    for event in recording.session.events:
        if order(event) >= first:
            break
        is_beginning = is_beginning and not (event.seq in users or _is_of_the_user(event, recording, dialect))
        if _sets_up(event, dialect, is_beginning):
            kept.add(event.seq)
            joint_ns = event.at_ns if is_beginning else joint_ns
    return kept, joint_ns


def _is_of_the_user(event: Event, recording: PlayedRecording, dialect: Dialect) -> bool:
    """Whether the user has said something by now: the service was asked, or has heard something."""
    if isinstance(event, Sent):
        return dialect.is_awaited(dialect.read(event.kind, event.frame))
    cause = recording.causes.get(event.seq)
    return cause is not None and cause.kind == POSITION


def _sets_up(event: Event, dialect: Dialect, is_beginning: bool) -> bool:
    if isinstance(event, Opened):
        return True
    if not isinstance(event, (Sent, Received)):
        return False
    message = dialect.read(event.kind, event.frame)
    return (is_beginning and dialect.sets_up(message)) or (isinstance(event, Sent) and dialect.sets_audio(message))


def _calls(session: Session, dialect: Dialect) -> Iterator[Set[int]]:
    """Each call that the app answered, with its answers, by seq."""
    events = {event.seq: event for event in session.events}
    answers: Dict[int, List[int]] = {}
    for seq, prompt in session.prompts(dialect).items():
        answer = events[seq]
        if prompt.kind == RECEIVED and prompt.seq is not None and isinstance(answer, Sent):
            identity = _identity(answer, dialect)
            if identity is not None and identity == _identity(events[prompt.seq], dialect):
                answers.setdefault(prompt.seq, []).append(seq)
    for call, found in answers.items():
        yield {call, *found}


def _identity(event: Event, dialect: Dialect) -> Optional[str]:
    assert isinstance(event, (Sent, Received))
    return dialect.identity(dialect.read(event.kind, event.frame))


def _closed(part: PlayedRecording, at_ns: int, seq: int) -> PlayedRecording:
    """The part with an end: the app closes."""
    close = Closed(seq, max(at_ns, part.session.duration_ns), by="app", code=_CODE)
    session = replace(part.session, events=(*part.session.events, close))
    return replace(part, session=session, unhurried=session)


def nothing_within(window: Window, session: Session) -> UsageError:
    """The error of a window of a session in which nothing is."""
    places = [part for place in (window.first, window.last) if place is not None for part in (" ", place.text)]
    return UsageError(
        Words("no event is within", *places),
        where=session.name or None,
        hint=Words(f"The session lasts {session.duration_ns / 1e9:.3f} s; ", Parameter("first"), " comes before ", Parameter("last"), "."),
    )
