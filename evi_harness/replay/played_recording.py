"""A recording as a replay uses it: its events on a time axis, and their causes.

What an event answered is found once, on the axis on which it was recorded, since messages speak of that axis (when the user spoke); what
moves the events to another axis, or leaves some of them out, takes the answers along.

Rules of living here: an axis keeps the order, and what was at two times stays at two, a nanosecond apart at least; frames are never
touched; a cause that is left out is replaced by what was there before it, so that nothing waits for what will not come.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import AbstractSet, Callable, Dict, Iterable, Iterator, List, Mapping, Optional

from evi_harness.session.events import TEXT, Event, Frame, Received, Sent, order
from evi_harness.session.position import Positions
from evi_harness.session.protocols import OPENED, POSITION, RECEIVED, Cause, Dialect
from evi_harness.session.session import Session
from evi_harness.session.session_audio import SessionAudio

__all__ = ["AS_RECORDED", "MAX", "Block", "Lengths", "PlayedRecording", "Speed", "blocks", "is_out", "moved", "positions_of"]

# How many times as fast as it was recorded; None for as fast as it goes, where nothing waits but for its cause.
Speed = Optional[Fraction]
AS_RECORDED = Fraction(1)
MAX: Speed = None

_AT_OPEN = Cause(OPENED)
# By how much at most the position of other frames with the same audio at the same times differs for rounding: a time, a length and a sum.
_ROUNDING_NS = 3


@dataclass(frozen=True)
class PlayedRecording:
    """A session and what its events answered.

    Attributes:
        session: The events, on the axis of the replay.
        causes: What each received event, and a close by service or network, answered, by seq; positions are those of this axis.
        speed: How many times as fast as it was recorded the user's audio goes out.
        unhurried: The same session before its speed was changed: what a microphone plays that plays ``speed`` times as fast.
    """

    session: Session
    causes: Mapping[int, Cause]
    speed: Speed
    unhurried: Session

    @staticmethod
    def of(session: Session, dialect: Dialect) -> PlayedRecording:
        """Find what the events of a session answered.

        Args:
            session: The session as it was recorded.
            dialect: What its messages are in.
        """
        session = _without_impossible(session)
        # Nobody can have answered what the app did not get out.
        events = [event for event in session.events if not isinstance(event, Sent) or event.outcome == "sent"]
        causes = dialect.causes(events, session.audio(dialect).frames)
        return PlayedRecording(session, causes, AS_RECORDED, session)


@dataclass(frozen=True)
class Block:
    """One frame of the user's audio that was sent.

    Attributes:
        seq: Its event.
        at_ns: When it was sent.
        length_ns: How long it lasts at the recording's speed, None where that cannot be known.
        position_ns: The position at it.
        format_seq: The frame whose header gives its format: itself, or one before it; None where no header does.
    """

    seq: int
    at_ns: int
    length_ns: Optional[int]
    position_ns: int
    format_seq: Optional[int] = None


class Lengths:
    """How long the user's audio lasts at a speed, frame by frame; at the greatest as long as ever, since there audio alone is a clock.

    What rounding takes from one frame the next one gets, so that all of them together are as long whatever the size of the frames.

    Args:
        speed: How many times as fast the audio goes out as it was spoken.
    """

    def __init__(self, speed: Speed) -> None:
        self._speed = AS_RECORDED if speed is None else speed
        self._changes = speed is not None and speed != 1
        self._spoken_ns = 0

    def next_ns(self, length_ns: Optional[int]) -> Optional[int]:
        """How long the next frame lasts.

        Args:
            length_ns: How long it was spoken, None where that cannot be known.
        """
        # As recorded there is nothing to round, and this is asked for each frame of audio.
        if length_ns is None or not self._changes:
            return length_ns
        before_ns = self._lasts_ns()
        self._spoken_ns += length_ns
        return self._lasts_ns() - before_ns

    def _lasts_ns(self) -> int:
        return self._spoken_ns * self._speed.denominator // self._speed.numerator


def positions_of(audio: SessionAudio, speed: Speed) -> Positions:
    """The position at each frame of the user's audio where it goes out at a speed. Nobody may add to it."""
    if speed is None or speed == 1:
        return audio.positions
    positions, lengths = Positions(), Lengths(speed)
    for event in audio.said:
        positions.add(event.at_ns, lengths.next_ns(audio.length_ns(event.seq)))
    return positions


def is_out(event: Sent) -> bool:
    """Whether the app got a message out."""
    return event.outcome == "sent"


def _without_impossible(session: Session) -> Session:
    """A session in which nothing got out that cannot have, whatever it says.

    That is what stands behind the close, as an importer or another clock may put it, and text that is not UTF-8, on which every service
    closes.
    """
    closed = session.closed

    end = None if closed is None else order(closed)
    impossible = {
        event.seq
        for event in session.sent
        if event.outcome == "sent"
        and ((end is not None and order(event) > end) or (event.frame.opcode == TEXT and not _is_utf8(event.frame)))
    }
    if not impossible:
        return session
    events = [
        replace(event, outcome="failed") if isinstance(event, Sent) and event.seq in impossible else event for event in session.events
    ]
    return replace(session, events=tuple(events))


def _is_utf8(frame: Frame) -> bool:
    """Whether a text frame is what it has to be."""
    if frame.outline.isascii():
        return True
    try:
        frame.outline.decode()
    except UnicodeDecodeError:
        return False
    return True


def blocks(session: Session, dialect: Dialect, speed: Speed) -> List[Block]:
    """The user's audio, frame by frame.

    Args:
        session: The session.
        dialect: What its messages are in.
        speed: How many times as fast the audio goes out as it was spoken.
    """
    positions, lengths, frames = Positions(), Lengths(speed), session.audio(dialect).frames
    found: List[Block] = []
    format_seq: Optional[int] = None
    for event in filter(is_out, session.sent):
        audio = frames.get(event.seq)
        if audio is not None:
            length_ns = lengths.next_ns(audio.length_ns)
            format_seq = event.seq if audio.has_header else format_seq
            found.append(Block(event.seq, event.at_ns, length_ns, positions.add(event.at_ns, length_ns), format_seq))
        elif dialect.sets_audio(dialect.read(event.kind, event.frame)):
            format_seq = None
    return found


def moved(
    recording: PlayedRecording, dialect: Dialect, time: Callable[[int], int], *, left_out: AbstractSet[int] = frozenset(), speed: Speed
) -> PlayedRecording:
    """Put a recording on another axis of time.

    Args:
        recording: The recording.
        dialect: What its messages are in.
        time: The time on the new axis of a time on the old one; never goes back.
        left_out: Events to leave out, by seq. What answered one of them answers what that one answered, in the end the opening; what
            answered audio that is left out answers the audio before it.
        speed: How fast the audio goes out on the new axis.

    Returns:
        The recording on the new axis. Its events come at the new times, or a nanosecond after the one before where two times became one.
    """
    kept = (event for event in recording.session.events if event.seq not in left_out)
    session = replace(recording.session, events=tuple(_on_axis(kept, time)))
    track = _Track(blocks(recording.session, dialect, recording.speed), blocks(session, dialect, speed), speed == recording.speed)
    causes: Dict[int, Cause] = {}
    for event in session.events:
        if event.seq in recording.causes:
            cause = _without(left_out, recording.causes, recording.causes[event.seq])
            causes[event.seq] = track.moved(cause) if cause.kind == POSITION else cause
    unhurried = session if speed == recording.speed else recording.unhurried
    return PlayedRecording(session, causes, speed, unhurried)


def _on_axis(events: Iterable[Event], time: Callable[[int], int]) -> Iterator[Event]:
    before_ns, at_ns = None, -1
    for event in events:
        if event.at_ns != before_ns:
            before_ns, at_ns = event.at_ns, max(time(event.at_ns), at_ns + 1)
        if isinstance(event, Received) and event.taken_ns is not None:
            yield replace(event, at_ns=at_ns, taken_ns=max(at_ns, time(event.taken_ns)))
        else:
            yield event if event.at_ns == at_ns else replace(event, at_ns=at_ns)


def _without(left_out: AbstractSet[int], causes: Mapping[int, Cause], cause: Cause) -> Cause:
    """What a cause comes to where some events are left out."""
    while cause.seq is not None and cause.seq in left_out:
        cause = causes.get(cause.seq, _AT_OPEN) if cause.kind == RECEIVED else _AT_OPEN
    return cause


class _Track:
    """The user's audio before and after; a position is where it was, measured from the end of the block that reached it."""

    def __init__(self, before: List[Block], after: List[Block], is_same_speed: bool) -> None:
        self._before = before
        self._after = after
        self._is_same_speed = is_same_speed
        self._positions = [block.position_ns for block in before]
        kept = {block.seq for block in after}
        self._kept = [index for index, block in enumerate(before) if block.seq in kept]

    def moved(self, cause: Cause) -> Cause:
        assert cause.position_ns is not None
        reached = bisect_left(self._positions, cause.position_ns)
        at = bisect_right(self._kept, reached) - 1
        if at < 0:
            return _AT_OPEN
        block = self._after[at]
        if self._kept[at] != reached:
            return replace(cause, position_ns=block.position_ns)
        behind_ns = self._scaled(self._positions[reached] - cause.position_ns, self._before[reached], block)
        return replace(cause, position_ns=self._within(at, block.position_ns - behind_ns))

    def _within(self, at: int, position_ns: int) -> int:
        """A position so that it is reached with this block and not with the one before, where that can be told."""
        lowest_ns = self._after[at - 1].position_ns + 1 if at else 0
        return min(max(position_ns, lowest_ns), self._after[at].position_ns)

    def _scaled(self, length_ns: int, before: Block, after: Block) -> int:
        if not before.length_ns or after.length_ns is None:
            return 0
        scaled_ns = length_ns * after.length_ns // before.length_ns
        return scaled_ns if self._is_same_speed else scaled_ns + _ROUNDING_NS
