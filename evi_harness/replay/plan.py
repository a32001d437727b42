"""The order within a recording: the steps of the service, and what each waits for.

Worked out once per replay, from the recording alone. Causes are derived here and never stored, so that a better table of causes makes
old recordings better too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Mapping, Optional, Tuple, Union

from evi_harness.replay.app_ids import GivenIds, naming
from evi_harness.replay.pace import at_speed_ns
from evi_harness.replay.played_recording import AS_RECORDED, PlayedRecording, Speed, is_out, positions_of
from evi_harness.session.events import Closed, Event, Received
from evi_harness.session.position import JITTER_NS, Positions
from evi_harness.session.protocols import OPENED, POSITION, Cause, Dialect, Message
from evi_harness.session.session import Session

__all__ = ["Plan", "PlannedStep"]

_AT_OPEN = Cause(OPENED)


@dataclass(frozen=True)
class PlannedStep:
    """One thing that the service did.

    Attributes:
        event: The received event, or the close by service or network.
        cause: What it answered.
        delay_ns: How long after its cause it came.
    """

    event: Union[Received, Closed]
    cause: Cause
    delay_ns: int


@dataclass(frozen=True)
class Plan:
    """A recording, ready to be acted out.

    Attributes:
        steps: What the service did, in time.
        messages: What the app sent but for audio, by seq, in time.
        awaited: Those of them that the service answers.
        prompts: What each sent event answered, by seq.
        events: All events of the recording, by seq.
        positions: The user's audio in the recording.
        close: How the recording ended, None where that is not known.
        speed: How many times as fast as it was recorded the user's audio goes out.
        given_ids: The ids that the app gave.
    """

    steps: Tuple[PlannedStep, ...]
    messages: Dict[int, Message]
    awaited: Tuple[int, ...]
    prompts: Mapping[int, Cause]
    events: Mapping[int, Event]
    positions: Positions
    close: Optional[Closed]
    speed: Speed
    given_ids: GivenIds

    @staticmethod
    def of(recorded: Union[Session, PlayedRecording], dialect: Dialect) -> Plan:
        """Read the plan off a recording.

        Args:
            recorded: The recording: as it was, or on the axis on which it is to be acted out.
            dialect: What its messages are in.
        """
        recording = recorded if isinstance(recorded, PlayedRecording) else PlayedRecording.of(recorded, dialect)
        session, causes = recording.session, recording.causes
        positions, messages = _sent_side(recording, dialect)
        events = {event.seq: event for event in session.events}
        jitter_ns = _jitter_ns(recording.speed)
        steps = [_step(event, causes, events, positions, jitter_ns) for event in session.events if _is_step(event)]
        # An echo's session_settings is awaited though most messages of its type are not answered.
        answered = {cause.seq for cause in causes.values()}
        awaited = tuple(seq for seq, message in messages.items() if dialect.is_awaited(message) or seq in answered)
        return Plan(
            steps=tuple(steps),
            messages=messages,
            awaited=awaited,
            prompts=session.prompts(dialect),
            events=events,
            positions=positions,
            close=session.closed,
            speed=recording.speed,
            given_ids=GivenIds.of(session.events, [event for event in session.sent if event.seq in messages], naming(dialect)),
        )


def _sent_side(recording: PlayedRecording, dialect: Dialect) -> Tuple[Positions, Dict[int, Message]]:
    audio = recording.session.audio(dialect)
    others = (event for event in recording.session.sent if event.seq not in audio.frames and is_out(event))
    return positions_of(audio, recording.speed), {event.seq: dialect.read(event.kind, event.frame) for event in others}


def _jitter_ns(speed: Speed) -> int:
    """How long a late send looks on the axis of the replay; where only the order counts, there are no gaps."""
    return at_speed_ns(JITTER_NS, AS_RECORDED if speed is None else speed)


def _is_step(event: Event) -> bool:
    return isinstance(event, Received) or (isinstance(event, Closed) and event.by != "app")


def _step(event: Event, causes: Mapping[int, Cause], events: Mapping[int, Event], positions: Positions, jitter_ns: int) -> PlannedStep:
    assert isinstance(event, (Received, Closed))
    cause = causes.get(event.seq, _AT_OPEN)
    if cause.position_ns is not None:
        cause = replace(cause, position_ns=positions.behind_gap(cause.position_ns, jitter_ns))
    return PlannedStep(event=event, cause=cause, delay_ns=event.at_ns - _cause_at_ns(cause, events, positions))


def _cause_at_ns(cause: Cause, events: Mapping[int, Event], positions: Positions) -> int:
    if cause.kind == POSITION:
        assert cause.position_ns is not None
        reached = positions.reached_at_ns(cause.position_ns)
        assert reached is not None, "a cause comes before its effect"
        return reached
    return 0 if cause.seq is None else events[cause.seq].at_ns
